"""Leave one place out: each row is the fit on the people who are left."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Check, Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.families.sample import Sample
from coopgap.matching.dispatch import match
from coopgap.study.spec import Matching
from coopgap.survey.records import ModelRows

from .conftest import context_of, rows_of

LABELS = Keys(model="m", outcome="y", levels=("no", "yes"), source="test.csv")


def make_sample(*, carried_by_one=False, zones=True):
    rng = np.random.default_rng(4)
    n, n_zones = 1200, 12
    zone = rng.integers(0, n_zones, n)
    region, sex, member = zone // 4, rng.integers(0, 2, n), rng.random(n) < 0.5
    gap = np.where(zone == 3, 0.85, 0.0) if carried_by_one else np.full(n, 0.2)
    outcome = (rng.random(n) < 0.1 + gap * member).astype(np.int64)
    rows = ModelRows(
        index=np.arange(n),
        outcome=outcome,
        levels=("no", "yes"),
        member=member,
        factors={"region": region, "sex": sex},
        factor_levels={"region": ("A", "B", "C"), "sex": ("male", "female")},
        zone=zone if zones else None,
        weight=np.ones(n),
        dropped=(),
    )
    return Sample(
        rows=rows,
        matched=match(rows, Matching(on=("sex",))),
        covariates=("sex",),
        link="logit",
        strata=("sex",),
    )


def left_out(sample, region="region", keys=LABELS):
    survey = SimpleNamespace(zone_labels=tuple(f"z{k}" for k in range(12)))
    context = context_of(sample, keys=keys, region=region, survey=survey)
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
    whole = next(
        i.estimate
        for c, i in headline_estimate(sample).intervals.items()
        if c.quantity == "risk_difference"
    )
    assert moved.estimate == pytest.approx(whole - found.estimate, abs=1e-12)
    assert found.difference == pytest.approx(-moved.estimate, abs=1e-12)


def test_of_more_levels_the_declared_threshold_is_what_is_fitted_again():
    sample = make_sample()
    rng = np.random.default_rng(1)
    outcome = sample.rows.outcome + (rng.random(sample.rows.n) < 0.4)
    rows = replace(sample.rows, outcome=outcome, levels=("none", "some", "much"))
    sample = replace(sample, rows=rows)
    for at, quantity in ((">=much", "risk_difference"), ("", "superiority")):
        found = left_out(sample, keys=replace(LABELS, levels=rows.levels, at=at))
        again = headline_estimate(sample.take(rows.factors["region"] != 0)).intervals
        (expected,) = [
            one.estimate for c, one in again.items() if (c.quantity, c.category) == (quantity, at)
        ]
        assert (found[0].quantity, found[0].category) == (quantity, at)
        assert found[0].estimate == expected


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
