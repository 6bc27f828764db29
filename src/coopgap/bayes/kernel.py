"""The log-density of the hierarchical model and its gradient, compiled by numba.

The same density as `coopgap.bayes.model.build_model` writes in PyMC, up to a constant, over the
free values of `coopgap.bayes.layout`. A test holds the two together.

Everything that decides the density is in this one file. numba keeps the compiled function on disk
and makes it anew where this file has changed; it would not see a change in another one.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from typing import Final

import numba
import numpy as np
from numba import types

from coopgap.core.arrays import FloatArray, IntArray

_ROOT_HALF: Final = math.sqrt(0.5)
_LOG_ROOT_2PI: Final = 0.5 * math.log(2 * math.pi)
_FEW: Final = 4
_FULL: Final = 1e150
"""Logarithms of entries of a few people are taken together, when their product is this large."""

_compiled = numba.njit(nogil=True, error_model="numpy")


@_compiled
def _levels(x, start, n, sums_to_zero, scale, out):
    """Levels of one block from its free values."""
    if not sums_to_zero:
        for i in range(n):
            out[i] = scale * x[start + i]
        return
    total = 0.0
    for i in range(n - 1):
        total += x[start + i]
    root = math.sqrt(n)
    shift = total / (root + n)
    for i in range(n - 1):
        out[i] = scale * (x[start + i] - shift)
    out[n - 1] = -scale * total / root


@_compiled
def _levels_gradient(x, start, n, sums_to_zero, centred, level, slope, gradient):
    """Prior of the free values of a block; gradient in them and in the log SD from the levels'."""
    log_sd, free, shared = x[start - 1], n, 0.0
    if sums_to_zero:
        root, free = math.sqrt(n), n - 1
        for i in range(free):
            shared += slope[i]
        shared = shared / (root + n) + slope[n - 1] / root
    in_log_scale = 0.0
    for i in range(n):
        in_log_scale += slope[i] * level[i]
    scale, precision = math.exp((1.0 - centred) * log_sd), math.exp(-2.0 * centred * log_sd)
    squares = 0.0
    for i in range(free):
        squares += x[start + i] * x[start + i]
        gradient[start + i] += scale * (slope[i] - shared) - precision * x[start + i]
    gradient[start - 1] += (1.0 - centred) * in_log_scale
    gradient[start - 1] += centred * (precision * squares - free)
    return -0.5 * precision * squares - free * centred * log_sd


@_compiled
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


@_compiled
def _normals(x, start, n, sd, gradient):
    """Prior of n free values, normal around zero."""
    value = 0.0
    for k in range(start, start + n):
        value -= 0.5 * (x[k] / sd) ** 2
        gradient[k] -= x[k] / sd**2
    return value


@_compiled
def _thresholds(location, sizes, out):
    """Thresholds: increments cumulated, centred, plus the location."""
    out[0] = mean = 0.0
    for k in range(out.size - 1):
        out[k + 1] = out[k] + sizes[k]
        mean += out[k + 1]
    mean /= out.size
    for j in range(out.size):
        out[j] += location - mean


@_compiled
def _increments_slope(slope, sizes, out):
    """Gradient in the log increments, from that in the thresholds; returns that in the location."""
    cuts, total = slope.size, slope.sum()
    above = 0.0
    for k in range(cuts - 2, -1, -1):
        above += slope[k + 1]
        out[k] = sizes[k] * (above - total * (cuts - 1 - k) / cuts)
    return total


@_compiled
def _thresholds_prior(x, cuts, probit, gradient):
    """Prior of the thresholds where nothing shifts them: a uniform Dirichlet's on the levels.

    It is the link's density at each threshold, times the Jacobian of the increments.
    """
    sizes, base, slope, out = np.zeros(cuts), np.zeros(cuts), np.zeros(cuts), np.zeros(cuts)
    for k in range(cuts - 1):
        sizes[k] = math.exp(x[2 + k])
    _thresholds(x[1], sizes, base)
    value = 0.0
    for j in range(cuts):
        if probit:
            value -= 0.5 * base[j] * base[j]
            slope[j] = -base[j]
        else:
            # log f(t) = −|t| − 2 log(1 + exp(−|t|)), and f'/f = −tanh(t / 2).
            value -= abs(base[j]) + 2.0 * math.log1p(math.exp(-abs(base[j])))
            slope[j] = -math.tanh(0.5 * base[j])
    gradient[1] += _increments_slope(slope, sizes, out)
    for k in range(cuts - 1):
        gradient[2 + k] += out[k] + 1.0
        value += x[2 + k]
    return value


