"""Two groups balanced, and three with one covariance: by hand, R, jackknife, simulation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from coopgap.checks.balance import balance, stack, swapped
from coopgap.checks.by_mode import PhoneStudy
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import estimate_contrasts
from coopgap.regression.shares import share_margins

from ..conftest import R, build_rows, by_r


def test_without_covariates_it_is_the_plain_comparison(make_phone):
    data = make_phone(np.random.default_rng(0), zones=20)
    rows = stack(data.members, data.comparison)
    found = balance(rows, ())
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
    found = balance(stack(members, others), ("age",)).margins
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
        found = balance(stack(data.members, data.comparison), ("age",)).margins
        gaps.append(found.member[1] - found.comparison[1])
        direction = np.array([0, 1, 0, -1])
        errors.append(direction @ found.cov @ direction)
    assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(gaps), rel=0.11)
    # The gap is .15 at every age.
    assert np.mean(gaps) == pytest.approx(0.15, abs=3 * np.std(gaps) / 20)


def test_members_at_a_level_without_anybody_are_lost_and_counted(make_rows):
    rows = make_rows({"age": [0, 1, 2, 0, 1, 0]}, [1, 1, 1, 0, 0, 0], [0, 1, 1, 0, 1, 1])
    found = balance(rows, ("age",))
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
        balance(rows, ("a",))


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
        found = estimate_contrasts(balance(rows, ()).margins, rows.levels, 0.90)
        interval = next(value for kind, value in found.items() if kind.is_threshold_gap)
        excluded.append(interval.lower > 0 or interval.upper < 0)
    assert np.mean(excluded) == pytest.approx(0.10, abs=0.028)


def test_degrees_of_freedom_over_sides_by_hand(make_rows):
    # Phone in 6 zones, everybody else in 20 others: variances s / G by side, CR1 of each side.
    rng = np.random.default_rng(10)
    zone = np.concatenate([np.repeat(np.arange(6), 10), np.repeat(np.arange(6, 26), 10)])
    member = zone < 6
    answers = rng.random(260) < rng.uniform(0.2, 0.8, 26)[zone]
    margins = balance(make_rows({}, member, answers, zone=zone), ()).margins
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
    margins = balance(stack(data.members, data.comparison), ("age",)).margins
    once = swapped(margins)
    assert once.member is margins.comparison
    assert once.cov[:3, 3:] == pytest.approx(margins.cov[3:, :3])
    assert swapped(once).cov == pytest.approx(margins.cov)


def test_each_pair_is_the_pair_alone(make_phone):
    data = make_phone(np.random.default_rng(0), n_levels=3, zones=20, young_phone=True)
    joint = data.joint
    for place, group in ((1, data.comparison), (2, data.called)):
        pair = balance(stack(data.members, group), ("age",)).margins
        assert joint.shares[0] == pytest.approx(pair.member)
        assert joint.shares[place] == pytest.approx(pair.comparison)
        pick = np.r_[0:3, 3 * place : 3 * place + 3]
        assert joint.cov[np.ix_(pick, pick)] == pytest.approx(pair.cov)
        assert set(joint.df) == {pair.df} == {19}


def test_the_same_people_by_phone_have_the_same_errors(make_phone):
    data = make_phone(np.random.default_rng(1), zones=25)
    joint = replace(data, phone=data.comparison).joint
    assert joint.shares[1] == pytest.approx(joint.shares[2])
    assert joint.cov[2:4, 4:6] == pytest.approx(joint.cov[2:4, 2:4])


def test_covariance_is_that_of_zones_left_out_one_at_a_time(make_phone):
    # The jackknife over zones rebuilds weights and shares each time and knows nothing of the
    # linearisation; with 40 zones the two differ by some percent.
    rng = np.random.default_rng(2)
    data = with_zones(make_phone(rng, zones=40), rng)
    joint = data.joint
    zones = np.unique(data.in_person.zone)
    again = []
    for zone in zones:
        rest = replace(
            data,
            in_person=data.in_person.take(data.in_person.zone != zone),
            phone=data.phone.take(data.phone.zone != zone),
        )
        again.append(rest.joint.at_least(1)[0])
    away = np.array(again) - np.mean(again, axis=0)
    jackknife = (zones.size - 1) / zones.size * away.T @ away
    _, cov = joint.at_least(1)
    scale = np.sqrt(np.diag(cov))
    assert jackknife / np.outer(scale, scale) == pytest.approx(
        cov / np.outer(scale, scale), abs=0.08
    )
    # Zones move all three answers: what they share is no rounding.
    correlation = cov / np.outer(scale, scale)
    assert correlation[1, 2] > 0.3


def with_zones(data, rng):
    """Zones in which everybody answers alike more than chance has it."""
    tilt = rng.random(40) < 0.5

    def moved(rows):
        flip = rng.random(rows.n) < 0.5
        outcome = np.where(flip, tilt[rows.zone].astype(np.int64), rows.outcome)
        return replace(rows, outcome=outcome)

    return replace(data, in_person=moved(data.in_person), phone=moved(data.phone))


def test_independent_people_have_no_shared_error_without_covariates(make_phone):
    joint = replace(make_phone(np.random.default_rng(3)), covariates=()).joint
    shares, cov = joint.at_least(1)
    sizes = np.array([600, 600, 250])
    assert cov == pytest.approx(np.diag(shares * (1 - shares) / sizes))
    assert np.isinf(joint.df).all()


def test_the_phone_share_has_the_degrees_of_freedom_of_its_own_zones(make_phone):
    data = make_phone(np.random.default_rng(5), zones=20)
    few = replace(data, phone=data.phone.take(data.phone.zone < 7))
    assert replace(few, covariates=()).joint.df.tolist() == [19, 19, 6]


def test_members_that_one_group_lacks_are_left_out_of_both(make_phone):
    data = make_phone(np.random.default_rng(4))
    young = replace(data, phone=data.phone.take(data.phone.factors["age"] < 2))
    joint = young.joint
    kept = data.members.factors["age"] < 2
    assert joint.n_member == kept.sum()
    assert joint.shares[0, 1] == pytest.approx(data.members.outcome[kept].mean())


def infert() -> PhoneStudy:
    """Every third person of the comparison group taken as called, as in borrow.R."""
    frame = pd.read_csv(R / "data" / "infert.csv")
    place = np.arange(len(frame))
    rows = build_rows(
        {"induced": frame["induced"]},
        frame["spontaneous"] > 0,
        frame["case"],
        zone=frame["parity"] * 5 + frame["age"] % 5,
        weight=0.5 + (place % 7) / 4,
    )
    called = ~rows.member & (place % 3 == 2)
    return PhoneStudy(
        in_person=rows.take(~called), phone=rows.take(called), covariates=("induced",)
    )


def test_one_factor_against_totals_of_a_clustered_design_in_r():
    expected = by_r("borrow")["joint"]
    joint = infert().joint
    shares, cov = joint.at_least(1)
    assert joint.df[1] + 1 == expected["n_clusters"]
    # Entropy balancing stops at 1e-10 on the margins; R's jacobian is numerical.
    assert shares == pytest.approx(expected["shares"], rel=1e-7)
    assert cov == pytest.approx(np.array(expected["cov"]), rel=1e-6, abs=1e-9)
