"""Weights without sets: entropy balancing, and overlap weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.sample import MatchedSample
from coopgap.survey.cells import group_codes
from coopgap.survey.numeric import Numeric
from coopgap.survey.records import ModelRows

_TOLERANCE = 1e-10
_INTERIOR = 1e-6
_MAX_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Who shares every margin with the other group: `keep`, shape (n,).

    `lost` has by `VARIABLE=LEVEL` the members at a level where no comparison person is left.
    """

    keep: BoolArray
    lost: Mapping[str, int]


def common_support(
    factors: Mapping[str, IntArray],
    labels: Mapping[str, tuple[str, ...]],
    member: BoolArray,
    numeric: Mapping[str, Numeric] | None = None,
) -> Support:
    """Leave out members at a level without comparison people, and the reverse, until none is left.

    `factors` are by variable level indices (n,), never -1, `labels` its levels; `numeric` variables
    have no levels to be lost at.
    """
    keep = np.ones(member.size, dtype=np.bool_)
    lost: dict[str, int] = {}
    while True:
        before = int(keep.sum())
        for name, codes in factors.items():
            if name in (numeric or {}):
                continue
            size = len(labels[name])
            members = np.bincount(codes[keep & member], minlength=size)
            others = np.bincount(codes[keep & ~member], minlength=size)
            for level in np.flatnonzero((members > 0) & (others == 0)):
                key = f"{name}={labels[name][level]}"
                lost[key] = lost.get(key, 0) + int(members[level])
            keep &= ((members > 0) & (others > 0))[codes]
        if int(keep.sum()) == before:
            return Support(keep=keep, lost=lost)


def dummies(codes: IntArray, n_levels: int) -> FloatArray:
    """Indicators of every level after the first, shape (n, `n_levels` - 1)."""
    return np.asarray(codes[:, None] == np.arange(1, n_levels), dtype=np.float64)


def margin_columns(
    name: str, codes: IntArray, n_levels: int, numeric: Mapping[str, Numeric] | None
) -> FloatArray:
    """What is balanced of a variable, shape (n, k): indicators, or the columns of a numeric one."""
    own = (numeric or {}).get(name)
    return dummies(codes, n_levels) if own is None else own.columns[codes]


def balance_weights(features: FloatArray, target: FloatArray, base: FloatArray) -> FloatArray:
    """Weights (c,) nearest to `base` in relative entropy whose weighted mean is `target`.

    `features` (c, k) have one row a cell, `target` (k,) the means to be reproduced, `base` (c,) is
    positive; weights are positive and sum to one. Raises NotEstimable if there are none.

    Notes
    -----
    w_i ∝ q_i·exp(λ'(x_i − t)), where λ minimises the convex dual log Σ q_i·exp(λ'(x_i − t)).
    Newton steps with halving; features that are collinear on the rows are left out by pivoted QR,
    and the target is checked on all of them at the end (Hainmueller 2012, Political Analysis 20(1),
    equations 5 to 8). Where there are such weights the dual is at least log min q: less shows that
    there are none, and weights that reproduce the target that there are.
    """
    centred = features - target
    columns = _independent_columns(features)
    x = centred[:, columns]
    log_base = np.log(base)
    multiplier = np.zeros(columns.size)
    value, weight = _dual(x, log_base, multiplier)
    for _ in range(_MAX_STEPS):
        gradient = weight @ x
        if np.abs(gradient).max(initial=0.0) < _TOLERANCE or value < log_base.min():
            break
        hessian = (x * weight[:, None]).T @ x - np.outer(gradient, gradient)
        step = np.linalg.lstsq(hessian, gradient)[0]
        slope, length = float(gradient @ step), 1.0
        while True:
            candidate, moved = _dual(x, log_base, multiplier - length * step)
            if candidate <= value - 1e-4 * length * slope or length < 1e-10:
                break
            length /= 2
        multiplier, value, weight = multiplier - length * step, candidate, moved
    positive = weight.min() * weight.size > _INTERIOR or _is_interior(features, target)
    if np.abs(weight @ centred).max(initial=0.0) > 1e-7 or not positive:
        raise NotEstimable("no positive weights reproduce the margins")
    return weight


def _dual(x: FloatArray, log_base: FloatArray, multiplier: FloatArray) -> tuple[float, FloatArray]:
    """Value of the dual and the weights it implies."""
    exponent = log_base + x @ multiplier
    top = float(exponent.max())
    raw = np.exp(exponent - top)
    total = float(raw.sum())
    return top + float(np.log(total)), raw / total


def _independent_columns(features: FloatArray) -> IntArray:
    """Columns that, beside a constant, are linearly independent."""
    centred = features - features.mean(axis=0)
    columns = np.arange(centred.shape[1])
    if _rank(np.linalg.qr(centred, mode="r")) == columns.size:
        return columns
    from scipy import linalg  # takes time to import, and few need it

    _, r, pivot = linalg.qr(centred, mode="economic", pivoting=True)
    return np.sort(pivot[: _rank(r)]).astype(np.int64)


def _rank(r: FloatArray) -> int:
    size = np.abs(np.diag(r))
    return int((size > 1e-9 * max(1.0, float(size.max(initial=0.0)))).sum())


