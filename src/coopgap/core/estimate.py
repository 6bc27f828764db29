"""Rows of the output tables: every number that leaves coopgap stands in one of these records.

The records are the schema: column order, type and meaning of each table are their fields. The
column dictionary in the book is made from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from coopgap.core.vocabulary import (
    Diagnostic,
    Direction,
    Family,
    IntervalKind,
    Kind,
    OddsTest,
    Population,
    Quantity,
    Scale,
    Status,
    Use,
    Verdict,
)

if TYPE_CHECKING:
    import pandas as pd

GAP_KEY = (
    "model",
    "family",
    "outcome",
    "comparator",
    "group",
    "population",
    "quantity",
    "category",
    "interval_kind",
)
"""Columns that together are unique in gaps.csv."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a number is told where disclosure is limited: -1 down, 1 up, 0 to the nearest.

    `kind` is what it is; None where the row's quantity or scale says so.
    """

    kind: Kind | None = None
    toward: int = 0


_ESTIMATE, _DOWN, _UP = Told(), Told(toward=-1), Told(toward=1)
_COUNT, _SHARE, _P_VALUE = Told(Kind.COUNT), Told(Kind.SHARE), Told(Kind.P_VALUE, 1)
_ERROR, _SMD, _RATIO = Told(Kind.ERROR, 1), Told(Kind.STANDARDISED), Told(Kind.RATIO)

N_SMALLER = "people of the smaller group behind the row, unweighted"
N = "people or other units that the row counts, such as members left out"
OF = "out of how many"
ESTIMATE = (
    "probability scale or ratio, never percent; of posterior draws the mean, of ratios the median"
)
STD_ERROR = "standard error; of the logarithm for ratios"
GROUP = "all, region=NAME, department=NAME or VARIABLE=LEVEL"
SOURCE = "EXAMPLE DATA, printed, or the survey file's name"
N_FEWEST = "fewest people, unweighted, at the category or not at it, in each group the row is about"


def _column(doc: str, default: Any = None, told: Told | None = None) -> Any:
    return field(default=default, metadata={"doc": doc, "told": told})


def _required(doc: str) -> Any:
    return field(metadata={"doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a row says of itself besides its numbers; `at` is the threshold declared to be first."""

    model: str
    outcome: str
    source: str
    levels: tuple[str, ...] = ()
    group: str = "all"
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """One gap, ratio or share."""

    model: str = _required("model file stem, or the printed item")
    family: Family = _required("how it was estimated")
    outcome: str = _required("variable")
    comparator: str = _required(
        "who the members are compared with, of a gap_difference the other group; empty where the "
        "row is the members' own share"
    )
    group: str = _required(
        f"{GROUP}; membership=comparison where the comparison group stands in the members' place "
        "against outside shares, with `, region=NAME` in one region"
    )
    population: Population = _required("over whose covariates the gap is standardised")
    quantity: Quantity = _required(
        "what is estimated; differences are member minus comparator, a gap_difference is the "
        "group's gap minus the comparator's, of what the model puts first"
    )
    category: str = _column("a level (A), a threshold (>=B) or empty", "")
    estimate: float | None = _column(ESTIMATE, told=_ESTIMATE)
    std_error: float | None = _column(STD_ERROR, told=_ERROR)
    lower: float | None = _column("lower limit", told=_DOWN)
    upper: float | None = _column("upper limit", told=_UP)
    interval_prob: float | None = _column("coverage probability of the interval")
    interval_kind: IntervalKind | None = _column(
        "confidence, joint (with the other thresholds of the outcome), credible or bounds"
    )
    p_value: float | None = _column(
        "two-sided, for no gap; of a joint interval adjusted for all thresholds", told=_P_VALUE
    )
    p_adjusted: float | None = _column(
        "Holm over the declared headline rows, one a question", told=_P_VALUE
    )
    n_member: int | None = _column(
        "members behind the row; this and every count of a gap_difference is that of the group "
        "with fewer",
        told=_COUNT,
    )
    n_comparison: int | None = _column("comparison people behind the row", told=_COUNT)
    ess_comparison: float | None = _column(
        "effective size of the weighted comparison group", told=_COUNT
    )
    n_sets: int | None = _column(
        "matched sets; discordant sets for conditional families", told=_COUNT
    )
    status: Status = _column("whether the numbers stand", Status.OK)
    form: str = _column(
        "how membership enters an outcome of more than two levels: free by threshold, shares or "
        "proportional; empty for two levels and for families that have no form",
        "",
    )
    n_fewest: int | None = _column(N_FEWEST, told=_COUNT)
    source: str = _required(SOURCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoefficientRow:
    """One coefficient of one fit; covariates' coefficients are not findings."""

    model: str = _required("model file stem")
    family: Family = _required("how it was estimated")
    outcome: str = _required("variable")
    term: str = _required(
        "member, VARIABLE=LEVEL, of a number VARIABLE or VARIABLE[KNOT], each with :>=B where it "
        "differs by threshold, or LEVEL|LEVEL for a threshold"
    )
    scale: Scale = _required("scale of the estimate")
    estimate: float | None = _column("coefficient", told=_ESTIMATE)
    std_error: float | None = _column(
        "standard error, or posterior standard deviation", told=_ERROR
    )
    statistic: float | None = _column(
        "estimate divided by its standard error", told=Told(Kind.STATISTIC)
    )
    p_value: float | None = _column("two-sided", told=_P_VALUE)
    lower: float | None = _column("lower limit", told=_DOWN)
    upper: float | None = _column("upper limit", told=_UP)
    interval_prob: float | None = _column("coverage probability of the interval")
    interval_kind: IntervalKind | None = _column("confidence or credible")
    std_error_kind: str = _column(
        "cluster CR1, cluster CR2, cluster CR1S, two-way CR1, HC0, HC1, HC3, "
        'with ", bias-reduced" where so; model, profile; posterior',
        "",
    )
    n_obs: int | None = _column("people in the fit", told=_COUNT)
    n_clusters: int | None = _column("clusters in the fit", told=_COUNT)
    r_hat: float | None = _column("rank-normalised split R-hat", told=Told(Kind.SHARE, 1))
    ess_bulk: float | None = _column("bulk effective sample size", told=_COUNT)
    ess_tail: float | None = _column("tail effective sample size", told=_COUNT)
    n_smaller: int | None = _column(N_SMALLER, told=_COUNT)
    n_fewest: int | None = _column(N_FEWEST, told=_COUNT)
    source: str = _required(SOURCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRow:
    """One covariate level, or one numeric covariate, before and after matching."""

    model: str = _required("model file stem")
    group: str = _required(GROUP)
    covariate: str = _required("variable, or A:B for a declared interaction")
    level: str = _required("level, or a:b for an interaction; empty for a numeric covariate")
    member_mean: float | None = _column(
        "share of members at the level, or mean, of those kept after matching", told=_SHARE
    )
    comparison_mean_before: float | None = _column(
        "share or mean of the comparison group, unmatched", told=_SHARE
    )
    comparison_mean_after: float | None = _column(
        "share or mean of the comparison group, matched", told=_SHARE
    )
    smd_before: float | None = _column("standardised mean difference, unmatched", told=_SMD)
    smd_after: float | None = _column(
        "standardised mean difference, matched, same denominator", told=_SMD
    )
    variance_ratio_before: float | None = _column(
        "member over comparison variance, unmatched", told=_RATIO
    )
    variance_ratio_after: float | None = _column(
        "member over comparison variance, matched", told=_RATIO
    )
    ks_before: float | None = _column(
        "gap of the cumulative shares at this level, or the largest, unmatched", told=_SHARE
    )
    ks_after: float | None = _column(
        "gap of the cumulative shares at this level, or the largest, matched", told=_SHARE
    )
    use: Use | None = _column(
        "matched, adjusted (a covariate of the regression alone), component (of the outcome, by "
        "its role) or reported (the region or a group); empty for printed numbers"
    )
    n_member_before: int | None = _column(
        "members at the level, unweighted, unmatched; of a numeric covariate all who answered",
        told=_COUNT,
    )
    n_member_after: int | None = _column("of these the members kept by the matching", told=_COUNT)
    n_comparison_before: int | None = _column(
        "comparison people at the level, unweighted, unmatched; of a numeric covariate all who "
        "answered",
        told=_COUNT,
    )
    n_comparison_after: int | None = _column(
        "of these the comparison people kept by the matching", told=_COUNT
    )
    member_mean_before: float | None = _column(
        "share of members at the level, or mean, unmatched: with members who have no match",
        told=_SHARE,
    )
    member_sd_before: float | None = _column(
        "standard deviation of a numeric covariate among members, unmatched", told=_SHARE
    )
    member_sd: float | None = _column("the same of the members kept", told=_SHARE)
    comparison_sd_before: float | None = _column(
        "the same of the comparison group, unmatched", told=_SHARE
    )
    comparison_sd_after: float | None = _column(
        "the same of the comparison group, matched", told=_SHARE
    )
    missing_member: int | None = _column(
        "members asked in person without an answer, before anybody is dropped for one", told=_COUNT
    )
    missing_comparison: int | None = _column(
        "comparison people asked in person without an answer, likewise", told=_COUNT
    )
    n_smaller: int | None = _column(N_SMALLER, told=_COUNT)
    n_fewest: int | None = _column(N_FEWEST, told=_COUNT)
    source: str = _required(SOURCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRow:
    """One answer of one sensitivity check."""

    check: str = _required("which check")
    variant: str = _column("which version of it; of a multiverse the id in run.json", "")
    model: str = _required("model file stem")
    family: Family | None = _column("how it was estimated")
    outcome: str = _required("variable")
    comparator: str = _column("who is compared with", "")
    group: str = _column(GROUP, "")
    population: Population | None = _column("over whose covariates")
    quantity: str = _column("what is estimated", "")
    category: str = _column("a level, a threshold or empty", "")
    estimate: float | None = _column(ESTIMATE, told=_ESTIMATE)
    std_error: float | None = _column(STD_ERROR, told=_ERROR)
    lower: float | None = _column("lower limit", told=_DOWN)
    upper: float | None = _column("upper limit", told=_UP)
    interval_prob: float | None = _column("coverage probability of the interval")
    interval_kind: IntervalKind | None = _column("confidence, credible or bounds")
    p_value: float | None = _column("of the check's own test", told=_P_VALUE)
    threshold: float | None = _column(
        "margin or bar the check uses; of posterior_predictive the share observed",
        told=_ESTIMATE,
    )
    power: float | None = _column(
        "probability that the check confirms when nothing differs", told=Told(Kind.CHANCE)
    )
    reference: float | None = _column("the estimate that this one is compared with", told=_ESTIMATE)
    difference: float | None = _column(
        "this estimate less that one, on people that both have", told=_ESTIMATE
    )
    difference_lower: float | None = _column("lower limit of the difference", told=_DOWN)
    difference_upper: float | None = _column("upper limit of the difference", told=_UP)
    verdict: Verdict | None = _column("what the check concludes")
    note: str = _column("one sentence", "")
    n_smaller: int | None = _column(N_SMALLER, told=_COUNT)
    n_fewest: int | None = _column(N_FEWEST, told=_COUNT)
    about: str = _column(
        "covariate, control, declared variant, axis of the multiverse, part of the model, place "
        "left out or people whose missing answers are shifted, which the row is about",
        "",
    )
    choice: str = _column(
        "which value of it: a level, a threshold of the control, a value of the axis, a prior", ""
    )
    setting: float | None = _column(
        "number that the row supposes: a design effect, a bias Γ or its level, a multiple, a "
        "share, a shift, a discount, a prior's weight or scale"
    )
    direction: Direction | None = _column("which way the matched sets point")
    opposed: bool | None = _column("whether the gap points the other way than the sets")
    n: int | None = _column(N, told=_COUNT)
    of: int | None = _column(OF, told=_COUNT)
    source: str = _required(SOURCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticRow:
    """One count, bar or warning about a model."""

    model: str = _required("model file stem, or printed")
    diagnostic: Diagnostic = _required("what was looked at")
    value: float | None = _column("what was found", told=_ESTIMATE)
    bar: float | None = _column("what would pass")
    passed: bool | None = _column("whether it passed; empty where there is no bar")
    note: str = _column("one sentence", "")
    kind: Kind | None = _column("what the value is: a count, a share, a p-value and so on")
    about: str = _column(
        "term, covariate, stratum, item of the gate, variant, outside shares, rule or file that "
        "the row is about",
        "",
    )
    test: OddsTest | None = _column("which test of proportional odds")
    family: Family | None = _column("how it was estimated, where the row is about an estimate")
    group: str = _column("all, region=NAME, department=NAME or VARIABLE=LEVEL, where it is", "")
    population: Population | None = _column("over whose covariates, where it is")
    category: str = _column("a threshold, or the level of the covariate in `about`", "")
    n: int | None = _column(N, told=_COUNT)
    of: int | None = _column(OF, told=_COUNT)
    statistic: float | None = _column(
        "χ², or F where there are residual degrees of freedom", told=Told(Kind.SQUARE)
    )
    df: int | None = _column("degrees of freedom of the statistic")
    df_residual: float | None = _column("residual degrees of freedom", told=_COUNT)
    source: str = _required(SOURCE)


type Row = GapRow | CoefficientRow | BalanceRow | SensitivityRow | DiagnosticRow

TABLES: dict[str, type[Row]] = {
    "gaps": GapRow,
    "coefficients": CoefficientRow,
    "balance": BalanceRow,
    "sensitivity": SensitivityRow,
    "diagnostics": DiagnosticRow,
}
"""The output tables by name."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The output tables of one source."""

    gaps: tuple[GapRow, ...] = ()
    coefficients: tuple[CoefficientRow, ...] = ()
    balance: tuple[BalanceRow, ...] = ()
    sensitivity: tuple[SensitivityRow, ...] = ()
    diagnostics: tuple[DiagnosticRow, ...] = ()


def finite(value: float) -> float | None:
    """A number as a cell holds it: none where it is infinite or not a number."""
    return float(value) if math.isfinite(value) else None


def columns(table: str) -> dict[str, str]:
    """Columns of a table, in order, with their meaning."""
    return {item.name: item.metadata["doc"] for item in fields(TABLES[table])}


def to_frame(table: str, rows: Iterable[Row]) -> pd.DataFrame:
    """Rows of one table as a DataFrame with the contract's columns and fixed dtypes.

    Text columns are `string`, counts `Int64`, `passed` `boolean`, the rest `float64`.
    """
    import pandas as pd

    records = list(rows)
    data = {}
    for item in fields(TABLES[table]):
        values = [getattr(row, item.name) for row in records]
        dtype: Any = _DTYPES.get(str(item.type).partition(" ")[0], "string")
        if dtype == "string":
            values = ["" if value is None else str(value) for value in values]
        data[item.name] = pd.array(values, dtype=dtype)
    return pd.DataFrame(data)


_DTYPES = {"int": "Int64", "float": "float64", "bool": "boolean"}
