"""What each zone adds to a matched gap, so that two models' gaps can be seen together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from coopgap.arrays import FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.families.cells import CellFit, fit_cells
from coopgap.families.records import PAIRED, Sample, require_matched
from coopgap.regression.clusters import grouping
from coopgap.regression.predictions import predict
from coopgap.regression.stacked import cr2_margins, stacked_scores
from coopgap.regression.standardise import margin_influence

__all__ = ["ZoneInfluence", "matched_influence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneInfluence:
    """Contributions to the margins of the matched family.

    Attributes
    ----------
    zones
        Shape (G,): zones in increasing order; positions in the survey without zones.
    sums
        Shape (G, 2J): contributions whose outer products sum to the family's covariance.
    margins
        Shape (2J,): members' distribution, then the comparison group's.
    df_of
        Degrees of freedom of a contrast, shape (2J,), of the margins.
    """

    zones: IntArray
    sums: FloatArray
    margins: FloatArray
    df_of: Callable[[FloatArray], float]


def matched_influence(sample: Sample) -> ZoneInfluence:
    """Contributions behind the standard errors of `estimate_matched`.

    Parameters
    ----------
    sample
        A whole model.

    Raises
    ------
    NotEstimable
        Where the matched gap has none, or standard errors that are not sums over zones: pairs
        that cross zones or stand without any, or a kind other than the default.
    """
    require_matched(sample)
    if sample.fitting.std_errors not in ("default", "CR1", "CR2"):
        raise NotEstimable(f"standard errors {sample.fitting.std_errors} are no sums over zones")
    alone = sample.rows.zone is None
    if alone and sample.matched.method in PAIRED:
        raise NotEstimable("pairs without zones have standard errors by pair")
    if alone:
        sample = replace(sample, rows=replace(sample.rows, zone=sample.rows.index))
    result = fit_cells(sample, sample.weight, matched=True)
    cluster = result.on.cluster
    if result.on.second is not None or cluster is None:
        raise NotEstimable("pairs that cross zones have no joint standard error with another gap")
    target = result.on.member.astype(np.float64)
    zones = np.unique(cluster[result.on.cells.counts.sum(axis=1) > 0]).astype(np.int64)
    if result.kind == "CR2":
        return _bias_reduced(result, target, zones, cluster)
    margins, influence = margin_influence(
        result.fit, result.on.x, 0, target, result.on.cells.counts, fixed=result.fixed
    )
    counts = result.on.cells.counts
    sums = grouping(cluster, counts.sum(axis=1)).sums(np.einsum("cj,cjq->cq", counts, influence))
    factor = 1.0 if alone else zones.size / (zones.size - 1)
    df = np.inf if alone else float(zones.size - 1)
    return ZoneInfluence(
        zones=zones, sums=float(np.sqrt(factor)) * sums, margins=margins, df_of=lambda _: df
    )


def _bias_reduced(
    result: CellFit, target: FloatArray, zones: IntArray, cluster: IntArray
) -> ZoneInfluence:
    """The same with CR2: contributions adjusted for what fitting takes from each zone."""
    fit, x, counts = result.fit, result.on.x, result.on.cells.counts
    at = predict(fit, x, 0, target, counts)
    parts = stacked_scores(fit, x, at, counts, cluster, fixed=result.fixed)
    margins = cr2_margins(fit, x, at, counts, cluster, None, fixed=result.fixed)
    of = margins.df_of
    return ZoneInfluence(
        zones=zones,
        sums=np.einsum("gd,gdm->gm", parts.sums, parts.weights),
        margins=at.margins,
        df_of=lambda contrast: margins.df if of is None else of(contrast),
    )