@_compiled
def _sides(x, shifts, theta, sizes):
    """Thresholds and increments of each side: bit i of its number is the indicator of shift i."""
    for s in range(theta.shape[0]):
        for k in range(theta.shape[1] - 1):
            moved = x[2 + k]
            for i in range(shifts.size):
                moved += x[shifts[i] + k] * ((s >> i & 1) - 0.5)
            sizes[s, k] = math.exp(moved)
        _thresholds(x[1], sizes[s], theta[s])


@_compiled
def _sides_gradient(shifts, probit, totals, d_theta, sizes, gradient):
    """Gradient in location, increments and shifts, from that in the thresholds of each side.

    The factor 1 − exp(−increment), which people at an inner level of the logit have, is added
    here, to the value too.
    """
    value, slope = 0.0, np.zeros(d_theta.shape[1])
    for s in range(d_theta.shape[0]):
        gradient[1] += _increments_slope(d_theta[s], sizes[s], slope)
        for k in range(slope.size - 1):
            people, size = totals[s, k + 1], sizes[s, k]
            if not probit and people > 0.0:
                value += people * math.log(-math.expm1(-size))
                slope[k] += people * size / math.expm1(size)
            gradient[2 + k] += slope[k]
            for i in range(shifts.size):
                gradient[shifts[i] + k] += slope[k] * ((s >> i & 1) - 0.5)
    return value


@_compiled
def _logit(groups, row, zone, people, totals, eta_row, eta_zone, theta, d_row, d_zone, d_theta):
    """Σ n log P over the entries, without the part that only the increments enter.

    F(a) − F(b) = F(a) F(−b) (1 − exp(b − a)); with A = exp(a) and B = exp(b) the first two
    factors are A / ((1 + A)(1 + B)). That A is linear in what is added up; it is in `log_density`.
    """
    cuts = theta.shape[1]
    fall_row, fall_zone, rise = np.exp(-eta_row), np.exp(-eta_zone), np.exp(theta)
    value, product = 0.0, 1.0
    for group in range(groups.size - 1):
        s, y = group // (cuts + 1), group % (cuts + 1)
        inner = 1.0 if y < cuts else 0.0
        a, b = rise[s, y] if y < cuts else 0.0, rise[s, y - 1] if y > 0 else 0.0
        to_upper = to_lower = 0.0
        for e in range(groups[group], groups[group + 1]):
            r, z, n = row[e], zone[e], people[e]
            fall = fall_row[r] * fall_zone[z]
            above, lower = 1.0 + a * fall, b * fall
            both = above * (1.0 + lower)
            part = n / both
            up, down = inner * part * (1.0 + lower), part * above * lower
            to_upper += up
            to_lower += down
            d_row[r] += down - up
            d_zone[z] += down - up
            if n > _FEW:
                value -= n * math.log(both)
                continue
            product *= both
            if n > 1.0:
                for _ in range(int(n) - 1):
                    product *= both
            if product > _FULL:
                value -= math.log(product)
                product = 1.0
        if y < cuts:
            value += totals[s, y] * theta[s, y]
            d_theta[s, y] += to_upper
        if y > 0:
            d_theta[s, y - 1] -= to_lower
    return value - math.log(product)


@_compiled
def _probit(groups, row, zone, people, eta_row, eta_zone, theta, d_row, d_zone, d_theta):
    """Σ n log P; both ends are moved to the tail in which the normal keeps its digits."""
    cuts, value = theta.shape[1], 0.0
    for group in range(groups.size - 1):
        s, y = group // (cuts + 1), group % (cuts + 1)
        for e in range(groups[group], groups[group + 1]):
            r, z, n = row[e], zone[e], people[e]
            eta, slope = eta_row[r] + eta_zone[z], 0.0
            a = theta[s, y] - eta if y < cuts else np.inf
            b = theta[s, y - 1] - eta if y > 0 else -np.inf
            if a > -b:
                share = 0.5 * (math.erfc(b * _ROOT_HALF) - math.erfc(a * _ROOT_HALF))
            else:
                share = 0.5 * (math.erfc(-a * _ROOT_HALF) - math.erfc(-b * _ROOT_HALF))
            if not share > 0.0:
                return -np.inf
            value += n * math.log(share)
            if y < cuts:
                part = n * math.exp(-0.5 * a * a - _LOG_ROOT_2PI) / share
                d_theta[s, y] += part
                slope -= part
            if y > 0:
                part = n * math.exp(-0.5 * b * b - _LOG_ROOT_2PI) / share
                d_theta[s, y - 1] -= part
                slope += part
            d_row[r] += slope
            d_zone[z] += slope
    return value


