"""A sample as cells, membership and covariates as a design matrix, and the fit made on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NoFreeFit
from coopgap.families.records import Sample, SampleCells, are_few
from coopgap.regression.clusters import PERSON_KINDS, CovarianceKind
from coopgap.regression.covariance import CoefficientCovariance, cluster_covariance
from coopgap.regression.cumulative import (
    CumulativeFit,
    cell_scores,
    cluster_information,
    crossing_rows,
    unit_information,
    unit_scores,
)
from coopgap.regression.design import design_matrix
from coopgap.regression.ordinal import fit_reduced
from coopgap.regression.separation import finite_fit
from coopgap.study.spec import LinkName, StdErrorsName
from coopgap.survey.cells import collapse

_SHOWN = 5
"""Combinations that a refusal names."""


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
    if sample.fitting.std_errors in PERSON_KINDS:
        first = second = None
    nobody = np.zeros(rows.n, dtype=np.int64)
    factors = [rows.member.astype(np.int64), sample.kept.astype(np.int64)]
    factors += [nobody if way is None else way for way in (first, second)]
    factors += [rows.factors[name] for name in sample.covariates]
    cells = collapse(factors, rows.outcome, len(rows.levels), weight)
    codes = {name: cells.codes[:, 4 + k] for k, name in enumerate(sample.covariates)}
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
    fixed: bool


def fit_cells(
    sample: Sample, weight: FloatArray, *, member_free: bool = False, matched: bool = False
) -> CellFit:
    """Collapse people of positive weight and fit membership and covariates.

    Parameters
    ----------
    sample, weight, matched
        As in `sample_cells`.
    member_free
        Free membership from proportional odds, beside the covariates that the model frees.

    Returns
    -------
    CellFit
        Where some estimate would be infinite the bias-reduced fit takes the likelihood's place,
        unless membership is freed.

    Raises
    ------
    NotEstimable
        On a rank-deficient design or one answer.
    NoFreeFit
        Freed thresholds cross for somebody, or, with membership freed, an estimate is infinite.
    """
    on = sample_cells(sample, weight, matched=matched)
    x, cells, free = on.x, on.cells, _free(sample, on, member_free=member_free)
    fit, infinite = _fitted(on, free, sample.link)
    if infinite and member_free:
        raise NoFreeFit(f"no finite estimate for {', '.join(infinite)}")
    _require_order(fit, on, sample)
    kind = covariance_kind(sample.fitting.std_errors, on, infinite)
    covariance = cluster_covariance(
        fit.cov,
        unit_scores(fit, x) if on.cluster is None else cell_scores(fit, x, cells.counts),
        cells.counts,
        cells.squares,
        on.cluster,
        kind=kind,
        second=on.second,
        information=_information(kind, fit, on),
        people=cells.people,
    )
    return CellFit(
        fit=fit,
        kind=kind,
        covariance=covariance,
        on=on,
        infinite=infinite,
        fixed=sample.fitting.fixed,
    )


def _fitted(
    on: SampleCells, free: tuple[int, ...], link: LinkName
) -> tuple[CumulativeFit, tuple[str, ...]]:
    """The likelihood's fit, or the bias-reduced one with the terms that have no finite estimate."""
    x, counts, people = on.x, on.cells.counts, on.cells.people
    fit, infinite = finite_fit(x, counts, on.terms, free, people=people, link=link)
    if fit is not None:
        return fit, ()
    reduced = fit_reduced(x, counts, people=people, link=link, terms=on.terms, free=free)
    return reduced, infinite


def _free(sample: Sample, on: SampleCells, *, member_free: bool) -> tuple[int, ...]:
    """Positions of freed columns; a domain has no column for what is constant in its strata."""
    columns = [on.columns.get(name, ()) for name in sample.fitting.free]
    return tuple(sorted(sum(columns, (0,) if member_free else ())))


def _information(kind: CovarianceKind, fit: CumulativeFit, on: SampleCells) -> FloatArray | None:
    if kind == "CR2" and on.cluster is not None:
        return cluster_information(fit, on.x, on.cells.counts, on.cluster)
    return unit_information(fit, on.x) if kind == "HC3" else None


def covariance_kind(
    asked: StdErrorsName, on: SampleCells, infinite: tuple[str, ...] = ()
) -> CovarianceKind:
    """What the model asks for, by default CR2 where zones are few, else CR1; HC0 without zones.

    Two ways of clustering have no CR2, and bias-reduced fits have no score equations to correct.
    """
    if asked in PERSON_KINDS:
        return "HC1" if infinite else asked
    if on.cluster is None:
        return "HC0"
    if asked in ("CR1", "CR1S"):
        return asked
    few = asked == "CR2" or are_few(int(np.unique(on.cluster).size))
    return "CR2" if few and on.second is None and not infinite else "CR1"


def _require_order(fit: CumulativeFit, on: SampleCells, sample: Sample) -> None:
    """Refuse freed thresholds that cross for somebody, as a member or not.

    Only freed columns move thresholds apart, so that a combination of theirs crosses or not
    whatever the other covariates are.
    """
    if not fit.free:
        return
    freed = on.x[:, list(fit.free)]
    if 0 in fit.free:
        at = fit.free.index(0)
        sides = (np.insert(np.delete(freed, at, axis=1), at, side, axis=1) for side in (0.0, 1.0))
        freed = np.vstack(list(sides))
    rows = np.unique(freed, axis=0)
    every = np.zeros((len(rows), on.x.shape[1]))
    every[:, list(fit.free)] = rows
    crossing = [row for row in every if crossing_rows(fit, row[None])]
    if not crossing:
        return
    named = [_combination(row, fit, on, sample) for row in crossing]
    shown = "; ".join(named[:_SHOWN]) + (" and others" if len(named) > _SHOWN else "")
    raise NoFreeFit(
        f"thresholds cross for {len(named)} of {len(rows)} combinations of freed terms: {shown}"
    )


def _combination(row: FloatArray, fit: CumulativeFit, on: SampleCells, sample: Sample) -> str:
    """Levels of the freed variables of one design row."""
    parts = []
    for name, columns in on.columns.items():
        if not set(columns) <= set(fit.free):
            continue
        if name in sample.rows.numeric:
            parts.append(f"some {name}")
            continue
        set_to = [column for column in columns if row[column] == 1]
        if name == "member" and columns == (0,):
            parts.append("member" if set_to else "comparison")
        elif set_to:
            parts.append(on.terms[set_to[0]])
        else:
            parts.append(f"{name}={_reference(name, sample)}")
    return ", ".join(parts)


def _reference(name: str, sample: Sample) -> str:
    """The level that has no column of its own: the first that somebody has."""
    return sample.rows.factor_levels[name][int(sample.rows.factors[name].min())]
