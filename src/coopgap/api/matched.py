"""Matched samples of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from coopgap.api.fits import spelled
from coopgap.api.frames import (
    MATCH_SET,
    MATCH_WEIGHT,
    names_in,
    parsed,
    positive_weights,
    require_columns,
    table,
    two_groups,
)
from coopgap.core.arrays import IntArray, UintArray
from coopgap.core.errors import InputError
from coopgap.core.estimate import to_frame
from coopgap.core.vocabulary import Use
from coopgap.families.sample import Sample
from coopgap.matching.balance import balance_rows
from coopgap.matching.dispatch import match as matched_sample
from coopgap.matching.sample import MatchedSample, combined_weight, effective_size
from coopgap.report.summaries import Summary, summary
from coopgap.study.spec import (
    ChoosingOrder,
    Design,
    DistanceName,
    Matching,
    MethodName,
    TiesName,
)
from coopgap.survey.numeric import Numeric, numeric
from coopgap.survey.raw import Columns
from coopgap.survey.records import ModelRows
from coopgap.survey.ties import hashed, record_ties

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BY_STRATA = ("exact", "entropy")
"""Methods that match on the formula's right-hand side itself, not on a distance."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Matched:
    """A matched sample.

    Attributes
    ----------
    formula, matching
        What was asked for.
    frame
        The complete rows, matched or not.
    rows
        The same as codes.
    sample
        Matching weights and sets over these rows.
    n_dropped
        Rows left out for a missing value.
    """

    formula: str
    matching: Matching
    frame: pd.DataFrame
    group: str
    rows: ModelRows
    sample: MatchedSample
    n_dropped: int

    @cached_property
    def data(self) -> pd.DataFrame:
        """The people matched, with `match_weight` and `match_set`.

        `match_weight` is sampling weight times matching weight: what a fit takes as `weights`.
        `match_set` is empty where a method makes no sets. The frame keeps its index.

        Examples
        --------
        >>> import coopgap as cg
        >>> m = cg.match(cg.datasets.peru_example(), "member ~ age_band + sex", method="exact")
        >>> m.data[["match_weight", "match_set"]].head(2)
        """
        weight = combined_weight(self.rows.weight, self.sample.weight)
        sets = pd.array(self.sample.set_id, dtype="Int64")
        sets[self.sample.set_id < 0] = pd.NA
        added: dict[str, Any] = {MATCH_WEIGHT: weight, MATCH_SET: sets}
        return self.frame.assign(**added).loc[weight > 0]

    def balance(self) -> pd.DataFrame:
        """Balance of every variable matched on, before and after, with the columns of balance.csv.

        Examples
        --------
        >>> import coopgap as cg
        >>> m = cg.match(cg.datasets.peru_example(), "member ~ age_band + sex", method="exact")
        >>> m.balance()["smd_after"].abs().max() < 1e-9
        True
        """
        return to_frame("balance", self._balance())

    def _balance(self) -> list[Any]:
        ordered = [
            name for name in self.rows.factors if getattr(self.frame[name].dtype, "ordered", False)
        ]
        return balance_rows(
            self.rows,
            self.sample,
            model="",
            group="all",
            source="",
            nominal=[name for name in self.rows.factors if name not in ordered],
            use=dict.fromkeys(self.rows.factors, Use.MATCHED),
        )

    def love_plot(self) -> Figure:
        """Standardised differences before and after.

        Examples
        --------
        >>> import coopgap as cg
        >>> m = cg.match(cg.datasets.peru_example(), "member ~ age_band + sex", method="exact")
        >>> type(m.love_plot()).__name__
        'Figure'
        """
        from coopgap.report.figures.alone import love_plot

        return love_plot(self._balance(), self.matching.method)

    def summary(self) -> Summary:
        """People kept, effective sizes and balance as text.

        Examples
        --------
        >>> import coopgap as cg
        >>> m = cg.match(cg.datasets.peru_example(), "member ~ age_band + sex", method="exact")
        >>> print(m.summary().splitlines()[0])
        Matching, exact: member ~ age_band + sex
        """
        member, kept = self.rows.member, self.sample.weight > 0
        weight = combined_weight(self.rows.weight, self.sample.weight)
        facts: dict[str, object] = {
            "members": f"{int((member & kept).sum()):,} of {int(member.sum()):,}",
            "comparison": f"{int((~member & kept).sum()):,} of {int((~member).sum()):,}",
            "effective comparison": effective_size(weight[~member]),
            "sets": self.sample.n_sets,
            "rows dropped": self.n_dropped,
        }
        if self.sample.n_tied is not None:
            facts["members with ties"] = self.sample.n_tied
        names = ["covariate", "level", "member_mean", "comparison_mean_after"]
        frame = self.balance()[[*names, "smd_before", "smd_after"]]
        return summary(f"Matching, {self.matching.method}: {self.formula}", facts, frame)

    def of_outcome(self, outcome: str) -> Sample:
        """The matched people who answered a question, as checks take them."""
        from coopgap.api.fits import coded_levels

        require_columns(self.frame, [outcome], "outcome")
        answered = self.frame[outcome].notna().to_numpy()
        codes, levels = coded_levels(self.frame.loc[answered, outcome], outcome)
        rows = replace(self.rows.take(answered), outcome=codes, levels=levels)
        return Sample(
            rows=rows,
            matched=self.sample.take(answered, self.rows.member),
            covariates=(),
            link="logit",
            strata=self.matching.on,
        )

    def __repr__(self) -> str:
        return str(self.summary())