def _is_interior(features: FloatArray, target: FloatArray) -> bool:
    """Whether positive weights on every row can reproduce the target: one linear programme."""
    from scipy import optimize

    rows, k = features.shape
    if k == 0:
        return True
    # p >= t for every row, largest t: written as p = t + s with s >= 0.
    equality = np.vstack([(features - target).T, np.ones(rows)])
    equality = np.column_stack([equality, equality.sum(axis=1)])
    right = np.append(np.zeros(k), 1.0)
    cost = np.append(np.zeros(rows), -1.0)
    result = optimize.linprog(cost, A_eq=equality, b_eq=right, method="highs")
    return bool(result.status == 0 and -float(result.fun or 0.0) * rows > _INTERIOR)


def entropy_match(
    factors: Mapping[str, IntArray],
    labels: Mapping[str, tuple[str, ...]],
    member: BoolArray,
    weight: FloatArray,
    numeric: Mapping[str, Numeric] | None = None,
) -> MatchedSample:
    """Weight the comparison group so that it reproduces the members' margins exactly.

    Arguments of `common_support`; sampling weights (n,), positive, are the base weights. Members
    have weight 1 unless one of their levels has no comparison person, comparison people at a level
    without members weight 0. There are no sets.

    Raises
    ------
    NotEstimable
        Nobody shares every margin, or no positive weights reproduce the margins jointly; the
        variable that first made it impossible is named.
    """
    keep = common_support(factors, labels, member, numeric).keep
    if not (keep & member).any() or not (keep & ~member).any():
        raise NotEstimable(
            f"no level of {', '.join(factors)} is shared by the {int(member.sum())} members and "
            f"the {int((~member).sum())} comparison people"
        )
    target = keep & member
    source = keep & ~member
    none = np.zeros(int(source.sum()), dtype=np.int64)
    codes, cell = group_codes([*(column[source] for column in factors.values()), none])
    base = np.bincount(cell, weights=weight[source])
    blocks, means = [], []
    for position, (name, column) in enumerate(factors.items()):
        size = max(len(labels[name]), int(column.max()) + 1)
        share = np.bincount(column[target], weights=weight[target], minlength=size)
        every = margin_columns(name, np.arange(size), size, numeric)
        blocks.append(every[codes[:, position]])
        means.append(share @ every / share.sum())
    balanced = _balance_named(list(factors), blocks, means, base)
    result = np.where(target, 1.0, 0.0)
    result[source] = (balanced * base.sum() / base)[cell]
    return MatchedSample(
        method="entropy",
        weight=result,
        set_id=np.full(member.size, -1, dtype=np.int64),
        n_sets=0,
    )


def _balance_named(
    names: list[str], blocks: list[FloatArray], means: list[FloatArray], base: FloatArray
) -> FloatArray:
    """Balance every block; on failure name the variable that first made it impossible."""
    none = np.zeros((base.size, 0))
    try:
        return balance_weights(np.hstack([none, *blocks]), np.concatenate([*means, []]), base)
    except NotEstimable as error:
        for size in range(1, len(names) + 1):
            if not _is_interior(np.hstack(blocks[:size]), np.concatenate(means[:size])):
                known = ", ".join(names[: size - 1])
                beside = f" beside {known}" if known else ""
                raise NotEstimable(
                    f"the comparison group cannot reproduce the members' margin of "
                    f"{names[size - 1]}{beside}"
                ) from error
        raise


def overlap_match(rows: ModelRows, stratum: IntArray, covariates: Sequence[str]) -> MatchedSample:
    """Weight members by the probability of the other group, and comparison people by that of this.

    Exact strata (n,) enter the propensity score as one factor. Members have weight 1 − e and
    comparison people e, e the propensity score, each scaled so that sampling weight times matching
    weight sums to the sampling weight of the people kept. Strata with one group only are left out.
    There are no sets, and the people behind the gap are those of the overlap, not the members.
    Raises NotEstimable if no stratum holds both groups, or the propensity score is separated.

    Notes
    -----
    The score equations of the logistic regression are Σ w(m − e)x = 0: both weighted groups have
    the same mean of every term, strata included (Li, Morgan & Zalinsky 2018, JASA 113(521),
    theorem 3).
    """
    from coopgap.matching.distances import linear_propensity

    both = np.isin(stratum, np.intersect1d(stratum[rows.member], stratum[~rows.member]))
    if not both.any():
        raise NotEstimable(
            f"no stratum holds both groups ({int(rows.member.sum())} members and "
            f"{int((~rows.member).sum())} comparison people in {np.unique(stratum).size} strata)"
        )
    named = {"stratum": np.unique(stratum[both], return_inverse=True)[1]}
    kept = _with_stratum(rows.take(both), named)
    log_odds = linear_propensity(kept, ("stratum", *covariates))
    weight = np.zeros(rows.n)
    weight[both] = _scaled(1 / (1 + np.exp(np.where(kept.member, log_odds, -log_odds))), kept)
    return MatchedSample(
        method="overlap", weight=weight, set_id=np.full(rows.n, -1, dtype=np.int64), n_sets=0
    )


def _with_stratum(rows: ModelRows, named: dict[str, IntArray]) -> ModelRows:
    labels = {name: tuple(map(str, range(int(codes.max()) + 1))) for name, codes in named.items()}
    return replace(
        rows,
        factors={**rows.factors, **named},
        factor_levels={**rows.factor_levels, **labels},
    )


def _scaled(weight: FloatArray, rows: ModelRows) -> FloatArray:
    """Weights that sum, times sampling weights, to the sampling weight of each group."""
    result = weight.copy()
    for group in (rows.member, ~rows.member):
        own = rows.weight[group]
        result[group] *= own.sum() / (own @ weight[group])
    return result
