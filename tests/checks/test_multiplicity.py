import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from coopgap.checks.multiplicity import adjusted, adjusted_rows, holm
from coopgap.core.estimate import GapRow
from coopgap.core.vocabulary import Family, Population, Quantity, Verdict


@pytest.fixture(autouse=True, scope="module")
def no_garbage():
    """Statsmodels collects garbage after each adjustment, which takes a third of a second here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gc.collect", lambda *_: 0)
        yield


P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(deadline=None)
@given(P_VALUES)
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values):
    found = holm(p_values)
    for level in (0.01, 0.05, 0.2):
        left = sorted(range(len(p_values)), key=p_values.__getitem__)
        while left and p_values[left[0]] * len(left) <= level:
            left.pop(0)
        kept = {number for number, p in enumerate(found) if p > level}
        assert kept == set(left)


@settings(deadline=None)
@given(P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy(p_values):
    assert adjusted(p_values, "fdr_bh") == pytest.approx(stats.false_discovery_control(p_values))


def test_agrees_with_r():
    # R 4.2.2: p.adjust(c(.001, .013, .04, .2, .9), "holm") and "BH".
    p_values = [0.001, 0.013, 0.04, 0.2, 0.9]
    assert holm(p_values) == pytest.approx([0.005, 0.052, 0.12, 0.4, 0.9])
    assert adjusted(p_values, "fdr_bh") == pytest.approx([0.005, 0.0325, 0.2 / 3, 0.25, 0.9])


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
    rows = list(adjusted_rows([gap("a", 0.001), gap("b", 0.03), gap("d", 0.4)], run=4, declared=4))
    assert [(row.outcome, row.variant) for row in rows] == [
        (outcome, method) for outcome in "abd" for method in ("Holm", "Benjamini-Hochberg")
    ]
    assert {(row.n, row.of) for row in rows} == {(3, 4)}
    verdict = {(row.outcome, row.variant): row.verdict for row in rows}
    assert verdict["a", "Holm"] is Verdict.HOLDS
    assert verdict["b", "Holm"] is Verdict.CHANGES  # 2 * .03
    assert verdict["b", "Benjamini-Hochberg"] is Verdict.HOLDS  # 3 * .03 / 2
    assert verdict["d", "Holm"] is Verdict.HOLDS


def test_one_headline_has_nothing_to_adjust():
    (row,) = adjusted_rows([gap("a", 0.001)], run=1, declared=1)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "One headline gap is declared" in row.note
    assert list(adjusted_rows([], run=0, declared=0)) == []


def test_of_several_declared_one_with_a_p_value_is_not_said_to_be_alone():
    (row,) = adjusted_rows([gap("a", 0.001)], run=2, declared=2)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "One declared headline gap alone has a p-value" in row.note


def test_what_was_not_run_leaves_adjusted_p_values_unknown():
    rows = list(adjusted_rows([gap("a", 0.001), gap("b", 0.03)], run=2, declared=5))
    assert [row.verdict for row in rows] == [Verdict.NOT_ASSESSED] * 2
    assert all(row.p_value is None and row.threshold is None for row in rows)
    assert (rows[0].n, rows[0].of) == (2, 5)
    assert rows[0].note.startswith("2 of 5 declared headline gaps were run")
    (row,) = adjusted_rows([gap("a", 0.001)], run=1, declared=2)
    assert row.note.startswith("1 of 2 declared headline gaps was run")
