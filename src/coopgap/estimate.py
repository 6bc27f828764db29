"""Rows of the output tables: every number that leaves coopgap stands in one of these records.

The records are the schema: column order, type and meaning of each table are their fields. The
column dictionary in the README is made from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from coopgap.vocabulary import (
    Check,
    Family,
    IntervalKind,
    Population,
    Quantity,
    Scale,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GAP_KEY",
    "TABLES",
    "BalanceRow",
    "CoefficientRow",
    "DiagnosticRow",
    "GapRow",
    "Row",
    "SensitivityRow",
    "columns",
    "to_frame",
]

GAP_KEY = (
    "model",
    "family",
    "outcome",
    "comparator",
    "group",
    "population",
    "quantity",
    "category",
)
"""Columns that together are unique in gaps.csv."""


def _column(doc: str, default: Any = None) -> Any:
    return field(default=default, metadata={"doc": doc})


def _required(doc: str) -> Any:
    return field(metadata={"doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """One gap, ratio or share."""

    model: str = _required("model file stem, or the printed item")
    family: Family = _required("how it was estimated")
    outcome: str = _required("variable")
    comparator: str = _required(
        "who the members are compared with; empty where the row is the members' own share"
    )
    group: str = _required(
        "all, region=NAME or VARIABLE=LEVEL; membership=comparison where the comparison group "
        "stands in the members' place against outside shares, with `, region=NAME` in one region"
    )
    population: Population = _required("over whose covariates the gap is standardised")
    quantity: Quantity = _required("what is estimated; differences are member minus comparator")
    category: str = _column("a level (A), a threshold (>=B) or empty", "")
    estimate: float | None = _column(
        "probability scale or ratio, never percent; of posterior draws the mean, of ratios the "
        "median"
    )
    std_error: float | None = _column("standard error; of the logarithm for ratios")
    lower: float | None = _column("lower limit")
    upper: float | None = _column("upper limit")
    interval_prob: float | None = _column("coverage probability of the interval")
    interval_kind: IntervalKind | None = _column("confidence, credible or bounds")
    p_value: float | None = _column("two-sided, for no gap")
    p_adjusted: float | None = _column("Holm over the declared headline rows, one an outcome")
    n_member: int | None = _column("members behind the row")
    n_comparison: int | None = _column("comparison people behind the row")
    ess_comparison: float | None = _column("effective size of the weighted comparison group")
    n_sets: int | None = _column("matched sets; discordant sets for conditional families")
    status: Status = _column("whether the numbers stand", Status.OK)
    source: str = _required("EXAMPLE DATA, printed, or the survey file's name")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoefficientRow:
    """One coefficient of one fit; covariates' coefficients are not findings."""

    model: str = _required("model file stem")
    family: Family = _required("how it was estimated")
    outcome: str = _required("variable")
    term: str = _required(
        "member, VARIABLE=LEVEL, either with :>=B where it differs by threshold, "
        "or LEVEL|LEVEL for a threshold"
    )
    scale: Scale = _required("scale of the estimate")
    estimate: float | None = _column("coefficient")
    std_error: float | None = _column("standard error, or posterior standard deviation")
    statistic: float | None = _column("estimate divided by its standard error")
    p_value: float | None = _column("two-sided")
    lower: float | None = _column("lower limit")
    upper: float | None = _column("upper limit")
    interval_prob: float | None = _column("coverage probability of the interval")
    interval_kind: IntervalKind | None = _column("confidence or credible")
    std_error_kind: str = _column(
        "cluster CR1, cluster CR2, cluster CR1S, two-way CR1, HC0, HC1, HC3, "
        'with ", bias-reduced" where so; model, profile; posterior',
        "",
    )
    n_obs: int | None = _column("people in the fit")
    n_clusters: int | None = _column("clusters in the fit")
    r_hat: float | None = _column("rank-normalised split R-hat")
    ess_bulk: float | None = _column("bulk effective sample size")
    ess_tail: float | None = _column("tail effective sample size")
    source: str = _required("EXAMPLE DATA, printed, or the survey file's name")


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRow:
    """One covariate level before and after matching."""

    model: str = _required("model file stem")
    group: str = _required("all, region=NAME or VARIABLE=LEVEL")
    covariate: str = _required("variable, or A:B for a declared interaction")
    level: str = _required("level, or a:b for an interaction")
    member_mean: float | None = _column("share of members at the level, those kept after matching")
    comparison_mean_before: float | None = _column("share of the comparison group, unmatched")
    comparison_mean_after: float | None = _column("share of the comparison group, matched")
    smd_before: float | None = _column("standardised mean difference, unmatched")
    smd_after: float | None = _column("standardised mean difference, matched, same denominator")
    variance_ratio_before: float | None = _column("member over comparison variance, unmatched")
    variance_ratio_after: float | None = _column("member over comparison variance, matched")
    ks_before: float | None = _column(
        "largest gap of the cumulative shares at this level, unmatched"
    )
    ks_after: float | None = _column("largest gap of the cumulative shares at this level, matched")
    source: str = _required("EXAMPLE DATA, printed, or the survey file's name")


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRow:
    """One answer of one sensitivity check."""

    check: Check = _required("which check")
    variant: str = _column("which version of it", "")
    model: str = _required("model file stem")
    family: Family | None = _column("how it was estimated")
    outcome: str = _required("variable")
    comparator: str = _column("who is compared with", "")
    group: str = _column("all, region=NAME or VARIABLE=LEVEL", "")
    population: Population | None = _column("over whose covariates")
    quantity: str = _column("what is estimated", "")
    category: str = _column("a level, a threshold or empty", "")
    estimate: float | None = _column(
        "probability scale or ratio, never percent; of posterior draws the mean, of ratios the "
        "median"
    )
    std_error: float | None = _column("standard error; of the logarithm for ratios")
    lower: float | None = _column("lower limit")
    upper: float | None = _column("upper limit")
    interval_prob: float | None = _column("coverage probability of the interval")
    interval_kind: IntervalKind | None = _column("confidence, credible or bounds")
    p_value: float | None = _column("of the check's own test")
    threshold: float | None = _column(
        "margin or bar the check uses; of posterior_predictive the share observed"
    )
    power: float | None = _column("probability that the check confirms when nothing differs")
    verdict: Verdict | None = _column("what the check concludes")
    note: str = _column("one sentence", "")
    source: str = _required("EXAMPLE DATA, printed, or the survey file's name")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticRow:
    """One count, bar or warning about a model."""

    model: str = _required("model file stem, or printed")
    diagnostic: str = _required("what was looked at")
    value: float | None = _column("what was found")
    bar: float | None = _column("what would pass")
    passed: bool | None = _column("whether it passed; empty where there is no bar")
    note: str = _column("one sentence", "")
    source: str = _required("EXAMPLE DATA, printed, or the survey file's name")


