"""Figures by the names that templates give them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from coopgap.report.data import Answer, Results
from coopgap.report.figures.canvas import Drawing
from coopgap.report.figures.curves import borrowed, contour, curve
from coopgap.report.figures.forest import (
    families,
    headline,
    phone,
    predictive,
    prior,
    regions,
    versions,
)
from coopgap.report.figures.shares import love, printed, shares

OF_RUN: Final[dict[str, Callable[[Results], Drawing | None]]] = {
    "headline": headline,
    "love": love,
    "printed": printed,
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
    "departments": partial(regions, place="department"),
    "shares": shares,
}


def draw(name: str, results: Results, answer: Answer | None) -> Drawing | None:
    """One figure; None where there is nothing to draw. Call inside `drawing_style`."""
    return OF_RUN[name](results) if answer is None else OF_ANSWER[name](answer)
