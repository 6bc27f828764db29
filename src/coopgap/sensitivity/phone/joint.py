"""Members, in-person and phone comparison people at once: shares with one covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.gap import cluster_sums
from coopgap.matching.weighting import common_support
from coopgap.sensitivity.phone.balanced import Contributions, contributions
from coopgap.sensitivity.phone.data import PhoneData, stack
from coopgap.survey.records import ModelRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """Shares of three groups with the covariance of all of them.

    Attributes
    ----------
    shares
        Shape (3, J): members, in-person comparison people balanced to them, phone people balanced
        to them.
    cov
        Shape (3J, 3J): covariance of `shares` laid end to end, with the factor of all clusters.
    df
        Shape (3,): for the phone people their own clusters less one, for the others the clusters
        of everybody less one; infinity without clusters.
    n_member
        Members whose margins are reproduced.
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


def joint_shares(data: PhoneData, covariates: Sequence[str]) -> Joint:
    """Balance both comparison groups to the same members, and keep every covariance.

    Parameters
    ----------
    data
        People by mode.
    covariates
        Factors whose margins among members are reproduced. Members at a level that one of the
        two comparison groups lacks are left out of both.

    Returns
    -------
    Joint

    Raises
    ------
    NotEstimable
        The margins cannot be reproduced, or there are too few clusters.

    Notes
    -----
    The linearisation of `coopgap.sensitivity.phone.balanced` for each comparison group, laid side
    by side: a zone adds to the errors of all three shares at once, and so do the members, whose
    margins both groups reproduce. The two comparison groups are therefore correlated.
    """
    groups = (data.comparison, data.called)
    members = _shared_members(data.members, groups, covariates)
    pairs = [contributions(stack(members, group), covariates) for group in groups]
    n_levels = len(members.levels)
    unit, zones = _side_by_side(pairs, n_levels)
    sums, factor, df = cluster_sums(unit, zones)
    called = pairs[1].rows
    own_df = df if called.zone is None else np.unique(called.zone[~called.member]).size - 1
    return Joint(
        shares=np.stack([pairs[0].shares[0], *(pair.shares[1] for pair in pairs)]),
        cov=factor * sums.T @ sums,
        df=np.array([df, df, own_df], dtype=np.float64),
        n_member=members.n,
    )


def _shared_members(
    members: ModelRows, groups: Sequence[ModelRows], covariates: Sequence[str]
) -> ModelRows:
    """Members who share every margin with each of the groups."""
    while True:
        before = members.n
        for group in groups:
            rows = stack(members, group)
            keep = common_support(
                {name: rows.factors[name] for name in covariates},
                {name: rows.factor_levels[name] for name in covariates},
                rows.member,
                rows.numeric,
            ).keep
            members = members.take(keep[: members.n])
        if members.n == before:
            return members


def _side_by_side(
    pairs: Sequence[Contributions], n_levels: int
) -> tuple[FloatArray, IntArray | None]:
    """Contributions to all shares, members first, and the zones of the same people."""
    first = pairs[0].rows
    own = first.member
    blocks = [
        np.hstack(
            [
                pairs[0].unit[own, :n_levels],
                *(pair.unit[pair.rows.member, n_levels:] for pair in pairs),
            ]
        )
    ]
    zones = [first.zone if first.zone is None else first.zone[own]]
    for place, pair in enumerate(pairs, start=1):
        other = ~pair.rows.member
        block = np.zeros((int(other.sum()), (len(pairs) + 1) * n_levels))
        block[:, place * n_levels : (place + 1) * n_levels] = pair.unit[other, n_levels:]
        blocks.append(block)
        zones.append(None if pair.rows.zone is None else pair.rows.zone[other])
    known = [zone for zone in zones if zone is not None]
    return np.vstack(blocks), np.concatenate(known) if len(known) == len(zones) else None
