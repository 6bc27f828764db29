"""What a family is given: people with their matched sample, as cells, and whom it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, Keys
from coopgap.core.gap import Margins
from coopgap.core.vocabulary import Diagnostic, Family, Kind, Population, Status
from coopgap.families.difference import Influence
from coopgap.families.estimate import FEW_CLUSTERS, Estimate
from coopgap.matching.sample import MatchedSample, combined_weight, effective_size
from coopgap.regression.clusters import PERSON_KINDS, CovarianceKind
from coopgap.regression.design import design_matrix
from coopgap.regression.sampled import Sampled, sample_of_rows
from coopgap.study.spec import DeclaredPopulation, Fitting, LinkName, StdErrorsName
from coopgap.survey.cells import Cells, collapse
from coopgap.survey.records import ModelRows

PAIRED = frozenset({"nearest", "optimal", "full"})
"""Matching methods that choose who stands beside whom: their sets are a way of clustering."""

CR2_CLUSTERS = 50
"""With fewer clusters gaps and coefficients have CR2 and Satterthwaite's degrees of freedom: in the
coverage table CR1 with 10 clusters covers 86 to 94 percent, with 100 the two are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The complete rows of a model, or of a domain of it, with their matched sample.

    `covariates` enter regressions, `strata` the matching made exact, constant within sets. A whole
    fit refuses few clusters, a `domain` has them flagged.
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
    def by_replicates(self) -> bool:
        """Whether replicate weights make the standard errors."""
        return self.rows.replicates is not None

    @property
    def by_person(self) -> bool:
        """Whether the model takes people as independent."""
        return self.fitting.std_errors in PERSON_KINDS

    @property
    def crossing_sets(self) -> IntArray | None:
        """Matched sets, shape (n,), where they are a way of clustering of their own.

        Those of chosen pairs, unless every set lies in one zone (Abadie & Spiess 2022, JASA 117).
        """
        zone, sets = self.rows.zone, self.matched.set_id
        if self.matched.method not in PAIRED or not self.matched.n_sets:
            return None
        if zone is None:
            return sets
        inside = sets >= 0
        pairs = np.unique(np.column_stack([sets[inside], zone[inside]]), axis=0)
        return None if pairs.shape[0] == np.unique(sets[inside]).size else sets

    def sampled(self, *, matched: bool = False, by_person: bool = False) -> Sampled:
        """How the people were sampled, each a cell of their own.

        `matched` people may be clustered on sets of theirs too: the only way, where the study
        declares neither zones nor strata.
        """
        rows, sets = self.rows, self.crossing_sets if matched else None
        if self.by_replicates:
            return sample_of_rows(rows)
        if by_person:
            drawn = None if rows.drawn is None else rows.drawn.by_person
            return Sampled(stratum=rows.stratum, drawn=drawn)
        if rows.zone is None and rows.drawn is None:
            return Sampled(cluster=sets)
        return Sampled(cluster=rows.zone, second=sets, stratum=rows.stratum, drawn=rows.drawn)

    def take(self, keep: BoolArray) -> Sample:
        """The people where `keep` is true."""
        matched = self.matched.take(keep, self.rows.member)
        return replace(self, rows=self.rows.take(keep), matched=matched)

    def within(self, keep: BoolArray) -> Sample:
        """The people of a domain whose sets lie wholly inside or wholly outside it.

        Covariates that the matching made exact then balance there by the weights alone and leave
        the regression, which few people could not carry. Sets that cross the border of the domain
        balance nothing inside it: `coopgap.families.plan.domains` matches such people anew.
        """
        varying = tuple(name for name in self.covariates if name not in self.strata)
        return replace(self.take(keep), covariates=varying, domain=True)

    def standing(self, keep: BoolArray | None = None, *, by_person: bool = False) -> dict[str, Any]:
        """People behind an estimate of those kept, by group and level, and clusters.

        Raises
        ------
        NotEstimable
            Where a group is empty or clusters are too few.
        """
        people = self.rows.people_by_level(keep)
        require_both_groups(people)
        return {"people": people, "n_clusters": count_clusters(self, keep, by_person=by_person)}

    def estimate(self, family: Family, population: Population, **fields: Any) -> Estimate:
        """What a family says about it."""
        keys = Keys(model="", outcome="", source="", levels=self.rows.levels)
        return Estimate(family=family, population=population, keys=keys, **fields)

    def refused(self, family: Family, population: Population, error: NotEstimable) -> Estimate:
        """That a family says nothing about it, and why."""
        people = self.rows.people_by_level()
        return self.estimate(
            family, population, people=people, status=error.status, reason=error.reason
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
    if zone is None or by_person or sample.by_replicates:
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
    """Refuse a sample of which the matching keeps nobody, with its own reason and counts."""
    if sample.matched.reason:
        raise NotEstimable(sample.matched.reason)


def require_both_groups(people: IntArray) -> None:
    """Refuse people, by group and level, of whom one group has nobody."""
    comparison, member = (int(count) for count in people.sum(axis=1))
    if not member or not comparison:
        raise NotEstimable(f"{member:,} members and {comparison:,} comparison people are left")


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
    sampled
        How the cells' people were sampled.
    """

    cells: Cells
    x: FloatArray
    terms: tuple[str, ...]
    columns: Mapping[str, tuple[int, ...]]
    scale: FloatArray
    codes: Mapping[str, IntArray]
    member: BoolArray
    kept: BoolArray
    sampled: Sampled


def sample_cells(sample: Sample, weight: FloatArray, *, matched: bool = False) -> SampleCells:
    """Collapse a sample's people by analysis weights, shape (n,); those of weight zero stay out.

    Where the weights are those of the matched sample, its pairs may cluster people too.
    """
    rows = sample.rows
    sampled = sample.sampled(matched=matched, by_person=sample.by_person)
    factors = [rows.member.astype(np.int64), sample.kept.astype(np.int64), *sampled.ways(rows.n)]
    start = len(factors)
    factors += [rows.factors[name] for name in sample.covariates]
    cells = collapse(factors, rows.outcome, len(rows.levels), weight)
    codes = {name: cells.codes[:, start + k] for k, name in enumerate(sample.covariates)}
    levels = {name: rows.factor_levels[name] for name in codes}
    design = design_matrix(codes, levels, cells.codes.shape[0], rows.numeric)
    columns = {name: tuple(1 + at for at in own) for name, own in design.columns.items() if own}
    return SampleCells(
        cells=cells,
        x=np.column_stack([cells.codes[:, 0].astype(np.float64), design.x]),
        terms=("member", *design.terms),
        columns={"member": (0,), **columns},
        scale=np.append(1.0, design.scale),
        codes=codes,
        member=cells.codes[:, 0] == 1,
        kept=cells.codes[:, 1] == 1,
        sampled=sampled.of_cells(cells, rows.outcome, weight),
    )


def covariance_kind(
    declared: StdErrorsName, on: SampleCells, infinite: tuple[str, ...] = ()
) -> CovarianceKind:
    """What the model declares, by default CR2 where zones are few, else CR1; HC0 without zones.

    Two ways of clustering and two stages of sampling have no CR2, and bias-reduced fits have no
    score equations to correct.
    """
    sampled = on.sampled
    if declared in PERSON_KINDS:
        return "HC1" if infinite else declared
    if sampled.cluster is None:
        return "HC0" if sampled.second is None else "CR1"
    if declared in ("CR1", "CR1S"):
        return declared
    few = declared == "CR2" or are_few(int(np.unique(sampled.cluster).size))
    return "CR2" if few and sampled.has_cr2 and not infinite else "CR1"


def from_margins(
    family: Family,
    population: Population,
    sample: Sample,
    on: SampleCells,
    margins: Margins,
    *,
    weight: FloatArray,
    **fields: Any,
) -> Estimate:
    """An estimate by the margins made on cells; `weight` are the analysis weights of the rows."""
    rows = sample.rows
    influence = None
    if margins.influence is not None:
        used = on.cells.index >= 0
        cell = on.cells.index[used]
        sampled = on.sampled
        # Without zones sets are the first way; sets of two matchings have numbers alike.
        if rows.zone is None and sampled.drawn is None:
            sampled = replace(sampled, cluster=None, second=sampled.cluster)
        influence = Influence(
            people=rows.index[used],
            cell=cell,
            level=rows.outcome[used],
            weight=weight[used],
            unit=margins.influence,
            sampled=sampled.of_people(cell),
            corrected=margins.df_of is not None,
        )
        margins = replace(margins, deviations=sampled.deviations(margins.influence))
    return sample.estimate(
        family,
        population,
        margins=margins,
        influence=influence,
        ess_comparison=effective_size(weight[~rows.member]),
        **fields,
    )


def population_row(declared: DeclaredPopulation, keys: Keys) -> DiagnosticRow:
    """Whose population the poststratified gaps are over; `value` is the number of margins."""
    by = "; ".join(" by ".join(margin.variables) for margin in declared.margins)
    return DiagnosticRow(
        model=keys.model,
        diagnostic=Diagnostic.POSTSTRATIFIED,
        about=declared.file,
        value=len(declared.margins),
        kind=Kind.PLAIN,
        note=f"both groups' people are raked to the shares of {declared.file}: {by}",
        source=keys.source,
    )
