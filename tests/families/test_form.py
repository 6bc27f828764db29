"""The form of membership in a run: what is fitted, what stands instead, and the rows it gets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coopgap.core.estimate import Keys
from coopgap.core.gap import contrasts
from coopgap.core.vocabulary import Family, IntervalKind, Population, Quantity, Status
from coopgap.families.cumulative import estimate_adjusted, estimate_doubly_robust
from coopgap.families.dispatch import family_estimates, headline_estimate
from coopgap.families.shares import estimate_shares, estimate_unadjusted
from coopgap.study.spec import Fitting
from coopgap.survey.records import ModelRows

from .conftest import make_sample

LEVELS = ("low", "middle", "high")
LABELS = Keys(model="m", outcome="y", levels=LEVELS, source="x.csv")
ALL = (Population.ALL_MEMBERS,)


def make_rows(outcome, member, sex, region, zone=None, weight=None):
    n = outcome.size
    return ModelRows(
        index=np.arange(n),
        outcome=np.asarray(outcome, np.int64),
        levels=LEVELS,
        member=np.asarray(member, bool),
        factors={"sex": np.asarray(sex, np.int64), "region": np.asarray(region, np.int64)},
        factor_levels={"sex": ("male", "female"), "region": ("North", "South")},
        zone=zone,
        weight=np.ones(n) if weight is None else weight,
        dropped=(),
    )


def survey(seed=0, n=900, zones=30):
    """Membership raises the lower threshold alone; members are rarer in the north."""
    rng = np.random.default_rng(seed)
    sex, region = rng.integers(0, 2, (2, n))
    zone = 2 * rng.integers(0, zones // 2, n) + region
    member = rng.random(n) < 0.3 + 0.3 * region
    below = np.column_stack([-0.4 - 0.9 * member, np.full(n, 1.2)]) - 0.4 * sex[:, None]
    outcome = (rng.random(n)[:, None] > 1 / (1 + np.exp(-below))).sum(axis=1)
    return make_rows(outcome, member, sex, region, zone)


def without_members_at_the_top():
    rows = survey()
    return dataclasses.replace(
        rows, outcome=np.where(rows.member & (rows.outcome == 2), 1, rows.outcome)
    )


def crossing():
    """Membership and being a man each draw the cuts together: no member who is one is between."""
    cells = [(0, 0, (45, 10, 45)), (1, 0, (50, 0, 50)), (0, 1, (20, 60, 20)), (1, 1, (30, 40, 30))]
    rows = [
        (level, member, sex)
        for member, sex, counts in cells
        for level, count in enumerate(counts)
        for _ in range(count)
    ]
    outcome, member, sex = np.array(rows).T
    return make_rows(outcome, member, sex, np.arange(outcome.size) % 2)


def gaps(estimate):
    """Intervals of the gaps at thresholds, by category."""
    return {c.category: i for c, i in estimate.intervals.items() if c.is_threshold_gap}


def stratified(rows, level):
    """Members' mean over strata of the difference in shares, and the strata's own."""
    total, above = 0.0, rows.outcome >= level
    for sex in (0, 1):
        for region in (0, 1):
            here = (rows.factors["sex"] == sex) & (rows.factors["region"] == region)
            gap = above[here & rows.member].mean() - above[here & ~rows.member].mean()
            total += gap * (here & rows.member).sum()
    return total / rows.member.sum()


def test_each_form_is_named_and_has_its_coefficients():
    rows = survey(n=4000)
    found = {form: headline_estimate(make_sample(rows, form=form)) for form in ("free", "shares")}
    found["proportional"] = headline_estimate(make_sample(rows), "proportional")
    names = {form: [one.term for one in e.coefficients] for form, e in found.items()}
    covariates, cuts = ["sex=female", "region=South"], ["low|middle", "middle|high"]
    assert names["free"] == [*covariates, "member:>=middle", "member:>=high", *cuts]
    assert names["proportional"] == ["member", *covariates, *cuts]
    assert names["shares"] == []
    for form, estimate in found.items():
        assert estimate.form == form
        assert estimate.fell_back == ""
        assert {row.form for row in estimate.gap_rows()} == {form}
    assert [e.family for e in found.values()] == [
        Family.MATCHED_ORDINAL,
        Family.MATCHED_ORDINAL,
        Family.MATCHED_PROPORTIONAL,
    ]
    # The free form and the shares see no gap at the top; one odds ratio invents one.
    assert gaps(found["free"])[">=high"].lower < 0 < gaps(found["free"])[">=high"].upper
    assert gaps(found["shares"])[">=high"].lower < 0 < gaps(found["shares"])[">=high"].upper
    assert gaps(found["proportional"])[">=high"].lower > 0


def test_other_families_have_no_form():
    sample = make_sample(survey())
    forms = {one.family: one.form for one in family_estimates(sample)}
    with_one = {family for family, form in forms.items() if form}
    assert with_one == {
        Family.ADJUSTED_ORDINAL,
        Family.ADJUSTED_PROPORTIONAL,
        Family.MATCHED_ORDINAL,
        Family.MATCHED_PROPORTIONAL,
    }
    assert forms[Family.ADJUSTED_PROPORTIONAL] == "proportional"
    two = dataclasses.replace(sample.rows, outcome=np.minimum(sample.rows.outcome, 1))
    two = dataclasses.replace(two, levels=("low", "middle"))
    assert {one.form for one in family_estimates(dataclasses.replace(sample, rows=two))} == {""}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (without_members_at_the_top(), "no finite estimate for member"),
        (crossing(), "thresholds cross for "),
    ],
)
def test_shares_stand_in_the_place_of_a_fit_that_is_not_to_be_had(rows, reason):
    sample = make_sample(rows, free=("sex",))
    shares = estimate_shares(sample)
    matched, (adjusted,) = headline_estimate(sample), estimate_adjusted(sample, ALL)
    for found, population in ((matched, Population.MEMBERS), (adjusted, Population.ALL_MEMBERS)):
        assert found.status is Status.OK
        assert found.form == "shares"
        assert found.fell_back.startswith(reason)
        assert found.coefficients == ()
        assert found.population is population
        # All members have a comparison in their own stratum: both are the stratified mean.
        for level in (1, 2):
            interval = gaps(found)[f">={LEVELS[level]}"]
            assert interval.estimate == pytest.approx(stratified(rows, level), abs=1e-12)
            assert interval.std_error > 0
        (row,) = (row for row in found.diagnostics() if row.diagnostic == "shares_instead")
        assert (row.diagnostic, row.family) == ("shares_instead", found.family)
        assert (row.group, row.population) == ("all", population)
        assert row.note == found.fell_back
        assert row.passed is False
    for category, interval in gaps(matched).items():
        assert interval.std_error == pytest.approx(gaps(shares)[category].std_error)
    declared = headline_estimate(make_sample(rows, form="shares"))
    assert declared.fell_back == ""
    assert gaps(declared) == gaps(matched)


def test_the_proportional_form_stays_where_the_free_one_falls_back():
    sample = make_sample(without_members_at_the_top())
    tied = headline_estimate(sample, "proportional")
    assert (tied.form, tied.status, tied.infinite) == ("proportional", Status.OK, ())
    # Of nobody it makes some: that is what the free form does not.
    share = next(c for c in tied.intervals if c.quantity is Quantity.SHARE and c.of_member)
    assert (share.category, tied.intervals[share].estimate > 0.01) == ("high", True)
    free = headline_estimate(sample).intervals[share]
    assert (free.estimate, free.std_error) == (0, 0)


def test_a_share_of_nobody_has_a_row_without_limits():
    found = headline_estimate(make_sample(without_members_at_the_top()))
    rows = [row for row in found.gap_rows() if row.quantity == Quantity.SHARE]
    (top,) = (row for row in rows if row.category == "high" and row.comparator == "")
    assert top.estimate == 0
    assert (top.std_error, top.lower, top.upper, top.interval_kind) == (None,) * 4
    ratios = [row for row in found.gap_rows() if row.quantity == Quantity.RISK_RATIO]
    assert {row.category: row.status for row in ratios}[">=high"] is Status.NOT_ESTIMABLE


def test_doubly_robust_takes_proportional_odds_where_the_free_form_crosses():
    found = estimate_doubly_robust(make_sample(without_members_at_the_top()))
    rows = without_members_at_the_top()
    assert found.status is Status.OK
    share = next(c for c in found.intervals if c.quantity is Quantity.SHARE and c.of_member)
    assert found.intervals[share].estimate == pytest.approx(0, abs=1e-12)
    # Strata are main terms without interaction: near the stratified mean, not equal to it.
    assert gaps(found)[">=middle"].estimate == pytest.approx(stratified(rows, 1), abs=0.01)


def test_joint_rows_stand_beside_the_pointwise_ones():
    sample = make_sample(survey())
    seen = set()
    for found in family_estimates(sample):
        rows = list(found.gap_rows())
        joint = [row for row in rows if row.interval_kind == IntervalKind.JOINT]
        assert len(rows) == len(found.contrasts()) + len(joint)
        assert len(joint) == (0 if found.margins is None else 2)
        keys = [
            (row.family, row.population, row.comparator, row.quantity, row.category) for row in rows
        ]
        assert len(set(keys)) == len(rows) - len(joint)
        with_kind = {(*key, row.interval_kind) for key, row in zip(keys, rows, strict=True)}
        assert len(with_kind) == len(rows)
        assert not with_kind & seen
        seen |= with_kind
        for row in joint:
            (alone,) = (
                one
                for key, one in zip(keys, rows, strict=True)
                if key == keys[rows.index(row)] and one.interval_kind == IntervalKind.CONFIDENCE
            )
            assert row.quantity == Quantity.RISK_DIFFERENCE
            assert row.category.startswith(">=")
            assert (row.estimate, row.std_error) == (alone.estimate, alone.std_error)
            assert row.lower < alone.lower < alone.upper < row.upper
            assert row.p_value > alone.p_value
            assert row.interval_prob == alone.interval_prob


def test_a_threshold_that_nobody_reaches_has_no_joint_row():
    rows = survey()
    rows = dataclasses.replace(rows, outcome=np.minimum(rows.outcome, 1))
    for found in (headline_estimate(make_sample(rows)), estimate_shares(make_sample(rows))):
        written = list(found.gap_rows())
        joint = [row for row in written if row.interval_kind == IntervalKind.JOINT]
        assert [row.category for row in joint] == [">=middle"]
        (top,) = (
            row for row in written if row.quantity == "risk_difference" and row.category == ">=high"
        )
        assert (top.estimate, top.lower, top.interval_kind) == (0, None, None)


def test_two_levels_have_no_joint_rows():
    rows = survey()
    rows = dataclasses.replace(rows, outcome=np.minimum(rows.outcome, 1), levels=("low", "middle"))
    found = headline_estimate(make_sample(rows))
    labels = dataclasses.replace(LABELS, levels=rows.levels)
    assert found.joint == {}
    kinds = {row.interval_kind for row in found.named(labels).gap_rows()}
    assert kinds == {IntervalKind.CONFIDENCE}


def test_rows_of_a_family_that_is_not_estimable_have_no_form_and_no_band():
    rows = survey(zones=4)
    found = headline_estimate(make_sample(rows))
    assert found.status is Status.NOT_ESTIMABLE
    written = list(found.gap_rows())
    assert len(written) == len(contrasts(LEVELS))
    assert {(row.form, row.estimate, row.interval_kind) for row in written} == {("", None, None)}


# What must not matter, for the free form and for shares.

ESTIMATES = {
    "matched free": lambda sample: headline_estimate(sample),
    "matched shares": estimate_shares,
    "adjusted free": lambda sample: next(iter(estimate_adjusted(sample, ALL))),
    "stratified shares": lambda sample: next(
        iter(estimate_adjusted(dataclasses.replace(sample, fitting=Fitting(form="shares")), ALL))
    ),
    "unadjusted, members": lambda sample: estimate_unadjusted(sample, Population.MEMBERS),
    "doubly robust": estimate_doubly_robust,
}


@st.composite
def surveys(draw):
    rows = survey(draw(st.integers(0, 2**32 - 1)), n=draw(st.integers(250, 400)), zones=60)
    rng = np.random.default_rng(rows.n)
    return dataclasses.replace(rows, weight=rng.choice([0.5, 1.0, 2.5], rows.n))


def same(one, other, turn=lambda interval: interval, rel=1e-5):
    for contrast, interval in one.items():
        found, expected = turn(interval), other[contrast]
        assert found.estimate == pytest.approx(expected.estimate, abs=1e-8)
        assert found.std_error == pytest.approx(expected.std_error, rel=rel)


@pytest.mark.parametrize("name", ESTIMATES)
@given(rows=surveys(), seed=st.integers(0, 999), scale=st.floats(0.01, 100))
@settings(max_examples=4, deadline=None)
def test_order_labels_and_scale_of_weights_do_not_matter(name, rows, seed, scale):
    order = np.random.default_rng(seed).permutation(rows.n)
    shuffled = dataclasses.replace(
        rows,
        outcome=rows.outcome[order],
        member=rows.member[order],
        factors={name: 1 - codes[order] for name, codes in rows.factors.items()},
        factor_levels={name: labels[::-1] for name, labels in rows.factor_levels.items()},
        zone=(97 - rows.zone)[order],
        weight=scale * rows.weight[order],
    )
    one, other = (ESTIMATES[name](make_sample(each)) for each in (rows, shuffled))
    assert (one.form, one.fell_back) == (other.form, other.fell_back)
    same(one.intervals, other.intervals)
    same(one.joint, other.joint)


@pytest.mark.parametrize("name", ESTIMATES)
@given(rows=surveys())
@settings(max_examples=4, deadline=None)
def test_reversed_levels_turn_the_gaps(name, rows):
    back = dataclasses.replace(rows, outcome=2 - rows.outcome)
    one, other = (ESTIMATES[name](make_sample(each)) for each in (rows, back))
    # At or above middle is not at or above the other end.
    here, there = gaps(one), gaps(other)
    for category, opposite in ((">=middle", ">=high"), (">=high", ">=middle")):
        assert here[category].estimate == pytest.approx(-there[opposite].estimate, abs=1e-8)
        assert here[category].std_error == pytest.approx(there[opposite].std_error, rel=1e-5)
        joint = next(i for c, i in one.joint.items() if c.category == category)
        turned = next(i for c, i in other.joint.items() if c.category == opposite)
        assert joint.upper == pytest.approx(-turned.lower, abs=2e-4)


@pytest.mark.parametrize("form", ["free", "shares", "proportional"])
@given(rows=surveys())
@settings(max_examples=4, deadline=None)
def test_swapped_groups_turn_the_sign_over_a_population_of_both(form, rows):
    swapped = dataclasses.replace(rows, member=~rows.member)
    one, other = (
        next(iter(estimate_adjusted(make_sample(each, form=form), (Population.POOLED,))))
        for each in (rows, swapped)
    )
    assert one.form == other.form == form
    for category, interval in gaps(one).items():
        assert interval.estimate == pytest.approx(-gaps(other)[category].estimate, abs=1e-8)
        assert interval.std_error == pytest.approx(gaps(other)[category].std_error, rel=1e-5)
