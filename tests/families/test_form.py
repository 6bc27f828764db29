"""The form of membership in a run: what is fitted, what stands instead, and the rows it gets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coopgap.core.gap import contrasts
from coopgap.core.vocabulary import Family, IntervalKind, Population, Quantity, Status
from coopgap.families.cumulative import estimate_adjusted, estimate_doubly_robust
from coopgap.families.dispatch import family_estimates, headline_estimate
from coopgap.families.shares import estimate_shares, estimate_unadjusted
from coopgap.study.spec import Fitting

from .conftest import LEVELS, gaps, make_sample, people_of, rows_of, stratified_gap, uneven

ALL = (Population.ALL_MEMBERS,)


def survey(seed=0, n=900, zones=30):
    return uneven(seed, n, zones, shift=0.9)


def without_members_at_the_top():
    rows = survey()
    at_top = rows.member & (rows.outcome == 2)
    return dataclasses.replace(rows, outcome=np.where(at_top, 1, rows.outcome))


def crossing():
    """Membership and being a man each draw the cuts together: no member who is one is between."""
    cells = [(0, 0, (45, 10, 45)), (1, 0, (50, 0, 50)), (0, 1, (20, 60, 20)), (1, 1, (30, 40, 30))]
    outcome, member, sex = people_of(cells)
    return rows_of(outcome, member, sex=sex, region=np.arange(outcome.size) % 2)


def top_share(estimate):
    return next(c for c in estimate.intervals if c.quantity is Quantity.SHARE and c.of_member)


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
        assert (estimate.form, estimate.fell_back) == (form, "")
        assert {row.form for row in estimate.gap_rows()} == {form}
    families = [Family.MATCHED_ORDINAL] * 2 + [Family.MATCHED_PROPORTIONAL]
    assert [e.family for e in found.values()] == families
    # The free form and the shares see no gap at the top; one odds ratio invents one.
    for form in ("free", "shares"):
        assert gaps(found[form])[">=high"].lower < 0 < gaps(found[form])[">=high"].upper
    assert gaps(found["proportional"])[">=high"].lower > 0


def test_other_families_have_no_form():
    sample = make_sample(survey())
    forms = {one.family: one.form for one in family_estimates(sample)}
    ends = ("ordinal", "proportional")
    with_one = {f"{kind}_{end}" for kind in ("adjusted", "matched") for end in ends}
    assert {family for family, form in forms.items() if form} == with_one
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
    matched, (adjusted,) = headline_estimate(sample), estimate_adjusted(sample, ALL)
    for found, population in ((matched, Population.MEMBERS), (adjusted, Population.ALL_MEMBERS)):
        assert (found.status, found.form) == (Status.OK, "shares")
        assert found.fell_back.startswith(reason)
        assert (found.coefficients, found.population) == ((), population)
        # All members have a comparison in their own stratum: both are the stratified mean.
        for level in (1, 2):
            interval = gaps(found)[f">={LEVELS[level]}"]
            assert interval.estimate == pytest.approx(stratified_gap(rows, level), abs=1e-12)
            assert interval.std_error > 0
        (row,) = (row for row in found.diagnostics() if row.diagnostic == "shares_instead")
        assert (row.family, row.group, row.population) == (found.family, "all", population)
        assert (row.note, row.passed) == (found.fell_back, False)
    shares = gaps(estimate_shares(sample))
    for category, interval in gaps(matched).items():
        assert interval.std_error == pytest.approx(shares[category].std_error)
    declared = headline_estimate(make_sample(rows, form="shares"))
    assert declared.fell_back == ""
    assert gaps(declared) == gaps(matched)


def test_of_nobody_at_the_top_only_proportional_odds_make_some():
    rows = without_members_at_the_top()
    sample = make_sample(rows)
    tied, free = headline_estimate(sample, "proportional"), headline_estimate(sample)
    assert (tied.form, tied.status, tied.infinite) == ("proportional", Status.OK, ())
    share = top_share(tied)
    assert (share.category, tied.intervals[share].estimate > 0.01) == ("high", True)
    assert (free.intervals[share].estimate, free.intervals[share].std_error) == (0, 0)
    written = list(free.gap_rows())
    (top,) = (
        row
        for row in written
        if (row.quantity, row.category, row.comparator) == (Quantity.SHARE, "high", "")
    )
    assert (top.estimate, top.std_error, top.lower, top.interval_kind) == (0, None, None, None)
    ratios = {row.category: row.status for row in written if row.quantity == Quantity.RISK_RATIO}
    assert ratios[">=high"] is Status.NOT_ESTIMABLE
    # Doubly robust takes proportional odds where the free form crosses.
    robust = estimate_doubly_robust(sample)
    assert robust.status is Status.OK
    assert robust.intervals[share].estimate == pytest.approx(0, abs=1e-12)
    # Strata are main terms without interaction: near the stratified mean, not equal to it.
    assert gaps(robust)[">=middle"].estimate == pytest.approx(stratified_gap(rows), abs=0.01)


def test_joint_rows_stand_beside_the_pointwise_ones():
    seen = set()
    for found in family_estimates(make_sample(survey())):
        rows = list(found.gap_rows())
        pointwise = {
            (row.family, row.population, row.comparator, row.quantity, row.category): row
            for row in rows
            if row.interval_kind != IntervalKind.JOINT
        }
        joint = [row for row in rows if row.interval_kind == IntervalKind.JOINT]
        assert len(pointwise) + len(joint) == len(rows)
        assert len(pointwise) == len(found.contrasts())
        assert len(joint) == (0 if found.margins is None else 2)
        assert not pointwise.keys() & seen
        seen |= pointwise.keys()
        assert {row.status for row in rows} == {Status.OK}
        assert None not in {row.estimate for row in rows}
        for row in joint:
            alone = pointwise[
                row.family, row.population, row.comparator, row.quantity, row.category
            ]
            assert row.quantity == Quantity.RISK_DIFFERENCE
            assert row.category.startswith(">=")
            assert (row.estimate, row.std_error) == (alone.estimate, alone.std_error)
            assert row.lower < alone.lower < alone.upper < row.upper
            assert row.p_value > alone.p_value
            assert row.interval_prob == alone.interval_prob


def test_rows_of_what_nobody_reaches_or_what_is_not_estimable_have_no_band():
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
    few = headline_estimate(make_sample(survey(zones=4)))
    assert few.status is Status.NOT_ESTIMABLE
    written = list(few.gap_rows())
    assert len(written) == len(contrasts(LEVELS))
    assert {(row.form, row.estimate, row.interval_kind) for row in written} == {("", None, None)}


# What must not matter, for the free form and for shares.

ESTIMATES = {
    "matched free": headline_estimate,
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


def close(found, expected, sign=1):
    assert found.estimate == pytest.approx(sign * expected.estimate, abs=1e-8)
    assert found.std_error == pytest.approx(expected.std_error, rel=1e-5)


@pytest.mark.parametrize("name", ESTIMATES)
@given(rows=surveys(), seed=st.integers(0, 999), scale=st.floats(0.01, 100))
@settings(max_examples=4, deadline=None)
def test_order_labels_weights_and_the_direction_of_levels_do_not_matter(name, rows, seed, scale):
    order = np.random.default_rng(seed).permutation(rows.n)
    shuffled = dataclasses.replace(
        rows.take(order),
        factors={name: 1 - codes[order] for name, codes in rows.factors.items()},
        factor_levels={name: labels[::-1] for name, labels in rows.factor_levels.items()},
        zone=(97 - rows.zone)[order],
        weight=scale * rows.weight[order],
    )
    back = dataclasses.replace(rows, outcome=2 - rows.outcome)
    one, other, turned = (ESTIMATES[name](make_sample(each)) for each in (rows, shuffled, back))
    assert (one.form, one.fell_back) == (other.form, other.fell_back)
    for mine, theirs in ((one.intervals, other.intervals), (one.joint, other.joint)):
        for contrast, interval in mine.items():
            close(theirs[contrast], interval)
    # At or above middle is not at or above the other end.
    here, there = gaps(one), gaps(turned)
    bands = [{c.category: i for c, i in each.joint.items()} for each in (one, turned)]
    for category, opposite in ((">=middle", ">=high"), (">=high", ">=middle")):
        close(here[category], there[opposite], -1)
        upper = bands[0][category].upper
        assert upper == pytest.approx(-bands[1][opposite].lower, abs=2e-4)


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
        close(interval, gaps(other)[category], -1)
