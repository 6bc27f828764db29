"""How people were sampled, and what covariance an estimate has by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.regression.clusters import (
    CLUSTER_KINDS,
    PERSON_KINDS,
    CovarianceKind,
    Grouping,
    QuadraticForm,
    grouping,
    intersection,
    stage_covariance,
    two_way,
)
from coopgap.regression.replicates import Resampled
from coopgap.survey.cells import Cells
from coopgap.survey.drawn import Drawn, Stage
from coopgap.survey.records import ModelRows


@dataclass(frozen=True, slots=True, kw_only=True)
class CoefficientCovariance:
    """A covariance (p, p) and where it comes from.

    `kind` is `cluster CR1`, `cluster CR2, strata`, `two-way CR1`, `HC0` and the like. `n_clusters`
    are the clusters G (of two ways, the fewer), None without clusters; `df` the degrees of freedom
    for t intervals where a quantity has none of its own: G − 1, of a declared design G − H as drawn
    (of people, if they are the first-stage units), infinity for independent people.
    `satterthwaite`, with CR2, has those of any contrast of the p estimates.
    """

    cov: FloatArray
    kind: str
    n_clusters: int | None
    df: float
    satterthwaite: QuadraticForm | None = None

    def df_of(self, contrast: FloatArray) -> float:
        """Degrees of freedom of c'b, `contrast` c of shape (p,)."""
        if self.satterthwaite is None:
            return self.df
        return float(self.satterthwaite.df(contrast))

    @property
    def coefficient_df(self) -> FloatArray:
        """Degrees of freedom of each estimate, shape (p,); NaN where one has no variance."""
        p = len(self.cov)
        if self.satterthwaite is None:
            return np.full(p, self.df)
        return self.satterthwaite.df(np.eye(p))


_ARRAYS: Final = ("cluster", "second", "stratum", "people")


