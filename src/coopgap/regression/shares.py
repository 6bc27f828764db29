"""Weighted shares and means, with the covariance that their weights and clusters ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins, cluster_sums
from coopgap.regression.clusters import CovarianceKind, QuadraticForm, inverse_root, sum_by
from coopgap.regression.covariance import require_kind, unit_covariance
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


class _Explained(NamedTuple):
    """What z explains of a group's answers, (c, J), and what residuals are scaled by, (c,)."""

    g: FloatArray
    scale: FloatArray


def weighted_shares(
    member: BoolArray,
    counts: FloatArray,
    squares: FloatArray,
    cluster: IntArray | None,
    *,
    z: FloatArray | None = None,
    target: FloatArray | None = None,
    ratio: FloatArray | None = None,
    fixed: bool = False,
    kind: CovarianceKind | None = None,
    second: IntArray | None = None,
    people: IntArray | None = None,
) -> Margins:
    """Outcome shares of members and of the comparison group, weighted to a target.

    Parameters
    ----------
    member
        Shape (c,): group of each cell.
    counts, squares, cluster, kind, second, people
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

    Raises
    ------
    NotEstimable
        A group or the target has no weight, or there are too few clusters.

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
    ratio = np.ones(len(counts)) if ratio is None else ratio
    target = member.astype(np.float64) if target is None else target
    shares, fitted = [], []
    aim = _mean(target, counts, z)
    heads = counts if people is None else people.astype(np.float64)
    for side in (member, ~member):
        share, g = _group(ratio * side, counts, heads.sum(axis=1) * side, z, aim)
        shares.append(share)
        fitted.append(g)
    parts = _parts(member, ratio, target, counts, shares, fitted, fixed=fixed)
    chosen = require_kind(kind, cluster, None, second)
    if chosen == "HC3":
        mean_weight = np.divide(squares, counts, out=np.zeros_like(counts), where=counts > 0)
        for part, side in zip(parts, (member, ~member), strict=False):
            pull = ratio[:, None] * mean_weight / float((ratio * side) @ counts.sum(axis=1))
            part.influence[side] /= (1 - pull[side])[:, :, None]
    plain = Margins(member=shares[0], comparison=shares[1], cov=np.zeros((0, 0)))
    if chosen == "CR2" and cluster is not None:
        return _bias_reduced(plain, parts, counts, cluster)
    influence = np.sum([part.influence for part in parts], axis=0)
    result = unit_covariance(
        influence,
        counts,
        squares,
        cluster,
        kind=chosen,
        second=second,
        people=people,
        n_params=2,
    )
    return replace(plain, cov=result.cov, df=result.df, influence=influence)


def _mean(weight: FloatArray, counts: FloatArray, z: FloatArray | None) -> FloatArray | None:
    share = weight * counts.sum(axis=1)
    if not share.sum() > 0:
        raise NotEstimable("nobody to standardise over")
    return None if z is None else share @ z / share.sum()


def _group(
    own: FloatArray,
    counts: FloatArray,
    heads: FloatArray,
    z: FloatArray | None,
    aim: FloatArray | None,
) -> tuple[FloatArray, _Explained]:
    """Shares of one group (J,), and what z explains of them in each cell."""
    weight = own * counts.sum(axis=1)
    total = float(weight.sum())
    if not total > 0:
        raise NotEstimable("a group has nobody")
    share = own @ counts / total
    constant = np.broadcast_to(share, counts.shape)
    if z is None or aim is None:
        return share, _Explained(constant, np.ones(len(own)))
    used = weight > 0
    near = np.abs(weight @ z / total - aim) <= _BALANCED * np.maximum(np.abs(z).max(axis=0), 1.0)
    if not near.all():
        return share, _Explained(constant, np.ones(len(own)))
    design = np.column_stack([np.ones(len(z)), z])
    root = np.sqrt(heads[used])[:, None]
    inverse = np.linalg.pinv(root * design[used])
    answers = counts[used] / counts[used].sum(axis=1, keepdims=True)
    leverage = np.einsum("ck,kc->c", design[used], inverse) / root[:, 0]
    left = np.ones(len(own))
    left[used] = inverse_root(1.0 - leverage)
    return share, _Explained(design @ (inverse @ (root * answers)), left)


def _parts(
    member: BoolArray,
    ratio: FloatArray,
    target: FloatArray,
    counts: FloatArray,
    shares: list[FloatArray],
    fitted: list[_Explained],
    *,
    fixed: bool,
) -> list[_Part]:
    """Influence through each group's own answers, and through who the target is."""
    n_cells, n_levels = counts.shape
    weight, each = counts.sum(axis=1), np.eye(n_levels)[None]
    made = []
    for at, (side, (g, scale)) in enumerate(zip((member, ~member), fitted, strict=True)):
        own = ratio * side
        total = float(own @ weight)
        influence = np.zeros((n_cells, n_levels, 2 * n_levels))
        block = slice(at * n_levels, (at + 1) * n_levels)
        left = each - g[:, None, :]
        influence[:, :, block] = (own * scale)[:, None, None] / total * left
        spread = np.zeros((2 * n_levels, 2 * n_levels))
        spread[block, block] = np.einsum("cj,cja,cjb->ab", own[:, None] * counts, left, left)
        made.append(_Part(influence, own * weight / total, spread / total**2))
    both = np.hstack([one.g for one in fitted]) - np.concatenate(shares)
    if fixed or not both.any():
        return made
    total = float(target @ weight)
    moved = target[:, None] * both / total
    influence = np.repeat(moved[:, None, :], n_levels, axis=1)
    spread = (target * weight)[:, None] * both
    return [*made, _Part(influence, target * weight / total, spread.T @ both / total**2)]


