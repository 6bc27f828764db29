"""Weighted shares and means, with the covariance that their weights and clusters ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins
from coopgap.regression.clusters import CovarianceKind, Grouping, QuadraticForm, inverse_root
from coopgap.regression.covariance import joint_margins, mean_weights
from coopgap.regression.sampled import CoefficientCovariance, Sampled, kind_name
from coopgap.survey.cells import collapse

_BALANCED = 1e-8


class _Part(NamedTuple):
    """One source of a group's share: influence of its people, and their part of its weight.

    `influence` is (c, J, q) of a person of weight one, `share` (c,) the cell's part of the weight
    it is made of, `spread` (q, q) the working variance of the whole part.
    """

    influence: FloatArray
    share: FloatArray
    spread: FloatArray


def weighted_shares(
    member: BoolArray,
    counts: FloatArray,
    squares: FloatArray,
    sampled: Sampled | IntArray | None,
    *,
    z: FloatArray | None = None,
    target: FloatArray | None = None,
    ratio: FloatArray | None = None,
    fixed: bool = False,
    kind: CovarianceKind | None = None,
) -> Margins:
    """Outcome shares of members and of the comparison group, weighted to a target.

    Parameters
    ----------
    member
        Shape (c,): group of each cell.
    counts, squares, sampled, kind
        As in `cluster_covariance`.
    z
        Shape (c, k): columns whose means the weights have made the target's; which of them they
        have is looked at.
    target
        Shape (c,): 1 for cells whose covariates are standardised over, else 0; members if absent.
    ratio
        Shape (c,): factor of the weights in their own group's share; ones if absent.
    fixed
        Take the covariates of the target as fixed.

    Notes
    -----
    Where the weighted mean of z in a group is the target's, a share is the target's mean of any
    linear function g of z plus the group's weighted mean of what is left of the answers. With g
    the group's least squares fit, each person alike, a person of the group moves the share by
    w(1(Y = j) − g)/W and one of the target by (g − ḡ)/T: what z explains varies with the target's
    people alone. Residuals are divided by (1 − h)^(1/2), h their leverage (HC2): a few people
    with weights of ten would else look better explained than they are. Weights that balance
    nothing leave g constant, and are taken as fixed. For CR2 the contributions of a
    cluster that holds the share h of W (or of T) are multiplied by (1 − h)^(−1/2), with degrees of
    freedom of each contrast after Satterthwaite; without z this is Bell and McCaffrey's correction
    of two weighted means.

    References
    ----------
    Deville & Särndal (1992), JASA 87, 376-382, for calibration weights.
    Bell & McCaffrey (2002), Survey Methodology 28, 169-181.
    """
    sampled = Sampled.of(sampled)
    people = counts if sampled.people is None else sampled.people
    weight, heads = counts.sum(axis=1), people.astype(np.float64)
    ratio = np.ones(len(counts)) if ratio is None else ratio
    target = member.astype(np.float64) if target is None else target
    if not (target @ weight) > 0:
        raise NotEstimable("nobody to standardise over")
    sides = [ratio * side for side in (member, ~member)]
    if not all(own @ weight > 0 for own in sides):
        raise NotEstimable("a group has nobody")
    values = np.concatenate([own @ counts / (own @ weight) for own in sides])
    parts = _parts(sides, target, counts, heads.sum(axis=1), z, fixed=fixed)
    chosen = sampled.require_kind(kind)
    if chosen == "HC3":
        for part, own in zip(parts, sides, strict=False):
            pull = own[:, None] * mean_weights(counts, squares) / float(own @ weight)
            part.influence[:] /= (1 - pull)[:, :, None]
    if chosen == "CR2":
        return _bias_reduced(values, parts, counts, sampled.groups(weight))
    influence = np.sum([part.influence for part in parts], axis=0)
    result = sampled.covariance(influence, counts, squares, kind=chosen, n_params=2)
    return joint_margins(values, result.cov, result.df, influence)


def _explained(
    own: FloatArray, counts: FloatArray, heads: FloatArray, z: FloatArray | None, target: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What z explains of a group's answers, (c, J), and what residuals are scaled by, (c,)."""
    weight, left = counts.sum(axis=1), np.ones(len(own))
    share = own @ counts / (own @ weight)
    if z is None:
        return np.broadcast_to(share, counts.shape), left
    away = (own * weight) @ z / (own @ weight) - (target * weight) @ z / (target @ weight)
    if not (np.abs(away) <= _BALANCED * np.maximum(np.abs(z).max(axis=0), 1.0)).all():
        return np.broadcast_to(share, counts.shape), left
    used = own * weight > 0
    design = np.column_stack([np.ones(len(z)), z])
    root = np.sqrt(heads[used])[:, None]
    inverse = np.linalg.pinv(root * design[used])
    answers = counts[used] / counts[used].sum(axis=1, keepdims=True)
    leverage = np.einsum("ck,kc->c", design[used], inverse) / root[:, 0]
    left[used] = inverse_root(1.0 - leverage)
    return design @ (inverse @ (root * answers)), left


