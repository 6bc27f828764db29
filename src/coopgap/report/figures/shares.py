"""Both groups beside one another: shares by level, balance of covariates, printed gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from coopgap.core.estimate import GapRow
from coopgap.core.vocabulary import Comparator, Quantity
from coopgap.report.data import Answer, Results
from coopgap.report.figures.canvas import BAND, FIRST, INK, LINE, SECOND, SOFT, Drawing, canvas
from coopgap.report.figures.forest import limits, shown
from coopgap.report.lookat import BALANCED
from coopgap.report.words import capital, category_words, clean, joined, number, percent, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


type Place = tuple[str, str]

_MOST: Final = 40
_DESIGNS: Final = (("o", FIRST, "●"), ("^", INK, "▲"), ("D", SOFT, "◆"), ("v", SECOND, "▼"))
"""Shape, colour and sign of a design: the declared one, then others."""


def love(results: Results) -> Drawing | None:
    """Every covariate once a study, with each design that has rows; None without differences."""
    before: dict[Place, float] = {}
    designs: dict[str, dict[Place, float]] = {}
    for one in results.answers:
        for row in one.balance:
            place = (row.covariate, row.level)
            if row.smd_before is not None:
                before.setdefault(place, row.smd_before)
            if row.smd_after is not None:
                designs.setdefault(_design(one), {}).setdefault(place, row.smd_after)
    if not before:
        return None
    labels = {
        (name, level): results.label(name) + (f": {clean(level)}" if level else "")
        for name, level in before
    }
    who = f"{results.members} minus {results.others}"
    figure, told = draw_balance(before, designs, labels, who, mark=results.mark)
    beyond = "; ".join(told) or "none"
    return Drawing(
        name="love",
        alt=f"Standardised differences before and after beyond {BALANCED}: {beyond}.",
        figure=figure,
    )


def draw_balance(
    before: Mapping[Place, float],
    designs: Mapping[str, Mapping[Place, float]],
    labels: Mapping[Place, str],
    who: str,
    *,
    mark: str,
) -> tuple[Figure, list[str]]:
    """Differences before and by design, the largest first; and in words those that are large."""
    kept = sorted(before, key=lambda place: -abs(before[place]))[:_MOST]
    shown = list(designs.items())[: len(_DESIGNS)]
    names = [labels[place] for place in kept]
    texts = [_words(before[place], shown, place) for place in kept]
    several = len(before) > _MOST
    drawn = canvas(
        len(kept) + 1,
        f"Balance, the {_MOST} largest of {len(before)}" if several else "Balance",
        f"standardised difference, {who}",
        mark=mark,
        labels=names,
        values=texts,
    )
    drawn.axes.axvspan(-BALANCED, BALANCED, color=BAND, zorder=0, lw=0)
    drawn.zero()
    signs = zip(_DESIGNS, shown, strict=False)
    after = tuple((f"{sign} {shorten(name, 22)}", color) for (_, color, sign), (name, _) in signs)
    drawn.legend((("○ before", SECOND), *after))
    for line, (place, name) in enumerate(zip(kept, names, strict=True), start=1):
        drawn.label(line, name)
        drawn.value(line, texts[line - 1], color=SOFT)
        drawn.mark(line, before[place], None, color=SECOND, hollow=True)
        for (shape, color, _), (_, found) in reversed(list(zip(_DESIGNS, shown, strict=False))):
            if place in found:
                drawn.mark(line, found[place], None, color=color, shape=shape)
    low, high = drawn.axes.get_xlim()
    drawn.axes.set_xlim(min(low, -2 * BALANCED), max(high, 2 * BALANCED))
    told = [
        f"{name} {text}"
        for place, name, text in zip(kept, names, texts, strict=True)
        if max(abs(found.get(place, 0.0)) for found in (before, *designs.values())) > BALANCED
    ]
    return drawn.figure, told


def _design(answer: Answer) -> str:
    """A model's matching by its method."""
    return "after" if answer.spec is None else f"after, {answer.spec.matching.method}"


def _words(before: float, shown: list[tuple[str, Mapping[Place, float]]], place: Place) -> str:
    first: Mapping[Place, float] = shown[0][1] if shown else {}
    after = f" → {number(first[place], 2)}" if place in first else ""
    return f"{number(before, 2)}{after}"


def printed(results: Results) -> Drawing | None:
    """What is printed of all members beside others, item by item; never marked as an example."""
    published = results.published
    rows = published.shown
    if not rows:
        return None
    labels = [_label(results, row) for row in rows]
    drawn = canvas(
        len(rows) + len({_item(results, row) for row in rows}),
        "Printed gaps",
        "gap, percentage points; wide bar: what rounding alone leaves",
        mark="",
        labels=labels,
        values=[shown(row) for row in rows],
    )
    drawn.zero()
    at, above = 0, ""
    for row, label in zip(rows, labels, strict=True):
        item = _item(results, row)
        if item != above:
            drawn.above(at - 0.2, item)
            at, above = at + 1, item
        rounding = published.rounding(row)
        ends = None if rounding is None else limits(rounding)
        if ends is not None:
            drawn.axes.plot(ends, (at, at), color=LINE, lw=10, solid_capstyle="butt", zorder=2)
        drawn.label(at, label)
        drawn.value(at, shown(row))
        drawn.mark(at, 100 * (row.estimate or 0.0), limits(row), color=FIRST)
        at += 1
    told = "; ".join(f"{published.item(row)} {shown(row)}" for row in rows)
    return Drawing(name="printed_gaps", alt=f"Printed gaps in points: {told}.", figure=drawn.figure)


def _item(results: Results, row: GapRow) -> str:
    """The item, and beside whom where it is not the comparison group."""
    label = results.published.label(row.model, row.outcome)
    if row.comparator == Comparator.COMPARISON or results.published.other(row) is None:
        return label
    return f"{label}, beside: {results.published.beside(row.comparator)}"


def _label(results: Results, row: GapRow) -> str:
    """The category with both shares, as far as they are printed."""
    own, other = results.published.own(row), results.published.other(row)
    both = f"{percent(own.estimate)} vs {percent(other.estimate)}" if own and other else ""
    return ": ".join(part for part in (results.published.category(row), both) if part)
