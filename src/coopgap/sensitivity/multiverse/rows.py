"""Rows of the check `multiverse`: each specification, each choice, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, null_value
from coopgap.core.vocabulary import Check, Comparator, Verdict, Version
from coopgap.families.estimate import Estimate
from coopgap.sensitivity.again import Beside, again_row
from coopgap.sensitivity.keys import unanswered
from coopgap.sensitivity.multiverse.joint import joint_p_values, joint_statistics
from coopgap.sensitivity.multiverse.run import (
    SHUFFLES,
    Fitted,
    Scheme,
    common_contrast,
    fit_specifications,
    make_scheme,
)
from coopgap.sensitivity.multiverse.specifications import (
    Specification,
    Specifications,
    specifications,
)
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import Survey

_FEWEST = 2
"""Specifications that say something together."""


def multiverse_rows(
    survey: Survey,
    study: Study,
    spec: ModelSpec,
    declared: Estimate,
    labels: Keys,
    *,
    seed: int,
    jobs: int | None = None,
    scheduler: str | None = None,
    n_shuffles: int = SHUFFLES,
) -> list[SensitivityRow]:
    """Every specification of one model's multiverse, and what they say together.

    Parameters
    ----------
    survey, study, spec
        What is run.
    declared
        The matched family as declared, whose conclusion is compared.
    labels
        Model, outcome and source.
    seed
        The same seed gives the same rows, whatever `jobs`.
    jobs, scheduler
        Processes, or the Dask scheduler in their place.
    n_shuffles
        Shuffles of membership.

    Returns
    -------
    list of SensitivityRow
        A row a specification, `variant` its id; three rows `together` with a p-value over the
        shuffles; a row a value (`choice`) of each axis (`about`), with the median of its
        specifications between the smallest and the largest. Without a declared
        multiverse one row, `not_applicable`.
    """
    if spec.multiverse is None:
        reason = "The model file declares no multiverse."
        return unanswered([Check.MULTIVERSE], labels, Verdict.NOT_APPLICABLE, reason)
    listed = specifications(study, spec)
    if len(listed.listed) < _FEWEST:
        reason = f"The multiverse has {len(listed.listed)} specification; two are needed."
        return unanswered([Check.MULTIVERSE], labels, Verdict.NOT_APPLICABLE, reason)
    scheme = make_scheme(survey, study, spec, seed, n_shuffles)
    fitted = fit_specifications(
        survey, study, listed, scheme, at=labels.at, jobs=jobs, scheduler=scheduler
    )
    contrast = common_contrast([_levels(study, one.specification) for one in fitted], labels.at)
    rows = [
        replace(
            again_row(
                Check.MULTIVERSE,
                one.specification.id,
                contrast,
                one.estimate,
                Beside(estimate=declared, smallest_gap=study.smallest_gap),
                labels,
            ),
            population=one.estimate.population,
        )
        for one in fitted
    ]
    return [
        *_together(listed, fitted, rows, scheme, contrast, labels),
        *_by_choice(listed, fitted, rows, contrast, labels),
        *rows,
    ]


def _levels(study: Study, one: Specification) -> tuple[str, ...]:
    """Levels of a specification's outcome; of one cut in two, their number is what counts."""
    return ("below", "above") if one.at else study.variables[one.spec.outcome].levels


def _row(
    labels: Keys, variant: str, quantity: str, values: Mapping[str, float | None], note: str
) -> SensitivityRow:
    return SensitivityRow(
        check=Check.MULTIVERSE,
        variant=variant,
        model=labels.model,
        outcome=labels.outcome,
        comparator=Comparator.COMPARISON,
        group=labels.group,
        quantity=quantity,
        note=note,
        source=labels.source,
        **values,  # type: ignore[arg-type]
    )


