"""The log-density of a model with thresholds that the mode moves, and its gradient, by numba.

Made of the parts of `coopgap.bayes.kernel`; what differs is that cells have one of four sides,
and what the thresholds of the sides depend on. A test holds it to the PyMC model.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from coopgap.bayes.kernel import (
    _add_slopes,
    _blocks_gradient,
    _cell_sums,
    _cuts,
    _increments_slope,
    _read_blocks,
    _slopes_gradient,
    _thresholds_prior,
)
from coopgap.bayes.likelihood import logit_cells, probit_cells


@numba.njit(nogil=True, error_model="numpy")
def _side_cuts(x, cuts, shift_at, mode_at, theta, sizes):
    """Thresholds and increments of the four sides."""
    moved = x.copy()
    for s in range(4):
        member, c = s % 2, s // 2 - 0.5
        for k in range(cuts - 1):
            moved[2 + k] = x[2 + k] + x[mode_at + k] * c
        _cuts(moved, cuts, shift_at, member - 0.5, theta[s], sizes[s])


@numba.njit(nogil=True, error_model="numpy")
def _base(x, cuts, probit, gradient):
    """Prior of the thresholds between groups and modes, and of the increments' logarithms."""
    base, sizes, slope = np.zeros(cuts), np.zeros(cuts), np.zeros(cuts)
    _cuts(x, cuts, -1, 0.0, base, sizes)
    value = _thresholds_prior(base, slope, probit)
    out = np.zeros(cuts)
    gradient[1] += _increments_slope(slope, cuts, sizes, out)
    for k in range(cuts - 1):
        gradient[2 + k] += out[k] + 1.0
        value += x[2 + k]
    return value


@numba.njit(nogil=True, error_model="numpy")
def _side_slopes(cuts, probit, inside, d_theta, sizes, slope, gradient):
    """Gradient of the cells in the log increments of each side; the location's is added.

    The factor 1 - exp(-increment) of the logit is added here, to value and slopes.
    """
    value = 0.0
    for s in range(4):
        gradient[1] += _increments_slope(d_theta[s], cuts, sizes[s], slope[s])
        for k in range(cuts - 1):
            if not probit and inside[s, k] > 0.0:
                value += inside[s, k] * math.log(-math.expm1(-sizes[s, k]))
                slope[s, k] += inside[s, k] * sizes[s, k] / math.expm1(sizes[s, k])
            gradient[2 + k] += slope[s, k]
    return value


@numba.njit(nogil=True, error_model="numpy")
def _shifts(x, at, cuts, along, shift_sd, gradient):
    """Prior of the shifts from `at` on, and their gradient, to which that of the cells is added."""
    value = 0.0
    for k in range(cuts - 1):
        value -= 0.5 * (x[at + k] / shift_sd) ** 2
        gradient[at + k] += along[k] - x[at + k] / shift_sd**2
    return value


@numba.njit(nogil=True, error_model="numpy")
def _thresholds(x, cuts, shift_at, mode_at, shift_sd, probit, inside, d_theta, sizes, gradient):
    """Priors of thresholds and of both kinds of shifts, and the likelihood handed on to them."""
    slope = np.zeros((4, cuts))
    value = _base(x, cuts, probit, gradient)
    value += _side_slopes(cuts, probit, inside, d_theta, sizes, slope, gradient)
    by_member = 0.5 * (slope[1] + slope[3] - slope[0] - slope[2])
    by_mode = 0.5 * (slope[2] + slope[3] - slope[0] - slope[1])
    if shift_at >= 0:
        value += _shifts(x, shift_at, cuts, by_member, shift_sd, gradient)
    return value + _shifts(x, mode_at, cuts, by_mode, shift_sd, gradient)


@numba.njit(nogil=True, error_model="numpy")
def _predictors(member, row, zone, of_row, of_zone):
    """Linear predictor of each cell, from what its row and its zone give either group."""
    eta = np.empty(member.size)
    for i in range(member.size):
        m, r, z = member[i] - 0.5, row[i], zone[i]
        eta[i] = of_row[0, r] + of_zone[0, z] + m * (of_row[1, r] + of_zone[1, z])
    return eta


@numba.njit(nogil=True, error_model="numpy")
def log_density_by_mode(
    x,
    settings,
    blocks,
    priors,
    index,
    columns,
    row,
    zone,
    member,
    starts,
    levels,
    counts,
    side,
    inside,
    gradient,
):
    """Log-density of the posterior at free values `x`; fills `gradient`.

    Parameters
    ----------
    x, gradient
        Shape (p,). The mode's J - 2 shifts come last.
    settings, blocks, priors, index, columns, row, zone, starts, levels, counts
        As in `coopgap.bayes.kernel.log_density`; the mode's shifts have the SD of membership's.
    member
        Shape (c,): 1 for members.
    side
        Shape (c,): membership, plus 2 for people asked by phone.
    inside
        Shape (4, J - 2): people of each side at the inner levels.
    """
    cuts, shift_at, probit, n_row_blocks = settings[0], settings[1], settings[2] == 1, settings[3]
    n_blocks, n_rows = blocks.shape[0], index.shape[1]
    mode_at = x.size - (cuts - 1)
    beta_sd = priors[n_blocks + 1, 0]
    value = -0.5 * (x[0] / beta_sd) ** 2
    gradient[:] = 0.0
    gradient[0] = -x[0] / beta_sd**2

    widest = max(1, blocks[:, 1].max())
    spread, level = np.zeros(n_blocks), np.zeros((n_blocks, widest))
    of_row, of_zone = np.zeros((2, n_rows)), np.zeros((2, widest))
    of_row[1] = x[0]
    _read_blocks(x, blocks, n_row_blocks, index, spread, level, of_row, of_zone)
    _add_slopes(x, settings[4], columns, of_row)
    eta, d_eta = _predictors(member, row, zone, of_row, of_zone), np.empty(side.size)
    theta, sizes, d_theta = np.zeros((4, cuts)), np.zeros((4, cuts)), np.zeros((4, cuts))
    _side_cuts(x, cuts, shift_at, mode_at, theta, sizes)
    if probit:
        value += probit_cells(eta, side, starts, levels, counts, theta, d_eta, d_theta)
    else:
        value += logit_cells(eta, side, starts, levels, counts, theta, d_eta, d_theta)

    d_row, d_zone = np.zeros((2, n_rows)), np.zeros((2, widest))
    _cell_sums(d_eta, member, row, zone, d_row, d_zone)
    gradient[0] += d_row[1].sum()
    value += _blocks_gradient(
        x, blocks, priors, n_row_blocks, index, spread, level, d_row, d_zone, gradient
    )
    slope_sd = priors[n_blocks + 2, 0]
    value += _slopes_gradient(x, settings[4], columns, slope_sd, d_row, gradient)
    shift_sd = priors[n_blocks, 0]
    return value + _thresholds(
        x, cuts, shift_at, mode_at, shift_sd, probit, inside, d_theta, sizes, gradient
    )