def _bias_reduced(
    plain: Margins, parts: list[_Part], counts: FloatArray, cluster: IntArray
) -> Margins:
    """CR2 covariance: each part of a cluster adjusted for its own share of the weight."""
    used = counts.sum(axis=1) > 0
    _, index = np.unique(cluster[used], return_inverse=True)
    n, q = int(index.max(initial=-1)) + 1, 2 * plain.member.size
    if n < 2:
        raise NotEstimable(f"{n} cluster gives no standard error")
    influence = np.zeros_like(parts[0].influence)
    weights, working, fitted = [], [], []
    for part in parts:
        share = np.bincount(index, part.share[used], minlength=n)
        scale = inverse_root(1.0 - share)
        influence[used] += scale[index, None, None] * part.influence[used]
        weights.append(scale[:, None, None] * np.eye(q))
        working.append(share[:, None, None] * part.spread)
        fitted.append(share[:, None, None] * np.eye(q))
    sums = sum_by(index, np.einsum("cj,cjq->cq", counts, influence)[used], n)
    form = QuadraticForm(
        weights=np.concatenate(weights, axis=1),
        working=_diagonal(working),
        fitted=_diagonal(fitted),
        centre=np.eye(n),
    )
    return replace(
        plain,
        cov=sums.T @ sums,
        df=float(n - 1),
        df_of=lambda contrast: float(form.df(contrast)),
        influence=influence,
    )


def _diagonal(blocks: list[FloatArray]) -> FloatArray:
    """Blocks (G, q, q) along the diagonal of each cluster's matrix, (G, kq, kq)."""
    n, q = len(blocks[0]), blocks[0].shape[1]
    made = np.zeros((n, q * len(blocks), q * len(blocks)))
    for at, block in enumerate(blocks):
        made[:, at * q : (at + 1) * q, at * q : (at + 1) * q] = block
    return made


def share_margins(
    outcome: IntArray,
    member: BoolArray,
    weight: FloatArray,
    n_levels: int,
    cluster: IntArray | None = None,
    *,
    kind: CovarianceKind | None = None,
) -> Margins:
    """Weighted outcome shares of each group of people, as they are.

    `outcome` (n,) is a level from 0, `weight` (n,) not negative with a positive total in each
    group. Members and comparison people who share a cluster covary. `influence` would be that of
    cells, not of people, and is left out.
    """
    nobody = np.zeros(outcome.size, dtype=np.int64)
    by = nobody if cluster is None else cluster
    cells = collapse([member.astype(np.int64), by], outcome, n_levels, weight)
    margins = weighted_shares(
        cells.codes[:, 0] == 1,
        cells.counts,
        cells.squares,
        None if cluster is None else cells.codes[:, 1],
        kind=kind,
        people=cells.people,
    )
    return replace(margins, influence=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Covariance (q, q) of weighted means.

    `df` are the degrees of freedom where they are the same for every contrast, `df_of` those of a
    contrast, shape (q,), or None.
    """

    cov: FloatArray
    df: float
    df_of: Callable[[FloatArray], float] | None


def mean_covariance(
    centred: FloatArray, weight: FloatArray, cluster: IntArray | None, *, reduced: bool
) -> Means:
    """Covariance of weighted means, from residuals (n, q) whose weighted sum is zero.

    Without clusters HC0, with them CR1 and G − 1, or if `reduced` CR2 with Satterthwaite's degrees
    of freedom: a cluster that holds the share h of the weight has its sum multiplied by (1 −
    h)^(−1/2), under a working variance in which people are independent and alike (Bell & McCaffrey
    2002).
    """
    q = weight / weight.sum()
    unit = centred * q[:, None]
    if cluster is None or not reduced:
        sums, factor, df = cluster_sums(unit, cluster)
        return Means(cov=factor * sums.T @ sums, df=df, df_of=None)
    _, index = np.unique(cluster, return_inverse=True)
    n = int(index.max(initial=-1)) + 1
    part = np.bincount(index, q, minlength=n)
    each = np.eye(centred.shape[1])
    weights = inverse_root(1.0 - part)[:, None, None] * each
    influence = np.einsum("gd,gdm->gm", sum_by(index, unit, n), weights)
    form = QuadraticForm(
        weights=weights,
        working=part[:, None, None] * ((centred * q[:, None]).T @ centred),
        fitted=part[:, None, None] * each,
        centre=np.eye(n),
    )
    return Means(cov=influence.T @ influence, df=n - 1.0, df_of=lambda c: float(form.df(c)))