def match(
    data: Columns,
    formula: str,
    *,
    method: MethodName = "nearest",
    distance: DistanceName = "propensity",
    exact: Sequence[str] = (),
    caliper: float | None = None,
    ratio: int = 1,
    replace: bool = False,
    order: ChoosingOrder = "random",
    ties: TiesName = "key",
    max_comparison: int | None = None,
    max_members: int | None = None,
    limit: float = 0.1,
    time_limit: float = 60.0,
    weights: str | None = None,
    id: str | None = None,
    seed: int = 0,
    design: Design | None = None,
) -> Matched:
    """Make the comparison group comparable with the members.

    Parameters
    ----------
    data
        A table of pandas, polars, pyarrow, DuckDB or any library of Arrow's C stream interface.
    formula
        `member ~ age_band + sex`: the variable of the two groups, of whose values the higher or
        later is the members', and what is matched on. Numbers enter a distance as numbers.
    method
        nearest, optimal, full, cardinality, exact, entropy or overlap. `exact` and `entropy` match
        on the variables themselves: strata, and margins to be balanced.
    distance
        propensity, mahalanobis or robust_mahalanobis.
    exact
        Variables that members and comparison people of a set share exactly.
    caliper
        Largest difference of linear propensity scores, in their pooled SD within groups.
    ratio, replace, order, ties
        Of nearest and optimal matching: comparison people a member; whether they may serve several;
        who chooses first (random, largest, smallest); `ties="all"` weights all who are as near.
    max_comparison, max_members
        Of full matching: most comparison people a member, and members a comparison person.
    limit, time_limit
        Of cardinality matching: largest standardised difference, and seconds.
    weights
        Column of the sampling weights.
    id
        Column that names people; ties are broken by it, else by the whole record. The order of
        rows changes nothing.
    seed
        Key of the order in which people are taken who are alike.
    design
        How people were sampled: its weight and id stand where those are absent.

    Returns
    -------
    Matched
        `data`, `balance`, `love_plot` and `summary`.

    Raises
    ------
    InputError
        An unknown column, a group without two values, a term that is no plain column.
    NotEstimable
        Nobody can be matched.

    References
    ----------
    Ho, Imai, King & Stuart (2011), J. Statistical Software 42(8). Hansen & Klopfer (2006), J.
    Computational and Graphical Statistics 15, 609-627, for full matching.

    Examples
    --------
    >>> import coopgap as cg
    >>> df = cg.datasets.peru_example()
    >>> m = cg.match(df, "member ~ age_band + sex", exact=["region"], method="exact")
    >>> len(m.data), m.sample.n_sets
    """
    frame = table(data)
    left, right, behind = parsed(formula)
    if behind:
        raise InputError("formula", f"absorbs {behind}", "delete | and what follows")
    group, covariates = names_in(left, frame), names_in(right, frame)
    terms = {str(term).strip("`") for term in right} - {"1"}
    if terms != {*covariates} or len(group) != 1:
        raise InputError(
            "formula", "has terms that are no plain columns", "write such as member ~ age + sex"
        )
    exact = (exact,) if isinstance(exact, str) else tuple(exact)
    weights = weights or (None if design is None else design.weight)
    id = id or (None if design is None else design.id)
    on = tuple(dict.fromkeys((*exact, *(covariates if method in _BY_STRATA else ()))))
    apart = () if method in _BY_STRATA else tuple(name for name in covariates if name not in exact)
    chosen = Matching(
        method=method,
        on=on,
        distance=distance,
        covariates=apart,
        caliper=caliper,
        ratio=ratio,
        replace=replace,
        order=order,
        ties=ties,
        seed=seed,
        max_comparison=max_comparison,
        max_members=max_members,
        limit=limit,
        time_limit=time_limit,
    )
    if caliper is not None and not caliper > 0:
        raise InputError("caliper", f"is {caliper}", "allowed: a positive number, or None")
    extra = [name for name in (weights, id) if name]
    require_columns(frame, [*exact, *extra], "data")
    needed = list(dict.fromkeys((*group, *on, *apart, *extra)))
    whole = frame[needed].notna().all(axis=1).to_numpy()
    kept = frame.loc[whole]
    if not len(kept):
        raise InputError(
            "data", "no row has an answer to every variable", f"needed: {', '.join(needed)}"
        )
    rows = _rows(kept, group[0], on, apart, weights, id)
    return Matched(
        formula=formula,
        matching=chosen,
        frame=kept,
        group=group[0],
        rows=rows,
        sample=matched_sample(rows, chosen),
        n_dropped=int((~whole).sum()),
    )


