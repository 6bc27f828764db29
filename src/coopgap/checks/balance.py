"""One group of people balanced to another: shares of both and what each person moves them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import (
    Contrast,
    Interval,
    Margins,
    cluster_sums,
    estimate_contrast,
    threshold_gaps,
)
from coopgap.families.difference import INTERVAL_PROB, Influence
from coopgap.families.estimate import FEW_CLUSTERS
from coopgap.matching.sample import combined_weight, effective_size
from coopgap.matching.weighting import common_support, entropy_match, margin_columns
from coopgap.regression.sampled import sample_of_rows
from coopgap.survey.records import ModelRows


def stack(target: ModelRows, other: ModelRows) -> ModelRows:
    """Two groups of people in one record, `target` marked as members, `other` as comparison."""

    def joined(pick: str) -> Any:
        return np.concatenate([getattr(target, pick), getattr(other, pick)])

    zones = target.zone is not None and other.zone is not None
    return replace(
        target,
        index=joined("index"),
        outcome=joined("outcome"),
        member=np.repeat([True, False], [target.n, other.n]),
        factors={
            name: np.concatenate([codes, other.factors[name]])
            for name, codes in target.factors.items()
        },
        zone=joined("zone") if zones else None,
        weight=joined("weight"),
        tie=None,
        dropped=(),
    )


class SideErrors(NamedTuple):
    """Covariance of statistics of two groups of people, with its degrees of freedom.

    `sums`, shape (G, q), are contributions by cluster, scaled so that `sums.T @ sums` is the
    covariance; `sides`, (2, q, q), the part of each group's people, as if the other's did not vary;
    `own_df` the clusters of each group less one, `df` those of both, infinity without clusters.
    """

    sums: FloatArray
    sides: FloatArray
    own_df: FloatArray
    df: float

    @property
    def cov(self) -> FloatArray:
        """Shape (q, q)."""
        return np.asarray(self.sums.T @ self.sums)

    @property
    def df_of(self) -> Callable[[FloatArray], float] | None:
        """Degrees of freedom of a linear combination, shape (q,); None without clusters."""
        if np.isinf(self.df):
            return None
        return lambda direction: satterthwaite(
            np.array([float(direction @ side @ direction) for side in self.sides]),
            self.own_df,
            self.df,
        )


def side_errors(unit: FloatArray, first: BoolArray, cluster: IntArray | None) -> SideErrors:
    """Sum contributions, (n, q), by cluster, of people `first` in one group and of the others.

    Contributions sum to zero within each group. The factor G/(G − 1) is each group's own: phone
    interviews in six zones of a hundred have the factor of six. Groups that share their clusters
    covary. Where both have all G clusters this is the usual covariance with one factor.
    """
    groups = (first, ~first)
    if cluster is None:
        sides = np.stack([unit[side].T @ unit[side] for side in groups])
        return SideErrors(unit, sides, np.array([np.inf, np.inf]), np.inf)
    own = np.array([float(np.unique(cluster[side]).size - 1) for side in groups])
    factor = np.divide(own + 1, own, out=np.full_like(own, np.nan), where=own > 0)
    wide = unit * np.sqrt(factor)[np.where(first, 0, 1), None]
    parts = [cluster_sums(wide[side], cluster[side])[0] for side in groups]
    sums, _, df = cluster_sums(wide, cluster)
    return SideErrors(sums, np.stack([part.T @ part for part in parts]), own, df)


def satterthwaite(parts: FloatArray, own_df: FloatArray, most: float) -> float:
    """Degrees of freedom of a sum of two variances, at most `most` (Satterthwaite 1946)."""
    total, spread = float(parts.sum()), float((parts**2 / own_df).sum())
    return min(total**2 / spread, most) if spread > 0 else most


def fewest_zones(rows: ModelRows) -> int | None:
    """Zones of the group, members or others, that has fewer; None without zones."""
    if rows.zone is None:
        return None
    return min(int(np.unique(rows.zone[side]).size) for side in (rows.member, ~rows.member))


def require_clusters(rows: ModelRows) -> None:
    """Refuse fewer clusters on either side than a standard error needs."""
    fewest = fewest_zones(rows)
    if fewest is not None and fewest < FEW_CLUSTERS:
        raise NotEstimable(
            f"{fewest} zones on one side are too few for a standard error; "
            f"{FEW_CLUSTERS} are needed"
        )


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """Shares of a group and of another one balanced to it, person by person.

    Attributes
    ----------
    rows
        The n people kept; `member` marks the group whose margins are reproduced.
    weight
        Sampling times balancing weight of everybody, zero for people left out.
    shares
        Shape (2, J): of the first group, of the balanced one.
    unit
        Shape (n, 2J): what each person adds to the errors of both, `shares` laid end to end.
    lost, n_lost
        By `VARIABLE=LEVEL`, people of the first group without anybody at their level; all of them.
    """

    rows: ModelRows
    weight: FloatArray
    shares: FloatArray
    unit: FloatArray
    lost: Mapping[str, int]
    n_lost: int

    @property
    def kept(self) -> BoolArray:
        """Who of everybody is kept."""
        return np.asarray(self.weight > 0)

    @cached_property
    def ess(self) -> float:
        """Effective size of the balanced group."""
        return effective_size(self.weight[self.kept][~self.rows.member])

    @cached_property
    def margins(self) -> Margins:
        """`member` is the first group, `comparison` the balanced one."""
        errors = side_errors(self.unit, self.rows.member, self.rows.zone)
        first, other = self.shares
        return Margins(
            member=first, comparison=other, cov=errors.cov, df=errors.df, df_of=errors.df_of
        )

    @cached_property
    def influence(self) -> Influence:
        """Contributions person by person: each is a cell of its own."""
        n = self.rows.n
        return Influence(
            people=self.rows.index,
            cell=np.arange(n),
            level=np.zeros(n, dtype=np.int64),
            weight=np.ones(n),
            unit=self.unit[:, None, :],
            sampled=sample_of_rows(self.rows),
            corrected=False,
        )

    @cached_property
    def gaps(self) -> dict[Contrast, Interval]:
        """The gap at each threshold."""
        every = {
            contrast: estimate_contrast(contrast, self.margins, INTERVAL_PROB)
            for contrast in threshold_gaps(self.rows.levels)
        }
        return {contrast: gap for contrast, gap in every.items() if gap is not None}


type Groups = tuple[dict[str, IntArray], dict[str, tuple[str, ...]], BoolArray]


def groups(rows: ModelRows, covariates: Sequence[str]) -> Groups:
    """Levels of the covariates, their names, and who is a member, as matching takes them."""
    factors = {name: rows.factors[name] for name in covariates}
    return factors, {name: rows.factor_levels[name] for name in covariates}, rows.member


def balance(rows: ModelRows, covariates: Sequence[str]) -> Balanced:
    """Balance the comparison people of `rows` to the margins of its members.

    Raises `NotEstimable` where the margins cannot be reproduced, or there are too few clusters.

    Notes
    -----
    The covariance counts the weights as estimated. With w the weights, x the margins, B the
    weighted least-squares slopes of the outcome indicators on x within the balanced group and
    t the mean of x in the first group, the balanced share has the linearisation
    Σ w_i (y_i − ȳ − B'(x_i − t)) over the balanced group plus Σ q_j B'(x_j − t) over the first
    one, to which entropy balancing and the regression estimator are both equivalent at first
    order. Contributions are summed by cluster as in `side_errors`: degrees of freedom are those of
    Satterthwaite over the two groups, at most the clusters of both less one.

    References
    ----------
    Zhao & Percival (2017), Journal of Causal Inference 5(1); Deville & Särndal (1992), JASA 87.
    """
    require_clusters(rows)
    matched = entropy_match(*groups(rows, covariates), rows.weight, rows.numeric)
    weight = combined_weight(rows.weight, matched.weight)
    keep = np.asarray(weight > 0)
    kept = rows.take(keep)
    answers = np.asarray(kept.outcome[:, None] == np.arange(len(kept.levels)), dtype=np.float64)
    first, other, unit = balanced_units(
        answers, kept.member, weight[keep], columns(kept, covariates)
    )
    return Balanced(
        rows=kept,
        weight=weight,
        shares=np.stack([first, other]),
        unit=unit,
        lost=common_support(*groups(rows, covariates), rows.numeric).lost,
        n_lost=int((rows.member & ~keep).sum()),
    )


def columns(rows: ModelRows, covariates: Sequence[str]) -> FloatArray:
    """Columns whose means are balanced, shape (n, k): levels after the first, numbers, in order."""
    parts = (
        margin_columns(name, rows.factors[name], len(rows.factor_levels[name]), rows.numeric)
        for name in covariates
    )
    return np.hstack([np.zeros((rows.n, 0)), *parts])


def balanced_units(
    answers: FloatArray, first: BoolArray, weight: FloatArray, x: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weighted means, (J,), of both groups' answers, (n, J), and what each person moves them by.

    `first` is the group whose margins x, (n, k), are reproduced; `weight` sampling times balancing
    weight. The contributions, (n, 2J), are linearised as in `balance`.
    """
    size = answers.shape[1]
    q = weight / np.where(first, weight[first].sum(), weight[~first].sum())
    target, balanced = q[first] @ answers[first], q[~first] @ answers[~first]
    centred = x - q[first] @ x[first]
    fitted = centred @ slopes(centred[~first], answers[~first] - balanced, q[~first])
    unit = np.zeros((first.size, 2 * size))
    unit[first, :size] = answers[first] - target
    unit[:, size:] = np.where(first[:, None], fitted, answers - balanced - fitted)
    return target, balanced, unit * q[:, None]


def slopes(x: FloatArray, y: FloatArray, q: FloatArray) -> FloatArray:
    """Weighted least squares of centred (n, J) on (n, k): (k, J), of least norm if collinear."""
    root = np.sqrt(q)[:, None]
    return np.asarray(np.linalg.lstsq(x * root, y * root, rcond=1e-10)[0])


def swapped(margins: Margins) -> Margins:
    """The same margins with the groups exchanged."""
    n = margins.member.size
    order: IntArray = np.concatenate([np.arange(n, 2 * n), np.arange(n)])
    df_of = margins.df_of
    return replace(
        margins,
        member=margins.comparison,
        comparison=margins.member,
        cov=margins.cov[np.ix_(order, order)],
        df_of=None if df_of is None else lambda direction: df_of(direction[order]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """Shares of three groups, (3, J), each of the others balanced to the first's `n_member` people.

    `cov`, shape (3J, 3J), is the covariance of `shares` laid end to end, with the factor of all
    clusters; `df`, shape (3,), for the last group its own clusters less one, for the others the
    clusters of everybody less one; infinity without clusters.
    """

    shares: FloatArray
    cov: FloatArray
    df: FloatArray
    n_member: int

    def at_least(self, level: int) -> tuple[FloatArray, FloatArray]:
        """Shares that reach a level, shape (3,), and their covariance, shape (3, 3)."""
        n_levels = self.shares.shape[1]
        pick = np.kron(np.eye(3), np.asarray(np.arange(n_levels) >= level, dtype=np.float64))
        return self.shares[:, level:].sum(axis=1), pick @ self.cov @ pick.T


def joint_shares(
    members: ModelRows, others: tuple[ModelRows, ModelRows], covariates: Sequence[str]
) -> Joint:
    """Balance two groups to the same members, and keep every covariance; raises as `balance`.

    Members at a level that one of the groups lacks are left out of both. The linearisation of
    `balance` for each group is laid side by side: a zone adds to the errors of all three shares at
    once, and so do the members, whose margins both groups reproduce.
    """
    before = -1
    while members.n != before:
        before = members.n
        for group in others:
            both = stack(members, group)
            keep = common_support(*groups(both, covariates), both.numeric).keep
            members = members.take(keep[: members.n])
    first, second = (balance(stack(members, group), covariates) for group in others)
    size = len(members.levels)
    people = np.union1d(first.rows.index, second.rows.index)
    unit = np.zeros((people.size, 3 * size))
    at_first, at_second = (np.searchsorted(people, pair.rows.index) for pair in (first, second))
    unit[at_first, : 2 * size], unit[at_second, 2 * size :] = first.unit, second.unit[:, size:]
    cluster, last = None, np.inf
    if first.rows.zone is not None and second.rows.zone is not None:
        cluster = np.zeros_like(people)
        cluster[at_first], cluster[at_second] = first.rows.zone, second.rows.zone
        last = np.unique(second.rows.zone[~second.rows.member]).size - 1
    sums, factor, df = cluster_sums(unit, cluster)
    return Joint(
        shares=np.stack([*first.shares, second.shares[1]]),
        cov=factor * sums.T @ sums,
        df=np.array([df, df, last], dtype=np.float64),
        n_member=members.n,
    )
