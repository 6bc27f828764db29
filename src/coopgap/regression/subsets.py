"""Sums over all ways to choose m people of a matched set, by dynamic programming on groups.

In a set with groups g of n_g alike people, weight w_g = exp(x_g'b), let r_g be how many of a
group are chosen and R = Σ r_g. For every total R = m at once this gives

- log Σ Π C(n_g, r_g) w_g^{r_g}, the logarithm of the elementary symmetric polynomial e_m;
- mean and covariance of Σ x_g r_g given R = m.

Groups enter one after another. Moments are kept conditional on the total, so that each step is
a convex combination and the law of total covariance: nothing cancels and nothing overflows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special

from coopgap.arrays import FloatArray, IntArray

__all__ = ["SubsetMoments", "subset_moments"]

_AT_ONCE = 20_000_000
"""Numbers held of a step; of a large set some totals are taken after the others."""


class SubsetMoments(NamedTuple):
    """By set and total m: shapes (S, R + 1), (S, R + 1, k) and (S, R + 1, k, k).

    `log_sum` is −inf for totals that a set does not reach.
    """

    log_sum: FloatArray
    mean: FloatArray
    cov: FloatArray


def subset_moments(
    x: FloatArray, size: IntArray, log_weight: FloatArray, *, second: bool = True
) -> SubsetMoments:
    """Moments of a batch of S sets with at most G groups each.

    Parameters
    ----------
    x
        Shape (S, G, k).
    size
        Shape (S, G): people in each group; zero pads.
    log_weight
        Shape (S, G): x'b of one person.
    second
        Whether the covariance is wanted; zeros otherwise.

    References
    ----------
    Gail, Lubin & Rubinstein (1981), Likelihood calculations for matched case-control studies
    and survival studies with tied death times. Biometrika 68, 703-707.
    """
    n_sets, n_groups, k = x.shape
    depth = k if second else 0
    state = SubsetMoments(
        np.zeros((n_sets, 1)), np.zeros((n_sets, 1, k)), np.zeros((n_sets, 1, depth, depth))
    )
    for g in range(n_groups):
        reach = int(size[:, : g + 1].sum(axis=1).max(initial=0)) + 1
        state = _add_group(state, x[:, g], size[:, g], log_weight[:, g], reach)
    return state


def _add_group(
    state: SubsetMoments, x: FloatArray, size: IntArray, log_weight: FloatArray, reach: int
) -> SubsetMoments:
    """Convolve the totals so far with one more group; `reach` totals are kept."""
    most = int(size.max(initial=0))
    chosen = np.arange(most, -1, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_ways = -np.log1p(size)[:, None] - special.betaln(
            size[:, None] - chosen + 1.0, chosen + 1.0
        )
    log_ways = np.where(chosen <= size[:, None], log_ways + chosen * log_weight[:, None], -np.inf)
    fills = (-np.inf, 0.0, 0.0)
    windows = [_windows(*one)[:, :reach] for one in zip(state, [most] * 3, fills, strict=True)]
    step = max(1, _AT_ONCE // max(x.size * (most + 1), 1))
    parts = [
        _totals([values[:, low : low + step] for values in windows], x, chosen, log_ways)
        for low in range(0, reach, step)
    ]
    return SubsetMoments(*(np.concatenate(each, axis=1) for each in zip(*parts, strict=True)))


def _totals(
    windows: list[FloatArray], x: FloatArray, chosen: IntArray, log_ways: FloatArray
) -> SubsetMoments:
    """Moments at some totals, over how many of the new group are chosen."""
    log_sums, means, covs = windows
    terms = log_sums + log_ways[:, None, :]
    log_sum = special.logsumexp(terms, axis=2)
    with np.errstate(invalid="ignore"):
        share = np.where(np.isfinite(terms), np.exp(terms - log_sum[:, :, None]), 0.0)
    each = means + chosen * x[:, None, :, None]
    mean = np.einsum("srka,sra->srk", each, share)
    if not covs.shape[2]:
        return SubsetMoments(log_sum, mean, np.zeros((*log_sum.shape, 0, 0)))
    each -= mean[:, :, :, None]
    within = np.einsum("srkla,sra->srkl", covs, share)
    between = (each * share[:, :, None, :]) @ each.transpose(0, 1, 3, 2)
    return SubsetMoments(log_sum, mean, within + between)


def _windows(values: FloatArray, most: int, fill: float) -> FloatArray:
    """The values at totals r − most … r as a last axis, for r from 0 to R + most."""
    pad = [(0, 0), (most, most)] + [(0, 0)] * (values.ndim - 2)
    padded = np.pad(values, pad, constant_values=fill)
    return np.asarray(sliding_window_view(padded, most + 1, axis=1))
