"""Confounders as strong as a covariate that was asked: a table for all, a picture an outcome."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.confounders import Benchmark, Benchmarks, benchmarks_of, is_benchmark
from coopgap.report.document import Block, Figure, Table
from coopgap.report.figures.names import confounder_name
from coopgap.report.values import DASH, estimate_words, percent
from coopgap.report.view import View
from coopgap.report.words import category_words, clean, once, shorten
from coopgap.sensitivity.confounding.benchmarks import MULTIPLES

__all__ = ["benchmark_blocks"]


def benchmark_blocks(
    view: View, rows: Sequence[SensitivityRow], drawn: Sequence[str]
) -> list[Block]:
    """Table and figures; nothing where no row is about them."""
    mine = [row for row in rows if is_benchmark(row)]
    models = list(dict.fromkeys(row.model for row in mine))
    found = {model: benchmarks_of(mine, model) for model in models}
    lines = [line for one in found.values() if one for line in _lines(view, one)]
    if not lines:
        return []
    table = Table(
        caption="Gap left by a confounder as strong as a covariate",
        header=(
            "Outcome",
            "As strong as",
            "Of membership",
            "Of the outcome",
            *("Gap left, points" if k == 1 else f"{k} times as strong" for k in MULTIPLES),
        ),
        rows=once(lines),
        leading=2,
        notes=(
            *dict.fromkeys(clean(row.note) for row in mine if row.note),
            "Of membership, of the outcome: share of the variance left that a confounder as "
            "strong as the covariate would explain at most. In brackets: 95 % confidence interval.",
        ),
        mark=view.mark,
        brief=False,
    )
    return [table, *(_figure(view, one) for one in found.values() if one and _is_drawn(one, drawn))]


def _is_drawn(one: Benchmarks, drawn: Sequence[str]) -> bool:
    return confounder_name(one.alone.model) in drawn


def _lines(view: View, one: Benchmarks) -> list[tuple[str, ...]]:
    alone = one.alone
    where = category_words(alone.category, view.levels(alone.outcome))
    outcome = f"{view.label(alone.outcome)}: {where}" if where else view.label(alone.outcome)
    blank = (DASH,) * (len(MULTIPLES) - 1)
    lines: list[tuple[str, ...]] = [
        (outcome, "no confounder", DASH, DASH, _gap(alone), *blank),
    ]
    for name in one.covariates:
        by = {item.multiple: item for item in one.found if item.covariate == name}
        first = by.get(1)
        shares = (DASH, DASH) if first is None else (percent(first.member), percent(first.outcome))
        lines.append((outcome, view.label(name), *shares, *(_left(by.get(k)) for k in MULTIPLES)))
    return lines


def _left(one: Benchmark | None) -> str:
    return "none so strong" if one is None else _gap(one.left)


def _gap(row: SensitivityRow) -> str:
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper)


def _figure(view: View, one: Benchmarks) -> Figure:
    return Figure(
        name=confounder_name(one.alone.model),
        caption=(
            f"{shorten(view.label(one.alone.outcome), 80)}: gap left, in points, by a confounder "
            "that explains so much of what is left of membership and of the outcome."
        ),
        mark=view.mark,
        brief=False,
    )
