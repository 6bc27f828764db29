"""The matched gap on every completed survey, and with missing answers shifted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import Population, Quantity, Verdict
from coopgap.families.difference import INTERVAL_PROB, difference
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.headline import declared_at, headline_contrast
from coopgap.families.plan import sample_for
from coopgap.families.sample import Sample
from coopgap.sensitivity.missing.chained import ROUNDS
from coopgap.sensitivity.missing.completed import Completed, Imputation
from coopgap.sensitivity.missing.people import Lacking
from coopgap.sensitivity.missing.pool import (
    Pooled,
    largest_r_hat,
    pool_difference,
    pool_intervals,
)
from coopgap.sensitivity.verdict import judge, shifted
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import complete_rows

DELTAS = (-1.0, -0.5, 0.5, 1.0)
"""Shifts of the log odds of missing answers, beside none."""

FEWEST = 20
"""Completed surveys, where no more than this percentage of people is incomplete."""

STEP = 0.01
"""Of the shifts among which the one is sought at which the gap changes."""

_SETTLED = ROUNDS - 8
"""Rounds that the convergence of the chains is not judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImputedGaps:
    """Pooled gaps.

    Attributes
    ----------
    pooled
        By contrast (`shown`).
    apart
        By contrast, how far the gaps lie from the declared one's, on the people that both have.
    population
        Of the completed samples.
    shifted
        By group (True for members) with missing outcomes, the whole-distribution contrast at each
        of `DELTAS`.
    r_hat
        Largest split R-hat of the imputed shares over the last eight rounds.
    m
        Completed surveys.
    """

    pooled: Mapping[Contrast, Pooled]
    apart: Mapping[Contrast, Interval]
    population: Population
    shifted: Mapping[bool, tuple[Pooled, ...]]
    r_hat: float
    m: int


def imputations(who: Lacking) -> int:
    """Completed surveys: at least the percentage of incomplete people, at least twenty.

    References
    ----------
    White, Royston & Wood (2011), Statistics in Medicine 30, 377-399, section 7.
    """
    return max(FEWEST, math.ceil(100 * who.incomplete / sum(who.people)))


def shown(contrasts: Sequence[Contrast], n_levels: int) -> list[Contrast]:
    """Gaps at thresholds, and of more than two levels superiority, which comes last."""
    return [
        contrast
        for contrast in contrasts
        if contrast.is_threshold_gap or (n_levels > 2 and contrast.quantity is Quantity.SUPERIORITY)
    ]


def imputed_gaps(
    how: Imputation,
    study: Study,
    spec: ModelSpec,
    declared: Estimate,
    *,
    m: int,
    seed: int,
) -> ImputedGaps:
    """Complete, match and fit anew, and pool.

    Parameters
    ----------
    how
        The imputation model.
    study, spec
        What is fitted.
    declared
        The matched family of the complete cases.
    m
        Completed surveys, at least two.
    seed
        The same seed gives the same numbers.

    Raises
    ------
    NotEstimable
        If some completed survey has no matched gap.

    Notes
    -----
    Shifts follow the delta adjustment of van Buuren (2018, section 3.8): the model draws a
    missing answer as if it had been given, and its log odds are then moved in one group.
    """
    sides = [side for side in (True, False) if _any_outcome(how, spec, side)]
    plain: list[Estimate] = []
    shifted: dict[bool, list[list[Estimate]]] = {side: [] for side in sides}
    traces = []
    for completed in how.completed(spec.name, seed, m):
        sample = sample_for(complete_rows(completed.survey, study, spec), spec)
        plain.append(_estimate(sample))
        traces.append(completed.trace)
        for side in sides:
            shifted[side].append([_at(sample, completed, spec, delta, side) for delta in DELTAS])
    levels = how.survey.variables[spec.outcome].levels
    asked = shown(tuple(plain[0].intervals), len(levels))
    first = headline_contrast(levels, declared_at(study, spec.name))
    return ImputedGaps(
        pooled={contrast: _pool(plain, contrast) for contrast in asked},
        apart={
            contrast: pool_difference(
                [difference(one, declared, contrast) for one in plain], INTERVAL_PROB
            )
            for contrast in asked
            if declared.margins is not None
        },
        population=plain[0].population,
        shifted={
            side: tuple(_pool(column, first) for column in zip(*found, strict=True))
            for side, found in shifted.items()
        },
        r_hat=largest_r_hat(np.array(traces)[:, _SETTLED:]),
        m=m,
    )


def turning(
    shifts: FloatArray, intervals: Sequence[Interval], quantity: Quantity, smallest_gap: float
) -> float | None:
    """The shift nearest to none at which the gap `changes` from that of no shift.

    Parameters
    ----------
    shifts
        Shape (s,), increasing, zero among them.
    intervals
        s pooled intervals.
    quantity
        A difference or superiority.
    smallest_gap
        The smallest gap that matters, on the probability scale.

    Returns
    -------
    float or None
        To `STEP`, estimates and limits linear between shifts; None where no shift changes it.
    """
    none = intervals[int(np.flatnonzero(shifts == 0)[0])]
    ends = np.array([(one.estimate, one.lower, one.upper) for one in intervals])
    steps = round((shifts[-1] - shifts[0]) / STEP)
    tried = np.linspace(shifts[0], shifts[-1], steps + 1)
    for at in sorted(tried, key=abs):
        estimate, lower, upper = (np.interp(at, shifts, column) for column in ends.T)
        again = Interval(estimate, 0.0, lower, upper, np.nan)
        found = judge(none, again, shifted(none, again), quantity, smallest_gap)
        if found is Verdict.CHANGES:
            return float(at)
    return None


def _any_outcome(how: Imputation, spec: ModelSpec, side: bool) -> bool:
    """Whether anybody of a group lacks the outcome, with or without a covariate."""
    survey = how.survey
    mine = ~survey.phone & (survey.member == side)
    return bool((survey.codes[spec.outcome][mine] < 0).any())


def _at(
    sample: Sample, completed: Completed, spec: ModelSpec, delta: float, side: bool
) -> Estimate:
    """The fit with one group's answers shifted; the outcome takes no part in the matching."""
    outcome = completed.outcome(spec.outcome, delta, side)[sample.rows.index]
    return _estimate(replace(sample, rows=replace(sample.rows, outcome=outcome)))


def _estimate(sample: Sample) -> Estimate:
    found = headline_estimate(sample)
    if not found.intervals:
        raise NotEstimable(f"a completed survey has no matched gap: {found.reason}", found.status)
    return found


def _pool(estimates: Sequence[Estimate], contrast: Contrast) -> Pooled:
    found = [one.intervals.get(contrast) for one in estimates]
    intervals = [one for one in found if one is not None]
    if len(intervals) < len(found) or not all(one.std_error > 0 for one in intervals):
        raise NotEstimable("a completed survey has no standard error")
    return pool_intervals(intervals)


def interval_of(pooled: Pooled, quantity: Quantity) -> Interval:
    """The pooled interval against no gap."""
    return pooled.interval(quantity, INTERVAL_PROB)
