"""What a family is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, Interval, Margins, estimate_contrasts, joint_intervals
from coopgap.core.vocabulary import Comparator, Family, Population, Scale, Status
from coopgap.matching.sample import MatchedSample, combined_weight, effective_size
from coopgap.study.spec import Fitting, LinkName
from coopgap.survey.cells import Cells
from coopgap.survey.records import ModelRows

INTERVAL_PROB = 0.95
"""Coverage probability of every interval in gaps.csv and coefficients.csv."""

PAIRED = frozenset({"nearest", "optimal", "full"})
"""Matching methods that choose who stands beside whom: their sets are a way of clustering."""

CR2_CLUSTERS = 50
"""With fewer clusters gaps and coefficients have CR2 and Satterthwaite's degrees of freedom: in the
coverage table CR1 with 10 clusters covers 86 to 94 percent, with 100 the two are the same."""

FEW_CLUSTERS = 6
"""Fewer clusters than this: refused for a whole fit, flagged for a domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The complete rows of a model, or of a domain of it, with their matched sample.

    Attributes
    ----------
    rows
        n people.
    matched
        Matching weights and sets of the same n people.
    covariates
        Factors that enter regressions.
    link
        Link of cumulative fits.
    fitting
        How the adjusted and matched regressions are fitted.
    strata
        Factors the matching made exact, constant within sets.
    domain
        Whether these are the rows of a domain; a whole fit refuses few clusters.
    """

    rows: ModelRows
    matched: MatchedSample
    covariates: tuple[str, ...]
    link: LinkName
    strata: tuple[str, ...]
    fitting: Fitting = field(default_factory=Fitting)
    domain: bool = False

    @property
    def weight(self) -> FloatArray:
        """Sampling weight times matching weight, shape (n,)."""
        return combined_weight(self.rows.weight, self.matched.weight)

    @property
    def kept(self) -> BoolArray:
        """People the matching kept, shape (n,)."""
        return np.asarray(self.matched.weight > 0)

    @property
    def population(self) -> Population:
        """The people behind the headline: members matched, the overlap, or all without matching."""
        own = {"none": Population.ALL_MEMBERS, "overlap": Population.OVERLAP}
        return own.get(self.matched.method, Population.MEMBERS)

    @property
    def is_matched(self) -> bool:
        """Whether the model declares a matching."""
        return self.matched.method != "none"

    @property
    def clusters(self) -> tuple[IntArray | None, IntArray | None]:
        """First and second way of clustering the matched people, shape (n,) each or None.

        Zones; with chosen pairs also their sets, unless every set lies in one zone (Abadie &
        Spiess 2022, JASA 117), and the sets alone where the study declares no zone.
        """
        zone, sets = self.rows.zone, self.matched.set_id
        if self.matched.method not in PAIRED or not self.matched.n_sets:
            return zone, None
        if zone is None:
            return sets, None
        inside = sets >= 0
        pairs = np.unique(np.column_stack([sets[inside], zone[inside]]), axis=0)
        nested = pairs.shape[0] == np.unique(sets[inside]).size
        return zone, None if nested else sets

    def take(self, keep: BoolArray) -> Sample:
        """The people where `keep` is true."""
        return replace(
            self,
            rows=self.rows.take(keep),
            matched=self.matched.take(keep, self.rows.member),
        )

    def within(self, keep: BoolArray) -> Sample:
        """The people of a domain whose sets lie wholly inside or wholly outside it.

        Covariates that the matching made exact then balance there by the weights alone and leave
        the regression, which few people could not carry. Sets that cross the border of the domain
        balance nothing inside it: `coopgap.families.domains` has such people matched anew.
        """
        varying = tuple(name for name in self.covariates if name not in self.strata)
        return replace(self.take(keep), covariates=varying, domain=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCells:
    """Cells of a sample's people of positive weight.

    Attributes
    ----------
    cells
        c cells with counts by outcome level.
    x
        Shape (c, k): membership, then the columns of covariates.
    terms
        k names: `member`, then those of the covariates.
    columns
        By term or variable, its positions in `x`, membership first.
    scale
        Shape (k,): what the columns of numeric covariates were divided by, else one.
    codes
        By covariate, shape (c,): its level.
    member, kept
        Shape (c,): membership, and whether the matching kept the cell's people.
    cluster, second
        Shape (c,): first and second way of clustering, or None.
    """

    cells: Cells
    x: FloatArray
    terms: tuple[str, ...]
    columns: Mapping[str, tuple[int, ...]]
    scale: FloatArray
    codes: Mapping[str, IntArray]
    member: BoolArray
    kept: BoolArray
    cluster: IntArray | None
    second: IntArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """One term of a fit."""

    term: str
    scale: Scale
    interval: Interval
    std_error_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSets:
    """One cut of a conditional ordinal fit, by itself.

    `category` is `>=B`; `n_sets` counts the sets that hold both groups and both sides of the cut;
    `log_odds` is membership's, or None with the `reason`.
    """

    category: str
    n_sets: int
    log_odds: Interval | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """What each person of a sample moves its margins by.

    Attributes
    ----------
    people
        Shape (m,): positions in the survey, increasing.
    cell, level, weight
        Shape (m,): cell, outcome level and analysis weight of each.
    unit
        Shape (c, J, 2J): of a person of weight one.
    cluster, second
        Shape (m,): zones, and the sets that the matching chose where people are clustered on them
        too; each may be None.
    corrected
        Whether contributions are adjusted for the clusters' number already (CR2).
    """

    people: IntArray
    cell: IntArray
    level: IntArray
    weight: FloatArray
    unit: FloatArray
    cluster: IntArray | None
    second: IntArray | None
    corrected: bool

    def of(self, gradient: FloatArray) -> FloatArray:
        """Contributions to a contrast of the margins with this gradient, (2J,); shape (m,)."""
        return np.asarray(self.weight * (self.unit @ gradient)[self.cell, self.level])


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyEstimate:
    """What one family says about one sample.

    Attributes
    ----------
    people
        Shape (2, J): unweighted people behind it, comparison group first, by outcome level.
    margins
        Both groups' distributions with their covariance; None where the family has none.
    joint
        Intervals of the threshold gaps that hold together.
    influence
        Of its people, so that it can be compared with another estimate.
    form
        How membership enters an outcome of more than two levels: free, shares or proportional;
        empty elsewhere.
    fell_back
        Why shares stand in the place of a fit with membership free; empty where none was tried.
    n_sets
        Matched sets, or discordant sets; None where there are none.
    n_clusters
        Clusters behind the standard errors; None without clusters.
    correct_decimals
        Of the coefficients; None where nothing was iterated.
    constant
        Terms left out because they are constant within every set that holds both answers.
    infinite
        Terms without a finite maximum-likelihood estimate, for which bias was reduced instead.
    std_errors
        How the standard errors of its gaps are made; empty where nothing was estimated.
    cuts
        Each cut of a conditional ordinal fit.
    ess_own
        Effective size of the raked weights of people who are set beside outside shares; None
        where nothing was raked.
    own_shares
        Whether its rows hold the members' own shares; False where another's do.
    """

    family: Family
    population: Population
    people: IntArray
    comparator: str = Comparator.COMPARISON
    margins: Margins | None = None
    joint: Mapping[Contrast, Interval] = field(default_factory=dict)
    influence: Influence | None = None
    form: str = ""
    fell_back: str = ""
    intervals: Mapping[Contrast, Interval | None] = field(default_factory=dict)
    coefficients: tuple[Coefficient, ...] = ()
    ess_comparison: float | None = None
    n_sets: int | None = None
    n_clusters: int | None = None
    correct_decimals: int | None = None
    constant: tuple[str, ...] = ()
    infinite: tuple[str, ...] = ()
    std_errors: str = ""
    cuts: tuple[CutSets, ...] = ()
    ess_own: float | None = None
    own_shares: bool = True
    status: Status = Status.OK
    reason: str = ""

    def sets_at(self, contrast: Contrast) -> int | None:
        """Sets behind one contrast: of a cut of a conditional fit its own discordant ones."""
        own = {cut.category: cut.n_sets for cut in self.cuts}
        return own.get(contrast.category, self.n_sets)


def from_margins(
    family: Family,
    population: Population,
    sample: Sample,
    on: SampleCells,
    margins: Margins,
    *,
    weight: FloatArray,
    people: IntArray,
    **more: Any,
) -> FamilyEstimate:
    """An estimate with every contrast of its margins.

    Parameters
    ----------
    family, population
        What it is.
    sample
        Its rows.
    on
        The cells that the margins were made on.
    margins
        With the influence of cells.
    weight
        Shape (n,): analysis weights of the rows.
    people, more
        As in `FamilyEstimate`.
    """
    levels = sample.rows.levels
    return FamilyEstimate(
        family=family,
        population=population,
        people=people,
        margins=margins,
        joint=joint_intervals(margins, levels, INTERVAL_PROB),
        intervals=estimate_contrasts(margins, levels, INTERVAL_PROB),
        influence=_influence(sample.rows, on, margins, weight),
        ess_comparison=effective_size(weight[~sample.rows.member]),
        **more,
    )


def _influence(
    rows: ModelRows, on: SampleCells, margins: Margins, weight: FloatArray
) -> Influence | None:
    if margins.influence is None:
        return None
    used = on.cells.index >= 0
    cell = on.cells.index[used]
    # Without zones sets are the first way; sets of two matchings have numbers alike.
    zone, sets = (on.cluster, on.second) if rows.zone is not None else (None, on.cluster)
    return Influence(
        people=rows.index[used],
        cell=cell,
        level=rows.outcome[used],
        weight=weight[used],
        unit=margins.influence,
        cluster=None if zone is None else zone[cell],
        second=None if sets is None else sets[cell],
        corrected=margins.df_of is not None,
    )


def are_few(n_clusters: int | None) -> bool:
    """Whether clusters are so few that CR1 intervals cover too seldom."""
    return n_clusters is not None and n_clusters < CR2_CLUSTERS


def count_clusters(
    sample: Sample, keep: BoolArray | None = None, *, by_person: bool = False
) -> int | None:
    """Clusters among the people kept; None without zones, or where people count as independent.

    Raises
    ------
    NotEstimable
        For a whole fit with fewer than `FEW_CLUSTERS` clusters; for a domain with one, which
        has no standard error, with status `few_clusters`.
    """
    zone = sample.rows.zone
    if zone is None or by_person:
        return None
    n_clusters = int(np.unique(zone if keep is None else zone[keep]).size)
    if n_clusters < FEW_CLUSTERS and not sample.domain:
        raise NotEstimable(
            f"{n_clusters} zones are too few for a standard error; {FEW_CLUSTERS} are needed"
        )
    if n_clusters < 2:
        raise NotEstimable("one zone has no standard error", Status.FEW_CLUSTERS)
    return n_clusters


def require_matched(sample: Sample) -> None:
    """Refuse a sample of which the matching keeps nobody.

    Raises
    ------
    NotEstimable
        With the matching's own reason and counts.
    """
    if sample.matched.reason:
        raise NotEstimable(sample.matched.reason)


def require_both_groups(people: IntArray) -> None:
    """Refuse a sample in which one of the groups has nobody.

    Raises
    ------
    NotEstimable
        Naming the counts.
    """
    comparison, member = (int(count) for count in people.sum(axis=1))
    if not member or not comparison:
        raise NotEstimable(f"{member:,} members and {comparison:,} comparison people are left")
