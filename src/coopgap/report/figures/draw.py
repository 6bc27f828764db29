"""Every figure a run calls for."""

from __future__ import annotations

from collections.abc import Iterator

from coopgap.estimate import BalanceRow
from coopgap.report.figures.borrowed import borrowed
from coopgap.report.figures.canvas import Drawing
from coopgap.report.figures.confounder import confounder
from coopgap.report.figures.gaps import forest, regions
from coopgap.report.figures.multiverse import curve
from coopgap.report.figures.people import balance, phone, shares
from coopgap.report.figures.predictive import predictive
from coopgap.report.view import View
from coopgap.vocabulary import Family

__all__ = ["drawings"]


def drawings(view: View) -> list[Drawing]:
    """Draw what there are numbers for; call inside `drawing_style`."""
    return [drawing for drawing in _attempts(view) if drawing is not None]


def _attempts(view: View) -> Iterator[Drawing | None]:
    pooled = {row.model for row in view.gaps if row.family == Family.HIERARCHICAL}
    for (model, outcome), rows in view.by_model.items():
        yield forest(view, model, outcome, rows)
        yield shares(view, model, outcome, rows)
        if (model in pooled) or not pooled:
            yield regions(view, model, outcome, rows)
        yield predictive(view, model, outcome)
        yield confounder(view, model, outcome)
        yield curve(view, model, outcome)
    for model, also in _distinct(view):
        yield balance(view, model, [row for row in view.balance if row.model == model], also)
    yield phone(view, view.sensitivity)
    yield borrowed(view, view.sensitivity)


def _distinct(view: View) -> Iterator[tuple[str, list[str]]]:
    """Models whose balance differs; others with the same numbers are named with the first."""
    found: dict[tuple[tuple[object, ...], ...], list[str]] = {}
    for model in view.in_order(row.model for row in view.balance):
        key = tuple(_numbers(row) for row in view.balance if row.model == model)
        found.setdefault(key, []).append(model)
    for models in found.values():
        yield models[0], models[1:] if len(found) == 1 else []


def _numbers(row: BalanceRow) -> tuple[object, ...]:
    return (row.group, row.covariate, row.level, row.smd_before, row.smd_after)
