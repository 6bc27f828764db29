"""The check `multiverse`: each specification, each choice, and all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import scipy

from coopgap.checks.compare import again_row, unassessed
from coopgap.checks.context import Context
from coopgap.checks.multiverse.run import (
    SHUFFLES,
    Fitted,
    Scheme,
    common_contrast,
    fit_specifications,
    make_scheme,
)
from coopgap.checks.multiverse.specifications import (
    Specification,
    Specifications,
    specifications,
)
from coopgap.checks.registry import NotApplicable, check
from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import null_value
from coopgap.core.vocabulary import Check, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.study.spec import Study

_BY_CHOICE: Final = "By choice: the median estimate, in brackets the smallest and the largest."

_FEWEST: Final = 2
"""Specifications that say something together."""

_SLACK: Final = 1e-9
"""Shuffles that differ by rounding only count as equal."""


class Joint(NamedTuple):
    """Over the specifications of a survey or of each shuffle.

    `median` is the median of the studentised gaps, without its sign; `same_sign` the share that
    has the more frequent sign; `significant` the share whose interval leaves out no gap on that
    side.
    """

    median: FloatArray
    same_sign: FloatArray
    significant: FloatArray


def joint_statistics(studentised: FloatArray, df: FloatArray) -> Joint:
    """Joint statistics of studentised gaps, shape (..., S); the result has shape (...).

    Each is a gap less its value of no difference, over its standard error; NaN without a fit, which
    is neither of one sign nor significant. `df`, shape (S,), are those of the t distributions.
    Simonsohn, Simmons & Nelson (2020), Specification curve analysis. Nature Human Behaviour 4.
    """
    values = np.nan_to_num(np.asarray(studentised, dtype=np.float64))
    above, below = (values > 0).mean(axis=-1), (values < 0).mean(axis=-1)
    bar = scipy.stats.t.ppf((1 + INTERVAL_PROB) / 2, df)
    high, low = (values > bar).mean(axis=-1), (values < -bar).mean(axis=-1)
    # Signs that balance have no dominant one: the stronger side counts.
    tied = np.maximum(high, low)
    return Joint(
        median=np.abs(np.median(values, axis=-1)),
        same_sign=np.maximum(above, below),
        significant=np.where(above > below, high, np.where(below > above, low, tied)),
    )


def joint_p_values(observed: Joint, shuffled: Joint) -> Joint:
    """Share of shuffles, the survey itself among them, that are as far out or farther."""
    size = shuffled.median.size
    return Joint(
        *(
            np.asarray((1 + (other >= own - _SLACK).sum()) / (size + 1))
            for own, other in zip(observed, shuffled, strict=True)
        )
    )


@check(
    Check.MULTIVERSE,
    title="Multiverse",
    question="What do all combinations of the declared choices say together?",
    formula=(
        "median, share on one side and share significant of Δ_s over all specifications s; p "
        "= (1 + #{shuffles as extreme})/(1 + 199)"
    ),
    cost="full",
    of_model=True,
    place=(180, 30),
)
def multiverse_rows(context: Context, n_shuffles: int = SHUFFLES) -> Iterator[SensitivityRow]:
    """Rows `together` with p-values over the shuffles, a row a choice, a row a specification.

    The same seed gives the same rows, whatever the number of processes. A row a value (`choice`) of
    each axis (`about`) has the median of its specifications between the smallest and the largest;
    `variant` of a specification is its id.
    """
    survey, study, spec, at = context.survey, context.study, context.spec, context.keys.at
    if spec.multiverse is None:
        raise NotApplicable("The model file declares no multiverse.")
    listed = specifications(study, spec)
    if len(listed.listed) < _FEWEST:
        number = len(listed.listed)
        raise NotApplicable(f"The multiverse has {number} specification; two are needed.")
    scheme = make_scheme(survey, study, spec, context.seed, n_shuffles)
    fitted = fit_specifications(
        survey, study, listed, scheme, at=at, jobs=context.jobs, scheduler=context.scheduler
    )
    contrast = common_contrast([_levels(study, one.specification) for one in fitted], at)
    rows = [
        again_row(context, contrast, one.estimate, variant=one.specification.id) for one in fitted
    ]
    base = context.row(family=None, population=None, quantity=f"median_{contrast.quantity}")
    pairs = list(zip(fitted, rows, strict=True))
    yield from _together(base, listed, pairs, scheme, null_value(contrast.quantity))
    yield from _by_choice(base, listed, pairs)
    yield from rows


def _levels(study: Study, one: Specification) -> tuple[str, ...]:
    """Levels of a specification's outcome; of one cut in two, their number is what counts."""
    return ("below", "above") if one.at else study.variables[one.spec.outcome].levels


