"""Weighted shares of both groups: as they are, with matching weights, and within strata."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins
from coopgap.core.vocabulary import Family, Population
from coopgap.families.estimate import Estimate
from coopgap.families.sample import (
    Sample,
    SampleCells,
    covariance_kind,
    from_margins,
    require_matched,
    sample_cells,
)
from coopgap.regression.sampled import kind_name
from coopgap.regression.shares import weighted_shares
from coopgap.study.spec import Fitting
from coopgap.survey.cells import group_codes


def estimate_unadjusted(
    sample: Sample, population: Population = Population.ALL_MEMBERS
) -> Estimate:
    """Difference of the two groups' (sampling-weighted) shares.

    Of all members, or of those whom the matching keeps, beside the whole comparison group.

    Raises
    ------
    NotEstimable
        If a group is empty, or a whole fit has too few clusters.
    """
    if population is not Population.ALL_MEMBERS:
        require_matched(sample)
        sample = sample.take(sample.kept | ~sample.rows.member)
    sample = replace(sample, covariates=(), fitting=Fitting())
    weight, standing = sample.rows.weight, sample.standing()
    on = sample_cells(sample, weight)
    margins, kind = _shares(on, sample, assisted=False)
    return from_margins(
        Family.UNADJUSTED,
        population,
        sample,
        on,
        margins,
        weight=weight,
        std_errors=kind,
        **standing,
    )


def estimate_shares(sample: Sample) -> Estimate:
    """Difference of the groups' shares with matching weights: no outcome model.

    Raises
    ------
    NotEstimable
        With nobody left, or too few clusters.
    """
    require_matched(sample)
    standing = sample.standing(sample.kept, by_person=sample.by_person)
    on, margins, kind = matched_shares(sample)
    return from_margins(
        Family.SHARES,
        sample.population,
        sample,
        on,
        margins,
        weight=sample.weight,
        n_sets=sample.matched.n_sets or None,
        std_errors=kind,
        **standing,
    )


def matched_shares(sample: Sample) -> tuple[SampleCells, Margins, str]:
    """Shares with matching weights, on cells of covariates and strata; and their covariance."""
    names = tuple(dict.fromkeys((*sample.covariates, *sample.strata)))
    on = sample_cells(replace(sample, covariates=names), sample.weight, matched=True)
    return on, *_shares(on, sample, assisted=True)


def stratified_shares(
    on: SampleCells, sample: Sample, target: FloatArray, *, fixed: bool = False
) -> tuple[Margins, str]:
    """Shares of both groups within strata of all covariates, weighted to a target, shape (c,).

    `fixed` takes the covariates of the target as fixed, whatever the model says.

    Raises
    ------
    NotEstimable
        Where a stratum of the target has nobody of a group.
    """
    ratio = stratum_ratio(on, target)
    return _shares(on, sample, assisted=True, target=target, ratio=ratio, fixed=fixed)


def stratum_ratio(on: SampleCells, target: FloatArray) -> FloatArray:
    """Factor of each cell's weight, shape (c,), that gives every stratum the target's weight.

    Raises
    ------
    NotEstimable
        Where a stratum of the target has nobody of a group.
    """
    stratum = group_codes([np.zeros(len(on.x), np.int64), *on.codes.values()])[1]
    weight = on.cells.counts.sum(axis=1)
    aim = np.bincount(stratum, target * weight)
    ratio = np.zeros(len(weight))
    for side in (on.member, ~on.member):
        own = np.bincount(stratum, weight * side, minlength=aim.size)
        lost = (aim > 0) & ~(own > 0)
        if lost.any():
            people = int(on.cells.people.sum(axis=1)[(target > 0) & lost[stratum]].sum())
            raise NotEstimable(
                f"within strata of all covariates {people} people have nobody beside them"
            )
        factor = np.divide(aim, own, out=np.zeros_like(aim), where=own > 0)
        ratio[side] = factor[stratum][side]
    return ratio


def _shares(
    on: SampleCells,
    sample: Sample,
    *,
    assisted: bool,
    target: FloatArray | None = None,
    ratio: FloatArray | None = None,
    fixed: bool = False,
) -> tuple[Margins, str]:
    """Weighted shares with the covariance that the model asks for, and its name."""
    kind = covariance_kind(sample.fitting.std_errors, on)
    margins = weighted_shares(
        on.member,
        on.cells.counts,
        on.cells.squares,
        on.sampled,
        z=on.x[:, 1:] if assisted else None,
        target=target,
        ratio=ratio,
        fixed=fixed or sample.fitting.fixed,
        kind=kind,
    )
    return margins, kind_name(kind, on.sampled)
