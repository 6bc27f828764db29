"""Several headline gaps at once: adjusted p-values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from coopgap.checks.context import RunContext
from coopgap.checks.registry import Scope, check
from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import GapRow, SensitivityRow
from coopgap.core.vocabulary import Check, Verdict, Version
from coopgap.families.headline import declared_headlines

_LEVEL: Final = 0.05

_NOTES: Final = {
    Version.HOLM: "chance of any false one below it",
    Version.BENJAMINI_HOCHBERG: "expected share of false ones below it",
}


def holm(p_values: Sequence[float]) -> FloatArray:
    """Holm's (1979) adjusted p-values, in the order given."""
    return _adjusted(p_values, "holm")


def benjamini_hochberg(p_values: Sequence[float]) -> FloatArray:
    """Benjamini and Hochberg's (1995) adjusted p-values, in the order given."""
    return _adjusted(p_values, "fdr_bh")


def _adjusted(p_values: Sequence[float], method: str) -> FloatArray:
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p_values, method=method)[1], dtype=np.float64)


@check(
    Check.MULTIPLICITY,
    title="Multiplicity",
    question="Do the headline gaps stand if they are tested together?",
    scope=Scope.GAPS,
    order=400,
    page=100,
)
def multiplicity(context: RunContext) -> Iterator[SensitivityRow]:
    """Adjusted p-values of the declared headline gaps, one a question.

    Two rows a headline; verdict `holds` where the adjusted p-value is on the same side of 5 % as
    the plain one. `p_value` is the adjusted one. With a single headline, one row that says that
    there is nothing to adjust. One row a headline, `not_assessed`, where only some of
    the declared ones were run: p-values of the others enter the adjusted ones.
    """
    questions = {one.model: name for name, one in declared_headlines(context.study).items()}
    run = [one for one in context.models if one.keys.model in questions]
    rows = [row for row in context.headlines if row.p_value is not None]
    yield from adjusted_rows(rows, run=len(run), declared=len(questions))
    if not run:
        reason = "The model is no question's headline: its p-value is not adjusted."
        for one in context.models:
            yield one.bare(verdict=Verdict.NOT_APPLICABLE, note=reason)
    answered = {row.model for row in rows}
    for one in run:
        if one.keys.model not in answered:
            yield one.bare(
                outcome=questions[one.keys.model],
                verdict=Verdict.NOT_ASSESSED,
                note="The headline gap has no p-value that could be adjusted.",
            )


def adjusted_rows(rows: Sequence[GapRow], *, run: int, declared: int) -> Iterator[SensitivityRow]:
    """Rows of headlines with a p-value, of `run` of the `declared` ones."""
    if run < declared:
        note = (
            f"{run} of {declared} declared headline gaps {'was' if run == 1 else 'were'} run: "
            "adjusted p-values are known once all are."
        )
        for row in rows:
            yield _row(row, verdict=Verdict.NOT_ASSESSED, n=run, of=declared, note=note)
    elif len(rows) == 1:
        of = "is declared" if declared == 1 else "alone has a p-value"
        note = f"One {'headline gap' if declared == 1 else 'declared headline gap'} {of}"
        note = f"{note}: there is nothing to adjust."
        yield _row(rows[0], verdict=Verdict.NOT_APPLICABLE, note=note)
    else:
        plain = [row.p_value for row in rows if row.p_value is not None]
        methods = {
            Version.HOLM: holm(plain),
            Version.BENJAMINI_HOCHBERG: benjamini_hochberg(plain),
        }
        for number, row in enumerate(rows):
            for name, adjusted in methods.items():
                same = (adjusted[number] < _LEVEL) == (plain[number] < _LEVEL)
                yield _row(
                    row,
                    variant=name,
                    estimate=row.estimate,
                    p_value=float(adjusted[number]),
                    threshold=_LEVEL,
                    verdict=Verdict.HOLDS if same else Verdict.CHANGES,
                    n=len(rows),
                    of=declared,
                    note=f"p-value adjusted over the declared headline gaps: {_NOTES[name]}.",
                )


def _row(gap: GapRow, **numbers: Any) -> SensitivityRow:
    """A row with the keys of a headline."""
    return SensitivityRow(
        check=Check.MULTIPLICITY,
        model=gap.model,
        family=gap.family,
        outcome=gap.outcome,
        comparator=gap.comparator,
        group=gap.group,
        population=gap.population,
        quantity=gap.quantity,
        category=gap.category,
        source=gap.source,
        **numbers,
    )