def _parts(
    sides: list[FloatArray],
    target: FloatArray,
    counts: FloatArray,
    heads: FloatArray,
    z: FloatArray | None,
    *,
    fixed: bool,
) -> list[_Part]:
    """Influence through each group's own answers, and through who the target is."""
    n_cells, n_levels = counts.shape
    weight, each = counts.sum(axis=1), np.eye(n_levels)[None]
    parts, moved = [], []
    for at, own in enumerate(sides):
        g, scale = _explained(own, counts, heads, z, target)
        total = float(own @ weight)
        moved.append(g - own @ counts / total)
        influence = np.zeros((n_cells, n_levels, 2 * n_levels))
        block = slice(at * n_levels, (at + 1) * n_levels)
        left = each - g[:, None, :]
        influence[:, :, block] = (own * scale)[:, None, None] / total * left
        spread = np.zeros((2 * n_levels, 2 * n_levels))
        spread[block, block] = np.einsum("cj,cja,cjb->ab", own[:, None] * counts, left, left)
        parts.append(_Part(influence, own * weight / total, spread / total**2))
    both = np.hstack(moved)
    if fixed or not both.any():
        return parts
    total = float(target @ weight)
    influence = np.repeat((target[:, None] * both / total)[:, None, :], n_levels, axis=1)
    spread = ((target * weight)[:, None] * both).T @ both / total**2
    return [*parts, _Part(influence, target * weight / total, spread)]


def _bias_reduced(
    values: FloatArray, parts: list[_Part], counts: FloatArray, groups: Grouping
) -> Margins:
    """CR2 covariance: each part of a cluster adjusted for its own share of the weight."""
    used, q = groups.index >= 0, values.size
    influence = np.zeros_like(parts[0].influence)
    weights = np.zeros((groups.n, len(parts) * q, q))
    working, fitted = np.zeros((2, groups.n, len(parts) * q, len(parts) * q))
    for at, part in enumerate(parts):
        share = np.bincount(groups.index[used], part.share[used], minlength=groups.n)
        scale = inverse_root(1.0 - share)
        influence[used] += scale[groups.index[used], None, None] * part.influence[used]
        block = slice(at * q, (at + 1) * q)
        weights[:, block] = scale[:, None, None] * np.eye(q)
        working[:, block, block] = share[:, None, None] * part.spread
        fitted[:, block, block] = share[:, None, None] * np.eye(q)
    sums = groups.sums(np.einsum("cj,cjq->cq", counts, influence))
    centre = groups.centre(corrected=groups.declared)
    form = QuadraticForm(weights=weights, working=working, fitted=fitted, centre=centre)
    cov = groups.covariance(sums, corrected=groups.declared)
    return joint_margins(values, cov, groups.df, influence, form)


def share_margins(
    outcome: IntArray,
    member: BoolArray,
    weight: FloatArray,
    n_levels: int,
    sampled: Sampled | IntArray | None = None,
    *,
    kind: CovarianceKind | None = None,
) -> Margins:
    """Weighted outcome shares of each group of people, as they are.

    `outcome` (n,) is a level from 0, `weight` (n,) not negative with a positive total in each
    group; `sampled` is of people, or their clusters. Members and comparison people who share a
    cluster covary. `influence` would be that of
    cells, not of people, and is left out.
    """
    sampled = Sampled.of(sampled)
    ways = sampled.ways(outcome.size)
    cells = collapse([member.astype(np.int64), *ways], outcome, n_levels, weight)
    margins = weighted_shares(
        cells.codes[:, 0] == 1,
        cells.counts,
        cells.squares,
        sampled.of_cells(cells),
        kind=kind,
    )
    return replace(margins, influence=None)


def mean_covariance(
    centred: FloatArray, weight: FloatArray, sampled: Sampled, *, reduced: bool
) -> CoefficientCovariance:
    """Covariance of weighted means, from residuals (n, q) whose weighted sum is zero.

    As `sampled` has it; or if `reduced` CR2 with Satterthwaite's degrees of freedom: a cluster that
    holds the share h of the weight has its sum multiplied by (1 − h)^(−1/2), under a working
    variance in which people are independent and alike (Bell & McCaffrey 2002). Clusters without
    weight count too.
    """
    share = weight / weight.sum()
    unit, one = centred * share[:, None], np.ones((len(weight), 1))
    if not reduced:
        return sampled.covariance(unit[:, None, :], one, one)
    groups = sampled.groups(one[:, 0])
    part = np.bincount(groups.index, share, minlength=groups.n)
    scale = inverse_root(1.0 - part)
    sums = scale[:, None] * groups.sums(unit)
    each = np.eye(centred.shape[1])
    return CoefficientCovariance(
        cov=groups.covariance(sums, corrected=groups.declared),
        kind=kind_name("CR2", sampled),
        n_clusters=groups.n,
        df=groups.df,
        satterthwaite=QuadraticForm(
            weights=scale[:, None, None] * each,
            working=part[:, None, None] * (unit.T @ centred),
            fitted=part[:, None, None] * each,
            centre=groups.centre(corrected=groups.declared),
        ),
    )
