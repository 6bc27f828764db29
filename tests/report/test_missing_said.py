"""What is said of missing answers."""

from __future__ import annotations

import pytest

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.missing import bounded, imputed

BASE = {"check": "missing_bounds", "model": "agree", "outcome": "agree", "source": "EXAMPLE DATA"}


def bounds(verdict, *, quantity="risk_difference", at=0.0):
    sure, wide = (at - 0.06, at + 0.19), (at - 0.1, at + 0.24)
    return [
        SensitivityRow(
            **BASE,
            variant=variant,
            quantity=quantity,
            lower=ends[0],
            upper=ends[1],
            interval_kind="bounds",
            verdict=judged,
        )
        for variant, ends, judged in (
            ("bounds", sure, None),
            ("bounds with sampling error", wide, verdict),
        )
    ]


def pooled(verdict="holds", turns=(), quantity="risk_difference", estimate=0.08):
    rows = [
        SensitivityRow(
            **BASE,
            variant="multiple imputation",
            quantity=quantity,
            estimate=estimate,
            lower=estimate - 0.05,
            upper=estimate + 0.05,
            interval_prob=0.95,
            interval_kind="confidence",
            verdict=verdict,
        ),
        SensitivityRow(**BASE, variant="multiple imputation", quantity="fmi", estimate=0.2),
    ]
    return rows + [
        SensitivityRow(
            **BASE,
            variant=f"delta that changes the conclusion, {who}",
            quantity="delta",
            estimate=at,
        )
        for who, at in turns
    ]


@pytest.mark.parametrize(
    ("verdict", "last"),
    [
        ("holds", "The conclusion is the same at either end."),
        ("changes", "The conclusion rests on what is assumed about them."),
    ],
)
def test_bounds_are_told_with_and_without_sampling_error(verdict, last):
    first, second = bounded(None, bounds(verdict))
    assert first == (
        "Whatever the missing answers are, the difference in points lies between −6.0 and 19.0; "
        "with sampling error between −10.0 and 24.0."
    )
    assert second == last


def test_bounds_without_a_declared_gap_conclude_nothing():
    assert len(bounded(None, bounds(None))) == 1


def test_of_many_levels_the_whole_distribution_is_told():
    rows = bounds("holds") + bounds("changes", quantity="superiority", at=0.5)
    by_threshold = [
        SensitivityRow(**{**BASE, "variant": row.variant}, quantity=row.quantity, category=">=B")
        for row in rows[:2]
    ]
    first, _ = bounded(None, [*by_threshold, *rows[2:]])
    assert "the chance that a member stands higher lies between 44.0 % and 69.0 %" in (
        first.replace("\N{NO-BREAK SPACE}", " ")
    )


def test_imputation_says_the_gap_and_whether_it_is_that_of_complete_cases():
    (same,) = imputed(None, pooled())
    assert same == (
        "With missing answers imputed the difference in points is +8.0 (95 % confidence interval "
        "3.0 to 13.0); the conclusion is that of the complete cases."
    )
    (other,) = imputed(None, pooled("changes"))
    assert "the conclusion is not that of the complete cases" in other


def test_shifts_say_where_the_conclusion_turns_or_that_it_does_not():
    turns = (("members", -0.424), ("comparison people", None))
    assert imputed(None, pooled(turns=turns))[1] == (
        "It changes if the log odds of a higher answer are shifted where the answer is missing: "
        "from −0.42 on for members."
    )
    none = (("members", None), ("comparison people", None))
    assert imputed(None, pooled(turns=none))[1] == (
        "It does not change if the log odds of the missing answers of members or comparison "
        "people are shifted by up to 1 either way."
    )


def test_suppressed_rows_say_nothing():
    rows = [SensitivityRow(**BASE, variant="multiple imputation", quantity="risk_difference")]
    assert imputed(None, rows) == ()
    assert bounded(None, [SensitivityRow(**BASE, variant="bounds", quantity="superiority")]) == ()
