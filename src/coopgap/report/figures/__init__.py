"""Figures by the names that templates give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from coopgap.report.data import Answer, Results
from coopgap.report.figures.canvas import Drawing
from coopgap.report.figures.contour import contour
from coopgap.report.figures.curve import borrowed, curve
from coopgap.report.figures.forest import families, headline, phone, predictive, prior, versions
from coopgap.report.figures.love import love
from coopgap.report.figures.printed import gaps
from coopgap.report.figures.regions import regions
from coopgap.report.figures.shares import shares

OF_RUN: Final[dict[str, Callable[[Results], Drawing | None]]] = {
    "headline": headline,
    "love": love,
    "printed": gaps,
}
OF_ANSWER: Final[dict[str, Callable[[Answer], Drawing | None]]] = {
    "forest": families,
    "versions": versions,
    "phone": phone,
    "predictive": predictive,
    "prior": prior,
    "contour": contour,
    "curve": curve,
    "borrowed": borrowed,
    "regions": regions,
    "shares": shares,
}


def draw(name: str, results: Results, answer: Answer | None) -> Drawing | None:
    """One figure; None where there is nothing to draw. Call inside `drawing_style`."""
    return OF_RUN[name](results) if answer is None else OF_ANSWER[name](answer)
