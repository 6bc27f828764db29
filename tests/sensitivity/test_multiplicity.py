import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from coopgap.estimate import GapRow
from coopgap.sensitivity.multiplicity import benjamini_hochberg, holm, multiplicity_rows
from coopgap.vocabulary import Family, Population, Quantity, Verdict

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(P_VALUES)
def test_holm_agrees_with_statsmodels(p_values):
    expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected)


@given(P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy(p_values):
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values))


def test_by_hand():
    # Holm: 4*.01, 3*.02, 2*.03, 1*.04 made monotone; BH: .04 throughout.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert benjamini_hochberg([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.04] * 4)


def test_holm_keeps_the_chance_of_any_false_rejection():
    rng = np.random.default_rng(0)
    p_values = rng.random((2000, 5))
    any_false = np.mean([np.any(holm(row) < 0.05) for row in p_values])
    assert any_false == pytest.approx(0.05, abs=0.015)  # three Monte Carlo errors


def gap(outcome, p_value):
    return GapRow(
        model=outcome,
        family=Family.MATCHED_LOGIT,
        outcome=outcome,
        comparator="comparison",
        group="all",
        population=Population.MEMBERS,
        quantity=Quantity.RISK_DIFFERENCE,
        estimate=0.1,
        p_value=p_value,
        source="s",
    )


def test_rows_say_whether_the_conclusion_stays():
    rows = multiplicity_rows([gap("a", 0.001), gap("b", 0.03), gap("c", None), gap("d", 0.4)])
    assert [(row.outcome, row.variant) for row in rows] == [
        (outcome, method) for outcome in "abd" for method in ("Holm", "Benjamini-Hochberg")
    ]
    verdict = {(row.outcome, row.variant): row.verdict for row in rows}
    assert verdict["a", "Holm"] is Verdict.HOLDS
    assert verdict["b", "Holm"] is Verdict.CHANGES  # 2 * .03
    assert verdict["b", "Benjamini-Hochberg"] is Verdict.HOLDS  # 3 * .03 / 2
    assert verdict["d", "Holm"] is Verdict.HOLDS


def test_one_headline_has_nothing_to_adjust():
    (row,) = multiplicity_rows([gap("a", 0.001)])
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert multiplicity_rows([]) == []