type Pairs = Sequence[tuple[Fitted, SensitivityRow]]


def _together(
    base: SensitivityRow, listed: Specifications, pairs: Pairs, scheme: Scheme, null: float
) -> Iterator[SensitivityRow]:
    """Median, sign and significance of the specifications that were shuffled."""
    inside = [
        (one.studentised, one.df, row)
        for one, row in pairs
        if one.studentised is not None and row.estimate is not None
    ]
    base = replace(base, variant=Version.TOGETHER, n=len(inside), of=len(pairs))
    if len(inside) < _FEWEST:
        yield unassessed(base, _why(pairs))
        return
    studentised = np.array([values for values, _, _ in inside]).T
    df = np.array([one for _, one, _ in inside])
    own, shuffled = joint_statistics(studentised[0], df), joint_statistics(studentised[1:], df)
    p_values = joint_p_values(own, shuffled)
    note, how = _listed_note(listed, pairs), _scheme_note(scheme)
    if len(inside) < len(pairs):
        note += f" Rows together are over {len(inside)} of them: {_why(pairs)}"
    shown = [row for _, _, row in inside]
    middle = np.median([row.estimate for row in shown])
    for quantity, value, p_value, own_note in (
        (base.quantity, middle, p_values.median, note),
        ("share_same_sign", own.same_sign, p_values.same_sign, how),
        ("share_significant", share_clear(shown, null), p_values.significant, how),
    ):
        row = replace(base, quantity=quantity, note=own_note)
        yield replace(row, estimate=float(value), p_value=float(p_value))


def share_clear(rows: Sequence[SensitivityRow], null: float) -> float:
    """Share of rows whose interval, as printed, leaves out no gap on the more frequent side."""
    above = sum(row.estimate is not None and row.estimate > null for row in rows)
    below = sum(row.estimate is not None and row.estimate < null for row in rows)
    high = np.mean([row.lower is not None and row.lower > null for row in rows])
    low = np.mean([row.upper is not None and row.upper < null for row in rows])
    if above == below:
        return float(max(high, low))
    return float(high if above > below else low)


def _listed_note(listed: Specifications, pairs: Pairs) -> str:
    left = "; ".join(f"{number} {reason}" for reason, number in listed.removed.items())
    missing = sum(row.estimate is None for _, row in pairs)
    return (
        f"{len(listed.listed)} specifications of {listed.n_combinations} combinations"
        + (f" (left out: {left})" if left else "")
        + (f", {missing} of them without an estimate" if missing else "")
        + "."
    )


def _scheme_note(scheme: Scheme) -> str:
    within = ", ".join(scheme.within) or "the survey"
    zones = "Zones are not held; each" if scheme.has_zones else "Each"
    clustered = ", CR1 clustered on zone" if scheme.has_zones else ""
    t_of_clusters = ", with t(G − 1) of G zones" if scheme.has_zones else ""
    return (
        f"p-values over {scheme.n_shuffles} shuffles of membership within {within}, the same for "
        f"every specification: given these, who is a member is taken as exchangeable. "
        f"{100 * scheme.free_share:.0f} % of the people can change places. {zones} "
        f"gap is compared over its standard error{clustered}, of more than two levels as under "
        f"proportional odds, which hold where membership says nothing. The share of intervals that "
        f"leave out no gap counts those shown; its p-value counts these{t_of_clusters}."
    )


def _why(pairs: Pairs) -> str:
    """Reasons why specifications were not shuffled, with counts."""
    reasons = Counter(one.reason for one, _ in pairs if one.studentised is None and one.reason)
    return "; ".join(f"{number} left out, {reason}" for reason, number in reasons.items()) + "."


def _by_choice(
    base: SensitivityRow, listed: Specifications, pairs: Pairs
) -> Iterator[SensitivityRow]:
    """Median, smallest and largest estimate by each value of each choice."""
    for axis, values in listed.axes.items():
        for value in values if len(values) > 1 else ():
            estimates = [
                row.estimate
                for one, row in pairs
                if one.specification.choices.get(axis) == value and row.estimate is not None
            ]
            if estimates:
                yield replace(
                    base,
                    variant=f"{axis}: {value}",
                    about=axis,
                    choice=value,
                    estimate=float(np.median(estimates)),
                    lower=float(min(estimates)),
                    upper=float(max(estimates)),
                    n=len(estimates),
                    of=len(pairs),
                    note=_BY_CHOICE,
                )