type Row = GapRow | CoefficientRow | BalanceRow | SensitivityRow | DiagnosticRow

TABLES: dict[str, type[Row]] = {
    "gaps": GapRow,
    "coefficients": CoefficientRow,
    "balance": BalanceRow,
    "sensitivity": SensitivityRow,
    "diagnostics": DiagnosticRow,
}
"""The output tables by name."""

_INTEGERS = {"n_member", "n_comparison", "n_sets", "n_obs", "n_clusters"}


def columns(table: str) -> dict[str, str]:
    """Columns of a table, in order, with their meaning."""
    return {item.name: item.metadata["doc"] for item in fields(TABLES[table])}


def to_frame(table: str, rows: Iterable[Row]) -> pd.DataFrame:
    """Rows of one table as a DataFrame with the contract's columns and fixed dtypes.

    Parameters
    ----------
    table
        A key of `TABLES`.
    rows
        Records of that table's class.

    Returns
    -------
    DataFrame
        Text columns are `string`, counts `Int64`, `passed` `boolean`, the rest `float64`.
    """
    import pandas as pd

    cls = TABLES[table]
    records = list(rows)
    data: dict[str, Any] = {}
    for item in fields(cls):
        values = [getattr(row, item.name) for row in records]
        kind = str(item.type)
        if item.name in _INTEGERS:
            data[item.name] = pd.array(values, dtype="Int64")
        elif kind.startswith("float"):
            data[item.name] = pd.array(
                [float("nan") if value is None else value for value in values], dtype="float64"
            )
        elif kind.startswith("bool"):
            data[item.name] = pd.array(values, dtype="boolean")
        else:
            data[item.name] = pd.array(
                ["" if value is None else str(value) for value in values], dtype="string"
            )
    return pd.DataFrame(data, columns=[item.name for item in fields(cls)])
