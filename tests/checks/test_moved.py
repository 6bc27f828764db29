"""Moved answers: each number again from microdata that are moved by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from coopgap.checks.moved import largest_first, latent_moves, movable, moved_margins, shift_moves
from coopgap.families.dispatch import headline_estimate
from coopgap.families.headline import headline_contrast
from coopgap.matching.sample import MatchedSample

from .conftest import build_rows, gap_of, sample_of, with_outcome


def make_sample(rng, *, n=1200, n_levels=2, zones=40, weighted=False):
    age, member = rng.integers(0, 3, n), rng.random(n) < 0.5
    zone = rng.integers(0, zones, n) if zones else None
    eta = 0.3 * age + 0.8 * member
    eta = eta + (rng.normal(0, 0.3, zones)[zone] if zones else 0.0)
    cuts = np.linspace(0.2, 1.8, n_levels - 1)
    outcome = (cuts < (eta + rng.logistic(size=n))[:, None]).sum(axis=1)
    weight = rng.choice([1.0, 2.5], n) if weighted else None
    rows = build_rows({"age": age}, member, outcome, n_levels=n_levels, zone=zone, weight=weight)
    return sample_of(replace(rows, tie=None), std_errors="CR1" if zones else "HC0")


def headline(n_levels):
    return headline_contrast("EDCBA"[:n_levels])


def split_people(sample, shift):
    """Each comparison person once a level, with the share of the weight that ends there.

    The shares are worked out by hand from a fit on the same people, two levels.
    """
    rows, at = sample.rows, movable(sample)
    slopes = at.fit.slopes
    age = rows.factors["age"]
    eta = np.concatenate([[0.0], slopes[1:]])[age] - at.fit.thresholds[0]
    before, after = expit(eta), expit(eta + shift)
    up = np.clip((after - before) / (1 - before), 0, 1)
    down = np.clip((before - after) / before, 0, 1)
    moved = np.where(rows.outcome == 0, up, down) * ~rows.member
    twice = np.concatenate([np.arange(rows.n)] * 2)
    keep = np.concatenate([1 - moved, moved])
    outcome = np.concatenate([rows.outcome, 1 - rows.outcome])
    people = replace(
        rows,
        index=rows.index[twice],
        outcome=outcome,
        member=rows.member[twice],
        factors={"age": age[twice]},
        zone=rows.zone[twice],
        weight=rows.weight[twice] * keep,
    )
    matched = replace(
        sample.matched, weight=sample.matched.weight[twice], set_id=sample.matched.set_id[twice]
    )
    return replace(sample, rows=people, matched=matched).take(keep > 0), moved


@pytest.mark.parametrize("shift", [0.0, 0.4, -0.7])
@pytest.mark.parametrize("weighted", [False, True])
def test_moving_is_fitting_people_who_are_split_by_hand(shift, weighted):
    sample = make_sample(np.random.default_rng(3), weighted=weighted)
    at, one = movable(sample), headline(2)
    moved = moved_margins(at, shift_moves(at, shift))
    halves, share = split_people(sample, shift)
    _, again = gap_of(headline_estimate(halves))
    assert moved.value(one) == pytest.approx(again.estimate, abs=1e-10)
    # The fit on split people knows nothing of the chance who is moved: that variance is added by
    # hand, Σ w² r(1 − r)(u₁ − u₀)², u the influence of an answer. With covariates saturated in
    # the strata that is 1/W for the weighted share of the comparison group.
    assert moved.variance(one) >= again.std_error**2 - 1e-15
    weight = sample.weight[~sample.rows.member]
    part = share[~sample.rows.member]
    chance = np.sum((weight / weight.sum()) ** 2 * part * (1 - part))
    added = 40 / 39 * chance
    # The fit has one membership coefficient, not one an age: influences differ a little from 1/W.
    assert moved.variance(one) - again.std_error**2 == pytest.approx(added, rel=0.03, abs=1e-15)


@pytest.mark.parametrize("n_levels", [2, 4])
@pytest.mark.parametrize("zones", [0, 40])
def test_nothing_moved_is_the_reported_gap(n_levels, zones):
    sample = make_sample(np.random.default_rng(5), n_levels=n_levels, zones=zones)
    at, one = movable(sample), headline(n_levels)
    moved = moved_margins(at, at.nothing())
    reported = headline_estimate(sample).intervals[one]
    assert moved.value(one) == pytest.approx(reported.estimate, abs=1e-12)
    assert moved.variance(one) == pytest.approx(reported.std_error**2, rel=1e-9)


def test_variance_is_that_of_answers_moved_at_random():
    # The mean of the clustered variance over 300 draws of who is moved.
    rng = np.random.default_rng(8)
    sample = make_sample(rng, n=900)
    at, one = movable(sample), headline(2)
    moved = moved_margins(at, shift_moves(at, 0.5))
    share = split_people(sample, 0.5)[1]
    drawn = []
    for _ in range(300):
        moves = rng.random(900) < share
        outcome = np.where(moves, 1 - sample.rows.outcome, sample.rows.outcome)
        _, again = gap_of(headline_estimate(with_outcome(sample, outcome)))
        drawn.append((again.estimate, again.std_error**2))
    values, variances = np.array(drawn).T
    assert abs(values.mean() - moved.value(one)) < 4 * values.std() / 300**0.5
    assert abs(variances.mean() - moved.variance(one)) < 4 * variances.std() / 300**0.5
    halves, _ = split_people(sample, 0.5)
    without = gap_of(headline_estimate(halves))[1].std_error ** 2
    assert abs(variances.mean() - without) > 8 * variances.std() / 300**0.5


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_moves_shift_the_fitted_shares_and_take_no_more_than_there_is(link):
    rng = np.random.default_rng(1)
    eta = np.sort(rng.normal(size=(50, 3)), axis=1)
    scale = {"logit": expit, "probit": stats.norm.cdf, "cloglog": stats.gumbel_l.cdf}[link]

    def shares(at):
        return np.diff(scale(at), axis=1, prepend=0, append=1)

    for shift in (-1.3, 0.0, 0.6):
        moves = latent_moves(eta, shift, link)
        assert (moves >= 0).all()
        np.testing.assert_allclose(moves.sum(axis=2), 1, atol=1e-12)
        after = np.einsum("ca,cab->cb", shares(eta), moves)
        np.testing.assert_allclose(after, shares(eta - shift), atol=1e-12)
        against = np.tril if shift >= 0 else np.triu
        assert (
            not against(np.ones((4, 4)), 1 if shift < 0 else -1)[None]
            .repeat(50, 0)[moves > 1e-12]
            .any()
        )


def test_odds_of_every_cell_are_multiplied_alike():
    eta = logit(np.array([[0.9], [0.5], [0.1]]))
    moves = latent_moves(eta, np.log(2.0))
    above = 1 - np.array([0.9, 0.5, 0.1])
    after = above + (1 - above) * moves[:, 0, 1]
    np.testing.assert_allclose(after / (1 - after), 2 * above / (1 - above), rtol=1e-12)


def test_levels_nobody_has_do_not_break_a_shift():
    moves = latent_moves(np.array([[-np.inf, 0.0, 0.0, np.inf]]), 0.5)
    np.testing.assert_allclose(moves.sum(axis=2), 1)
    assert np.isfinite(moves).all()


def test_weightiest_answers_move_first_and_each_only_once():
    sample = make_sample(np.random.default_rng(2), weighted=True)
    at, one = movable(sample), headline(2)
    start = moved_margins(at, at.nothing())
    for people in (0.0, 10.0, 55.5):
        moves = largest_first(at, start, one, people, 1.0)
        moved = at.answers * (1 - moves[:, [0, 1], [0, 1]])
        assert moved.sum() == pytest.approx(people)
        assert moved[:, 1].sum() == 0
        assert (moved <= at.answers + 1e-12).all()
    # Stops where every answer that can take away from the gap has been moved.
    moves = largest_first(at, start, one, 1e6, 1.0)
    assert (at.answers * (1 - moves[:, [0, 1], [0, 1]])).sum() == at.answers[:, 0].sum()


def test_moves_are_for_the_people_the_matching_kept():
    sample = make_sample(np.random.default_rng(2))
    weight = sample.matched.weight * (sample.rows.factors["age"] > 0)
    some = replace(
        sample,
        matched=MatchedSample(
            method="exact", weight=weight, set_id=sample.matched.set_id, n_sets=2
        ),
    )
    kept = ~sample.rows.member & (sample.rows.factors["age"] > 0)
    assert movable(some).answers.sum() == kept.sum()