def _together(
    listed: Specifications,
    fitted: Sequence[Fitted],
    rows: Sequence[SensitivityRow],
    scheme: Scheme,
    contrast: Contrast,
    labels: Keys,
) -> Iterator[SensitivityRow]:
    """Median, sign and significance of the specifications that were shuffled."""
    inside = [
        (one, row)
        for one, row in zip(fitted, rows, strict=True)
        if one.studentised is not None and row.estimate is not None
    ]
    if len(inside) < _FEWEST:
        yield replace(
            _row(labels, Version.TOGETHER, f"median_{contrast.quantity}", {}, _why(fitted)),
            verdict=Verdict.NOT_ASSESSED,
            n=len(inside),
            of=len(fitted),
        )
        return
    studentised = np.array([one.studentised for one, _ in inside]).T
    df = np.array([one.df for one, _ in inside])
    own, shuffled = joint_statistics(studentised[0], df), joint_statistics(studentised[1:], df)
    p_values = joint_p_values(own, shuffled)
    median = float(np.median([row.estimate for _, row in inside]))
    null = null_value(contrast.quantity)
    note = _listed_note(listed, rows)
    if len(inside) < len(fitted):
        note += f" Rows together are over {len(inside)} of them: {_why(fitted)}"
    counts = {"n": len(inside), "of": len(fitted)}
    yield _row(
        labels,
        Version.TOGETHER,
        f"median_{contrast.quantity}",
        {"estimate": median, "p_value": float(p_values.median), **counts},
        note,
    )
    for quantity, share, p_value in (
        ("share_same_sign", own.same_sign, p_values.same_sign),
        ("share_significant", share_clear([row for _, row in inside], null), p_values.significant),
    ):
        yield _row(
            labels,
            Version.TOGETHER,
            quantity,
            {"estimate": float(share), "p_value": float(p_value), **counts},
            _scheme_note(scheme),
        )


def share_clear(rows: Sequence[SensitivityRow], null: float) -> float:
    """Share of rows whose interval, as printed, leaves out no gap on the more frequent side.

    Parameters
    ----------
    rows
        With estimates and limits.
    null
        Value of no gap.
    """
    above = [row.estimate is not None and row.estimate > null for row in rows]
    below = [row.estimate is not None and row.estimate < null for row in rows]
    high = np.mean([row.lower is not None and row.lower > null for row in rows])
    low = np.mean([row.upper is not None and row.upper < null for row in rows])
    if sum(above) == sum(below):
        return float(max(high, low))
    return float(high if sum(above) > sum(below) else low)


def _listed_note(listed: Specifications, rows: Sequence[SensitivityRow]) -> str:
    left = "; ".join(f"{number} {reason}" for reason, number in listed.removed.items())
    missing = sum(row.estimate is None for row in rows)
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


def _why(fitted: Sequence[Fitted]) -> str:
    """Reasons why specifications were not shuffled, with counts."""
    reasons: dict[str, int] = {}
    for one in fitted:
        if one.studentised is None and one.reason:
            reasons[one.reason] = reasons.get(one.reason, 0) + 1
    return "; ".join(f"{number} left out, {reason}" for reason, number in reasons.items()) + "."


def _by_choice(
    listed: Specifications,
    fitted: Sequence[Fitted],
    rows: Sequence[SensitivityRow],
    contrast: Contrast,
    labels: Keys,
) -> Iterator[SensitivityRow]:
    """Median, smallest and largest estimate by each value of each choice."""
    for axis, values in listed.axes.items():
        for value in values if len(values) > 1 else ():
            found = [
                row.estimate
                for one, row in zip(fitted, rows, strict=True)
                if one.specification.choices.get(axis) == value and row.estimate is not None
            ]
            if not found:
                continue
            row = _row(
                labels,
                f"{axis}: {value}",
                f"median_{contrast.quantity}",
                {
                    "estimate": float(np.median(found)),
                    "lower": float(min(found)),
                    "upper": float(max(found)),
                },
                "By choice: the median estimate, in brackets the smallest and the largest.",
            )
            yield replace(row, about=axis, choice=value, n=len(found), of=len(fitted))
