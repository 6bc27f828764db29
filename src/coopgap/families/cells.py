"""A sample as cells, membership and covariates as a design matrix, and the fit made on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.families.records import Sample, are_few
from coopgap.regression.clusters import CovarianceKind
from coopgap.regression.covariance import CoefficientCovariance, cluster_covariance
from coopgap.regression.cumulative import CumulativeFit, crossing_rows, unit_scores
from coopgap.regression.design import design_matrix
from coopgap.regression.information import cluster_information
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.reduced import fit_reduced
from coopgap.regression.separation import separated_terms
from coopgap.survey.cells import Cells, collapse

__all__ = ["CellFit", "SampleCells", "fit_cells", "sample_cells"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCells:
    """Cells of a sample's people of positive weight.

    Attributes
    ----------
    cells
        c cells with counts by outcome level.
    x
        Shape (c, k): membership, then covariates in treatment coding.
    terms
        k names: `member`, then `VARIABLE=LEVEL`.
    columns
        By term or variable, its positions in `x`, membership first.
    member, kept
        Shape (c,): membership, and whether the matching kept the cell's people.
    cluster, second
        Shape (c,): first and second way of clustering, or None.
    """

    cells: Cells
    x: FloatArray
    terms: tuple[str, ...]
    columns: Mapping[str, tuple[int, ...]]
    member: BoolArray
    kept: BoolArray
    cluster: IntArray | None
    second: IntArray | None


def sample_cells(sample: Sample, weight: FloatArray, *, matched: bool = False) -> SampleCells:
    """Collapse a sample's people.

    Parameters
    ----------
    sample
        Rows with their matched sample.
    weight
        Shape (n,): analysis weights; people of weight zero enter no cell.
    matched
        Whether the weights are those of the matched sample, whose pairs may cluster people too.
    """
    rows = sample.rows
    first, second = sample.clusters if matched else (rows.zone, None)
    nobody = np.zeros(rows.n, dtype=np.int64)
    factors = [rows.member.astype(np.int64), sample.kept.astype(np.int64)]
    factors += [nobody if way is None else way for way in (first, second)]
    factors += [rows.factors[name] for name in sample.covariates]
    cells = collapse(factors, rows.outcome, len(rows.levels), weight)
    codes = {name: cells.codes[:, 4 + k] for k, name in enumerate(sample.covariates)}
    levels = {name: rows.factor_levels[name] for name in codes}
    design = design_matrix(codes, levels, cells.codes.shape[0])
    columns: dict[str, tuple[int, ...]] = {"member": (0,)}
    for position, term in enumerate(design.terms, start=1):
        name = next(name for name in codes if term.startswith(f"{name}="))
        columns[name] = (*columns.get(name, ()), position)
    return SampleCells(
        cells=cells,
        x=np.column_stack([cells.codes[:, 0].astype(np.float64), design.x]),
        terms=("member", *design.terms),
        columns=columns,
        member=cells.codes[:, 0] == 1,
        kept=cells.codes[:, 1] == 1,
        cluster=None if first is None else cells.codes[:, 2],
        second=None if second is None else cells.codes[:, 3],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFit:
    """A fit with the cells it was made on, and the kind of covariance that its gaps share."""

    fit: CumulativeFit
    kind: CovarianceKind
    covariance: CoefficientCovariance
    on: SampleCells
    infinite: tuple[str, ...]


def fit_cells(
    sample: Sample, weight: FloatArray, free: tuple[int, ...] = (), *, matched: bool = False
) -> CellFit:
    """Collapse people of positive weight and fit membership and covariates.

    Parameters
    ----------
    sample, weight, matched
        As in `sample_cells`.
    free
        Positions of columns freed from proportional odds.

    Returns
    -------
    CellFit
        Where some estimate would be infinite the bias-reduced fit takes the likelihood's place.

    Raises
    ------
    NotEstimable
        On a rank-deficient design, one answer, or freed thresholds that cross for somebody.
    """
    on = sample_cells(sample, weight, matched=matched)
    x, cells = on.x, on.cells
    infinite = separated_terms(x, cells.counts, on.terms, free)
    fitted = fit_reduced if infinite else fit_ordinal
    fit = fitted(x, cells.counts, people=cells.people, link=sample.link, terms=on.terms, free=free)
    _require_order(fit, x)
    kind = _kind(on, infinite)
    covariance = cluster_covariance(
        fit.cov,
        unit_scores(fit, x),
        cells.counts,
        cells.squares,
        on.cluster,
        kind=kind,
        second=on.second,
        information=None
        if kind != "CR2" or on.cluster is None
        else cluster_information(fit, x, cells.counts, on.cluster),
    )
    return CellFit(fit=fit, kind=kind, covariance=covariance, on=on, infinite=infinite)


def _kind(on: SampleCells, infinite: tuple[str, ...]) -> CovarianceKind:
    """CR2 where zones are few, else CR1; HC0 without zones.

    Two ways of clustering have no CR2, and bias-reduced fits have no score equations to correct.
    """
    if on.cluster is None:
        return "HC0"
    few = are_few(int(np.unique(on.cluster).size))
    return "CR2" if few and on.second is None and not infinite else "CR1"


def _require_order(fit: CumulativeFit, x: FloatArray) -> None:
    """Refuse freed thresholds that cross for somebody, as a member or not."""
    if fit.free:
        both = np.vstack([np.column_stack([np.full(len(x), side), x[:, 1:]]) for side in (0, 1)])
        crossing = crossing_rows(fit, np.unique(both, axis=0))
        if crossing:
            raise NotEstimable(f"thresholds cross for {crossing} combinations of covariates")