@_compiled
def _spread(level, index, out):
    """Add to each row its level."""
    for r in range(out.size):
        out[r] += level[index[r]]


@_compiled
def _gather(of_row, index, out):
    """Add up by level what rows have."""
    for r in range(of_row.size):
        out[index[r]] += of_row[r]


@_compiled
def _add(times, values, out):
    for i in range(out.size):
        out[i] += times * values[i]


@_compiled
def _product(one, other):
    total = 0.0
    for i in range(one.size):
        total += one[i] * other[i]
    return total


@_compiled
def _by_group(of_all, of_gap):
    """Sums of comparison people, then of members: what does not depend on them, and m times it."""
    n = of_all.size
    both = np.empty(2 * n)
    for i in range(n):
        half = 0.5 * of_gap[i]
        both[i] = of_all[i] - half
        both[n + i] = of_all[i] + half
    return both


@_compiled
def _of_groups(slope):
    """Gradient in both of what `_by_group` is given, shape (2, n)."""
    n = slope.size // 2
    both = np.empty((2, n))
    for i in range(n):
        both[0, i] = slope[n + i] + slope[i]
        both[1, i] = 0.5 * (slope[n + i] - slope[i])
    return both


@_compiled
def log_density(
    x,
    settings,
    shifts,
    blocks,
    priors,
    index,
    columns,
    groups,
    row,
    zone,
    people,
    totals,
    inner_row,
    inner_zone,
    gradient,
):
    """Log-density of the posterior at free values `x`; fills `gradient`.

    Parameters
    ----------
    x, gradient
        Shape (p,).
    settings
        Integers: thresholds, whether the link is the probit, number of blocks that belong to
        rows, position of the first slope, slopes, and how many of them, the last, multiply m.
    shifts
        Shape (k,), integers: position of the first of each kind of shift. People have one of 2^k
        sides: bit i of its number says whether shift i counts +1/2 or -1/2.
    blocks
        Shape (b, 4), integers: start, n, whether they sum to zero, whether they multiply m.
        Blocks of rows come first, then those of zones.
    priors
        Shape (b + 3, 3): scale and degrees of freedom of each block's SD, and how far the block
        is centred; then the SD of the shifts, of beta, and of the slopes.
    index
        Shape (b of rows, r): level of each row in each block.
    columns
        Shape (q, r): of numeric covariates and of areas, what each of q slopes is multiplied by.
    groups
        Shape (2^k J + 1,): entries of side s and level j are `groups[s J + j]` to the next.
    row, zone, people
        Shape (e,): row and zone of each entry, those of members behind all others', and people.
    totals
        Shape (2^k, J): people.
    inner_row, inner_zone
        Shape (2 r,) and (2 z,): people below the top level.
    """
    cuts, probit, n_row_blocks = settings[0], settings[1] == 1, settings[2]
    n_blocks, n_rows, n_zones = blocks.shape[0], index.shape[1], inner_zone.size // 2
    gradient[:] = 0.0
    value = _normals(x, 0, 1, priors[n_blocks + 1, 0], gradient)
    value += _normals(x, settings[3], columns.shape[0], priors[n_blocks + 2, 0], gradient)
    for at in shifts:
        value += _normals(x, at, cuts - 1, priors[n_blocks, 0], gradient)
    value += _thresholds_prior(x, cuts, probit, gradient)

    level = np.zeros((n_blocks, max(1, blocks[:, 1].max())))
    of_row, of_zone = np.zeros((2, n_rows)), np.zeros((2, n_zones))
    of_row[1] = x[0]
    for b in range(n_blocks):
        start, n, gap = blocks[b, 0], blocks[b, 1], blocks[b, 3]
        scale = math.exp((1.0 - priors[b, 2]) * x[start - 1])
        _levels(x, start, n, blocks[b, 2] == 1, scale, level[b])
        if b < n_row_blocks:
            _spread(level[b], index[b], of_row[gap])
        else:
            _add(1.0, level[b], of_zone[gap])
    first_gap = columns.shape[0] - settings[5]
    for k in range(columns.shape[0]):
        _add(x[settings[3] + k], columns[k], of_row[0 if k < first_gap else 1])

    eta_row, eta_zone = _by_group(of_row[0], of_row[1]), _by_group(of_zone[0], of_zone[1])
    d_row, d_zone = np.zeros(2 * n_rows), np.zeros(2 * n_zones)
    theta = np.zeros((1 << shifts.size, cuts))
    sizes, d_theta = np.zeros(theta.shape), np.zeros(theta.shape)
    _sides(x, shifts, theta, sizes)
    if probit:
        value += _probit(
            groups, row, zone, people, eta_row, eta_zone, theta, d_row, d_zone, d_theta
        )
    else:
        value += _logit(
            groups, row, zone, people, totals, eta_row, eta_zone, theta, d_row, d_zone, d_theta
        )
        value -= _product(inner_row, eta_row) + _product(inner_zone, eta_zone)
    value += _sides_gradient(shifts, probit, totals, d_theta, sizes, gradient)

    in_row, in_zone = _of_groups(d_row), _of_groups(d_zone)
    gradient[0] += in_row[1].sum()
    for k in range(columns.shape[0]):
        gradient[settings[3] + k] += _product(in_row[0 if k < first_gap else 1], columns[k])
    slope = np.zeros(level.shape[1])
    for b in range(n_blocks):
        start, n, gap = blocks[b, 0], blocks[b, 1], blocks[b, 3]
        if b < n_row_blocks:
            slope[:n] = 0.0
            _gather(in_row[gap], index[b], slope)
        else:
            slope[:n] = in_zone[gap]
        zero_sum = blocks[b, 2] == 1
        value += _levels_gradient(x, start, n, zero_sum, priors[b, 2], level[b], slope, gradient)
        prior, in_log_sd = _log_sd(x[start - 1], priors[b, 0], priors[b, 1])
        value += prior
        gradient[start - 1] += in_log_sd
    return value


