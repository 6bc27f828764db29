"""Several headline gaps at once: adjusted p-values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from coopgap.checks.context import RunContext
from coopgap.checks.registry import Scope, check
from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import GAP_KEY, GapRow, SensitivityRow
from coopgap.core.vocabulary import Check, Verdict, Version
from coopgap.families.headline import declared_headlines

_LEVEL: Final = 0.05

_METHODS: Final = {
    Version.HOLM: ("holm", "chance of any false one below it"),
    Version.BENJAMINI_HOCHBERG: ("fdr_bh", "expected share of false ones below it"),
}


def holm(p_values: Sequence[float]) -> FloatArray:
    """Holm's (1979) adjusted p-values, in the order given."""
    return adjusted(p_values, "holm")


def adjusted(p_values: Sequence[float], method: str) -> FloatArray:
    """P-values adjusted by a method of statsmodels, in the order given."""
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p_values, method=method)[1], dtype=np.float64)


@check(
    Check.MULTIPLICITY,
    title="Multiplicity",
    question="Do the headline gaps stand if they are tested together?",
    formula=(
        "Holm: max over i ≤ j of min(1, (m − i + 1)·p_(i)); Benjamini and Hochberg: min over "
        "i ≥ j of m·p_(i)/i"
    ),
    scope=Scope.GAPS,
    place=(400, 100),
)
def multiplicity(context: RunContext) -> Iterator[SensitivityRow]:
    """Adjusted p-values of the declared headline gaps, one a question.

    Two rows a headline; verdict `holds` where the adjusted `p_value` is on the same side of 5 % as
    the plain one. With a single headline, one row that says that there is nothing to adjust. One
    row a headline, `not_assessed`, where only some of the declared ones were run: p-values of the
    others enter the adjusted ones.
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
        by_method = {name: adjusted(plain, method) for name, (method, _) in _METHODS.items()}
        for number, row in enumerate(rows):
            for name, p_values in by_method.items():
                same = (p_values[number] < _LEVEL) == (plain[number] < _LEVEL)
                note = f"p-value adjusted over the declared headline gaps: {_METHODS[name][1]}."
                yield _row(
                    row,
                    variant=name,
                    estimate=row.estimate,
                    p_value=float(p_values[number]),
                    threshold=_LEVEL,
                    verdict=Verdict.HOLDS if same else Verdict.CHANGES,
                    n=len(rows),
                    of=declared,
                    note=note,
                )


def _row(gap: GapRow, **numbers: Any) -> SensitivityRow:
    """A row with the keys of a headline."""
    keys = {name: getattr(gap, name) for name in GAP_KEY if name != "interval_kind"}
    return SensitivityRow(check=Check.MULTIPLICITY, source=gap.source, **keys, **numbers)
