"""Exact matching: people are compared only with people of the same stratum."""

from __future__ import annotations

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.matching.sample import MatchedSample

__all__ = ["exact_match"]


def exact_match(stratum: IntArray, member: BoolArray, weight: FloatArray) -> MatchedSample:
    """Weight the comparison group to the members stratum by stratum.

    Parameters
    ----------
    stratum
        Shape (n,): stratum of each person, from 0.
    member
        Shape (n,).
    weight
        Shape (n,): sampling weights, positive.

    Returns
    -------
    MatchedSample
        Sets are the strata that hold both groups, numbered in the order of `stratum`.

    Raises
    ------
    NotEstimable
        No stratum holds both groups.

    Notes
    -----
    With M_s and C_s the sampling weight of members and of the comparison group in stratum s,
    kept members have weight 1 and comparison people k·M_s/C_s, where k makes sampling weight
    times matching weight sum to the sampling weight of the comparison people kept. People of
    strata that hold one group only have weight 0.

    References
    ----------
    Iacus, King & Porro (2012), Political Analysis 20(1); the scaling is that of MatchIt
    (Ho, Imai, King & Stuart 2011).
    """
    n_strata = int(stratum.max(initial=-1)) + 1
    members = np.bincount(stratum, weights=weight * member, minlength=n_strata)
    comparison = np.bincount(stratum, weights=weight * ~member, minlength=n_strata)
    both = (members > 0) & (comparison > 0)
    if not both.any():
        raise NotEstimable(
            f"no stratum holds both groups ({int(member.sum())} members and "
            f"{int((~member).sum())} comparison people in {np.unique(stratum).size} strata)"
        )
    ratio = np.divide(members, comparison, out=np.zeros(n_strata), where=both)
    scale = comparison[both].sum() / members[both].sum()
    kept = both[stratum]
    number = np.cumsum(both) - 1
    return MatchedSample(
        method="exact",
        weight=np.where(kept, np.where(member, 1.0, scale * ratio[stratum]), 0.0),
        set_id=np.where(kept, number[stratum], -1).astype(np.int64),
        n_sets=int(both.sum()),
    )
