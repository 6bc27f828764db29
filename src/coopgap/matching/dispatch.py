"""One dispatcher for every matching method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from coopgap.arrays import IntArray
from coopgap.errors import NotEstimable
from coopgap.matching.entropy import entropy_match
from coopgap.matching.exact import exact_match
from coopgap.matching.sample import MatchedSample
from coopgap.study.spec import Matching
from coopgap.survey.cells import group_codes
from coopgap.survey.records import ModelRows

__all__ = ["match", "stratum_codes"]


def stratum_codes(rows: ModelRows, on: Sequence[str]) -> IntArray:
    """Stratum of each person, shape (n,), from 0: one for each combination of levels present."""
    if not on:
        return np.zeros(rows.n, dtype=np.int64)
    return group_codes([rows.factors[name] for name in on])[1]


def match(rows: ModelRows, matching: Matching) -> MatchedSample:
    """Make the comparison group comparable by the method that a model declares.

    Parameters
    ----------
    rows
        Complete rows; `rows.factors` holds every variable of `matching.on`.
    matching
        Method and variables: strata for `exact`, margins to be balanced for `entropy`.

    Returns
    -------
    MatchedSample

    Raises
    ------
    NotEstimable
        One group is empty, nobody is left, or the margins cannot be reproduced.
    """
    n_member = int(rows.member.sum())
    if n_member in (0, rows.n):
        raise NotEstimable(
            f"there are {n_member} members and {rows.n - n_member} comparison people"
        )
    match matching.method:
        case "exact":
            return exact_match(stratum_codes(rows, matching.on), rows.member, rows.weight)
        case "entropy":
            chosen = {name: rows.factors[name] for name in matching.on}
            labels = {name: rows.factor_levels[name] for name in matching.on}
            return entropy_match(chosen, labels, rows.member, rows.weight)
        case _:
            assert_never(matching.method)
