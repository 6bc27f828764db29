"""Leave one place or type of co-operative out: each row is the fit on the people who are left."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from coopgap.core.vocabulary import Check, Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.families.plan import sample_for
from coopgap.study.spec import Matching, ModelSpec

from .conftest import build_rows, context_of, gap_of, keys_of, rows_of, sample_of, with_outcome


def make_sample(*, carried_by_one=False, zones=True):
    rng = np.random.default_rng(4)
    n, n_zones = 1200, 12
    zone = rng.integers(0, n_zones, n)
    region, sex, member = zone // 4, rng.integers(0, 2, n), rng.random(n) < 0.5
    gap = np.where(zone == 3, 0.85, 0.0) if carried_by_one else np.full(n, 0.2)
    outcome = rng.random(n) < 0.1 + gap * member
    factors = {"region": region, "sex": sex}
    rows = build_rows(factors, member, outcome, zone=zone if zones else None)
    rows.factor_levels["region"] = ("A", "B", "C")
    return sample_of(rows, ("sex",), on=("sex",))


def left_out(sample, region="region", at=""):
    survey = SimpleNamespace(zone_labels=tuple(f"z{k}" for k in range(12)))
    context = context_of(sample, keys=keys_of(sample.rows, at), region=region, survey=survey)
    return [
        row
        for check in (Check.LEAVE_ONE_REGION, Check.LEAVE_ONE_ZONE)
        for row in rows_of(check, context)
    ]


def test_every_place_is_left_out_once_and_the_rest_is_fitted():
    sample = make_sample()
    rows = left_out(sample)
    gaps = [r for r in rows if r.quantity != "influence"]
    regions = [r.variant for r in gaps if r.check == Check.LEAVE_ONE_REGION]
    zones = [r.variant for r in gaps if r.check == Check.LEAVE_ONE_ZONE]
    assert regions == ["without A", "without B", "without C"]
    assert zones == [f"without z{k}" for k in range(12)]
    assert {(r.variant, r.about) for r in rows} == {
        (f"without {place}", place) for place in ("A", "B", "C", *(f"z{k}" for k in range(12)))
    }
    without = sample.take(sample.rows.zone != 5)
    rows_left = without.rows
    weight = without.weight
    above = rows_left.outcome == 1
    shares = [
        np.average(above[side], weights=weight[side])
        for side in (rows_left.member, ~rows_left.member)
    ]
    found = next(r for r in rows if r.variant == "without z5")
    # The regression holds one binary covariate; it moves the weighted difference very little.
    assert found.estimate == pytest.approx(shares[0] - shares[1], abs=0.003)
    assert Verdict.CHANGES not in {r.verdict for r in gaps}
    assert found.difference_lower < found.difference < found.difference_upper
    moved = next(r for r in rows if r.variant == "without z5" and r.quantity == "influence")
    _, whole = gap_of(headline_estimate(sample))
    assert moved.estimate == pytest.approx(whole.estimate - found.estimate, abs=1e-12)
    assert found.difference == pytest.approx(-moved.estimate, abs=1e-12)


def test_of_more_levels_the_declared_threshold_is_what_is_fitted_again():
    sample = make_sample()
    rng = np.random.default_rng(1)
    outcome = sample.rows.outcome + (rng.random(sample.rows.n) < 0.4)
    sample = with_outcome(sample, outcome, levels=("none", "some", "much"))
    for at, quantity in ((">=much", "risk_difference"), ("", "superiority")):
        found = left_out(sample, at=at)
        again = headline_estimate(sample.take(sample.rows.factors["region"] != 0))
        assert (found[0].quantity, found[0].category) == (quantity, at)
        assert found[0].estimate == again.at(at, quantity).estimate


def test_a_gap_that_one_zone_carries_moves_most_without_it():
    rows = left_out(make_sample(carried_by_one=True))
    moves = {
        r.variant: abs(r.estimate)
        for r in rows
        if r.check == Check.LEAVE_ONE_ZONE and r.quantity == "influence"
    }
    assert max(moves, key=moves.get) == "without z3"
    assert moves["without z3"] > 3 * sorted(moves.values())[-2]


def test_without_places_the_check_does_not_apply():
    rows = left_out(make_sample(zones=False), region=None)
    assert [(r.check, r.verdict) for r in rows] == [
        (Check.LEAVE_ONE_REGION, Verdict.NOT_APPLICABLE),
        (Check.LEAVE_ONE_ZONE, Verdict.NOT_APPLICABLE),
    ]


def test_without_a_declared_gap_each_check_says_why():
    sample = make_sample()
    few = sample.take(sample.rows.zone < 4)
    matched = headline_estimate(few)
    assert not matched.intervals
    rows = left_out(few)
    assert [(r.check, r.verdict) for r in rows][-1] == (Check.LEAVE_ONE_ZONE, Verdict.NOT_ASSESSED)
    assert "4 zones are too few" in rows[-1].note
    assert {r.check for r in rows} == {Check.LEAVE_ONE_REGION, Check.LEAVE_ONE_ZONE}
    assert all(r.note and r.estimate is None for r in rows)


NAMES = ("milk", "coffee", "savings")
SPEC = ModelSpec(
    name="m", outcome="y", covariates=(), matching=Matching(method="exact", on=("age",))
)


def make_context(*, types=NAMES, groups=True, strata=1, carried=True, others=False):
    """900 members of three types and 900 others; a gap that only milk has where it is `carried`."""
    rng = np.random.default_rng(8)
    n = 1800
    member, age = np.arange(n) < 900, rng.integers(0, strata, n)
    kind = np.where(member, rng.integers(0, 3, n) % len(types), -1)
    kind = np.where(member & (rng.random(n) < 0.05), -1, kind)
    kind = np.where(others & ~member, 0, kind)
    gap = np.where(kind == 0, 0.6, 0.0) if carried else 0.2 * member
    outcome = (rng.random(n) < 0.2 + 0.05 * age + gap * member).astype(int)
    rows = build_rows({"age": age, "kind": np.maximum(kind, 0)}, member, outcome)
    rows.factors["kind"][:] = kind
    rows.factor_levels["kind"] = types
    variables = {
        name: SimpleNamespace(groups=groups and name == "kind") for name in ("age", "kind")
    }
    sample = sample_for(rows, SPEC)
    return context_of(sample, spec=SPEC, variables=variables)


def by_type(context):
    """Rows by type and quantity."""
    rows = rows_of("leave_one_cooperative", context)
    return {(row.about, row.quantity): row for row in rows}


def test_the_gap_without_a_type_and_its_difference_are_those_of_shares_by_hand():
    context = make_context()
    found, rows = by_type(context), context.rows
    assert [about for about, quantity in found if quantity != "influence"] == list(NAMES)
    kind, yes = rows.factors["kind"], rows.outcome == 1
    for code, name in enumerate(NAMES):
        these, rest = kind == code, rows.member & (kind != code)
        row = found[name, "risk_difference"]
        assert row.variant == f"without kind={name}"
        assert row.estimate == pytest.approx(yes[rest].mean() - yes[~rows.member].mean(), abs=1e-9)
        # All members are a mixture of both: the difference is the part of the type, which another
        # survey would find otherwise, times theirs.
        part = these.sum() / rows.member.sum()
        apart = yes[rest].mean() - yes[these].mean()
        moved = part * apart
        variance = part**2 * sum(yes[side].var() / side.sum() for side in (rest, these))
        variance += apart**2 * part * (1 - part) / rows.member.sum()
        half = stats.norm.ppf(0.975) * np.sqrt(variance)
        assert row.difference == pytest.approx(moved, abs=1e-9)
        limits = (row.difference_lower, row.difference_upper)
        assert limits == pytest.approx((moved - half, moved + half), rel=2e-3)
        assert found[name, "influence"].estimate == pytest.approx(-moved, abs=1e-9)
        assert row.n_smaller == rest.sum()


def test_a_gap_that_one_type_carries_changes_without_it():
    verdicts = {about: row.verdict for (about, _), row in by_type(make_context()).items()}
    assert by_type(make_context())["milk", "risk_difference"].verdict is Verdict.CHANGES
    assert set(verdicts) == set(NAMES)
    even = by_type(make_context(carried=False))
    judged = {row.verdict for (_, quantity), row in even.items() if quantity != "influence"}
    assert Verdict.CHANGES not in judged


def test_whoever_is_left_is_matched_anew():
    context = make_context(strata=4)
    rows = context.rows
    again = headline_estimate(sample_for(rows.take(rows.factors["kind"] != 1), SPEC))
    _, expected = gap_of(again)
    row = by_type(context)["coffee", "risk_difference"]
    numbers = (row.estimate, row.lower, row.upper)
    assert numbers == (expected.estimate, expected.lower, expected.upper)


@pytest.mark.parametrize("how", [{"groups": False}, {"others": True}, {"types": ("milk",)}])
def test_without_types_of_members_alone_it_does_not_apply(how):
    (row,) = rows_of("leave_one_cooperative", make_context(**how))
    assert (row.verdict, row.quantity) == (Verdict.NOT_APPLICABLE, "")
    assert row.family is None
    assert "group of members alone" in row.note
