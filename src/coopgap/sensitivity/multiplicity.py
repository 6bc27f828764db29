"""Several headline gaps at once: adjusted p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import GapRow, SensitivityRow
from coopgap.core.vocabulary import Check, Verdict, Version

_LEVEL = 0.05

_NOTES = {
    "Holm": "p-value adjusted over the declared headline gaps: chance of any false one below it.",
    "Benjamini-Hochberg": (
        "p-value adjusted over the declared headline gaps: expected share of false ones below it."
    ),
}


def holm(p_values: Sequence[float]) -> FloatArray:
    """Holm's adjusted p-values, in the order given.

    Parameters
    ----------
    p_values
        m finite p-values.

    Returns
    -------
    FloatArray
        Shape (m,): max over i ≤ k of min(1, (m − i + 1)·p₍ᵢ₎) for the k-th smallest.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6(2).
    """
    return _adjusted(p_values, "holm")


def benjamini_hochberg(p_values: Sequence[float]) -> FloatArray:
    """Adjusted p-values for the false discovery rate, in the order given.

    Parameters
    ----------
    p_values
        m finite p-values.

    Returns
    -------
    FloatArray
        Shape (m,): min over i ≥ k of m·p₍ᵢ₎/i for the k-th smallest.

    References
    ----------
    Benjamini & Hochberg (1995), JRSS B 57(1).
    """
    return _adjusted(p_values, "fdr_bh")


def _adjusted(p_values: Sequence[float], method: str) -> FloatArray:
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p_values, method=method)[1], dtype=np.float64)


def multiplicity_rows(
    headlines: Sequence[GapRow], *, run: int, declared: int
) -> list[SensitivityRow]:
    """Adjusted p-values of the declared headline gaps.

    Parameters
    ----------
    headlines
        One row of gaps.csv a question, negative controls excluded; those without a p-value were
        run and not tested, and are not counted.
    run, declared
        Headlines that were run, and that the study declares.

    Returns
    -------
    list of SensitivityRow
        Two a headline; verdict `holds` where the adjusted p-value is on the same side of 5 % as
        the plain one. `p_value` is the adjusted one. With a single headline, one row that says
        that there is nothing to adjust. One row a headline, `not_assessed`, where only some of
        the declared ones were run: p-values of the others enter the adjusted ones.
    """
    rows = [row for row in headlines if row.p_value is not None]
    if run < declared:
        note = (
            f"{run} of {declared} declared headline gaps {'was' if run == 1 else 'were'} run: "
            "adjusted p-values are known once all are."
        )
        return [
            replace(
                _row(row, "", None), verdict=Verdict.NOT_ASSESSED, n=run, of=declared, note=note
            )
            for row in rows
        ]
    if len(rows) == 1:
        only = _row(rows[0], "", None)
        if declared == 1:
            return [only]
        note = "One declared headline gap alone has a p-value: there is nothing to adjust."
        return [replace(only, note=note)]
    p_values = [row.p_value for row in rows if row.p_value is not None]
    methods = {
        Version.HOLM: holm(p_values),
        Version.BENJAMINI_HOCHBERG: benjamini_hochberg(p_values),
    }
    return [
        replace(_row(row, name, float(adjusted[number])), n=len(rows), of=declared)
        for number, row in enumerate(rows)
        for name, adjusted in methods.items()
    ]


def _row(gap: GapRow, variant: str, adjusted: float | None) -> SensitivityRow:
    plain = gap.p_value if gap.p_value is not None else np.nan
    verdict = Verdict.NOT_APPLICABLE
    if adjusted is not None:
        same = (adjusted < _LEVEL) == (plain < _LEVEL)
        verdict = Verdict.HOLDS if same else Verdict.CHANGES
    return SensitivityRow(
        check=Check.MULTIPLICITY,
        variant=variant,
        model=gap.model,
        family=gap.family,
        outcome=gap.outcome,
        comparator=gap.comparator,
        group=gap.group,
        population=gap.population,
        quantity=gap.quantity,
        category=gap.category,
        estimate=gap.estimate if variant else None,
        p_value=adjusted,
        threshold=_LEVEL if variant else None,
        verdict=verdict,
        note=_NOTES.get(variant, "One headline gap is declared: there is nothing to adjust."),
        source=gap.source,
    )
