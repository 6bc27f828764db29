"""Conditional families cut by cut, separated within sets, and with sets that cross zones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Family, Quantity, Status
from coopgap.families.dispatch import family_estimates
from coopgap.families.sample import Sample
from coopgap.families.sets import estimate_conditional
from coopgap.matching.sample import MatchedSample
from coopgap.regression.conditional import (
    conditional_covariance,
    fit_conditional,
    separated_within_sets,
)
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.sets import group_sets
from coopgap.study.spec import LinkName

from .conftest import LEVELS, rows_of

LABELS = Keys(model="m", outcome="y", levels=LEVELS, source="x.csv")
LOGIT: LinkName = "logit"


def in_sets(outcome, member, sets, zone=None, levels=LEVELS, extra=None):
    """People as they stand in sets; `extra` is a covariate that varies within them."""
    factors = {} if extra is None else {"age": extra}
    rows = rows_of(outcome, member, levels=levels, zone=zone, **factors)
    sets = np.asarray(sets, np.int64)
    matched = MatchedSample(
        method="exact", weight=np.ones(rows.n), set_id=sets, n_sets=np.unique(sets).size
    )
    return Sample(rows=rows, matched=matched, covariates=tuple(factors), link=LOGIT, strata=())


def pairs(seed=0, n=400):
    rng = np.random.default_rng(seed)
    level = rng.normal(size=n)
    ours = np.digitize(level + 0.8 + rng.logistic(size=n), [-0.5, 1.2])
    theirs = np.digitize(level + rng.logistic(size=n), [-0.5, 1.2])
    member = np.tile([True, False], n)
    return np.column_stack([ours, theirs]).ravel(), member, np.repeat(np.arange(n), 2)


def discordant(outcome, member, level):
    """Pairs in which the member alone stands at or above a level, and the other alone."""
    ours, theirs = outcome[member] >= level, outcome[~member] >= level
    return int((ours & ~theirs).sum()), int((~ours & theirs).sum())


def test_each_cut_of_pairs_is_log_b_over_c():
    outcome, member, sets = pairs()
    found = estimate_conditional(in_sets(outcome, member, sets))
    named = {item.term: item.interval for item in found.coefficients}
    assert list(named) == ["member", "member:>=middle", "member:>=high"]
    rows = {row.category: row for row in found.gap_rows()}
    assert list(rows) == ["", ">=high", ">=middle"]
    assert {row.quantity for row in rows.values()} == {Quantity.CUMULATIVE_ODDS_RATIO}
    assert {row.form for row in rows.values()} == {""}
    for level, cut in zip((1, 2), found.cuts, strict=True):
        b, c = discordant(outcome, member, level)
        interval, row = named[f"member:{cut.category}"], rows[cut.category]
        assert cut.n_sets == row.n_sets == b + c
        assert interval.estimate == pytest.approx(np.log(b / c), abs=1e-10)
        # Independent pairs: the standard error of log(b/c).
        error = np.sqrt(1 / b + 1 / c)
        assert interval.std_error == pytest.approx(error, rel=1e-8)
        assert (row.estimate, row.std_error) == pytest.approx((b / c, error), rel=1e-8)
        assert np.log(row.upper / row.estimate) == pytest.approx(1.959963985 * error, rel=1e-6)
    ends = [cut.log_odds.estimate for cut in found.cuts]
    assert min(ends) < named["member"].estimate < max(ends)
    x = member[:, None].astype(float)
    whole = fit_conditional(x, np.eye(3, dtype=np.int64)[outcome], sets)
    assert [cut.n_sets for cut in found.cuts] == whole.discordant_by_cut.tolist()
    # A pair is discordant where its two people stand at different levels.
    assert rows[""].n_sets == (outcome[member] != outcome[~member]).sum()


def test_dummies_of_pairs_in_a_cumulative_logit_double_the_estimate():
    """Why conditional fits exist: a level for each pair, estimated, makes twice log(b/c)."""
    outcome, member, sets = pairs(n=60)
    outcome = (outcome >= 1).astype(np.int64)
    b, c = discordant(outcome, member, 1)
    speak = np.isin(sets, np.flatnonzero(outcome[member] != outcome[~member]))
    kept = np.unique(sets[speak])
    x = np.column_stack([member[speak], sets[speak][:, None] == kept[1:]]).astype(float)
    dummies = fit_ordinal(x, np.eye(2)[outcome[speak]])
    assert dummies.slopes[0] == pytest.approx(2 * np.log(b / c), abs=1e-6)
    found = estimate_conditional(in_sets(outcome, member, sets, levels=("no", "yes")))
    assert [item.term for item in found.coefficients] == ["member"]
    assert found.coefficients[0].interval.estimate == pytest.approx(np.log(b / c), abs=1e-10)
    # Two levels have no cuts of their own, and one row.
    assert found.cuts == ()
    labels = dataclasses.replace(LABELS, levels=("no", "yes"))
    (row,) = found.named(labels).gap_rows()
    assert (row.quantity, row.category) == (Quantity.ODDS_RATIO, "")


def test_strata_of_thousands_agree_with_a_level_for_each():
    """Where strata are large, their levels may be estimated too: the slopes meet as 1/n."""

    rng = np.random.default_rng(3)
    n = 40_000
    sets, member = rng.integers(0, 8, n), rng.random(n) < 0.5
    outcome = np.digitize(0.4 * member + 0.1 * sets + rng.logistic(size=n), [-0.5, 1.2])
    found = estimate_conditional(in_sets(outcome, member, sets, zone=np.arange(n) % 50))
    cell = 8 * member + sets
    people = np.array([np.bincount(cell[outcome == level], minlength=16) for level in range(3)])
    x = np.column_stack([np.arange(16) // 8, np.arange(16)[:, None] % 8 == np.arange(1, 8)])
    for level, cut in zip((1, 2), found.cuts, strict=True):
        assert cut.n_sets == 8
        above, below = people[level:].sum(axis=0), people[:level].sum(axis=0)
        plain = fit_ordinal(x.astype(float), np.column_stack([below, above]).astype(float))
        assert cut.log_odds.estimate == pytest.approx(plain.slopes[0], rel=1e-3)


def test_a_cut_says_how_many_sets_speak_and_may_be_separated_or_empty():
    outcome, member, sets = pairs()
    outcome[outcome == 2] = 1
    empty = estimate_conditional(in_sets(outcome, member, sets))
    assert [(cut.n_sets, cut.reason) for cut in empty.cuts][1] == (0, "no discordant set")
    rows = {row.category: row for row in empty.gap_rows()}
    high, middle, pooled = rows[">=high"], rows[">=middle"], rows[""]
    assert (high.status, high.n_sets, high.estimate) == (Status.NOT_ESTIMABLE, 0, None)
    assert middle.status is Status.OK
    # All that is pooled is the one cut that speaks.
    assert pooled.n_sets == middle.n_sets
    assert pooled.estimate == pytest.approx(middle.estimate)
    outcome[:2] = (2, 0)  # one member alone stands highest
    found = estimate_conditional(in_sets(outcome, member, sets))
    first, second = (row for row in found.diagnostics() if row.diagnostic == "discordant_sets")
    assert {row.family for row in (first, second)} == {"conditional_ordinal"}
    assert (first.category, second.category) == (">=middle", ">=high")
    assert first.value > 100
    assert second.value == 1
    assert second.note == "separation within sets: no finite estimate for member"
    assert [row.term for row in found.coefficient_rows()] == ["member", "member:>=middle"]
    (row,) = (row for row in found.gap_rows() if row.category == ">=high")
    assert (row.status, row.n_sets, row.estimate) == (Status.NOT_ESTIMABLE, 1, None)


def test_separation_within_sets_names_its_terms():
    rng = np.random.default_rng(5)
    sets = np.repeat(np.arange(60), 4)
    member, age = np.tile([True, True, False, False], 60), np.tile([0, 1, 0, 1], 60)
    by_age = in_sets(np.where(age == 1, 2, rng.integers(0, 2, 240)), member, sets, extra=age)
    (found,) = (one for one in family_estimates(by_age) if one.family is Family.CONDITIONAL_ORDINAL)
    assert found.status is Status.NOT_ESTIMABLE
    assert found.reason == "separation within sets: no finite estimate for age=old"
    by_group = in_sets(np.where(member, 2, rng.integers(0, 2, 240)), member, sets, extra=age)
    with pytest.raises(NotEstimable, match=r"no finite estimate for member$"):
        estimate_conditional(by_group)


def test_the_programme_finds_separation_where_the_fit_has_no_maximum_and_only_there():
    rng = np.random.default_rng(11)
    seen = {True: 0, False: 0}
    for _ in range(70):
        sets = np.repeat(np.arange(4), 3)
        x = rng.integers(0, 2, (12, 2)).astype(float)
        counts = np.eye(3, dtype=np.int64)[rng.integers(0, 3, 12)]
        try:
            fit_conditional(x, counts, sets, terms=("a", "b"))
            finite = True
        except NotEstimable as error:
            if any(word in error.reason for word in ("discordant", "constant", "told apart")):
                continue  # refused for what is no separation
            finite = False
        found = separated_within_sets(group_sets(x, counts, sets), ("a", "b"))
        assert (found == ()) == finite
        seen[finite] += 1
    assert min(seen.values()) > 5


def crossing_zones(seed, n_zones=40, a_zone=15):
    """Strata of age, zones with intercepts and gaps of their own, members unevenly spread."""
    rng = np.random.default_rng(seed)
    zone = np.repeat(np.arange(n_zones), a_zone)
    n = zone.size
    strata = rng.integers(0, 12, n)
    member = rng.random(n) < np.clip(0.5 + rng.normal(0, 0.15, n_zones), 0.2, 0.8)[zone]
    gaps, levels = 0.5 + rng.normal(0, 0.3, n_zones), rng.normal(0, 0.5, n_zones)
    latent = levels[zone] + gaps[zone] * member + 0.1 * strata + rng.logistic(size=n)
    return np.digitize(latent, [-0.2, 1.5]), member, strata, zone


@pytest.mark.parametrize("seed", [1, 2])
def test_sets_that_cross_zones_agree_with_zones_drawn_again_and_rematched(seed):
    """Exact strata: a resample of zones is matched anew by taking its people by stratum."""
    outcome, member, strata, zone = crossing_zones(seed)
    x, counts = member[:, None].astype(float), np.eye(3, dtype=np.int64)[outcome]
    fit = fit_conditional(x, counts, strata)
    linear = conditional_covariance(fit, x, counts, strata, zone).cov[0, 0] ** 0.5
    rng = np.random.default_rng(100 + seed)
    slopes = []
    for _ in range(200):
        drawn = np.bincount(rng.integers(0, 40, 40), minlength=40)[zone]
        again = fit_conditional(x, counts * drawn[:, None], strata)
        slopes.append(again.slopes[0])
    # The spread of 200 draws is known to 5 percent; zones drawn twice bring another 5.
    assert linear / np.std(slopes, ddof=1) == pytest.approx(1.0, abs=0.15)
