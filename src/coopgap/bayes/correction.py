"""Draws of a weighted fit, corrected by the sandwich of its pseudo-posterior.

Weights in the likelihood make it a pseudo-likelihood: its posterior lies in the right place and has
the wrong width, because weights differ and people of a zone are alike. The draws are moved so that
their covariance is that of the pseudo-posterior's mean over the surveys that might have been drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import scipy

from coopgap.bayes.cells import HierarchicalCells, Sampling
from coopgap.bayes.draws import cell_cuts
from coopgap.bayes.layout import Draws, Form, Layout, make_layout, zero_sum
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.regression.clusters import grouping, sum_by
from coopgap.regression.links import LINKS, Curvature, curvature
from coopgap.survey.cells import group_codes

_NODES: Final = 9
"""A side of the grid of zone levels and gaps."""

_OF_ZONES: Final = ("zone", "zone_gap")
_STEP: Final = 1e-5
_UPPER: Final = 0.975


class Pseudo(NamedTuple):
    """Scores of the marginal pseudo-likelihood by cluster, shape (G, q), and its information."""

    scores: FloatArray
    information: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """Corrected draws and what the correction was.

    Attributes
    ----------
    draws
        As `coopgap.bayes.layout.Draws`; the draws themselves where nothing could be corrected.
    values
        Shape (q,), rising: corrected over uncorrected variance along its own q directions; NaN
        where the draws have no covariance that can be inverted.
    n_clusters, df
        Clusters, and their degrees of freedom.
    by_zone
        Whether clusters are zones; else they are people.
    """

    draws: Draws
    values: FloatArray
    n_clusters: int
    df: float
    by_zone: bool


def coordinates(draws: Draws, layout: Layout) -> FloatArray:
    """What the likelihood of given zones depends on, shape (chains, draws, q).

    Beta, location, log increments, shifts, slopes, and free levels; not the SDs.
    """
    parts = [draws["beta"][..., None], draws["location"][..., None]]
    parts += [draws[name] for name in _linear(draws, layout)]
    parts += [draws[name] @ basis.T for name, basis in _bases(layout).items()]
    return np.concatenate(parts, axis=-1)


def _linear(draws: Draws, layout: Layout) -> list[str]:
    names = ("increments", *layout.shifts, "slopes", "area", "area_gap")
    return [name for name in names if name in draws]


def _bases(layout: Layout) -> Mapping[str, FloatArray]:
    """By block of rows, its n levels from its free ones: free @ basis."""
    return {
        block.name: zero_sum(np.eye(block.n - 1)) if block.sums_to_zero else np.eye(block.n)
        for block in layout.blocks
        if not block.of_zone
    }


def replaced(draws: Draws, layout: Layout, values: FloatArray) -> dict[str, FloatArray]:
    """Draws with other values of `coordinates`."""
    found = dict(draws) | {"beta": values[..., 0], "location": values[..., 1]}
    at = 2
    for name in _linear(draws, layout):
        size = draws[name].shape[-1]
        found[name], at = values[..., at : at + size], at + size
    for name, basis in _bases(layout).items():
        found[name], at = values[..., at : at + len(basis)] @ basis, at + len(basis)
    return found


class _Units(NamedTuple):
    """People of one cell and cluster: both (k,), and weights by outcome level (k, J)."""

    cell: IntArray
    cluster: IntArray
    weight: FloatArray


def _units(sampling: Sampling, n_levels: int) -> _Units:
    codes, index = group_codes([sampling.cluster, sampling.cell])
    slot = index * n_levels + sampling.level
    weight = np.bincount(slot, sampling.weight, len(codes) * n_levels)
    return _Units(codes[:, 1], codes[:, 0], weight.reshape(-1, n_levels))


def pseudo_likelihood(draws: Draws, cells: HierarchicalCells, form: Form) -> Pseudo:
    """Scores by cluster and information of the marginal pseudo-likelihood at the draws' mean.

    Notes
    -----
    Derivatives are in `coordinates`. Zones that have levels and gaps of their own are averaged
    over: with S_g(u) the score of a cluster whose zone has (level, gap) u, and i_g(u) its observed
    information, the score is E S_g and the information E i_g − Var S_g over the posterior of u
    given the other parameters (Fisher's and Louis's identities), by Gauss-Hermite quadrature about
    the mean of the zone's draws.
    """
    if cells.sampling is None:
        raise ValueError("these people have no weights")
    layout = make_layout(cells, form)
    mean = {name: values.mean(axis=(0, 1), keepdims=True) for name, values in draws.items()}
    # Cut points of given zones are those without, less a zone's level and gap.
    given = {name: value for name, value in mean.items() if name not in _OF_ZONES}
    centre = coordinates(given, layout)
    units = _units(cells.sampling, len(cells.levels))
    step = _STEP * np.eye(centre.shape[-1])
    # Cut points are linear in all but the log increments and their shifts.
    up, down = (
        cell_cuts(replaced(given, layout, centre + sign * step), cells, slice(None))[0]
        for sign in (1, -1)
    )
    slopes = np.moveaxis(up - down, 0, -1) / (2 * _STEP)
    cuts = cell_cuts(given, cells, slice(None))[0, 0]
    if "zone" not in draws:
        at = curvature(cuts[units.cell], units.weight, LINKS[form.link])
        scores = np.einsum("uk,ukq->uq", at.slope, slopes[units.cell])
        return Pseudo(
            scores=sum_by(units.cluster, scores, units.cluster[-1] + 1),
            information=_information(slopes[units.cell], at, layout),
        )
    parts = []
    for g in range(cells.n_zones):
        own = units.cluster == g
        cell = units.cell[own]
        zone = np.stack([draws[name][..., g].ravel() for name in _OF_ZONES])
        spreads = np.array([mean[f"{name}_sd"].item() for name in _OF_ZONES])
        side = cells.member[cell] - 0.5
        parts.append(
            _averaged(
                cuts[cell], units.weight[own], slopes[cell], side, zone, spreads, form, layout
            )
        )
    return Pseudo(
        scores=np.array([part.scores for part in parts]),
        information=np.sum([part.information for part in parts], axis=0),
    )


def _averaged(
    cuts: FloatArray,
    weight: FloatArray,
    slopes: FloatArray,
    side: FloatArray,
    zone: FloatArray,
    spreads: FloatArray,
    form: Form,
    layout: Layout,
) -> Pseudo:
    """Score, shape (q,), and information of one zone, over its level and gap.

    `cuts`, `weight`, `slopes` are of k cells: (k, J - 1), (k, J), (k, J - 1, q); `side` (k,) is m.
    `zone` (2, S) are draws of level and gap, and `spreads` (2,) their SDs over zones.
    """
    nodes, chances = np.polynomial.hermite_e.hermegauss(_NODES)
    grid = np.stack([one.ravel() for one in np.meshgrid(nodes, nodes, indexing="ij")])
    centre = zone.mean(axis=1)
    level, gap = centre[:, None] + scipy.linalg.sqrtm(np.cov(zone)).real @ grid
    moved = cuts - (level[:, None] + gap[:, None] * side)[..., None]
    k, n_cuts = cuts.shape
    counts = np.broadcast_to(weight, (grid.shape[1], *weight.shape)).reshape(-1, n_cuts + 1)
    flat = curvature(moved.reshape(-1, n_cuts), counts, LINKS[form.link])
    at = Curvature(*[part.reshape(grid.shape[1], k, part.shape[1]) for part in flat])
    prior = -0.5 * (np.square(np.stack([level, gap]) / spreads[:, None]).sum(axis=0))
    log_mass = np.log(np.outer(chances, chances)).ravel() + 0.5 * np.square(grid).sum(axis=0)
    mass = scipy.special.softmax(log_mass + prior + at.value.sum(axis=(1, 2)))
    scores = at.slope.reshape(len(mass), -1) @ slopes.reshape(k * n_cuts, -1)
    score = mass @ scores
    mean = Curvature(*[np.einsum("n,nkj->kj", mass, part) for part in at])
    apart = scores - score
    variance = (mass[:, None] * apart).T @ apart
    return Pseudo(score, _information(slopes, mean, layout) - variance)


def _information(slopes: FloatArray, at: Curvature, layout: Layout) -> FloatArray:
    """Negative Hessian in q coordinates from that in the cut points of k cells, shape (q, q)."""
    flat = slopes.reshape(-1, slopes.shape[-1])
    own = flat.T @ (at.diagonal.reshape(-1, 1) * flat)
    beside = np.einsum("kj,kjp,kjq->pq", at.off, slopes[:, 1:], slopes[:, :-1])
    found = own + beside + beside.T
    n = layout.n_cuts - 1
    for step in range(n):
        # A cut point is linear in exp(log increment + shifts): its second derivative is the
        # product of the first ones in any two of these, over that in the log increment.
        which = [2 + step + kind * n for kind in range(1 + len(layout.shifts))]
        some = slopes[..., which]
        found[np.ix_(which, which)] -= np.einsum(
            "kj,kjp,kjq->pq", at.slope / some[..., 0], some, some
        )
    return np.asarray(found)


def correct(draws: Draws, cells: HierarchicalCells, form: Form) -> Corrected:
    """Move draws so that their covariance is the sandwich.

    Notes
    -----
    With Σ the covariance of the draws, I the information of the pseudo-likelihood, J the variance
    of its score by clusters, centred and times G/(G − 1), and P = Σ⁻¹ − I what the prior adds, the
    sandwich is Σ (J + P) Σ = Σ + Σ (J − I) Σ: where J = I it is Σ, and levels that the answers say
    little of keep what their prior says. J is widened by (t/z)², t with the clusters' degrees of
    freedom, since limits are quantiles of draws. A draw x becomes x̄ + (x − x̄) R with R symmetric
    in the metric of Σ; levels and gaps of zones follow as they depend on the others. SDs stay.

    References
    ----------
    Williams & Savitsky (2021), Uncertainty estimation for pseudo-Bayesian inference under complex
    sampling. International Statistical Review 89, 72-107.
    Savitsky & Williams (2022), Pseudo Bayesian mixed models under informative sampling. Journal of
    Official Statistics 38, 901-928.
    León-Novelo & Savitsky (2019), Fully Bayesian estimation under informative sampling. Electronic
    Journal of Statistics 13, 1608-1645.
    """
    layout = make_layout(cells, form)
    pseudo = pseudo_likelihood(draws, cells, form)
    n = len(pseudo.scores)
    groups = grouping(np.arange(n), np.ones(n))
    variance = groups.covariance(pseudo.scores - pseudo.scores.mean(axis=0))
    variance *= (scipy.stats.t.ppf(_UPPER, groups.df) / scipy.stats.norm.ppf(_UPPER)) ** 2
    x = coordinates(draws, layout)
    flat = x.reshape(-1, x.shape[-1])
    away = flat - flat.mean(axis=0)
    none = Corrected(
        draws=draws,
        values=np.full(x.shape[-1], np.nan),
        n_clusters=n,
        df=groups.df,
        by_zone=n < int(cells.counts.sum()),
    )
    try:
        lower = np.linalg.cholesky(away.T @ away / (len(away) - 1))
    except np.linalg.LinAlgError:
        return none
    ratio = np.eye(len(lower)) + lower.T @ (variance - pseudo.information) @ lower
    if not np.isfinite(ratio).all():
        return none
    values, vectors = np.linalg.eigh((ratio + ratio.T) / 2)
    if values[0] <= 0:
        return replace(none, values=values)
    root = (vectors * (np.sqrt(values) - 1)) @ vectors.T
    change = scipy.linalg.solve_triangular(lower, away.T, lower=True).T @ root @ lower.T
    found = replaced(draws, layout, x + change.reshape(x.shape))
    if "zone" in draws:
        for name in _OF_ZONES:
            own = draws[name].reshape(len(away), -1)
            follows = np.linalg.lstsq(away, own - own.mean(axis=0))[0]
            found[name] = draws[name] + (change @ follows).reshape(draws[name].shape)
    return replace(none, draws=found, values=values)