def kind_name(kind: CovarianceKind, sampled: Sampled | None = None) -> str:
    """What a covariance calls itself: `cluster CR2, strata`, `two-way CR1`, `HC3`."""
    if sampled is None:
        return f"cluster {kind}"
    way = "two-way " if sampled.second is not None else "" if kind in PERSON_KINDS else "cluster "
    if sampled.resampled is not None:
        return sampled.resampled.replicates.name
    return f"{way}{kind}{'' if sampled.drawn is None else sampled.drawn.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """How the people of c cells were sampled: what turns an influence into a covariance.

    Attributes
    ----------
    cluster, second
        Shape (c,): first-stage units, and another way of clustering; None where people are
        independent, or independent within strata.
    stratum, drawn
        Shape (c,): strata, and what was drawn in each; None where no design is declared.
    people
        Shape (c, J): unweighted people, for the N of CR1S and HC1; if absent the sums of weights.
    resampled
        The people behind the cells, where replicate weights make all errors, to first order;
        clusters say then only what matched sets cross.
    """

    cluster: IntArray | None = None
    second: IntArray | None = None
    stratum: IntArray | None = None
    drawn: Drawn | None = None
    people: IntArray | None = None
    resampled: Resampled | None = None

    @classmethod
    def of(cls, given: Self | IntArray | None) -> Sampled:
        """Clusters alone, or None for independent people, as a sample."""
        return given if isinstance(given, Sampled) else Sampled(cluster=given)

    def take(self, keep: BoolArray | IntArray) -> Sampled:
        """Cells where `keep`, shape (c,), is true, or at those positions."""
        parts = {name: getattr(self, name) for name in _ARRAYS}
        return replace(
            self,
            resampled=self.resampled and self.resampled.take(keep),
            **{name: part[keep] for name, part in parts.items() if part is not None},
        )

    def ways(self, n: int) -> list[IntArray]:
        """All that tells cells of n people apart by how they were sampled, shape (n,) each."""
        nobody = np.zeros(n, dtype=np.int64)
        stratum = self.stratum if self.cluster is None else None
        return [nobody if way is None else way for way in (self.cluster, self.second, stratum)]

    def of_cells(
        self, cells: Cells, level: IntArray | None = None, weight: FloatArray | None = None
    ) -> Sampled:
        """The same of cells of its people; replicates need the level and weight of each, (n,)."""
        resampled = None
        if self.resampled is not None and level is not None and weight is not None:
            resampled = self.resampled.of_cells(cells.index, level, weight)
        return replace(self.take(cells.first), people=cells.people, resampled=resampled)

    def of_people(self, cell: IntArray) -> Sampled:
        """The people of cells, each a cell of their own; `cell` (m,) is that of each."""
        own = replace(self, people=None, resampled=None).take(cell)
        resampled = self.resampled and Resampled(self.resampled.replicates, self.resampled.people)
        return replace(own, resampled=resampled)

    def split(self, level: int) -> Sampled:
        """The same cells with two levels: below one, and that one or higher."""
        return replace(self, resampled=self.resampled and self.resampled.split(level))

    @property
    def is_declared(self) -> bool:
        """Whether a study says more of the sampling than its clusters."""
        return self.drawn is not None or self.resampled is not None

    @property
    def by_cell(self) -> bool:
        """Whether sums of a cell's people are enough, and no person is a unit."""
        by_person = self.resampled is not None or (
            self.drawn is not None and self.drawn.second is not None
        )
        return self.cluster is not None and not by_person

    def deviations(self, influence: FloatArray) -> FloatArray | None:
        """Of replicates, (R, q), by an influence as in `covariance`; None without replicates."""
        return None if self.resampled is None else self.resampled.deviations(influence)

    @property
    def has_cr2(self) -> bool:
        """Whether CR2 goes with it: not with two ways of clustering or two stages of sampling."""
        return self.second is None and self.by_cell

    def groups(self, weight: FloatArray) -> Grouping:
        """Clusters of cells with weight (c,); raises as `grouping`."""
        assert self.cluster is not None
        stage = None if self.drawn is None else self.drawn.first
        return grouping(self.cluster, weight, self.stratum, stage)

    def require_kind(self, kind: CovarianceKind | None) -> CovarianceKind:
        """The kind, by default CR1 with clusters and HC0 without.

        Raises ValueError if it does not go with the sample.
        """
        alone = self.resampled is not None or (self.cluster is None and self.second is None)
        chosen: CovarianceKind = ("HC0" if alone else "CR1") if kind is None else kind
        allowed = PERSON_KINDS if alone else CLUSTER_KINDS
        if chosen not in allowed:
            raise ValueError(f"covariance {chosen!r}: expected one of {allowed}")
        if chosen == "CR2" and not self.has_cr2:
            raise ValueError("two ways of clustering, or two stages, go with CR0, CR1 or CR1S")
        return chosen

    def covariance(
        self,
        influence: FloatArray,
        counts: FloatArray,
        squares: FloatArray,
        *,
        kind: CovarianceKind | None = None,
        n_params: int | None = None,
    ) -> CoefficientCovariance:
        """Covariance of an estimate from what one person of weight one adds to it.

        Parameters
        ----------
        influence
            Shape (c, J, q); for HC3 adjusted already. Where `by_cell`, also what all people of a
            cell add, shape (c, q).
        counts, squares
            Shape (c, J): sums of weights and of squared weights.
        kind
            As in `cluster_covariance`, without CR2.
        n_params
            The k of CR1S and HC1.

        Notes
        -----
        Of a declared design people, or clusters, are taken within strata as in `stage_covariance`,
        and with the size of the clusters' populations people within clusters are a second stage. A
        second way of clustering, matched sets that cross the first, is no part of the drawing: its
        sums, and those over both ways, which are taken off again, have no strata.
        """
        chosen = self.require_kind(kind)
        if chosen == "CR2":
            raise ValueError("CR2 needs more than an influence: use cluster_covariance")
        factor = self._people_factor(chosen, counts, n_params)
        weight, corrected = counts.sum(axis=1), chosen != "CR0"
        cells = np.einsum("cj,cjq->cq", counts, influence) if influence.ndim == 3 else influence
        name = kind_name(chosen, self)
        away = self.deviations(influence)
        if away is not None:
            df = float(len(away) - 1)
            return CoefficientCovariance(cov=away.T @ away, kind=name, n_clusters=None, df=df)
        if self.cluster is None:
            cov, n_clusters = self._by_person(influence, counts, squares), None
            df = np.inf if self.drawn is None else self.drawn.first.df
        else:
            groups = self.groups(weight)
            cov = groups.covariance(groups.sums(cells), corrected=corrected)
            if self.drawn is not None and self.drawn.second is not None:
                parent, stage = self.cluster, self.drawn.second
                cov = cov + _of_people(influence, counts, squares, parent, stage)
            n_clusters, df = groups.n, groups.df
        cov = factor * cov
        if self.second is None:
            return CoefficientCovariance(cov=cov, kind=name, n_clusters=n_clusters, df=df)
        others = grouping(self.second, weight)
        other = factor * others.covariance(others.sums(cells), corrected=corrected)
        if self.cluster is None:
            both = Sampled()._by_person(influence, counts, squares)
        else:
            by_both = grouping(intersection(self.cluster, self.second), weight)
            both = by_both.covariance(by_both.sums(cells), corrected=corrected)
        cov, zeroed = two_way(cov, other, factor * both)
        fewer = others.n if n_clusters is None else min(n_clusters, others.n)
        return CoefficientCovariance(
            cov=cov,
            kind=name + (", negative eigenvalues set to zero" if zeroed else ""),
            n_clusters=fewer,
            df=min(df, float(fewer - 1)),
        )

    def _by_person(
        self, influence: FloatArray, counts: FloatArray, squares: FloatArray
    ) -> FloatArray:
        """Of people who are independent, or drawn one by one within strata."""
        if self.stratum is not None and self.drawn is not None:
            return _of_people(influence, counts, squares, self.stratum, self.drawn.first)
        flat = influence.reshape(-1, influence.shape[2])
        return np.asarray((flat * squares.reshape(-1, 1)).T @ flat)

    def _people_factor(
        self, kind: CovarianceKind, counts: FloatArray, n_params: int | None
    ) -> float:
        if kind not in ("CR1S", "HC1"):
            return 1.0
        if n_params is None:
            raise ValueError(f"{kind} needs the number of parameters")
        n = float(counts.sum() if self.people is None else self.people.sum())
        # People drawn within strata have their n/(n - 1) already, as clusters have.
        own = kind == "CR1S" or self.drawn is not None
        return (n - 1 if own else n) / (n - n_params)


