"""Domains: the people of a level, or the members of one against every comparison person."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.domains import domains
from coopgap.families.dispatch import matched_estimate
from coopgap.plan import make_plan
from coopgap.vocabulary import Quantity


@pytest.fixture(scope="module")
def plan():
    return make_plan("peru", only=["trusted_person"])


def matched_gap(rows, chosen):
    """Mean over the chosen members' strata of the difference in shares, by hand."""
    stratum = sum(
        rows.factors[name] * 10**place for place, name in enumerate(("region", "age_band", "sex"))
    )
    members, others = chosen & rows.member, ~rows.member
    total, count = 0.0, 0
    for one in np.unique(stratum[members]):
        here = stratum == one
        if (here & others).any():
            n = int((here & members).sum())
            above = rows.outcome == 1
            total += n * (above[here & members].mean() - above[here & others].mean())
            count += n
    return total / count, count


def test_every_region_and_group_has_a_domain(plan):
    (model,) = plan.models
    names = [name for name, _ in domains(plan.study, model)]
    assert names[:5] == [
        f"region={level}" for level in ("Lima", "Center", "East", "North", "South")
    ]
    assert names[5:7] == ["sex=male", "sex=female"]
    assert names[7:9] == ["coop_type=agrarian", "coop_type=SACCO"]


def test_a_question_of_members_alone_keeps_every_comparison_person(plan):
    (model,) = plan.models
    found = dict(domains(plan.study, model))
    kinds = [name for name in found if name.startswith("coop_type=")]
    assert sum(int(found[name].rows.member.sum()) for name in kinds) == 1004
    for name in kinds:
        assert int((~found[name].rows.member).sum()) == 1003
        assert found[name].domain


def test_its_gap_is_that_of_those_members_matched_anew(plan):
    (model,) = plan.models
    sample = dict(domains(plan.study, model))["coop_type=SACCO"]
    rows = model.rows
    expected, kept = matched_gap(rows, rows.factors["coop_type"] == 1)
    estimate = matched_estimate(sample)
    (gap,) = [
        interval
        for contrast, interval in estimate.intervals.items()
        if contrast.quantity is Quantity.RISK_DIFFERENCE
    ]
    assert gap.estimate == pytest.approx(expected)
    assert int(estimate.people.sum(axis=1)[1]) == kept


def test_a_group_of_both_keeps_its_own_people(plan):
    (model,) = plan.models
    sample = dict(domains(plan.study, model))["sex=male"]
    assert (sample.rows.factors["sex"] == 0).all()
    expected, _ = matched_gap(model.rows, model.rows.factors["sex"] == 0)
    (gap,) = [
        interval
        for contrast, interval in matched_estimate(sample).intervals.items()
        if contrast.quantity is Quantity.RISK_DIFFERENCE
    ]
    assert gap.estimate == pytest.approx(expected)
