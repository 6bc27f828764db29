"""Both groups' standardised shares at each level of an outcome."""

from __future__ import annotations

from coopgap.core.vocabulary import Quantity
from coopgap.report.data import Answer
from coopgap.report.figures.canvas import FIRST, LINE, SECOND, Drawing, canvas
from coopgap.report.values import percent
from coopgap.report.words import capital, category_words, joined


def shares(answer: Answer) -> Drawing | None:
    """A dumbbell a level, of the headline's family; None for two levels or without numbers."""
    if not answer.is_ordinal:
        return None
    results = answer.results
    found = {
        (row.comparator == "", row.category): row.estimate
        for row in answer.headlines
        if row.quantity == Quantity.SHARE and row.estimate is not None
    }
    levels = [level for level in reversed(answer.levels) if (True, level) in found]
    if not levels:
        return None
    drawn = canvas(
        len(levels) + 1,
        answer.label,
        "percent of the group, standardised as the headline",
        mark=results.mark,
        labels=levels,
        values=["100.0 – 100.0 %"],
    )
    drawn.legend(((f"● {results.members}", FIRST), (f"○ {results.others}", SECOND)))
    told = []
    for line, level in enumerate(levels, start=1):
        sides = [found.get((side, level)) for side in (True, False)]
        words = " – ".join(percent(value) for value in sides)
        drawn.label(line, category_words(level, answer.levels))
        drawn.value(line, words)
        known = [100 * value for value in sides if value is not None]
        drawn.axes.plot(known, [line] * len(known), color=LINE, lw=3, zorder=2)
        for value, color in zip(sides, (FIRST, SECOND), strict=True):
            if value is not None:
                drawn.mark(line, 100 * value, None, color=color, hollow=color == SECOND)
        told.append(f"{level} {words}")
    drawn.axes.set_xlim(left=0)
    people = f"{capital(results.members)} and {results.others}"
    return Drawing(
        name=f"shares_{answer.model}",
        alt=f"{answer.label}, {people}: {joined(told)}.",
        figure=drawn.figure,
    )
