"""Weighted shares of both groups: as they are, with matching weights, and within strata."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins
from coopgap.core.vocabulary import Family, Population
from coopgap.families.cells import covariance_kind, sample_cells
from coopgap.families.records import (
    FamilyEstimate,
    Sample,
    SampleCells,
    count_clusters,
    from_margins,
    require_both_groups,
    require_matched,
)
from coopgap.regression.clusters import PERSON_KINDS
from coopgap.regression.covariance import kind_name
from coopgap.regression.shares import weighted_shares
from coopgap.study.spec import Fitting
from coopgap.survey.cells import group_codes


def estimate_unadjusted(
    sample: Sample, population: Population = Population.ALL_MEMBERS
) -> FamilyEstimate:
    """Difference of the two groups' (sampling-weighted) shares.

    Parameters
    ----------
    sample
        The whole model, or a domain.
    population
        All members, or those whom the matching keeps, beside the whole comparison group.

    Raises
    ------
    NotEstimable
        If a group is empty, or a whole fit has too few clusters.
    """
    if population is not Population.ALL_MEMBERS:
        require_matched(sample)
        sample = sample.take(sample.kept | ~sample.rows.member)
    sample = replace(sample, covariates=(), fitting=Fitting())
    people = sample.rows.people_by_level()
    require_both_groups(people)
    n_clusters = count_clusters(sample)
    on = sample_cells(sample, sample.rows.weight)
    margins, kind = _shares(on, sample, assisted=False)
    return from_margins(
        Family.UNADJUSTED,
        population,
        sample,
        on,
        margins,
        weight=sample.rows.weight,
        people=people,
        n_clusters=n_clusters,
        std_errors=kind,
    )


def estimate_shares(sample: Sample) -> FamilyEstimate:
    """Difference of the groups' shares with matching weights: no outcome model.

    Raises
    ------
    NotEstimable
        With nobody left, or too few clusters.
    """
    require_matched(sample)
    people = sample.rows.people_by_level(sample.kept)
    require_both_groups(people)
    by_person = sample.fitting.std_errors in PERSON_KINDS
    n_clusters = count_clusters(sample, sample.kept, by_person=by_person)
    on, margins, kind = matched_shares(sample)
    return from_margins(
        Family.SHARES,
        sample.population,
        sample,
        on,
        margins,
        weight=sample.weight,
        people=people,
        n_clusters=n_clusters,
        n_sets=sample.matched.n_sets or None,
        std_errors=kind,
    )


def matched_shares(sample: Sample) -> tuple[SampleCells, Margins, str]:
    """Shares with matching weights, on cells of covariates and strata; and their covariance."""
    names = tuple(dict.fromkeys((*sample.covariates, *sample.strata)))
    on = sample_cells(replace(sample, covariates=names), sample.weight, matched=True)
    return on, *_shares(on, sample, assisted=True)


def stratified_shares(
    on: SampleCells, sample: Sample, target: FloatArray, *, fixed: bool = False
) -> tuple[Margins, str]:
    """Shares of both groups within strata of all covariates, weighted to a target.

    Parameters
    ----------
    on
        Cells of the people.
    sample
        Their sample.
    target
        Shape (c,): what each cell's people count for.
    fixed
        Take the covariates of the target as fixed, whatever the model says.

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
        on.cluster,
        z=on.x[:, 1:] if assisted else None,
        target=target,
        ratio=ratio,
        fixed=fixed or sample.fitting.fixed,
        kind=kind,
        second=on.second,
        people=on.cells.people,
    )
    return margins, kind_name(kind, second=on.second is not None)
