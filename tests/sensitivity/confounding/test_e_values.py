import numpy as np
import pytest

from coopgap.families.records import FamilyEstimate
from coopgap.families.rows import Labels
from coopgap.gap import Margins, estimate_contrasts, share_margins
from coopgap.sensitivity.confounding.e_values import (
    complement_ratio,
    e_value,
    e_value_limit,
    e_value_rows,
)
from coopgap.vocabulary import Family, Population, Quantity, Status, Verdict


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


@pytest.mark.parametrize("p1", [0.40, 0.28, 0.2700001, 0.27, 0.05])
def test_complement_ratio_is_the_ratio_of_the_reversed_outcome(p1):
    p0 = 0.27
    cov = np.array([[4e-4, 1e-4], [1e-4, 3e-4]])

    def margins(flip):
        share = np.array([[1 - p1, p1], [1 - p0, p0]])
        step = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])
        full = step @ cov @ step.T
        if flip:
            share, order = share[:, ::-1], [1, 0, 3, 2]
            full = full[np.ix_(order, order)]
        return Margins(member=share[0], comparison=share[1], cov=full, df=99)

    def by_quantity(flip):
        found = estimate_contrasts(margins(flip), ("no", "yes"))
        return {contrast.quantity: interval for contrast, interval in found.items()}

    plain, reversed_ = by_quantity(False), by_quantity(True)[Quantity.RISK_RATIO]
    found = complement_ratio(
        (p1, p0),
        plain[Quantity.RISK_DIFFERENCE],
        plain[Quantity.RISK_RATIO],
        plain[Quantity.ODDS_RATIO],
    )
    # Nearly parallel gradients lose digits: 1e-5 relative is far below what is printed.
    assert found[:4] == pytest.approx(reversed_[:4], rel=1e-5)


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
        "intervals": estimate_contrasts(margins, levels),
        "n_sets": 12,
    }
    return (
        FamilyEstimate(**{**defaults, **changes}),
        Labels(model="m", outcome="y", levels=levels, source="s"),
        outcome,
        member,
    )


def test_e_value_rows_give_both_codings_of_each_threshold():
    estimate, labels, outcome, member = make_estimate(4, Family.MATCHED_ORDINAL)
    rows = e_value_rows(estimate, labels)
    assert [(row.quantity, row.category) for row in rows if row.quantity == "e_value"] == [
        ("e_value", category) for category in (">=B", "<B", ">=C", "<C", ">=D", "<D")
    ]
    by = {(row.quantity, row.category): row for row in rows}
    ratio = np.mean(outcome[member] < 1) / np.mean(outcome[~member] < 1)
    assert by["risk_ratio", "<D"].estimate == pytest.approx(ratio)
    assert by["e_value", "<D"].estimate == pytest.approx(e_value(ratio))
    upper = by["risk_ratio", "<D"].upper
    assert by["e_value", "<D"].lower == pytest.approx(e_value(upper) if upper < 1 else 1)


def test_e_value_rows_of_a_binary_outcome_name_the_levels():
    estimate, labels, *_ = make_estimate(2, Family.MATCHED_LOGIT)
    rows = e_value_rows(estimate, labels)
    assert [row.category for row in rows] == ["D", "D", "E", "E"]
    assert len({(row.quantity, row.category) for row in rows}) == 4


def test_small_counts_and_missing_estimates_have_no_e_value():
    estimate, labels, *_ = make_estimate(
        3, Family.MATCHED_ORDINAL, people=np.array([[600, 595, 5], [500, 90, 10]])
    )
    assert {row.category for row in e_value_rows(estimate, labels)} == {">=D", "<D"}
    blank, labels, *_ = make_estimate(
        2, Family.MATCHED_LOGIT, intervals={}, status=Status.NOT_ESTIMABLE, reason="separation"
    )
    (row,) = e_value_rows(blank, labels)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "separation" in row.note
