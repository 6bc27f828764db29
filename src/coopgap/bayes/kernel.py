"""The log-density of the hierarchical model and its gradient, compiled by numba.

The same density as `coopgap.bayes.model.build_model` writes in PyMC, up to a constant, over the
free values of `coopgap.bayes.layout`. A test holds the two together.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from coopgap.bayes.likelihood import logit_cells, probit_cells


@numba.njit(nogil=True, error_model="numpy")
def _levels(x, start, n, sums_to_zero, spread, out):
    """Levels of one block from its free values."""
    if not sums_to_zero:
        for i in range(n):
            out[i] = spread * x[start + i]
        return
    total = 0.0
    for i in range(n - 1):
        total += x[start + i]
    root = math.sqrt(n)
    shift = total / (root + n)
    for i in range(n - 1):
        out[i] = spread * (x[start + i] - shift)
    out[n - 1] = -spread * total / root


@numba.njit(nogil=True, error_model="numpy")
def _levels_gradient(x, start, n, sums_to_zero, spread, level, slope, gradient):
    """Prior of the raw values; gradient in them and in the log SD, from that in the levels."""
    in_log_sd = 0.0
    for i in range(n):
        in_log_sd += slope[i] * level[i]
    free = n - 1 if sums_to_zero else n
    shared = 0.0
    if sums_to_zero:
        root = math.sqrt(n)
        for i in range(free):
            shared += slope[i]
        shared = shared / (root + n) + slope[n - 1] / root
    value = 0.0
    for i in range(free):
        here = x[start + i]
        gradient[start + i] += spread * (slope[i] - shared) - here
        value -= 0.5 * here * here
    gradient[start - 1] += in_log_sd
    return value


@numba.njit(nogil=True, error_model="numpy")
def _log_sd(log_sd, scale, df):
    """Half-t log-density of an SD, on its logarithm, and the slope; half-normal if df is inf."""
    ratio = math.exp(log_sd) / scale
    if math.isinf(df):
        return log_sd - 0.5 * ratio * ratio, 1.0 - ratio * ratio
    square = ratio * ratio / df
    return (
        log_sd - 0.5 * (df + 1.0) * math.log1p(square),
        1.0 - (df + 1.0) * square / (1.0 + square),
    )


@numba.njit(nogil=True, error_model="numpy")
def _cuts(x, cuts, shift_at, m, out, sizes):
    """Thresholds of one side: increments cumulated, centred, plus the location."""
    out[0] = 0.0
    mean = 0.0
    for k in range(cuts - 1):
        moved = x[shift_at + k] * m if shift_at >= 0 else 0.0
        sizes[k] = math.exp(x[2 + k] + moved)
        out[k + 1] = out[k] + sizes[k]
        mean += out[k + 1]
    mean /= cuts
    for j in range(cuts):
        out[j] += x[1] - mean


@numba.njit(nogil=True, error_model="numpy")
def _increments_slope(slope, cuts, sizes, out):
    """Gradient in the log increments, from that in the thresholds; returns that in the location."""
    total = 0.0
    for j in range(cuts):
        total += slope[j]
    above = 0.0
    for k in range(cuts - 2, -1, -1):
        above += slope[k + 1]
        out[k] = sizes[k] * (above - total * (cuts - 1 - k) / cuts)
    return total


@numba.njit(nogil=True, error_model="numpy")
def _thresholds_prior(base, slope, probit):
    """Log-density that a uniform Dirichlet induces on thresholds: the link's density at each."""
    value = 0.0
    for j in range(base.size):
        if probit:
            value -= 0.5 * base[j] * base[j]
            slope[j] = -base[j]
        else:
            # log f(t) = −|t| − 2 log(1 + exp(−|t|)), and f'/f = −tanh(t / 2).
            value -= abs(base[j]) + 2.0 * math.log1p(math.exp(-abs(base[j])))
            slope[j] = -math.tanh(0.5 * base[j])
    return value


@numba.njit(nogil=True, error_model="numpy")
def _thresholds(x, cuts, shift_at, shift_sd, probit, inside, d_theta, sizes, gradient):
    """Priors of thresholds and shifts, and the likelihood's gradient handed on to them.

    `d_theta` is the gradient of the cells in the thresholds of both sides and `sizes` are the
    increments of both; the factor 1 − exp(−increment) of the logit is added here.
    """
    base, base_sizes, d_base = np.zeros(cuts), np.zeros(cuts), np.zeros(cuts)
    _cuts(x, cuts, -1, 0.0, base, base_sizes)
    value = _thresholds_prior(base, d_base, probit)
    out = np.zeros(cuts)
    gradient[1] += _increments_slope(d_base, cuts, base_sizes, out)
    for k in range(cuts - 1):
        gradient[2 + k] += out[k] + 1.0
        value += x[2 + k]
    for s in range(2):
        gradient[1] += _increments_slope(d_theta[s], cuts, sizes[s], out)
        for k in range(cuts - 1):
            slope = out[k]
            if not probit and inside[s, k] > 0.0:
                value += inside[s, k] * math.log(-math.expm1(-sizes[s, k]))
                slope += inside[s, k] * sizes[s, k] / math.expm1(sizes[s, k])
            gradient[2 + k] += slope
            if shift_at >= 0:
                gradient[shift_at + k] += slope * (s - 0.5)
    if shift_at >= 0:
        for k in range(cuts - 1):
            value -= 0.5 * (x[shift_at + k] / shift_sd) ** 2
            gradient[shift_at + k] -= x[shift_at + k] / shift_sd**2
    return value