def coded(
    column: pd.Series[Any], *, as_levels: bool
) -> tuple[IntArray, tuple[str, ...], Numeric | None]:
    """Codes of a column with its levels, or of a number with its values; -1 where empty."""
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if number and not as_levels:
        values, codes = np.unique(
            column.to_numpy(dtype=np.float64, na_value=np.nan), return_inverse=True
        )
        if values.size > 1:
            return codes.astype(np.int64), (), numeric(str(column.name), values)
    if isinstance(column.dtype, pd.CategoricalDtype):
        kept = column.cat.remove_unused_categories()
        return (
            kept.cat.codes.to_numpy().astype(np.int64),
            tuple(map(spelled, kept.cat.categories)),
            None,
        )
    codes, found = pd.factorize(column, sort=True)
    return codes.astype(np.int64), tuple(map(spelled, found)), None


def coded_rows(
    frame: pd.DataFrame,
    group: str,
    factors: dict[str, bool],
    *,
    weights: str | None = None,
    id: str | None = None,
    zone: IntArray | None = None,
) -> ModelRows:
    """People of a frame as codes; `factors` says of each variable whether numbers are levels."""
    member, _ = two_groups(frame[group], "data")
    made = {name: coded(frame[name], as_levels=levels) for name, levels in factors.items()}
    weight = np.ones(len(frame))
    if weights is not None:
        weight = positive_weights(frame[weights], np.ones(len(frame), dtype=bool))
        if not (weight > 0).all():
            raise InputError(
                f"data: {weights}", "some weights are zero", "a sampling weight is positive"
            )
    return ModelRows(
        index=np.arange(len(frame)),
        outcome=np.zeros(len(frame), dtype=np.int64),
        levels=("no", "yes"),
        member=member,
        factors={name: codes for name, (codes, _, _) in made.items()},
        factor_levels={name: levels for name, (_, levels, _) in made.items()},
        zone=zone,
        weight=weight,
        tie=_ties(frame, id),
        dropped=(),
        numeric={name: own for name, (_, _, own) in made.items() if own is not None},
    )


def _rows(
    frame: pd.DataFrame,
    group: str,
    on: Sequence[str],
    apart: Sequence[str],
    weights: str | None,
    id: str | None,
) -> ModelRows:
    factors = dict.fromkeys(on, True) | dict.fromkeys(apart, False)
    return coded_rows(frame, group, factors, weights=weights, id=id)


def _ties(frame: pd.DataFrame, id: str | None) -> UintArray:
    """A number for each person from the identifier, or from their own record.

    The whole record: people alike in what is matched on may still answer otherwise, and which of
    them is taken must not hang on the order of rows.
    """
    names = sorted(map(str, frame.columns)) if id is None else [id]
    parts = []
    for name in names:
        codes, found = pd.factorize(frame[name])
        parts.append(hashed([*map(spelled, found), ""])[codes])
    return record_ties(parts)
