"""Leave the members of one type of co-operative out, to see whether the gap rests on them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coopgap.checks.compare import again_row, has_declared, with_number
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, check
from coopgap.core.arrays import BoolArray
from coopgap.core.estimate import SensitivityRow
from coopgap.families.dispatch import headline_estimate
from coopgap.families.plan import sample_for


@check(
    "leave_one_cooperative",
    title="Leaving one type of co-operative out",
    question="Does the gap rest on the members of a single type of co-operative?",
    cost="full",
    of_model=True,
    order=172,
    page=55,
)
def without_types(context: Context) -> Iterator[SensitivityRow]:
    """The gap put first without the members of each type, and the declared gap less it.

    Types are the levels of a declared group that only members answered. Whoever is left is matched
    anew: other members have other strata. Members without an answer always stay.
    """
    members = list(_types(context))
    if not members:
        raise NotApplicable("The study declares no group of members alone, or none has two levels.")
    has_declared(context)
    rows, declared = context.rows, context.declared
    for name, level, these in members:
        again = headline_estimate(sample_for(rows.take(~these), context.spec))
        variant = f"without {name}={level}"
        row = again_row(context, context.first, again, variant=variant, about=level)
        yield row
        if row.estimate is not None and declared is not None:
            note = "The declared gap less the gap without these members."
            yield with_number(row, "influence", declared.estimate - row.estimate, note)


def _types(context: Context) -> Iterator[tuple[str, str, BoolArray]]:
    """Variable, level and who answers so, where only members answer and two levels have some."""
    rows = context.rows
    for name, variable in context.study.variables.items():
        if not variable.groups or name == context.region or name not in rows.factors:
            continue
        codes = rows.factors[name]
        levels = np.unique(codes[codes >= 0])
        if levels.size > 1 and not (~rows.member & (codes >= 0)).any():
            for code in levels:
                yield name, rows.factor_levels[name][code], np.asarray(codes == code)
