"""Who lacks an answer, and worst-case bounds of the gap over answers that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy

from coopgap.checks.compare import NO_MATCHING, compared
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, NotAssessed, Topic, check
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, Margins, contrasts, estimate_contrast
from coopgap.core.tails import t_quantile
from coopgap.core.vocabulary import Check, IntervalKind, Quantity, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.plan import sample_for
from coopgap.families.sample import Sample, are_few, count_clusters, require_matched
from coopgap.regression.clusters import PERSON_KINDS, CovarianceKind
from coopgap.regression.shares import share_margins
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import ModelRows, Survey, complete_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """In-person people by group, comparison people first: everybody, and who lacks what.

    `outcome` are those whose every covariate is known and whose outcome is not, `covariate` those
    who lack a covariate or a variable of the matching.
    """

    people: tuple[int, int]
    outcome: tuple[int, int]
    covariate: tuple[int, int]

    @property
    def incomplete(self) -> int:
        """People who lack anything."""
        return sum(self.outcome) + sum(self.covariate)


def lacking(survey: Survey, spec: ModelSpec) -> Lacking:
    """Count the in-person people who lack an answer that a model needs."""
    in_person = ~survey.phone
    covariate = np.zeros(survey.n, dtype=bool)
    for name in spec.variables:
        if name != spec.outcome:
            covariate |= survey.codes[name] < 0
    outcome = (survey.codes[spec.outcome] < 0) & ~covariate

    def by_group(some: BoolArray) -> tuple[int, int]:
        some = some & in_person
        return int((some & ~survey.member).sum()), int((some & survey.member).sum())

    return Lacking(
        people=by_group(np.ones(survey.n, dtype=bool)),
        outcome=by_group(outcome),
        covariate=by_group(covariate),
    )


def rows_with_covariates(survey: Survey, study: Study, spec: ModelSpec) -> ModelRows:
    """In-person people with every covariate known; `outcome` is -1 where it is missing."""
    answered = survey.codes[spec.outcome]
    filled = replace(survey, codes={**survey.codes, spec.outcome: np.maximum(answered, 0)})
    rows = complete_rows(filled, study, spec)
    return replace(rows, outcome=answered[rows.index])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The lowest and the highest gap that the missing answers allow, with their errors.

    `lower` is never above `upper`; `df` is the smaller of the ends' degrees of freedom.
    """

    lower: float
    upper: float
    lower_error: float
    upper_error: float
    df: float


def worst_case(
    outcome: IntArray,
    member: BoolArray,
    weight: FloatArray,
    levels: tuple[str, ...],
    cluster: IntArray | None = None,
    *,
    few: bool = False,
) -> dict[Contrast, Bounds]:
    """Bounds of the weighted gap at each threshold, and of superiority, over every filling.

    `outcome` is -1 where it is missing; `weight` is made without the outcome and taken as fixed.
    With `few` clusters standard errors are CR2, degrees of freedom after Satterthwaite.

    Notes
    -----
    The gap is lowest where every missing member has the lowest level and every missing comparison
    person the highest, and highest the other way round: both contrasts rise with each member's
    answer and fall with each comparison person's. The bounds are sharp. Missing answers are a
    level of their own, J + 1 in all; each end is a linear map of these shares, so that its
    standard error follows from their covariance.

    References
    ----------
    Manski (1990), Nonparametric bounds on treatment effects. American Economic Review 80, 319-323.
    Horowitz & Manski (2000), Journal of the American Statistical Association 95, 77-84.
    """
    n = len(levels)
    with_missing = np.where(outcome < 0, n, outcome)
    kind: CovarianceKind | None = "CR2" if cluster is not None and few else None
    shares = share_margins(with_missing, member, weight, n + 1, cluster, kind=kind)
    low, high = _filled(shares, 0, n - 1), _filled(shares, n - 1, 0)
    bounds = {}
    for contrast in contrasts(levels):
        if contrast.is_threshold_gap or contrast.quantity is Quantity.SUPERIORITY:
            least, most = (estimate_contrast(contrast, filled) for filled in (low, high))
            if least is not None and most is not None:
                bounds[contrast] = Bounds(
                    lower=least.estimate,
                    upper=most.estimate,
                    lower_error=least.std_error,
                    upper_error=most.std_error,
                    df=min(least.df, most.df),
                )
    return bounds


def _filled(shares: Margins, member_level: int, comparison_level: int) -> Margins:
    """Shares of J + 1 levels, the last one missing, with the missing moved to one level."""
    n = shares.member.size - 1
    to_member, to_comparison = (
        np.column_stack([np.eye(n), np.eye(n)[level]]) for level in (member_level, comparison_level)
    )
    both = np.zeros((2 * n, 2 * (n + 1)))
    both[:n, : n + 1], both[n:, n + 1 :] = to_member, to_comparison
    df_of = shares.df_of
    return replace(
        shares,
        member=to_member @ shares.member,
        comparison=to_comparison @ shares.comparison,
        cov=both @ shares.cov @ both.T,
        df_of=None if df_of is None else lambda contrast: df_of(contrast @ both),
    )


