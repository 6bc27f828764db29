"""Who lacks an answer, and worst-case bounds of the gap over answers that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy

from coopgap.checks.compare import NO_MATCHING, compared
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, NotAssessed, Topic, check
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, Margins, estimate_contrast, headline_contrasts
from coopgap.core.tails import t_quantile
from coopgap.core.vocabulary import Check, Family, IntervalKind, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.plan import sample_for
from coopgap.families.sample import Sample, are_few, count_clusters, require_matched
from coopgap.regression.clusters import CovarianceKind
from coopgap.regression.sampled import Sampled
from coopgap.regression.shares import share_margins
from coopgap.study.spec import ModelSpec
from coopgap.survey.records import Survey, complete_rows


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

    def note(self) -> str:
        """Who lacks what, in two sentences."""
        comparison, member = (
            f"{missing:,} of {everybody - gone:,}"
            for missing, everybody, gone in zip(
                self.outcome, self.people, self.covariate, strict=True
            )
        )
        return (
            f"The outcome is missing from {member} members and {comparison} comparison people "
            f"whose covariates are known. {self.covariates()}"
        )

    def covariates(self) -> str:
        """Who lacks a covariate."""
        comparison, member = self.covariate
        if not comparison + member:
            return "No covariate is missing."
        return (
            f"A covariate is missing from {member:,} of {self.people[1]:,} members and "
            f"{comparison:,} of {self.people[0]:,} comparison people, who are left out."
        )


def lacking(survey: Survey, spec: ModelSpec) -> Lacking:
    """Count the in-person people who lack an answer that a model needs."""
    covariate = np.zeros(survey.n, dtype=bool)
    for name in spec.variables:
        if name != spec.outcome:
            covariate |= survey.codes[name] < 0
    outcome = (survey.codes[spec.outcome] < 0) & ~covariate

    def by_group(some: BoolArray) -> tuple[int, int]:
        some = some & ~survey.phone
        return int((some & ~survey.member).sum()), int((some & survey.member).sum())

    return Lacking(
        people=by_group(np.ones(survey.n, dtype=bool)),
        outcome=by_group(outcome),
        covariate=by_group(covariate),
    )


class Bounds(NamedTuple):
    """The lowest and the highest gap that the missing answers allow, each with its error."""

    low: Interval
    high: Interval


def worst_case(
    outcome: IntArray,
    member: BoolArray,
    weight: FloatArray,
    levels: tuple[str, ...],
    sampled: Sampled | IntArray | None = None,
    *,
    few: bool = False,
) -> dict[Contrast, Bounds]:
    """Bounds of the weighted gap at each threshold, and of superiority, over every filling.

    `outcome` is -1 where it is missing; `weight` is made without the outcome and taken as fixed;
    `sampled` is how the people were, or their clusters.
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
    sampled = Sampled.of(sampled)
    kind: CovarianceKind | None = "CR2" if few and sampled.has_cr2 else None
    shares = share_margins(with_missing, member, weight, n + 1, sampled, kind=kind)
    ends = _filled(shares, 0, n - 1), _filled(shares, n - 1, 0)
    bounds = {}
    for contrast in headline_contrasts(levels):
        low, high = (estimate_contrast(contrast, filled) for filled in ends)
        if low is not None and high is not None:
            bounds[contrast] = Bounds(low, high)
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


def imbens_manski(bounds: Bounds, prob: float = INTERVAL_PROB) -> tuple[float, float]:
    """Interval that covers the true gap with `prob` wherever it lies in the identified set."""
    low, high = bounds
    largest = max(low.std_error, high.std_error)
    if largest == 0:
        return low.estimate, high.estimate
    ratio = (high.estimate - low.estimate) / largest
    c = imbens_manski_factor(ratio, prob, min(low.df, high.df))
    return low.estimate - c * low.std_error, high.estimate + c * high.std_error


@check(
    Check.MISSING_BOUNDS,
    title="Missing answers: worst-case bounds",
    question="How far could the answers that are missing move the gap at most?",
    formula=(
        "[Δ of weighted shares with missing members lowest and missing comparison people "
        "highest, the reverse], and ± c·SE with Imbens and Manski's c"
    ),
    topic=Topic.MISSING,
    of_model=True,
    place=(70, 1),
)
def bounds(context: Context) -> Iterator[SensitivityRow]:
    """The gap of the matched shares under every way of filling in missing outcomes.

    Two rows a threshold, and two for superiority of more than two levels: `bounds`, the
    identified set, and `bounds with sampling error`, Imbens and Manski's interval. People
    whose covariates are known are matched anew, whether or not they answered; the gap is
    that of weighted shares, and so is the gap of those who answered that it is compared with.
    People who lack a covariate are left out and counted.
    """
    survey, spec = context.survey, context.spec
    who = lacking(survey, spec)
    if not spec.matching.is_declared:
        raise NotApplicable(f"{NO_MATCHING} The bounds are of matched shares.")
    if not sum(who.outcome):
        also = f" {who.covariates()}" if sum(who.covariate) else ""
        raise NotApplicable(f"No answer to the outcome is missing.{also}")
    answered = survey.codes[spec.outcome]
    filled = replace(survey, codes={**survey.codes, spec.outcome: np.maximum(answered, 0)})
    rows = complete_rows(filled, context.study, spec)
    sample = sample_for(replace(rows, outcome=answered[rows.index]), spec)
    try:
        by_contrast = sample_bounds(sample)
    except NotEstimable as error:
        raise NotAssessed(error.reason) from None
    shares = next((one for one in context.estimates if one.family is Family.SHARES), None)
    base = context.row(
        family=Family.SHARES,
        population=sample.population,
        interval_kind=IntervalKind.BOUNDS,
        n=sum(who.outcome),
        of=sum(who.people) - sum(who.covariate),
        note=who.note(),
    )
    for contrast, ends in by_contrast.items():
        least, most = ends.low.estimate, ends.high.estimate
        row = replace(base, quantity=contrast.quantity, category=contrast.category)
        yield replace(row, variant=Version.BOUNDS, lower=least, upper=most)
        low, high = imbens_manski(ends)
        row = replace(row, variant=Version.BOUNDS_WITH_ERROR, lower=low, upper=high)
        row = replace(row, interval_prob=INTERVAL_PROB)
        first = None if shares is None else shares.intervals.get(contrast)
        if first is None:
            yield row
            continue
        # The bounds as an interval about their middle, and how far off the gap could be at most.
        middle, own = (least + most) / 2, first.estimate
        apart = Interval(middle - own, 0.0, least - own, most - own, np.nan)
        wide = Interval(middle, 0.0, low, high, np.nan)
        yield compared(row, first, wide, apart, context.smallest_gap)


def sample_bounds(sample: Sample) -> dict[Contrast, Bounds]:
    """Bounds of a matched sample whose outcome may be -1, clustered as its family is."""
    require_matched(sample)
    rows, kept = sample.rows, sample.kept
    n_clusters = count_clusters(sample, kept, by_person=sample.by_person)
    sampled = sample.sampled(matched=True, by_person=sample.by_person).take(kept)
    return worst_case(
        rows.outcome[kept],
        rows.member[kept],
        sample.weight[kept],
        rows.levels,
        replace(sampled, second=None) if sampled.cluster is not None else sampled,
        few=are_few(n_clusters),
    )
