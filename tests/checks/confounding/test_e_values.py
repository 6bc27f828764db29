from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.e_values import e_value, e_value_limit
from coopgap.core.estimate import Keys
from coopgap.core.gap import Margins
from coopgap.core.vocabulary import Family, Population, Status, Verdict
from coopgap.families.estimate import Estimate
from coopgap.regression.shares import share_margins

from ..conftest import context_of, rows_of


def e_value_rows(estimate, keys):
    return rows_of("e_value", context_of(None, estimate, keys=keys))


def test_published_e_values():
    # VanderWeele & Ding (2017): risk ratio 3.9 (1.8, 8.7) gives 7.26 and 3.0.
    assert e_value(3.9) == pytest.approx(7.263, abs=5e-4)
    assert e_value_limit(1.8, 8.7) == pytest.approx(3.0)


def test_e_value_is_where_the_bias_bound_equals_the_ratio():
    # Ding & VanderWeele (2016): the bias is at most E*E/(E + E - 1) for two ratios of E.
    for ratio in (1.1, 2.0, 3.9, 10.0):
        value = e_value(ratio)
        assert value**2 / (2 * value - 1) == pytest.approx(ratio)


def test_e_value_of_a_ratio_below_one_is_that_of_its_inverse():
    assert e_value(0.25) == pytest.approx(e_value(4))
    assert e_value_limit(0.2, 0.5) == pytest.approx(e_value(2))
    assert e_value_limit(0.8, 1.3) == 1
    assert e_value(1.0) == 1


def make_estimate(n_levels, family, seed=0, **changes):
    rng = np.random.default_rng(seed)
    n = 1200
    member = np.arange(n) < 600
    steps = 0.5 + 0.1 * member[:, None] - 0.15 * np.arange(n_levels - 1)
    outcome = (rng.random(n)[:, None] < steps).sum(axis=1)
    margins = share_margins(outcome, member, np.ones(n), n_levels)
    levels = tuple("EDCBA"[:n_levels])
    people = np.array(
        [np.bincount(outcome[side], minlength=n_levels) for side in (~member, member)]
    )
    defaults = {
        "family": family,
        "population": Population.MEMBERS,
        "people": people,
        "margins": margins,
        "keys": Keys(model="m", outcome="y", levels=levels, source="s"),
        "n_sets": 12,
    }
    return (Estimate(**{**defaults, **changes}), defaults["keys"], outcome, member)


def shares(outcome, member, reached):
    """Members' and the others' share of an answer."""
    return tuple(np.mean(reached(outcome[side])) for side in (member, ~member))


def test_each_threshold_is_told_by_the_rarer_answer():
    estimate, labels, outcome, member = make_estimate(4, Family.MATCHED_ORDINAL)
    rows = {(row.quantity, row.category): row for row in e_value_rows(estimate, labels)}
    assert [category for quantity, category in rows if quantity == "e_value"] == [
        ">=B",
        ">=C",
        "<D",
    ]
    p1, p0 = shares(outcome, member, lambda level: level < 1)
    assert p1 + p0 < 1
    # Independent people: the delta method on ln(p1 / p0), by hand.
    error = np.sqrt((1 - p1) / (p1 * member.sum()) + (1 - p0) / (p0 * (~member).sum()))
    ratio = rows["risk_ratio", "<D"]
    assert (ratio.estimate, ratio.std_error) == pytest.approx((p1 / p0, error))
    assert ratio.upper == pytest.approx(p1 / p0 * np.exp(stats.norm.ppf(0.975) * error))
    assert rows["e_value", "<D"].estimate == pytest.approx(e_value(p1 / p0))
    assert rows["e_value", "<D"].lower == pytest.approx(e_value_limit(ratio.lower, ratio.upper))


def test_at_a_declared_threshold_it_alone_is_told():
    estimate, labels, *_ = make_estimate(4, Family.MATCHED_ORDINAL)
    rows = e_value_rows(estimate, replace(labels, at=">=D"))
    assert [(row.quantity, row.category) for row in rows] == [
        ("risk_ratio", "<D"),
        ("e_value", "<D"),
    ]


@pytest.mark.parametrize(("seed", "flip", "rarer"), [(0, False, "E"), (0, True, "D")])
def test_of_two_levels_the_rarer_is_named_whichever_way_they_are_coded(seed, flip, rarer):
    estimate, labels, *_ = make_estimate(2, Family.MATCHED_LOGIT, seed)
    if flip:
        margins = estimate.margins.complement()
        estimate = replace(estimate, margins=margins, people=estimate.people[:, ::-1])
    rows = e_value_rows(estimate, labels)
    assert [row.category for row in rows] == [rarer, rarer]
    plain = e_value_rows(make_estimate(2, Family.MATCHED_LOGIT, seed)[0], labels)
    assert [row.estimate for row in rows] == pytest.approx([row.estimate for row in plain])
    assert [row.lower for row in rows] == pytest.approx([row.lower for row in plain])


def test_at_one_half_reaching_the_threshold_is_told():
    half = Margins(
        member=np.array([0.4, 0.6]), comparison=np.array([0.6, 0.4]), cov=np.eye(4) * 1e-4
    )
    estimate, labels, *_ = make_estimate(2, Family.MATCHED_LOGIT, margins=half)
    assert {row.category for row in e_value_rows(estimate, labels)} == {"D"}


def test_small_counts_have_e_values_and_missing_estimates_none():
    estimate, labels, *_ = make_estimate(
        3, Family.MATCHED_ORDINAL, people=np.array([[600, 595, 5], [500, 90, 10]])
    )
    assert {row.category for row in e_value_rows(estimate, labels)} == {">=C", "<D"}
    blank, labels, *_ = make_estimate(
        2, Family.MATCHED_LOGIT, margins=None, status=Status.NOT_ESTIMABLE, reason="separation"
    )
    (row,) = e_value_rows(blank, labels)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "separation" in row.note