def pack(arrays: Iterable[IntArray | FloatArray]) -> IntArray:
    """One buffer of 64-bit words: its length, where each array begins and ends, then the arrays.

    So the C function is compiled once for all models.
    """
    flat = [np.ascontiguousarray(array).reshape(-1).view(np.int64) for array in arrays]
    ends = 2 + len(flat) + np.cumsum([0, *(array.size for array in flat)])
    return np.concatenate([[ends[-1]], ends, *flat]).astype(np.int64)


@_compiled
def _part(words, k):
    return words[words[1 + k] : words[2 + k]]


@_compiled
def _places(words, k):
    """Without a sign, which indexing would have to look at."""
    return _part(words, k).view(np.uint64)


@_compiled
def _numbers(words, k):
    return _part(words, k).view(np.float64)


@_compiled
def _unpacked(x, words, gradient):
    """The density on a packed buffer."""
    settings, shifts = _part(words, 0), _part(words, 1)
    blocks = _part(words, 2).reshape((-1, 4))
    index = _places(words, 4).reshape((settings[2], -1))
    return log_density(
        x,
        settings,
        shifts,
        blocks,
        _numbers(words, 3).reshape((-1, 3)),
        index,
        _numbers(words, 5).reshape((settings[4], index.shape[1])),
        _part(words, 6),
        _places(words, 7),
        _places(words, 8),
        _numbers(words, 9),
        _numbers(words, 10).reshape((1 << shifts.size, settings[0] + 1)),
        _numbers(words, 11),
        _numbers(words, 12),
        gradient,
    )


_NUMBERS = types.CPointer(types.float64)
_WORDS = types.CPointer(types.int64)


@numba.cfunc(types.int64(types.uint64, _NUMBERS, _NUMBERS, _NUMBERS, _WORDS), cache=True)
def logp(dim, x_, gradient_, value_, words_):
    """What nutpie calls for a density; 3 and 4 say that the point cannot be used.

    An exception cannot leave a C function, so everything divides as numpy does.
    """
    gradient = numba.carray(gradient_, (dim,))
    words = numba.carray(words_, (numba.carray(words_, (1,))[0],))
    value = _unpacked(numba.carray(x_, (dim,)), words, gradient)
    numba.carray(value_, (1,))[0] = value
    if not np.all(np.isfinite(gradient)):
        return 3
    return 0 if np.isfinite(value) else 4


@numba.cfunc(types.int64(types.uint64, types.uint64, _NUMBERS, _NUMBERS, _WORDS), cache=True)
def expand(dim, _expanded, x_, out_, _words):
    """What nutpie calls to make a draw: the free values as they are."""
    numba.carray(out_, (dim,))[:] = numba.carray(x_, (dim,))
    return 0


def evaluate(x: FloatArray, words: IntArray) -> tuple[float, FloatArray]:
    """Log-density and gradient at `x`, shape (p,), by the function that the sampler calls."""
    x = np.ascontiguousarray(x, dtype=np.float64)
    value, gradient = np.zeros(1), np.empty_like(x)
    numbers, whole = (ctypes.POINTER(kind) for kind in (ctypes.c_double, ctypes.c_int64))
    given = [array.ctypes.data_as(numbers) for array in (x, gradient, value)]
    logp.ctypes(x.size, *given, words.ctypes.data_as(whole))
    return float(value[0]), gradient
