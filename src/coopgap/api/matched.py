"""Matched samples of a frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from coopgap.api.columns import coded_levels, coded_rows, complete, dense_codes, source_of, table
from coopgap.api.frames import MATCH_SET, MATCH_WEIGHT, plain_formula
from coopgap.core.estimate import to_frame
from coopgap.core.vocabulary import Use
from coopgap.families.sample import Sample
from coopgap.matching.balance import balance_rows
from coopgap.matching.dispatch import match as matched_sample
from coopgap.matching.sample import MatchedSample, combined_weight, effective_size
from coopgap.report.summaries import Summary, summary
from coopgap.study.load import record
from coopgap.study.model import ModelFile
from coopgap.study.spec import (
    ChoosingOrder,
    Design,
    DistanceName,
    Matching,
    MethodName,
    TiesName,
)
from coopgap.survey.raw import Columns
from coopgap.survey.records import ModelRows

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
    rows: ModelRows
    sample: MatchedSample
    n_dropped: int

    @property
    def source(self) -> str:
        """EXAMPLE DATA, the survey file's name, or empty.

        Examples
        --------
        >>> import coopgap as cg
        >>> cg.match(cg.datasets.peru_example(), "member ~ sex", method="exact").source
        'EXAMPLE DATA'
        """
        return source_of(self.frame)

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
           match_weight  match_set
        0           1.0          7
        1           1.0          6
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
        >>> bool(m.balance()["smd_after"].abs().max() < 1e-9)
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
            source=self.source,
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
        facts: dict[str, object] = {"source": self.source} if self.source else {}
        facts |= {
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

    def of_outcome(self, outcome: str, cluster: str | None = None) -> Sample:
        """The matched people who answered a question, as checks take them."""
        whole = complete(self.frame, [outcome, *([cluster] if cluster else [])])
        answered = self.frame.loc[whole]
        codes, levels = coded_levels(answered[outcome], outcome)
        zone = dense_codes(answered, [cluster])[0] if cluster else None
        return Sample(
            rows=dataclasses.replace(
                self.rows.take(whole), outcome=codes, levels=levels, zone=zone
            ),
            matched=self.sample.take(whole, self.rows.member),
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
    distance: DistanceName | None = None,
    exact: Sequence[str] = (),
    answered: Sequence[str] = (),
    caliper: float | None = None,
    ratio: int | None = None,
    replace: bool | None = None,
    order: ChoosingOrder | None = None,
    ties: TiesName | None = None,
    max_comparison: int | None = None,
    max_members: int | None = None,
    limit: float | None = None,
    time_limit: float | None = None,
    weights: str | None = None,
    id: str | None = None,
    seed: int | None = None,
    design: Design | None = None,
) -> Matched:
    """Make the comparison group comparable with the members.

    Parameters
    ----------
    data
        A table of pandas, polars, pyarrow, DuckDB or any library of Arrow's C stream interface.
    formula
        `member ~ age_band + sex`: the variable of the two groups, as in `gap`, and what is matched
        on. Numbers enter a distance as numbers.
    method
        nearest, optimal, full, cardinality, exact, entropy or overlap. `exact` and `entropy` match
        on the variables themselves: strata, and margins to be balanced.
    distance
        propensity unless given, mahalanobis or robust_mahalanobis.
    exact
        Variables that members and comparison people of a set share exactly.
    answered
        Columns beside these that everybody matched has: outcome, covariates and clusters of the
        fits to come. A run too leaves people out before it matches; a fit weighted by
        `match_weight` refuses to do so after, for the groups would be balanced no longer.
    caliper
        Largest difference of linear propensity scores, in their pooled SD within groups.
    ratio, replace, order, ties
        Of nearest matching: comparison people a member (of optimal too), one unless given; whether
        they may serve several; who chooses first (by a score the largest unless given, smallest,
        random); `ties="all"` weights all who are as near.
    max_comparison, max_members
        Of full matching: most comparison people a member, and members a comparison person.
    limit, time_limit
        Of cardinality matching: largest standardised difference, 0.1 unless given, and seconds, 60.
    weights
        Column of the sampling weights.
    id
        Column that names people; ties are broken by it, else by the whole record. The order of
        rows changes nothing.
    seed
        Key of the order in which people are taken who are alike; 0 unless given.
    design
        How people were sampled: its weight and id stand where those are absent.

    Returns
    -------
    Matched
        `data`, `balance`, `love_plot` and `summary`.

    Raises
    ------
    InputError
        An unknown column, a group without two values, a term that is no plain column, a choice that
        the method has not.
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
    (1997, 58)
    """
    frame = table(data)
    group, covariates = plain_formula(formula, frame)
    exact = (exact,) if isinstance(exact, str) else tuple(exact)
    weights = weights or (None if design is None else design.weight)
    id = id or (None if design is None else design.id)
    on = tuple(dict.fromkeys((*exact, *(covariates if method in _BY_STRATA else ()))))
    apart = () if method in _BY_STRATA else covariates
    chosen = _matching(
        group,
        method=method,
        on=list(on) or None,
        covariates=list(apart) or None,
        distance=distance,
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
    answered = (answered,) if isinstance(answered, str) else tuple(answered)
    extra = [name for name in (weights, id, *answered) if name]
    whole = complete(frame, (group, *on, *apart, *extra))
    kept = frame.loc[whole]
    factors = dict.fromkeys(on, True) | dict.fromkeys(apart, False)
    rows = coded_rows(kept, group, factors, weights=weights, id=id)
    return Matched(
        formula=formula,
        matching=chosen,
        frame=kept,
        rows=rows,
        sample=matched_sample(rows, chosen),
        n_dropped=int((~whole).sum()),
    )


def _matching(group: str, **choices: Any) -> Matching:
    """What a model file with these choices asks for, by the same rules; None is not given."""
    given = {key: value for key, value in choices.items() if value is not None}
    file: ModelFile = record(ModelFile, "match", {"outcome": group, "matching": given})
    return file.matching or Matching()