@numba.njit(nogil=True, error_model="numpy")
def _read_blocks(x, blocks, n_row_blocks, index, spread, level, of_row, of_zone):
    """SD and levels of every block, and their sums for rows and zones.

    Of the sums the first does not depend on membership and the second is multiplied by m.
    """
    for b in range(blocks.shape[0]):
        start, n, gap = blocks[b, 0], blocks[b, 1], blocks[b, 3]
        spread[b] = math.exp(x[start - 1])
        _levels(x, start, n, blocks[b, 2] == 1, spread[b], level[b])
        if b < n_row_blocks:
            for r in range(index.shape[1]):
                of_row[gap, r] += level[b, index[b, r]]
        else:
            for z in range(n):
                of_zone[gap, z] += level[b, z]


@numba.njit(nogil=True, error_model="numpy")
def _blocks_gradient(
    x, blocks, priors, n_row_blocks, index, spread, level, d_row, d_zone, gradient
):
    """Priors of every block, and the gradient in the sums of rows and zones handed on to it."""
    value, slope = 0.0, np.zeros(level.shape)
    for b in range(blocks.shape[0]):
        start, n, gap = blocks[b, 0], blocks[b, 1], blocks[b, 3]
        if b < n_row_blocks:
            for r in range(index.shape[1]):
                slope[b, index[b, r]] += d_row[gap, r]
        else:
            slope[b] = d_zone[gap]
        value += _levels_gradient(
            x, start, n, blocks[b, 2] == 1, spread[b], level[b], slope[b], gradient
        )
        prior, in_log_sd = _log_sd(x[start - 1], priors[b, 0], priors[b, 1])
        value += prior
        gradient[start - 1] += in_log_sd
    return value


@numba.njit(nogil=True, error_model="numpy")
def _add_slopes(x, slope_at, columns, of_row):
    """What the columns of numeric covariates add to each row, whatever its membership."""
    for k in range(columns.shape[0]):
        for r in range(columns.shape[1]):
            of_row[0, r] += x[slope_at + k] * columns[k, r]


@numba.njit(nogil=True, error_model="numpy")
def _slopes_gradient(x, slope_at, columns, sd, d_row, gradient):
    """Prior of the slopes, and the gradient in the sums of rows handed on to them."""
    value = 0.0
    for k in range(columns.shape[0]):
        here, along = x[slope_at + k], 0.0
        for r in range(columns.shape[1]):
            along += d_row[0, r] * columns[k, r]
        gradient[slope_at + k] += along - here / sd**2
        value -= 0.5 * (here / sd) ** 2
    return value


@numba.njit(nogil=True, error_model="numpy")
def _cell_sums(d_eta, side, row, zone, d_row, d_zone):
    """Gradient in the sums of rows and zones, from that in the cells."""
    for i in range(side.size):
        here, m, r, z = d_eta[i], side[i] - 0.5, row[i], zone[i]
        d_row[0, r] += here
        d_row[1, r] += m * here
        d_zone[0, z] += here
        d_zone[1, z] += m * here


@numba.njit(nogil=True, error_model="numpy")
def log_density(
    x,
    settings,
    blocks,
    priors,
    index,
    columns,
    row,
    zone,
    side,
    starts,
    levels,
    counts,
    inside,
    gradient,
):
    """Log-density of the posterior at free values `x`; fills `gradient`.

    Parameters
    ----------
    x, gradient
        Shape (p,).
    settings
        Integers: thresholds, position of the first shift (-1 without), whether the link is the
        probit, number of blocks that belong to rows, position of the first slope, slopes.
    blocks
        Shape (b, 4), integers: start, n, whether they sum to zero, whether they multiply m.
        Blocks of rows come first, then those of zones.
    priors
        Shape (b + 3, 2): scale and degrees of freedom of each block's SD, then the SD of the
        shifts, of beta, and of the slopes.
    index
        Shape (b of rows, r): level of each row in each block.
    columns
        Shape (q, r): of numeric covariates, what each of q slopes is multiplied by.
    row, zone, side
        Shape (c,): row and zone of each cell, and 1 for members.
    starts, levels, counts
        Entries of cell i are `starts[i]` to `starts[i + 1]`: outcome level and people.
    inside
        Shape (2, J - 2): people of each side at the inner levels.
    """
    cuts, shift_at, probit, n_row_blocks = settings[0], settings[1], settings[2] == 1, settings[3]
    n_blocks, n_rows, n_cells = blocks.shape[0], index.shape[1], side.size
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
    eta, d_eta = np.empty(n_cells), np.empty(n_cells)
    for i in range(n_cells):
        m, r, z = side[i] - 0.5, row[i], zone[i]
        eta[i] = of_row[0, r] + of_zone[0, z] + m * (of_row[1, r] + of_zone[1, z])
    theta, sizes, d_theta = np.zeros((2, cuts)), np.zeros((2, cuts)), np.zeros((2, cuts))
    for s in range(2):
        _cuts(x, cuts, shift_at, s - 0.5, theta[s], sizes[s])
    if probit:
        value += probit_cells(eta, side, starts, levels, counts, theta, d_eta, d_theta)
    else:
        value += logit_cells(eta, side, starts, levels, counts, theta, d_eta, d_theta)

    d_row, d_zone = np.zeros((2, n_rows)), np.zeros((2, widest))
    _cell_sums(d_eta, side, row, zone, d_row, d_zone)
    gradient[0] += d_row[1].sum()
    value += _blocks_gradient(
        x, blocks, priors, n_row_blocks, index, spread, level, d_row, d_zone, gradient
    )
    slope_sd = priors[n_blocks + 2, 0]
    value += _slopes_gradient(x, settings[4], columns, slope_sd, d_row, gradient)
    return value + _thresholds(
        x, cuts, shift_at, priors[n_blocks, 0], probit, inside, d_theta, sizes, gradient
    )
