"""The gap of a fit: both groups standardised over the same people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from coopgap.api.columns import coded_levels, groups_of, two_groups
from coopgap.api.cumulative import OrdinalFit
from coopgap.api.fits import Fit
from coopgap.api.frames import ModelFrame
from coopgap.api.gaps import Gap, Target, constant, sample_of, target_of
from coopgap.api.least_squares import LinearFit
from coopgap.api.outside import statsmodels_estimate
from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.errors import InputError
from coopgap.core.estimate import Keys
from coopgap.core.gap import Margins, contrasts, wald_interval
from coopgap.core.vocabulary import Family, Population
from coopgap.families.cells import CellFit, require_order
from coopgap.families.difference import Influence
from coopgap.families.estimate import Estimate
from coopgap.families.sample import from_margins
from coopgap.regression.aipw import doubly_robust as augmented
from coopgap.regression.standardise import standardise


def gap(
    fit: Any,
    variable: str,
    *,
    target: Target = "members",
    fixed: bool = False,
    doubly_robust: bool = False,
    data: pd.DataFrame | None = None,
) -> Gap:
    """Standardise a fit: the same people as members and as comparison people.

    Parameters
    ----------
    fit
        Of `logit`, `ordinal` or `linear`; or results of statsmodels' Logit, GLM with a binomial
        family, or OrderedModel.
    variable
        The variable of the two groups: 1 (of 0 and 1), true, or the later of two ordered categories
        are the members.
    target
        Over whose covariates: members, all, overlap; or a number for each row of the fit, not
        negative, that says how much it counts (a Series goes by its index).
    fixed
        Take the covariates of the target as fixed, as marginaleffects does; else they vary too.
    doubly_robust
        Weight by the odds of membership beside the model (AIPW): right in large samples if either
        model is. For `target="members"`, without CR2, HC1, HC3 and CR1S.
    data
        The frame behind results of statsmodels that were made from arrays.

    Returns
    -------
    Gap
        With at least the risk difference at each threshold.

    Raises
    ------
    InputError
        An unknown variable, one without two values, or a fit that has no gap, as a conditional one.

    Notes
    -----
    The gap at a threshold is the mean over the target of P(Y >= j | member) - P(Y >= j | not), by
    g-computation. The weighted difference of shares is that of a fit of membership alone, freed
    where there are more than two levels. Standard errors are of the fit's kind, from stacked
    scores; with `vcov="iid"` and for statsmodels they are the delta method on the fit's own
    covariance, covariates fixed.

    References
    ----------
    Stefanski & Boos (2002), The American Statistician 56, 29-38. Moodie, Saarela & Stephens (2018),
    Stat 7, e205, for the doubly robust estimate.

    Examples
    --------
    >>> import coopgap as cg
    >>> df = cg.datasets.peru_example()
    >>> fit = cg.ordinal("ses_class ~ member + sex", df, free=["member"], vcov={"CR2": "zone"})
    >>> cg.gap(fit, "member", target="members")
    ses_class from E to A: member = 1 minus member = 0, over all_members
           quantity category  estimate   lower  upper  p_value
    risk_difference      >=A    0.0080 -0.0032 0.0191   0.1596
    risk_difference      >=B    0.1244  0.0898 0.1590   0.0000
    risk_difference      >=C    0.1730  0.1334 0.2126   0.0000
    risk_difference      >=D    0.0860  0.0549 0.1170   0.0000
        superiority             0.6096  0.5875 0.6318   0.0000
    """
    if isinstance(fit, OrdinalFit):
        made = _augmented if doubly_robust else _standardised
        return Gap(made(fit, variable, target, fixed=fixed), groups_of(fit.frame.data[variable]))
    if isinstance(fit, LinearFit):
        return Gap(_of_linear(fit, variable, target), groups_of(fit.frame.data[variable]))
    if isinstance(fit, Fit):
        allowed = "allowed: a fit of logit, ordinal or linear"
        raise InputError("fit", "is conditional and has odds ratios only", allowed)
    estimate, groups = statsmodels_estimate(fit, variable, target, data)
    return Gap(estimate, groups)


class Sides(NamedTuple):
    """Who is a member, and design rows of everybody as members and as comparison people."""

    member: BoolArray
    as_member: FloatArray
    as_other: FloatArray


def _sides(frame: ModelFrame, variable: str) -> Sides:
    if variable not in frame.variables:
        allowed = f"allowed: {', '.join(frame.variables)}"
        raise InputError("variable", f"is {variable!r}, which the formula has not", allowed)
    column = frame.data[variable]
    member, values = two_groups(column, "data")
    rows = (
        frame.design_rows(frame.data.assign(**{variable: constant(column, value)}))
        for value in reversed(values)
    )
    return Sides(member, *rows)


def _aim(frame: ModelFrame, sides: Sides, target: Target) -> tuple[FloatArray, Population]:
    """How much each row of a fit counts, and whose population that is."""
    if isinstance(target, pd.Series) and frame.data.index.is_unique:
        target = target.reindex(frame.data.index)
    return target_of(
        target, sides.member, frame.weight, sides.as_other, is_matched=frame.is_matched
    )


def _standardised(fit: OrdinalFit, variable: str, target: Target, *, fixed: bool) -> Estimate:
    """The gap by the model, on cells of people who are alike in all that it takes."""
    frame, sides = fit.frame, _sides(fit.frame, variable)
    aim, population = _aim(frame, sides, target)
    _, place = np.unique(aim, return_inverse=True)
    on, row = fit.cells(sides.member.astype(np.int64), place.astype(np.int64))
    on = replace(on, member=sides.member[row])
    both = sides.as_member[row], sides.as_other[row]
    for rows in both:
        require_order(fit.fit, replace(on, x=rows), frame.first)
    fixed = fixed or population in (Population.OVERLAP, Population.POSTSTRATIFIED)
    if fit.kind == "iid":
        margins = standardise(
            fit.fit,
            on.x,
            both,
            aim[row],
            on.cells.counts,
            on.cells.squares,
            None,
            fixed=True,
        )
        std_errors = "iid; covariates of the people standardised over are taken as fixed"
    else:
        cell_fit = CellFit(
            fit=fit.fit,
            kind=fit.kind,  # type: ignore[arg-type]
            covariance=fit.covariance,
            on=on,
            infinite=fit.infinite,
            fixed=fixed,
            member=both,
        )
        margins, std_errors = cell_fit.standardise(aim[row], fixed=fixed)
    return _estimate(fit, sides.member, population, on, margins, std_errors, variable)


def _augmented(fit: OrdinalFit, variable: str, target: Target, *, fixed: bool) -> Estimate:
    """The gap by both models at once."""
    frame, sides = fit.frame, _sides(fit.frame, variable)
    places = frame.columns.get(variable, ())
    moved = np.flatnonzero((sides.as_member != sides.as_other).any(axis=0))
    named = isinstance(target, str) and target == "members"
    if not named or fixed or tuple(moved) != places or len(places) != 1:
        found = "is asked of other people than members, of fixed covariates or beside interactions"
        raise InputError(
            "doubly_robust", found, 'allowed: target="members", one term of membership'
        )
    if fit.kind not in ("HC0", "CR0", "CR1") or frame.sampled.second is not None:
        raise InputError("vcov", f"is {fit.kind}", "allowed with doubly_robust: HC0, CR0, CR1")
    on, row = fit.cells(sides.member.astype(np.int64))
    on = replace(on, member=sides.member[row], x=frame.x[row].copy())
    on.x[:, places[0]] = on.member
    margins = augmented(
        fit.fit,
        on.x,
        places[0],
        on.cells.counts,
        on.cells.squares,
        on.sampled,
        kind=fit.kind,  # type: ignore[arg-type]
    )
    population = Population.MEMBERS if frame.is_matched else Population.ALL_MEMBERS
    made = _estimate(fit, sides.member, population, on, margins, fit.covariance.kind, variable)
    return replace(made, family=Family.DOUBLY_ROBUST)


_FAMILIES: Final = {
    (False, "logit"): Family.ADJUSTED_LOGIT,
    (False, "free"): Family.ADJUSTED_ORDINAL,
    (False, "proportional"): Family.ADJUSTED_PROPORTIONAL,
    (True, "logit"): Family.MATCHED_LOGIT,
    (True, "free"): Family.MATCHED_ORDINAL,
    (True, "proportional"): Family.MATCHED_PROPORTIONAL,
}


def _estimate(
    fit: OrdinalFit,
    member: BoolArray,
    population: Population,
    on: Any,
    margins: Margins,
    std_errors: str,
    variable: str,
) -> Estimate:
    """The estimate of margins made on a fit's cells."""
    frame = fit.frame
    free = bool({*frame.columns.get(variable, ())} & {*fit.fit.free})
    form = "" if len(fit.levels) == 2 else "free" if free else "proportional"
    sample = sample_of(
        member, fit.outcome, fit.levels, frame.weight, people=frame.people, sampled=frame.sampled
    )
    made = from_margins(
        _FAMILIES[frame.is_matched, form or "logit"],
        population,
        sample,
        on,
        margins,
        weight=frame.weight,
        std_errors=std_errors,
        people=sample.rows.people_by_level(),
        n_clusters=fit.covariance.n_clusters,
        n_sets=frame.n_sets,
        form=form,
        infinite=fit.infinite,
        correct_decimals=fit.fit.correct_decimals,
    )
    keys = Keys(model="", outcome=frame.outcome, source=frame.source, levels=fit.levels)
    return replace(made, influence=_numbered(made.influence, frame), keys=keys)


