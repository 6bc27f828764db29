"""One dispatcher for every matching method; each is loaded where a model declares it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from coopgap.core.arrays import IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.sample import MatchedSample, exact_match
from coopgap.study.spec import Matching
from coopgap.survey.cells import group_codes
from coopgap.survey.records import ModelRows
from coopgap.survey.ties import keyed_order


def stratum_codes(rows: ModelRows, on: Sequence[str]) -> IntArray:
    """Stratum of each person, shape (n,), from 0: one for each combination of levels present."""
    if not on:
        return np.zeros(rows.n, dtype=np.int64)
    return group_codes([rows.factors[name] for name in on])[1]


def match(rows: ModelRows, matching: Matching) -> MatchedSample:
    """Make the comparison group comparable by the method that a model declares.

    `matching.on` are exact strata, for `entropy` the margins to be balanced. A method that chooses
    people chooses them in the order that its seed makes of `rows.tie`: everywhere below, the first
    of equals is the first in that order.

    Raises
    ------
    NotEstimable
        One group is empty, nobody is left, or what is declared cannot be reached.
    """
    n_member = int(rows.member.sum())
    if n_member in (0, rows.n):
        raise NotEstimable(
            f"there are {n_member} members and {rows.n - n_member} comparison people"
        )
    match matching.method:
        case "none":
            return MatchedSample.everybody(rows.n)
        case "entropy":
            from coopgap.matching.weighting import entropy_match

            chosen = {name: rows.factors[name] for name in matching.on}
            labels = {name: rows.factor_levels[name] for name in matching.on}
            return entropy_match(chosen, labels, rows.member, rows.weight, rows.numeric)
        case "overlap":
            from coopgap.matching.weighting import overlap_match

            return overlap_match(rows, stratum_codes(rows, matching.on), matching.covariates)
        case "exact":
            return exact_match(stratum_codes(rows, matching.on), rows.member, rows.weight)
        case _:
            if rows.tie is None:
                raise ValueError(
                    f"{matching.method} matching chooses people, and these rows are none"
                )
            order = keyed_order(rows.tie, matching.seed)
            return _chosen(rows.take(order), matching).back(order)


def _chosen(rows: ModelRows, matching: Matching) -> MatchedSample:
    """Methods that choose people, of equals the first rows."""
    people = stratum_codes(rows, matching.on), rows.member, rows.weight
    if matching.method == "cardinality":
        from coopgap.matching.cardinality import cardinality_match

        return cardinality_match(
            rows,
            people[0],
            matching.covariates,
            limit=matching.limit,
            time_limit=matching.time_limit,
        )
    from coopgap.matching.distances import make_distance

    distance = make_distance(rows, matching.covariates, matching.distance, matching.caliper)
    match matching.method:
        case "nearest":
            from coopgap.matching.nearest import nearest_match

            return nearest_match(
                *people,
                distance,
                ratio=matching.ratio,
                replace=matching.replace,
                order=matching.order,
                ties=matching.ties,
            )
        case "optimal":
            from coopgap.matching.flow import optimal_match

            return optimal_match(*people, distance, ratio=matching.ratio)
        case "full":
            from coopgap.matching.flow import full_match

            return full_match(
                *people,
                distance,
                max_comparison=matching.max_comparison,
                max_members=matching.max_members,
            )
        case "none" | "exact" | "entropy" | "overlap":
            raise ValueError(f"{matching.method} chooses nobody")
        case _:
            assert_never(matching.method)
