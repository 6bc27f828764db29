"""Exact matching: people are compared only with people of the same stratum."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.sample import MatchedSample
from coopgap.matching.sets import sample_from_sets


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
    Strata are sets; `sample_from_sets` has the weights. People of strata that hold one group only
    have weight 0.

    References
    ----------
    Iacus, King & Porro (2012), Political Analysis 20(1).
    """
    both = np.isin(stratum, np.intersect1d(stratum[member], stratum[~member]))
    if not both.any():
        raise NotEstimable(
            f"no stratum holds both groups ({int(member.sum())} members and "
            f"{int((~member).sum())} comparison people in {np.unique(stratum).size} strata)"
        )
    return sample_from_sets("exact", np.where(both, stratum, -1), member, weight)