def _numbered(influence: Influence | None, frame: ModelFrame) -> Influence | None:
    """Clusters by the numbers of their labels: a frame's codes mean nothing in another frame.

    None where several people have one label, so that they cannot be told apart.
    """
    if influence is None or np.unique(frame.people).size < frame.n:
        return None
    sampled = influence.sampled
    first, second = sampled.cluster, sampled.second
    numbered = replace(
        sampled,
        cluster=None if first is None else frame.labels[0][first],
        second=None if second is None else frame.labels[1][second],
    )
    return replace(influence, sampled=numbered)


def _of_linear(fit: LinearFit, variable: str, target: Target) -> Estimate:
    """The gap of a linear probability model: the mean difference of the two predictions."""
    frame, sides = fit.frame, _sides(fit.frame, variable)
    if not np.isin(fit.y, (0.0, 1.0)).all():
        raise InputError(f"data: {frame.outcome}", "is no answer of 0 and 1", "read it from tidy()")
    aim, population = _aim(frame, sides, target)
    share = aim * frame.weight / float(aim @ frame.weight)
    step = share @ (sides.as_member - sides.as_other)
    step = step if frame.absorbed else np.append(0.0, step)
    error = float(np.sqrt(step @ fit.covariance.cov @ step))
    _, levels = coded_levels(frame.y, frame.outcome, two=True)
    contrast = next(one for one in contrasts(levels) if one.is_threshold_gap)
    interval = wald_interval(
        contrast.quantity, float(step @ fit.slope), error, df=fit.covariance.df_of(step), prob=0.95
    )
    outcome = fit.y.astype(np.int64)
    sample = sample_of(sides.member, outcome, levels, frame.weight)
    return Estimate(
        family=Family.LINEAR,
        population=population,
        people=sample.rows.people_by_level(),
        keys=Keys(model="", outcome=frame.outcome, source=frame.source, levels=levels),
        given={contrast: interval},
        n_clusters=fit.covariance.n_clusters,
        n_sets=None if frame.sets is None else int(frame.sets.max()) + 1,
        std_errors=fit.covariance.kind,
    )
