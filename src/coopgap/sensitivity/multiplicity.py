"""Several headline gaps at once: adjusted p-values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coopgap.arrays import FloatArray
from coopgap.estimate import GapRow, SensitivityRow
from coopgap.vocabulary import Check, Verdict

__all__ = ["benjamini_hochberg", "holm", "multiplicity_rows"]

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


def multiplicity_rows(headlines: Sequence[GapRow]) -> list[SensitivityRow]:
    """Adjusted p-values of the declared headline gaps.

    Parameters
    ----------
    headlines
        One row of gaps.csv an outcome, negative controls excluded, each with a p-value.

    Returns
    -------
    list of SensitivityRow
        Two a headline; verdict `holds` where the adjusted p-value is on the same side of 5 % as
        the plain one. `p_value` is the adjusted one. With a single headline, one row that says
        that there is nothing to adjust.
    """
    rows = [row for row in headlines if row.p_value is not None]
    if len(rows) == 1:
        return [_row(rows[0], "", None)]
    p_values = [row.p_value for row in rows if row.p_value is not None]
    methods = {"Holm": holm(p_values), "Benjamini-Hochberg": benjamini_hochberg(p_values)}
    return [
        _row(row, name, float(adjusted[number]))
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
