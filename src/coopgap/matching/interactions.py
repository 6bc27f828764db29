"""Declared interactions as factors of their own, so that balance can be looked at in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from coopgap.survey.cells import group_codes
from coopgap.survey.records import ModelRows


def with_interactions(rows: ModelRows, interactions: Iterable[Sequence[str]]) -> ModelRows:
    """Rows whose factors hold the cross-levels of several variables too.

    Parameters
    ----------
    rows
        Complete rows; `rows.factors` holds every variable named.
    interactions
        Two or more variables each.

    Returns
    -------
    ModelRows
        A factor `A:B` with the levels `a:b` that occur, in the order of the variables' levels.
    """
    factors, labels = dict(rows.factors), dict(rows.factor_levels)
    for names in interactions:
        crossed, codes = group_codes([rows.factors[name] for name in names])
        levels = [rows.factor_levels[name] for name in names]
        factors[":".join(names)] = codes
        labels[":".join(names)] = tuple(
            ":".join(of[code] for of, code in zip(levels, row, strict=True)) for row in crossed
        )
    return replace(rows, factors=factors, factor_levels=labels)
