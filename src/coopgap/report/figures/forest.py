"""Gaps as points with intervals: every headline, and one gap by how it is estimated."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import GapRow
from coopgap.report.data import Answer, Results
from coopgap.report.figures.canvas import FIRST, INK, SECOND, SOFT, Drawing, canvas
from coopgap.report.values import estimate_words, percent
from coopgap.report.words import category_words, family_words
from coopgap.vocabulary import Family, Quantity

_AXIS = "gap, percentage points"
_APART = (Family.CONDITIONAL_LOGIT, Family.CONDITIONAL_ORDINAL, Family.BENCHMARK)


def limits(row: GapRow) -> tuple[float, float] | None:
    """Limits of a row in points."""
    return None if row.lower is None or row.upper is None else (100 * row.lower, 100 * row.upper)


def shown(row: GapRow) -> str:
    """The estimate, or why there is none."""
    text = estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)
    return text.partition(";")[0]


def headline(results: Results, answer: Answer | None = None) -> Drawing | None:
    """Every declared gap, with both groups' shares; superiority stands in the table."""
    asked = [one for one in results.answers if one.is_declared] or list(results.answers)
    rows = [(one, one.headline) for one in asked]
    told = [
        (one, row)
        for one, row in rows
        if row is not None and row.quantity == Quantity.RISK_DIFFERENCE and row.estimate is not None
    ]
    if not told:
        return None
    names = [_name(one) for one, _ in told]
    drawn = canvas(
        len(told) * 2,
        "Headline gaps",
        f"{_AXIS}, {results.members} minus {results.others}",
        mark=results.mark,
        labels=[],
        values=[shown(row) for _, row in told],
    )
    drawn.zero()
    for number, (one, row) in enumerate(told):
        color = SOFT if one.is_control else FIRST
        drawn.above(2 * number, names[number], color=SOFT if one.is_control else INK)
        sides = [percent(one.share(side)) for side in ("", "comparison")]
        drawn.label(2 * number + 0.9, " vs ".join(sides), color=SOFT)
        drawn.value(2 * number + 0.9, shown(row), color=color, bold=True)
        drawn.mark(2 * number + 0.9, 100 * (row.estimate or 0.0), limits(row), color=color)
    told_in_words = "; ".join(f"{name} {shown(row)}" for name, (_, row) in zip(names, told, strict=True))
    return Drawing(
        name="headline", alt=f"Headline gaps in points: {told_in_words}.", figure=drawn.figure
    )


def _name(answer: Answer) -> str:
    where = category_words(answer.first.category, answer.levels) if answer.first.category else ""
    control = " (negative control)" if answer.is_control else ""
    return f"{answer.label}{f': {where}' if where else ''}{control}"


def families(results: Results, answer: Answer | None) -> Drawing | None:
    """The gap at the contrast that is put first, by family, over the headline's people."""
    if answer is None:
        return None
    category = answer.first.category or answer.thresholds[len(answer.thresholds) // 2]
    found = [
        row
        for row in answer.gaps
        if (row.group, row.quantity, row.category) == ("all", Quantity.RISK_DIFFERENCE, category)
        and row.family not in _APART
    ]
    over = {row.population for row in found if answer.is_headline(row)}
    rows = [row for row in found if not over or row.population in over]
    if not any(row.estimate is not None for row in rows):
        return None
    return _forest(results, answer, rows, category)


def _forest(
    results: Results, answer: Answer, rows: Sequence[GapRow], category: str
) -> Drawing:
    names = [family_words(row.family) for row in rows]
    drawn = canvas(
        len(rows),
        "Gap by how it is estimated",
        _AXIS,
        mark=results.mark,
        labels=names,
        values=[shown(row) for row in rows],
    )
    drawn.zero()
    for number, (name, row) in enumerate(zip(names, rows, strict=True)):
        first, sampled = answer.is_headline(row), row.family == Family.HIERARCHICAL
        color = FIRST if first else (SECOND if sampled else SOFT)
        drawn.label(number, name, bold=first, color=color if first else INK)
        drawn.value(number, shown(row), bold=first, color=color if first else INK)
        if row.estimate is not None:
            shape = "s" if sampled else "o"
            drawn.mark(number, 100 * row.estimate, limits(row), color=color, shape=shape)
    told = "; ".join(f"{name} {shown(row)}" for name, row in zip(names, rows, strict=True))
    return Drawing(name=f"gaps_{answer.model}", alt=f"{answer.label}: {told}.", figure=drawn.figure)