def imbens_manski_factor(ratio: float, prob: float, df: float = np.inf) -> float:
    """Standard errors by which the identified set is widened at either end.

    That is c with F(c + ratio) − F(−c) = prob, `ratio` the width of the identified set over the
    larger standard error of its ends, F the t distribution.

    Notes
    -----
    Between the two-sided quantile (an empty set has no width: a point) and the one-sided one (a
    wide set: only one end can be missed). Imbens and Manski assume that the width is estimated
    superefficiently where it is small. Stoye shows that this holds wherever the estimated ends
    are ordered by construction, as here; his own interval, for ends that are not, is not needed.

    References
    ----------
    Imbens & Manski (2004), Econometrica 72, 1845-1857, equation (6).
    Stoye (2009), Econometrica 77, 1299-1315, lemma 3.
    """
    one_sided, two_sided = (t_quantile(at, df) for at in (prob, (1 + prob) / 2))

    def lacks(c: float) -> float:
        return float(scipy.stats.t.cdf(c + ratio, df) - scipy.stats.t.cdf(-c, df)) - prob

    # At the ends of the bracket the root is met to rounding, where signs may agree.
    if lacks(one_sided) >= 0:
        return one_sided
    if lacks(two_sided) <= 0:
        return two_sided
    return float(scipy.optimize.brentq(lacks, one_sided, two_sided, xtol=1e-12))


def imbens_manski(bounds: Bounds, prob: float = 0.95) -> tuple[float, float]:
    """Interval that covers the true gap with `prob` wherever it lies in the identified set."""
    largest = max(bounds.lower_error, bounds.upper_error)
    if largest == 0:
        return bounds.lower, bounds.upper
    c = imbens_manski_factor((bounds.upper - bounds.lower) / largest, prob, bounds.df)
    return bounds.lower - c * bounds.lower_error, bounds.upper + c * bounds.upper_error


@check(
    Check.MISSING_BOUNDS,
    title="Missing answers: worst-case bounds",
    question="How far could the answers that are missing move the gap at most?",
    topic=Topic.MISSING,
    of_model=True,
    order=70,
    page=1,
)
def bounds(context: Context) -> Iterator[SensitivityRow]:
    """The gap of the matched shares under every way of filling in missing outcomes.

    Two rows a threshold, and two for superiority of more than two levels: `bounds`, the
    identified set, and `bounds with sampling error`, Imbens and Manski's interval. People
    whose covariates are known are matched anew, whether or not they answered; the gap is
    that of weighted shares. People who lack a covariate are left out and counted.
    """
    survey, spec = context.survey, context.spec
    who = lacking(survey, spec)
    if not spec.matching.is_declared:
        raise NotApplicable(f"{NO_MATCHING} The bounds are of matched shares.")
    if not sum(who.outcome):
        also = f" {_covariates(who)}" if sum(who.covariate) else ""
        raise NotApplicable(f"No answer to the outcome is missing.{also}")
    sample = sample_for(rows_with_covariates(survey, context.study, spec), spec)
    try:
        by_contrast = sample_bounds(sample)
    except NotEstimable as error:
        raise NotAssessed(error.reason) from None
    base = context.row(
        population=sample.population,
        interval_kind=IntervalKind.BOUNDS,
        n=sum(who.outcome),
        of=sum(who.people) - sum(who.covariate),
        note=_note(who),
    )
    for contrast, ends in by_contrast.items():
        if contrast.quantity is Quantity.SUPERIORITY and len(context.keys.levels) == 2:
            continue
        row = replace(base, quantity=contrast.quantity, category=contrast.category)
        yield replace(row, variant=Version.BOUNDS, lower=ends.lower, upper=ends.upper)
        low, high = imbens_manski(ends, INTERVAL_PROB)
        row = replace(
            row,
            variant=Version.BOUNDS_WITH_ERROR,
            lower=low,
            upper=high,
            interval_prob=INTERVAL_PROB,
        )
        first = context.headline.intervals.get(contrast)
        if first is None:
            yield row
            continue
        # The bounds as an interval about their middle, and how far off the gap could be at most.
        middle, own = (ends.lower + ends.upper) / 2, first.estimate
        apart = Interval(middle - own, 0.0, ends.lower - own, ends.upper - own, np.nan)
        wide = Interval(middle, 0.0, low, high, np.nan)
        yield compared(row, first, wide, apart, context.smallest_gap)


def sample_bounds(sample: Sample) -> dict[Contrast, Bounds]:
    """Bounds of a matched sample whose outcome may be -1, clustered as its family is."""
    require_matched(sample)
    rows, kept = sample.rows, sample.kept
    by_person = sample.fitting.std_errors in PERSON_KINDS
    n_clusters = count_clusters(sample, kept, by_person=by_person)
    first = None if by_person else sample.clusters[0]
    return worst_case(
        rows.outcome[kept],
        rows.member[kept],
        sample.weight[kept],
        rows.levels,
        None if first is None else first[kept],
        few=are_few(n_clusters),
    )


def _note(who: Lacking) -> str:
    comparison, member = (
        f"{missing:,} of {everybody - gone:,}"
        for missing, everybody, gone in zip(who.outcome, who.people, who.covariate, strict=True)
    )
    return (
        f"The outcome is missing from {member} members and {comparison} comparison people whose "
        f"covariates are known. {_covariates(who)}"
    )


def _covariates(who: Lacking) -> str:
    if not sum(who.covariate):
        return "No covariate is missing."
    comparison, member = who.covariate
    return (
        f"A covariate is missing from {member:,} of {who.people[1]:,} members and {comparison:,} "
        f"of {who.people[0]:,} comparison people, who are left out."
    )
