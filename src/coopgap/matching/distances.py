"""Distances between people: propensity score, Mahalanobis, rank-based Mahalanobis.

Every distance is Euclidean between points, one point for people with the same covariates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.spatial.distance import cdist

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.design import design_matrix
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.separation import check_separation
from coopgap.study.spec import DistanceName
from coopgap.survey.cells import group_codes
from coopgap.survey.records import ModelRows

_RANK = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """Where people stand, and who may be compared with whom.

    `cell` (n,) is the point of each person; the distance of two people is the Euclidean distance of
    their `points` (c, k). `score` (c,) is the linear propensity score at each point, zeros where
    nothing needs it, and `caliper` the largest allowed difference of scores, or infinite.
    """

    cell: IntArray
    points: FloatArray
    score: FloatArray
    caliper: float = np.inf

    def between(self, one: IntArray, other: IntArray) -> FloatArray:
        """Distances of points `one` (a,) and `other` (b,), shape (a, b); inf beyond the caliper.

        Rounded to ten decimals: people equally far by design are equally far in floating point.
        """
        result: FloatArray = np.round(cdist(self.points[one], self.points[other]), 10)
        if np.isfinite(self.caliper):
            apart = np.abs(self.score[one][:, None] - self.score[other])
            result[apart > self.caliper] = np.inf
        return result


def make_distance(
    rows: ModelRows, covariates: Sequence[str], name: DistanceName, caliper: float | None = None
) -> Distance:
    """The distance a matching declares, about `covariates`; with none everybody is at one point.

    `name` is `propensity`, `mahalanobis` or `robust_mahalanobis`. The caliper is on linear
    propensity scores, whatever the distance, in their pooled standard deviations within groups
    (Austin 2011; MatchIt takes the standard deviation over everybody instead). Raises NotEstimable
    where the score is needed and has no finite estimate.
    """
    if not covariates:
        nobody = np.zeros(1)
        return Distance(cell=np.zeros(rows.n, np.int64), points=nobody[:, None], score=nobody)
    columns = [rows.factors[one] for one in covariates]
    codes, cell = group_codes(columns)
    first = np.zeros(len(codes), dtype=np.int64)
    first[cell[::-1]] = np.arange(rows.n - 1, -1, -1)
    score = np.zeros(rows.n)
    width = np.inf
    if name == "propensity" or caliper is not None:
        score = linear_propensity(rows, covariates)
    if caliper is not None:
        width = caliper * pooled_sd(score, rows.member, rows.weight)
    match name:
        case "propensity":
            points = score[:, None]
        case "mahalanobis":
            points = mahalanobis_points(_coordinates(rows, covariates), rows.member, rows.weight)
        case "robust_mahalanobis":
            points = robust_points(_coordinates(rows, covariates), rows.weight)
    return Distance(cell=cell, points=points[first], score=score[first], caliper=width)


def _coordinates(rows: ModelRows, covariates: Sequence[str]) -> FloatArray:
    """Indicators of every level, and numbers as they are, in the order of the covariates."""
    parts = []
    for name in covariates:
        own = rows.numeric.get(name)
        codes = rows.factors[name]
        parts.append(full_indicators([codes]) if own is None else own.values[codes, None])
    return np.hstack(parts)


def linear_propensity(rows: ModelRows, factors: Sequence[str]) -> FloatArray:
    """Log odds of membership given factors, shape (n,), by weighted logistic regression.

    Main terms are indicators of all levels but the first present, or numeric columns; columns that
    depend on earlier ones are left out, which changes no fitted value. Raises NotEstimable under
    separation, naming the terms without a finite estimate.
    """
    codes, cell = group_codes([rows.factors[name] for name in factors])
    named = dict(zip(factors, codes.T, strict=True))
    design = design_matrix(named, rows.factor_levels, numeric=rows.numeric)
    counts = np.column_stack(
        [
            np.bincount(cell, weights=rows.weight * group, minlength=len(codes))
            for group in (~rows.member, rows.member)
        ]
    )
    keep = _independent(design.x)
    x, terms = design.x[:, keep], [design.terms[at] for at in keep]
    try:
        check_separation(x, counts, terms)
    except NotEstimable as error:
        raise NotEstimable(f"the propensity score: {error.reason}") from error
    fit = fit_ordinal(x, counts, terms=terms)
    return np.asarray((x @ fit.slopes - fit.thresholds[0])[cell])


def _independent(x: FloatArray) -> IntArray:
    """Positions of columns that do not depend on earlier columns and a constant."""
    kept: list[int] = []
    basis = np.full((len(x), 1), 1 / np.sqrt(len(x)))
    for at, column in enumerate(x.T):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        size = float(linalg.norm(rest))
        if size > 1e-9 * np.sqrt(len(x)):
            kept.append(at)
            basis = np.column_stack([basis, rest / size])
    return np.asarray(kept, dtype=np.int64)


def pooled_sd(score: FloatArray, member: BoolArray, weight: FloatArray) -> float:
    """√((v₁ + v₀)/2), v the weighted variance in each group, n − 1 below for equal weights."""
    result = []
    for group in (member, ~member):
        w = weight[group] / weight[group].sum()
        gap = score[group] - w @ score[group]
        result.append(float(w @ gap**2) / max(1 - float(w @ w), np.finfo(float).tiny))
    return float(np.sqrt(np.mean(result)))


def full_indicators(columns: Sequence[IntArray]) -> FloatArray:
    """Indicators of every level present, over √2, shape (n, k): two levels stand 1 apart."""
    parts = [column[:, None] == np.unique(column) for column in columns]
    return np.asarray(np.hstack(parts) / np.sqrt(2), dtype=np.float64)


def mahalanobis_points(x: FloatArray, member: BoolArray, weight: FloatArray) -> FloatArray:
    """Points (n, r) whose Euclidean distance is the Mahalanobis distance of covariates (n, k).

    Columns are scaled to unit standard deviation, the covariance is pooled within the two
    groups, and its generalised inverse drops directions below 1e-8 of the largest: with
    indicators of every level the scale decides what is dropped, and it is that of MatchIt 4.5
    (Rubin 1980, Biometrics 36; Ho, Imai, King & Stuart 2011).
    """
    x = _varying(x)
    spread = x.std(axis=0, ddof=1)
    x = (x - x.mean(axis=0)) / spread
    centred = x.copy()
    for group in (member, ~member):
        centred[group] -= np.average(x[group], axis=0, weights=weight[group])
    cov = (centred.T * weight) @ centred / weight.sum() * (len(x) / max(len(x) - 2, 1))
    return x @ _half_inverse(cov)


def robust_points(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Points (n, r) whose Euclidean distance is the rank-based Mahalanobis distance.

    Mean ranks replace the values; their covariance, over everybody, is rescaled so that each
    rank has the variance of ranks without ties: rare levels do not count for more (Rosenbaum 2010,
    Design of Observational Studies, section 8.3).
    """
    from scipy import stats

    ranks = stats.rankdata(_varying(x), axis=0)
    centred = ranks - np.average(ranks, axis=0, weights=weight)
    n = len(ranks)
    cov = (centred.T * weight) @ centred / weight.sum() * (n / max(n - 1, 1))
    untied = np.sqrt(n * (n + 1) / 12) / np.sqrt(np.diag(cov))
    return ranks @ _half_inverse(cov * np.outer(untied, untied))


def _varying(x: FloatArray) -> FloatArray:
    return x[:, np.ptp(x, axis=0) > 0]


def _half_inverse(cov: FloatArray) -> FloatArray:
    """Root R with RR' the generalised inverse of `cov`."""
    values, vectors = linalg.eigh(cov)
    kept = values > _RANK * max(float(values.max(initial=0.0)), 0.0)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))
