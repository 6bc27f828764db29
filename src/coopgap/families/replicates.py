"""The errors of estimates that were made again with each replicate weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.gap import LOG_SCALE, Contrast, estimate_contrast, wald, wald_interval
from coopgap.core.vocabulary import Family, Population, Status
from coopgap.families.cells import PROFILE
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import Coefficient, Estimate
from coopgap.regression.replicates import by_replicates, replicate_deviations
from coopgap.survey.records import Replicates

UNWEIGHTED: Final = frozenset({Family.CONDITIONAL_LOGIT, Family.CONDITIONAL_ORDINAL})
"""Families in which people have no weight, so that replicates only tell who is left out."""

ANEW: Final = ", the matching made anew in each"
HELD: Final = ", to first order, matching weights held fixed"


class Place(NamedTuple):
    """Which estimate of a model: no two have the same."""

    family: Family
    comparator: str
    group: str
    population: Population


def place_of(estimate: Estimate) -> Place:
    """Which estimate of its model it is."""
    return Place(estimate.family, estimate.comparator, estimate.keys.group, estimate.population)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What an estimate says without errors.

    `margins` (2J,) are members' and then comparison people's, `given` intervals of a family without
    margins, ratios as their logarithms, `terms` the coefficients. With another `form`, or with bias
    reduced, it is another estimate. `reason` says why there is none.
    """

    form: str
    reduced: bool
    margins: FloatArray
    given: Mapping[Contrast, float]
    terms: Mapping[str, float]
    reason: str

    def like(self, other: Point) -> FloatArray:
        """All numbers of another, shape (q,), in the order of these; NaN for what it has not."""
        given = [other.given.get(contrast, np.nan) for contrast in self.given]
        terms = [other.terms.get(term, np.nan) for term in self.terms]
        return np.concatenate([other.margins, given, terms])

    def lacking(self, other: Point) -> str:
        """Why another is no estimate of the same; empty where it is."""
        if other.reason:
            return other.reason
        if (other.form, other.reduced) != (self.form, self.reduced):
            return "bias-reduced" if other.reduced else f"form {other.form or self.form}"
        return "" if np.isfinite(self.like(other)).all() else "a coefficient has no estimate"


def point_of(estimate: Estimate) -> Point:
    """An estimate without its errors."""
    margins = estimate.margins
    both = [] if margins is None else [margins.member, margins.comparison]
    return Point(
        form=estimate.form,
        reduced=bool(estimate.infinite),
        margins=np.concatenate([*both, np.zeros(0)]),
        given={
            one: float(np.log(made.estimate) if one.quantity in LOG_SCALE else made.estimate)
            for one, made in estimate.given.items()
            if made is not None
        },
        terms={one.term: one.interval.estimate for one in _fitted(estimate)},
        reason="" if estimate.status is Status.OK else estimate.reason or str(estimate.status),
    )


def _fitted(estimate: Estimate) -> Iterable[Coefficient]:
    """Coefficients whose errors replicates say; limits of a profile are the likelihood's."""
    return (one for one in estimate.coefficients if one.std_error_kind != PROFILE)


NOBODY: Final = Point(
    form="", reduced=False, margins=np.zeros(0), given={}, terms={}, reason="nobody is left"
)


def with_replicates(
    estimate: Estimate, points: Sequence[Point], replicates: Replicates, *, matched: bool
) -> Estimate:
    """An estimate with the errors of its points in each replicate, R - 1 degrees of freedom.

    `matched` says that the matching was made anew in each. Where some replicate has no such
    estimate, as where people are unweighted, errors stay those to first order: none is left out.
    """
    if estimate.status is not Status.OK:
        return estimate
    own = point_of(estimate)
    again = replicates.leaves_out or estimate.family not in UNWEIGHTED
    lost = [reason for reason in map(own.lacking, points) if reason] if again else []
    if lost or not again:
        held = f"{replicates.name}{HELD}"
        few = f"{len(lost)} of {replicates.n} replicates have no such fit"
        why = f"{few} ({lost[0]}); its errors are by {held}" if lost else ""
        return replace(estimate, std_errors=held, without_fit=why)
    made = np.array([own.like(one) for one in points])
    deviations = replicate_deviations(made, replicates.scale, replicates.rscales)
    n_margins, n_given = own.margins.size, len(own.given)
    errors = np.linalg.norm(deviations[:, n_margins:], axis=0).tolist()
    given = dict(zip(own.given, errors, strict=False))
    terms = dict(zip(own.terms, errors[n_given:], strict=True))
    margins = estimate.margins
    return replace(
        estimate,
        margins=margins and by_replicates(margins, deviations[:, :n_margins]),
        given={
            contrast: old
            and wald_interval(
                contrast.quantity,
                old.estimate,
                given[contrast],
                df=replicates.df,
                prob=INTERVAL_PROB,
            )
            for contrast, old in estimate.given.items()
        },
        coefficients=tuple(
            _coefficient(one, terms.get(one.term), replicates) for one in estimate.coefficients
        ),
        std_errors=replicates.name + (ANEW if matched else ""),
    )


def _coefficient(one: Coefficient, std_error: float | None, replicates: Replicates) -> Coefficient:
    if one.std_error_kind == PROFILE or std_error is None:
        return one
    made = wald(one.interval.estimate, std_error, df=replicates.df, prob=INTERVAL_PROB, null=0.0)
    return replace(one, interval=made)


class Held(NamedTuple):
    """Standard errors of the gap put first, the matching made anew and held fixed in replicates."""

    anew: float
    held: float


def held_fixed(
    headline: Estimate, contrast: Contrast, points: Sequence[Point], replicates: Replicates
) -> Held | None:
    """What holding the matching fixed makes of a standard error; None where it cannot be had.

    `headline` has the errors of replicates in which the matching was made anew, in `points` it is
    the matching of the whole sample.
    """
    own, margins = point_of(headline), headline.margins
    if margins is None or headline.without_fit or any(map(own.lacking, points)):
        return None
    made = np.array([one.margins for one in points])
    away = replicate_deviations(made, replicates.scale, replicates.rscales)
    both = [
        estimate_contrast(contrast, one, INTERVAL_PROB)
        for one in (margins, by_replicates(margins, away))
    ]
    anew, held = (np.nan if one is None else one.std_error for one in both)
    return Held(anew, held) if anew > 0 else None
