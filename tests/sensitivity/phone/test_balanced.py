from dataclasses import replace

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.core.gap import estimate_contrasts
from coopgap.regression.shares import share_margins
from coopgap.sensitivity.phone.balanced import balanced_margins, swapped
from coopgap.sensitivity.phone.data import stack


def test_without_covariates_it_is_the_plain_comparison(make_phone):
    data = make_phone(np.random.default_rng(0), zones=20)
    rows = stack(data.members, data.comparison)
    found = balanced_margins(rows, ())
    plain = share_margins(rows.outcome, rows.member, rows.weight, 2, rows.zone)
    assert found.margins.member == pytest.approx(plain.member)
    assert found.margins.comparison == pytest.approx(plain.comparison)
    assert found.margins.cov == pytest.approx(plain.cov)
    assert found.margins.df == plain.df == 19


def test_one_covariate_is_direct_standardisation(make_phone):
    # Point and variance by hand: comparison share = sum_a p_a y_a with p_a the members' shares;
    # variance = sum_a p_a^2 y_a(1-y_a)/n_a plus that of the members' shares, var_p(y_a)/n_1.
    data = make_phone(np.random.default_rng(1))
    members, others = data.members, data.comparison
    found = balanced_margins(stack(members, others), ("age",)).margins
    share = np.bincount(members.factors["age"], minlength=3) / members.n
    answers = [others.outcome[others.factors["age"] == level] for level in range(3)]
    means = np.array([part.mean() for part in answers])
    assert found.comparison[1] == pytest.approx(share @ means)
    within = sum(p**2 * part.var() / part.size for p, part in zip(share, answers, strict=True))
    between = (share @ means**2 - (share @ means) ** 2) / members.n
    assert found.cov[3, 3] == pytest.approx(within + between)


def test_standard_error_is_the_spread_of_estimates(make_phone):
    # Both margins move from sample to sample; 400 samples know their spread to 3.5 %.
    rng = np.random.default_rng(2)
    gaps, errors = [], []
    for _ in range(400):
        data = make_phone(rng, n=(150, 150, 10))
        found = balanced_margins(stack(data.members, data.comparison), ("age",)).margins
        gaps.append(found.member[1] - found.comparison[1])
        direction = np.array([0, 1, 0, -1])
        errors.append(direction @ found.cov @ direction)
    assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(gaps), rel=0.11)
    # The gap is .15 at every age.
    assert np.mean(gaps) == pytest.approx(0.15, abs=3 * np.std(gaps) / 20)


def test_members_at_a_level_without_anybody_are_lost_and_counted(make_rows):
    rows = make_rows({"age": [0, 1, 2, 0, 1, 0]}, [1, 1, 1, 0, 0, 0], [0, 1, 1, 0, 1, 1])
    found = balanced_margins(rows, ("age",))
    assert found.lost == {"age=2": 1}
    # Members kept: one of each age; comparison at age 0: half yes, at age 1: yes.
    assert found.margins.member[1] == pytest.approx(0.5)
    assert found.margins.comparison[1] == pytest.approx(0.75)
    assert found.ess == pytest.approx(3**2 / (1.5**2 + 2 * 0.75**2))


def test_few_clusters_are_refused(make_rows):
    # Seven zones in all, but the first group stands in four of them.
    rows = make_rows(
        {"a": [0] * 14}, [1] * 4 + [0] * 10, [0, 1] * 7, zone=[*range(4), *range(7)] + [0] * 3
    )
    with pytest.raises(NotEstimable, match="4 zones on one side"):
        balanced_margins(rows, ("a",))


@pytest.mark.parametrize("few", [6, 8])
def test_intervals_keep_their_size_with_phone_people_in_few_zones(make_rows, few):
    # Nothing differs; zone shares vary by .08. Three Monte Carlo errors of 1,000 at 10 % are .028.
    # With the zones of both modes counted together 15 % of the intervals exclude zero.
    rng = np.random.default_rng([9, few])
    excluded = []
    zone = np.concatenate([np.repeat(np.arange(few), 240 // few), np.repeat(np.arange(100), 10)])
    member = np.arange(zone.size) < 240
    for _ in range(1000):
        chance = np.clip(rng.normal(0.5, 0.08, 100), 0, 1)
        rows = make_rows({}, member, rng.random(zone.size) < chance[zone])
        rows = replace(rows, zone=zone)
        found = estimate_contrasts(balanced_margins(rows, ()).margins, rows.levels, 0.90)
        interval = next(value for kind, value in found.items() if kind.is_threshold_gap)
        excluded.append(interval.lower > 0 or interval.upper < 0)
    assert np.mean(excluded) == pytest.approx(0.10, abs=0.028)


def test_degrees_of_freedom_over_sides_by_hand(make_rows):
    # Phone in 6 zones, everybody else in 20 others: variances s / G by side, CR1 of each side.
    rng = np.random.default_rng(10)
    zone = np.concatenate([np.repeat(np.arange(6), 10), np.repeat(np.arange(6, 26), 10)])
    member = zone < 6
    answers = rng.random(260) < rng.uniform(0.2, 0.8, 26)[zone]
    margins = balanced_margins(make_rows({}, member, answers, zone=zone), ()).margins
    means = np.array([answers[zone == one].mean() for one in range(26)])
    first, other = means[:6].var(ddof=1) / 6, means[6:].var(ddof=1) / 20
    direction = np.array([0, 1, 0, -1])
    assert direction @ margins.cov @ direction == pytest.approx(first + other)
    expected = (first + other) ** 2 / (first**2 / 5 + other**2 / 19)
    assert margins.df_of(direction) == pytest.approx(expected)
    turned = swapped(margins)
    assert turned.df_of(-direction) == pytest.approx(expected)


def test_swapping_twice_changes_nothing(make_phone):
    data = make_phone(np.random.default_rng(3), n_levels=3)
    margins = balanced_margins(stack(data.members, data.comparison), ("age",)).margins
    once = swapped(margins)
    assert once.member is margins.comparison
    assert once.cov[:3, 3:] == pytest.approx(margins.cov[3:, :3])
    assert swapped(once).cov == pytest.approx(margins.cov)
