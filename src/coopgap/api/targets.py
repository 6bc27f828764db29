"""The people a gap is standardised over, and the two groups among them."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import InputError, NotEstimable
from coopgap.core.vocabulary import Population
from coopgap.families.sample import Sample
from coopgap.matching.sample import MatchedSample
from coopgap.regression.cumulative import probabilities
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.separation import check_separation
from coopgap.survey.records import ModelRows

type Target = Literal["members", "all", "overlap"] | ArrayLike
"""Over whose covariates: a name, or a weight for each row of the fit."""

_TARGETS: Final = ("members", "all", "overlap")


def constant(column: pd.Series[Any], value: Any) -> Any:
    """One value for everybody, as the column has it."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Categorical([value] * len(column), categories=column.cat.categories)
    return np.full(len(column), value)


def target_of(
    target: Target, member: BoolArray, weight: FloatArray, other: FloatArray, *, is_matched: bool
) -> tuple[FloatArray, Population]:
    """How much each row counts, shape (n,), and whose population that is.

    `other` (n, k) are design rows as comparison people, for the overlap's score.
    """
    if not isinstance(target, str):
        given = np.asarray(target, dtype=np.float64)
        if given.shape != member.shape or not (np.isfinite(given) & (given >= 0)).all():
            allowed = f"allowed: {member.size} numbers, not negative"
            raise InputError("target", "holds other numbers than one a row", allowed)
        return given, Population.POSTSTRATIFIED
    members = Population.MEMBERS if is_matched else Population.ALL_MEMBERS
    if target == "members":
        return member.astype(np.float64), members
    if target == "all":
        return np.ones(member.size), Population.POOLED
    if target == "overlap":
        return _overlap(member, weight, other), Population.OVERLAP
    raise InputError("target", f"is {target!r}", f"allowed: {', '.join(_TARGETS)}, or numbers")


def _overlap(member: BoolArray, weight: FloatArray, other: FloatArray) -> FloatArray:
    """e(1 - e), e the membership score of the covariates, shape (n,)."""
    x = other[:, np.ptp(other, axis=0) > 0]
    rows, place = np.unique(x, axis=0, return_inverse=True)
    sides = np.column_stack(
        [
            np.bincount(place.ravel(), weight * side, minlength=len(rows))
            for side in (~member, member)
        ]
    )
    try:
        check_separation(rows, sides, [str(at) for at in range(x.shape[1])])
    except NotEstimable as error:
        raise NotEstimable("the propensity score has no finite estimate") from error
    share = probabilities(fit_ordinal(rows, sides), rows)
    return np.asarray((share[:, 0] * share[:, 1])[place.ravel()])


def sample_of(
    member: BoolArray,
    outcome: IntArray,
    levels: tuple[str, ...],
    weight: FloatArray,
    *,
    people: IntArray | None = None,
    zone: IntArray | None = None,
) -> Sample:
    """People of two groups, as an estimate is made of them."""
    index = np.arange(member.size) if people is None else people
    rows = ModelRows(
        index=index,
        outcome=outcome,
        levels=levels,
        member=member,
        factors={},
        factor_levels={},
        zone=zone,
        weight=weight,
        dropped=(),
    )
    everybody = MatchedSample.everybody(member.size)
    return Sample(rows=rows, matched=everybody, covariates=(), link="logit", strata=())
