"""The printed study: published intervals, brute force over whole people, its own contradictions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from coopgap.core.errors import StudyError
from coopgap.core.vocabulary import IntervalKind, Quantity
from coopgap.datasets.ranges import count_range, share_range, two_stage_ranges
from coopgap.datasets.reading import load_registry
from coopgap.printed.checks import standardised_bounds
from coopgap.regression.ordinal import fit_ordinal


def row(peru, model, quantity, category="", comparator="comparison"):
    found = [
        r
        for r in peru.gaps
        if (r.model, r.quantity, r.category, r.comparator)
        == (model, quantity, category, comparator)
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(("percent", "n"), [(40, 1004), (27, 1003), (50, 7), (12, 8), (33, 3)])
def test_count_ranges_equal_brute_force(percent, n):
    allowed = [k for k in range(n + 1) if abs(100 * k / n - percent) <= 0.5]
    assert count_range(percent, n) == ((allowed[0], allowed[-1]) if allowed else None)


def test_half_way_cases_round_both_ways():
    assert count_range(12, 200) == (23, 25)
    assert count_range(13, 200) == (25, 27)


def test_trust_rounding_bounds_equal_every_integer_table(peru):
    ratios, gaps = [], []
    members = [k for k in range(1005) if abs(100 * k / 1004 - 40) <= 0.5]
    others = [k for k in range(1004) if abs(100 * k / 1003 - 27) <= 0.5]
    for a, c in product(members, others):
        ratios.append(a * (1003 - c) / ((1004 - a) * c))
        gaps.append(a / 1004 - c / 1003)
    odds = row(peru, "printed_trust_rounding", Quantity.ODDS_RATIO)
    gap = row(peru, "printed_trust_rounding", Quantity.RISK_DIFFERENCE)
    assert (odds.lower, odds.upper) == pytest.approx((min(ratios), max(ratios)))
    assert (gap.lower, gap.upper) == pytest.approx((min(gaps), max(gaps)))
    # Published rounding of the same: an odds ratio within [1.73, 1.88].
    assert (round(odds.lower, 2), round(odds.upper, 2)) == (1.73, 1.88)
    assert odds.interval_kind is IntervalKind.BOUNDS
    assert odds.interval_prob is None


def test_two_stage_ranges_equal_brute_force():
    passed, everyone = [], []
    for aware in range(201):
        if abs(100 * aware / 200 - 22) > 0.5:
            continue
        for used in range(aware + 1):
            if abs(100 * used / aware - 44) <= 0.5:
                passed.append(used / aware)
                everyone.append(used / 200)
    expected = [min(passed), max(passed), min(everyone), max(everyone)]
    found = two_stage_ranges(22, 44, 200)
    assert [*found[0], *found[1]] == pytest.approx(expected)


def test_a_percentage_no_count_can_give_has_no_range():
    assert share_range(40, 3) is None
    assert two_stage_ranges(33, 40, 3) is None
    assert share_range(40, None) == pytest.approx((0.395, 0.405))


def test_cumulative_odds_ratios_of_the_printed_classes(peru):
    # From the printed percentages of Figure 1, by hand.
    for category, expected in {">=A": 0.660, ">=B": 2.852, ">=C": 3.324, ">=D": 4.636}.items():
        found = row(peru, "printed_ses_class", Quantity.CUMULATIVE_ODDS_RATIO, category, "national")
        assert found.estimate == pytest.approx(expected, abs=5e-4)
        assert found.lower < found.estimate < found.upper


def test_proportional_odds_of_whole_people():
    # 1.2185 (0.0845): members 20/261/402/221/100, national 30/90/271/271/341, A to E.
    counts = np.array([[341, 271, 271, 90, 30], [100, 221, 402, 261, 20]], float)
    fit = fit_ordinal(np.array([[0.0], [1.0]]), counts)
    assert fit.slopes[0] == pytest.approx(1.2185, abs=5e-5)
    assert np.sqrt(fit.cov[0, 0]) == pytest.approx(0.0845, abs=5e-5)


def test_superiority_against_fixed_shares_by_simulation(peru):
    found = row(peru, "printed_ses_class", Quantity.SUPERIORITY, comparator="national")
    rng = np.random.default_rng(7)
    member = np.array([10, 22, 40, 26, 2]) / 100
    national = np.array([34, 27, 27, 9, 3]) / 100
    below = np.cumsum(national) - national / 2
    draws = rng.multinomial(1004, member, size=20_000) @ below / 1004
    # The standard deviation of 20,000 draws is known to half a percent.
    assert found.std_error == pytest.approx(draws.std(), rel=0.02)
    assert found.estimate == pytest.approx(draws.mean(), abs=2e-4)


def test_the_trusted_person_stands_under_both_printed_values(peru):
    places = ("social_benefits_to_cooperative_members", "key_finding_4")
    for place, share in zip(places, (0.81, 0.83), strict=True):
        model = f"printed_trusted_person_{place}"
        assert row(peru, model, Quantity.SHARE, comparator="").estimate == pytest.approx(share)
        gap = row(peru, model, Quantity.RISK_DIFFERENCE)
        assert gap.estimate == pytest.approx(share - 0.73)
        assert gap.outcome == "trusted_person"


def test_design_facts_of_tables_1_and_2(peru):
    facts = {f"{d.about}_{d.diagnostic}": d.value for d in peru.diagnostics}
    # Chi-squares and standardised differences of the printed counts, computed independently.
    assert facts["age_chi2"] == pytest.approx(132.95, abs=0.005)
    assert facts["sex_chi2"] == pytest.approx(10.51, abs=0.005)
    assert facts["age_smd"] == pytest.approx(0.533, abs=5e-4)
    assert facts["sex_smd"] == pytest.approx(0.145, abs=5e-4)
    assert [facts[f"{name}_chi2_df"] for name in ("age", "sex", "region")] == [5, 1, 4]
    assert facts["age_pairs"] == 803
    # Table 3 prints the same percentages for both groups.
    assert facts["region_smd"] == 0
    assert facts["region_chi2"] < 0.01
    passed = {f"{d.about}_{d.diagnostic}": d.passed for d in peru.diagnostics}
    assert (passed["age_smd"], passed["sex_smd"], passed["region_smd"]) == (False, False, True)


def test_trust_standardised_to_the_members_ages_and_to_their_sex(peru):
    for name, expected in {"age": (0.139, 0.468), "sex": (0.231, 0.309)}.items():
        found = row(peru, f"printed_trust_by_{name}", Quantity.SHARE)
        assert (found.lower, found.upper) == pytest.approx(expected, abs=5e-4)
        assert found.estimate == 0.27
        gap = row(peru, f"printed_trust_by_{name}", Quantity.RISK_DIFFERENCE)
        assert (gap.lower, gap.upper) == pytest.approx((0.4 - found.upper, 0.4 - found.lower))
        assert gap.interval_kind is IntervalKind.BOUNDS


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_standardised_bounds_equal_linear_programming(seed, share):
    rng = np.random.default_rng(seed)
    own, target = rng.dirichlet(np.ones(5)) + 0.02, rng.dirichlet(np.ones(5))
    own = own / own.sum()
    ends = [
        sign * linprog(sign * target, A_eq=own[None], b_eq=[share], bounds=(0, 1)).fun
        for sign in (1, -1)
    ]
    assert standardised_bounds(share, own, target) == pytest.approx(ends, abs=1e-7)


def test_counts_that_differ_by_five_at_most_by_brute_force(peru):
    for region, percent in {"Center": 4, "East": 7, "Lima": 40, "North": 13, "South": 36}.items():
        gaps = [
            a / 1004 - c / 1003
            for a in range(1005)
            if abs(100 * a / 1004 - percent) <= 0.5
            for c in range(max(a - 5, 0), a + 6)
            if abs(100 * c / 1003 - percent) <= 0.5
        ]
        found = row(peru, "printed_region_rounding", Quantity.RISK_DIFFERENCE, region)
        assert (found.lower, found.upper) == pytest.approx((min(gaps), max(gaps)), abs=1e-12)
        assert found.upper < 0.006
    notes = {f"{d.about}_{d.diagnostic}": d.note for d in peru.diagnostics}
    assert "no p-value" in notes["region_chi2_p"]
    values = {f"{d.about}_{d.diagnostic}": d.value for d in peru.diagnostics}
    assert values["region_chi2_p"] is None


def test_an_unknown_registry_lists_the_shipped_ones():
    with pytest.raises(StudyError, match="kenya, peru"):
        load_registry("chile")
