"""Standardised differences of the covariates before and after, largest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coopgap.report.data import Answer, Results
from coopgap.report.figures.canvas import BAND, FIRST, INK, SECOND, SOFT, Drawing, canvas
from coopgap.report.lookat import BALANCED
from coopgap.report.values import number
from coopgap.report.words import clean, shorten

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
    kept = sorted(before, key=lambda place: -abs(before[place]))[:_MOST]
    shown = list(designs.items())[: len(_DESIGNS)]
    names = [results.label(name) + (f": {clean(level)}" if level else "") for name, level in kept]
    texts = [_words(before[place], shown, place) for place in kept]
    several = len(before) > _MOST
    drawn = canvas(
        len(kept) + 1,
        f"Balance, the {_MOST} largest of {len(before)}" if several else "Balance",
        f"standardised difference, {results.members} minus {results.others}",
        mark=results.mark,
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
    beyond = "; ".join(told) or "none"
    return Drawing(
        name="love",
        alt=f"Standardised differences before and after beyond {BALANCED}: {beyond}.",
        figure=drawn.figure,
    )


def _design(answer: Answer) -> str:
    """A model's matching by its method."""
    return "after" if answer.spec is None else f"after, {answer.spec.matching.method}"


def _words(before: float, shown: list[tuple[str, dict[Place, float]]], place: Place) -> str:
    first: Mapping[Place, float] = shown[0][1] if shown else {}
    after = f" → {number(first[place], 2)}" if place in first else ""
    return f"{number(before, 2)}{after}"
