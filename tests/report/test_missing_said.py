"""What is said of missing answers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from coopgap.estimate import SensitivityRow
from coopgap.headline import headline_contrast
from coopgap.report.content.said.missing import bounded, imputed


def view_of(levels, at="", **more):
    """As much of a view as the sentences ask of it."""
    return SimpleNamespace(
        levels=lambda outcome: tuple(levels),
        first=lambda row: headline_contrast(tuple(levels), at),
        **more,
    )


TWO = view_of(("no", "yes"))
FIVE = view_of("EDCBA")
AT_B = view_of("EDCBA", ">=B")
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
            variant=f"delta that changes the gap, {who}",
            quantity="delta",
            about=who,
            estimate=at,
        )
        for who, at in turns
    ]


@pytest.mark.parametrize(
    ("verdict", "last"),
    [
        ("holds", "The gap holds at either end."),
        ("undecided", "Whether they would change the gap is undecided."),
        ("changes", "The gap changes whatever they are."),
    ],
)
def test_bounds_are_told_with_and_without_sampling_error(verdict, last):
    first, second = bounded(TWO, bounds(verdict))
    assert first == (
        "Whatever the missing answers are, the difference in points lies between −6.0 and 19.0; "
        "with sampling error between −10.0 and 24.0."
    )
    assert second == last


def test_bounds_without_a_declared_gap_judge_nothing():
    assert len(bounded(TWO, bounds(None))) == 1


def test_of_many_levels_superiority_is_told():
    rows = bounds("holds") + bounds("undecided", quantity="superiority", at=0.5)
    by_threshold = [
        SensitivityRow(**{**BASE, "variant": row.variant}, quantity=row.quantity, category=">=B")
        for row in rows[:2]
    ]
    first, second = bounded(FIVE, [*by_threshold, *rows[2:]])
    assert second == "Whether they would change the gap is undecided."
    assert "the probability of superiority lies between 44.0 % and 69.0 %" in (
        first.replace("\N{NO-BREAK SPACE}", " ")
    )


def test_at_a_declared_threshold_its_gap_is_told():
    rows = bounds("holds", quantity="superiority", at=0.5) + [
        replace(row, category=category)
        for category, verdict in ((">=A", "holds"), (">=B", "undecided"))
        for row in bounds(verdict)
    ]
    first, second = bounded(AT_B, rows)
    assert "the difference in points at “B or higher” lies between −6.0 and 19.0" in first
    assert second == "Whether they would change the gap is undecided."


def test_imputation_says_the_gap_and_whether_it_is_that_of_complete_cases():
    (same,) = imputed(TWO, pooled())
    assert same == (
        "With missing answers imputed the difference in points is +8.0 (95 % confidence interval "
        "3.0 to 13.0); the gap of the complete cases holds."
    )
    (other,) = imputed(TWO, pooled("changes"))
    assert other.endswith("13.0); the gap of the complete cases changes.")
    (opened,) = imputed(TWO, pooled("undecided"))
    assert opened.endswith("13.0); whether it differs from the complete cases' is undecided.")
    (alone,) = imputed(TWO, pooled("not_assessed"))
    assert alone.endswith("3.0 to 13.0).")


def test_shifts_say_where_the_interval_turns_or_that_it_does_not():
    turns = (("members", -0.424), ("comparison people", None))
    assert imputed(TWO, pooled(turns=turns))[1] == (
        "The gap changes by more than half of the smallest one that matters if the log odds of a "
        "higher answer are shifted where the answer is missing: from −0.42 on for members."
    )
    none = (("members", None), ("comparison people", None))
    assert imputed(TWO, pooled(turns=none))[1] == (
        "The gap changes by no more than half of the smallest one that matters if the log odds of "
        "the missing answers of members or comparison people are shifted by up to 1 either way."
    )


def test_rows_without_numbers_say_nothing():
    rows = [SensitivityRow(**BASE, variant="multiple imputation", quantity="risk_difference")]
    assert imputed(TWO, rows) == ()
    assert bounded(TWO, [SensitivityRow(**BASE, variant="bounds", quantity="superiority")]) == ()