def _of_people(
    influence: FloatArray,
    counts: FloatArray,
    squares: FloatArray,
    parent: IntArray,
    stage: Stage,
) -> FloatArray:
    """What a stage that draws people within parents, shape (c,), adds to the variance."""
    rows = influence.reshape(-1, influence.shape[2])
    parents = np.repeat(parent, counts.shape[1])
    return stage_covariance(rows, squares.ravel(), counts.ravel(), parents, stage)


def joined(parts: Sequence[Sampled]) -> Sampled:
    """Samples of one survey, one after another."""

    def of_all(name: str) -> IntArray | None:
        arrays = [getattr(part, name) for part in parts]
        return None if any(one is None for one in arrays) else np.concatenate(arrays)

    cluster, second, stratum, people = map(of_all, _ARRAYS)
    return Sampled(
        cluster=cluster, second=second, stratum=stratum, people=people, drawn=parts[0].drawn
    )


def sample_of_rows(rows: ModelRows) -> Sampled:
    """How people were sampled, each a cell of their own."""
    if rows.replicates is not None:
        # In a replicate only the estimate itself is looked at.
        whole = rows.replicate is None
        return Sampled(resampled=Resampled(rows.replicates, rows.index) if whole else None)
    return Sampled(cluster=rows.zone, stratum=rows.stratum, drawn=rows.drawn)


def person_covariance(unit: FloatArray, sampled: Sampled) -> CoefficientCovariance:
    """Covariance from weighted contributions of people, shape (n, q)."""
    one = np.ones((len(unit), 1))
    return sampled.covariance(unit[:, None, :], one, one)
