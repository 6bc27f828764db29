"""Beside a hierarchical fit: what its priors allow, whether it fits, what it hangs on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from coopgap.bayes.criticism import (
    HIGH_K,
    Loo,
    elpd_difference,
    log_likelihood,
    log_priors,
    loo,
    power_scaling,
    predictive_shares,
    prior_gaps,
)
from coopgap.bayes.fit import HierarchicalFit, Request
from coopgap.bayes.gate import mean_size
from coopgap.bayes.layout import SdPrior, make_layout
from coopgap.checks.compare import compared, shifted, unassessed
from coopgap.checks.hierarchical import RegionContext, why_withheld
from coopgap.checks.registry import Scope, Topic, check
from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import contrast_values, headline_contrasts
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict, Version
from coopgap.families.headline import headline_contrast
from coopgap.families.hierarchical import TAILS, posterior_interval

SCALING_BAR: Final = 0.05
SMALL_DIFFERENCE: Final = 4.0
_LEVEL: Final = 0.05
_SCALING_DRAWS: Final = 500
"""A chain: a rate needs fewer draws than an interval's ends."""

_SPREADS: Final = "region and zone SDs"
_SHIFTS: Final = "threshold shifts"
_SPREAD_PRIORS: Final = {
    "half-normal 0.25": SdPrior(scale=0.25),
    "half-normal 0.5": SdPrior(scale=0.5),
    "half-normal 1": SdPrior(scale=1.0),
    "half-t3 2.5": SdPrior(scale=2.5, df=3.0),
    "half-Cauchy 1": SdPrior(scale=1.0, df=1.0),
}
_SHIFT_SDS: Final = (0.25, 0.5, 1.0)


@check(
    Check.PRIOR_PREDICTIVE,
    title="Prior predictive check",
    question="What gaps do the priors allow before an answer is seen?",
    formula="Δ under draws of the prior alone",
    topic=Topic.REGIONS,
    scope=Scope.FIT,
    place=(210, 1),
)
def prior_predictive(context: RegionContext) -> Iterator[SensitivityRow]:
    """What gaps the prior allows before an answer is seen: at each threshold, from both ends."""
    request = context.request
    layout = make_layout(request.cells, request.form)
    gaps = prior_gaps(request.cells, layout, request.priors, request.form.link, request.seed)
    levels = request.cells.levels
    ordinal = len(levels) > 2
    for j in range(len(levels) - 1, 0, -1):
        name = f">={levels[j]}" if ordinal else ""
        yield context.posterior(gaps[:, j - 1], variant=Version.PRIOR, category=name)
    for j in range(1, len(levels) if ordinal else 1):
        name = f"<={levels[j - 1]}"
        yield context.posterior(-gaps[:, j - 1], variant=Version.PRIOR, category=name)


@check(
    Check.POSTERIOR_PREDICTIVE,
    title="Posterior predictive check",
    question="Does the model give back the shares observed in each region?",
    formula=(
        "share of y_rep at each level, group and region beside the observed one; p = Pr(as "
        "many shares of a y_rep outside the 95 % intervals)"
    ),
    topic=Topic.REGIONS,
    scope=Scope.FIT,
    place=(220, 2),
)
def posterior_predictive(context: RegionContext) -> Iterator[SensitivityRow]:
    """Observed shares by group, region and level beside those the posterior predicts.

    `threshold` is the observed share, `estimate` the predicted mean with its predictive interval.
    Regions without people of a group are left out. Some shares lie outside of any right model's
    intervals: the verdict is of their number, in a last row `share_outside` with `n` of `of`.
    `p_value` is how often as many lie outside in the surveys drawn, `reference` how many on
    average; the model `changes` the shares where that is rarer than 5 %.
    """
    fit, request = context.fit, context.request
    if not fit.passed:
        return
    cells = request.cells
    predicted = predictive_shares(fit.draws, cells, request.form.link, request.seed)
    variant = "answers drawn anew"
    beyond = []
    for side, comparator in ((1, ""), (0, Comparator.COMPARISON)):
        for r, region in enumerate(cells.regions):
            total = int(predicted.observed[side, r].sum())
            for j, level in enumerate(cells.levels if total else ()):
                drawn = predicted.drawn[:, side, r, j] / total
                observed = int(predicted.observed[side, r, j]) / total
                every = np.append(drawn, observed)
                low, high = np.quantile(drawn, TAILS)
                beyond.append((every < low) | (every > high))
                yield context.posterior(
                    drawn,
                    variant=variant,
                    comparator=comparator,
                    group=f"region={region}",
                    quantity=Quantity.SHARE,
                    category=level,
                    threshold=observed,
                    note="threshold is the observed share",
                )
    yield _outside(context.row(variant=variant, quantity="share_outside"), np.array(beyond))


def _outside(row: SensitivityRow, beyond: BoolArray) -> SensitivityRow:
    """How many shares, shape (shares, S + 1), lie outside in S surveys drawn and, last, in ours."""
    *drawn, n = beyond.sum(axis=0)
    p_value = float(np.mean(np.array(drawn) >= n))
    return replace(
        row,
        estimate=float(n) / len(beyond),
        reference=float(np.mean(drawn)) / len(beyond),
        p_value=p_value,
        threshold=_LEVEL,
        n=int(n),
        of=len(beyond),
        verdict=Verdict.CHANGES if p_value < _LEVEL else Verdict.HOLDS,
        note="p-value: as many shares outside in surveys drawn from the posterior",
    )


@check(
    Check.POWER_SCALING,
    title="Power-scaling sensitivity",
    question="How fast does the gap move if priors or answers count a little more?",
    formula=(
        "how fast the posterior of Δ moves (cumulative Jensen-Shannon distance a log₂ α) "
        "under prior^α · likelihood, and under prior · likelihood^α; above .05 it has a say"
    ),
    scope=Scope.FIT,
    place=(230, 70),
)
def power_scaled(context: RegionContext) -> Iterator[SensitivityRow]:
    """Power-scaling of the headline gap: top-level priors only, and the answers."""
    fit, request = context.fit, context.request
    if not fit.passed:
        return
    link, cells = request.form.link, request.cells
    contrasts = headline_contrasts(cells.levels)
    every = max(1, fit.draws["beta"].shape[1] // _SCALING_DRAWS)
    draws = {name: values[:, ::every] for name, values in fit.draws.items()}
    scaled = power_scaling(
        {
            str(k): contrast_values(contrast, fit.member[0], fit.comparison[0])[:, ::every]
            for k, contrast in enumerate(contrasts)
        },
        log_priors(draws, make_layout(cells, request.form), request.priors, link),
        log_likelihood(draws, cells, link),
    )
    note = "how fast the gap's posterior moves as these count more; above the bar it moves"
    for k, contrast in enumerate(contrasts):
        of_priors, of_answers = scaled[str(k)]
        row = context.row(
            quantity=f"rate_of_{contrast.quantity}",
            category=contrast.category,
            threshold=SCALING_BAR,
        )
        yield replace(
            row,
            variant=Version.TOP_LEVEL_PRIORS,
            estimate=of_priors,
            verdict=Verdict.CHANGES if of_priors > SCALING_BAR else Verdict.HOLDS,
            note=f"{note} with the priors",
        )
        row = replace(row, variant=Version.ANSWERS, estimate=of_answers)
        yield replace(row, note=f"{note}, as it should")


class Refit(NamedTuple):
    """A refit under another choice: of what, which, and the number in it."""

    request: Request
    about: str
    choice: str
    setting: float

    @property
    def name(self) -> str:
        """Its name among the refits of a model."""
        return f"{self.about} {self.choice}"


def prior_refits(request: Request) -> list[Refit]:
    """The refits: SDs of regions' gaps and of zones, then of the threshold shifts."""
    refits = []
    for name, one in _SPREAD_PRIORS.items():
        priors = replace(request.priors, gap_sd=one, zone_sd=one, zone_gap_sd=one)
        if request.cells.departments:
            priors = replace(priors, department_sd=one, department_gap_sd=one)
        refits.append(Refit(replace(request, priors=priors), _SPREADS, name, one.scale))
    for sd in _SHIFT_SDS if len(request.cells.levels) > 2 else ():
        priors = replace(request.priors, threshold_shift_sd=sd)
        refits.append(Refit(replace(request, priors=priors), _SHIFTS, f"normal {sd:g}", sd))
    return refits


@check(
    Check.PRIOR_REFIT,
    title="Other priors",
    question="What is the gap by region under other priors?",
    formula="E[Δ] under each other prior less E[Δ]",
    cost="full",
    scope=Scope.REFIT,
    place=(310, 60),
    wants=lambda context: {one.name: one.request for one in prior_refits(context.request)},
)
def refitted(context: RegionContext) -> Iterator[SensitivityRow]:
    """The headline gap, its region SDs and each place's gap under other priors.

    The verdict compares posterior means: the answers are the same, so sampling adds nothing to
    their difference. Rows of a fit that does not pass the gate have no numbers.
    """
    request, at = context.request, context.keys.at
    before = _by_keys(context.fit, request, at)
    for refit in prior_refits(request):
        fit = context.refits[refit.name]
        for key, draws in _by_keys(fit, request, at).items():
            quantity, category, group = key
            row = context.posterior(
                draws if fit.passed else None,
                variant=refit.name,
                group=group,
                quantity=quantity,
                category=category,
                about=refit.about,
                choice=refit.choice,
                setting=refit.setting,
            )
            if not fit.passed:
                row = unassessed(row, why_withheld(fit))
            elif quantity in (Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY):
                first, again = (posterior_interval(one) for one in (before[key], draws))
                row = compared(row, first, again, shifted(first, again), request.smallest_gap)
            yield row


def _by_keys(
    fit: HierarchicalFit, request: Request, at: str
) -> dict[tuple[Quantity, str, str], FloatArray]:
    """What a refit shows, by quantity, category and group; of regions the headline."""
    cells = request.cells
    shown = {
        (c.quantity, c.category, "all"): contrast_values(c, fit.member[0], fit.comparison[0])
        for c in headline_contrasts(cells.levels)
    }
    for quantity in (Quantity.SD_SUPERPOPULATION, Quantity.SD_FINITE):
        shown[quantity, "", "all"] = fit.parameters[quantity]
    first = headline_contrast(cells.levels, at)
    for g, group in enumerate(cells.groups):
        if g and cells.people(group.region)[1]:
            shown[first.quantity, first.category, group.name] = contrast_values(
                first, fit.member[g], fit.comparison[g]
            )
    return shown


def loo_variants(request: Request) -> dict[str, Request]:
    """The model without each of its parts, as far as it has them."""
    form = request.form
    parts = {
        "proportional odds": (len(request.cells.levels) > 2, replace(form, shifts=False)),
        "no regional gaps": (True, replace(form, region_gaps=False)),
        "no departments": (bool(request.cells.departments), replace(form, departments=False)),
        "no zones": (form.zones, replace(form, zones=False)),
    }
    return {name: replace(request, form=other) for name, (has, other) in parts.items() if has}


@check(
    Check.LOO,
    title="Leave-one-out comparison",
    question="How well is a new answer predicted, and what is lost without each part of the model?",
    formula=(
        "elpd = Σ log p(y_i | y_−i) by Pareto-smoothed importance sampling; difference of two "
        "models with its SE"
    ),
    topic=Topic.REGIONS,
    cost="full",
    scope=Scope.REFIT,
    place=(320, 3),
    wants=lambda context: loo_variants(context.request),
)
def left_out(context: RegionContext) -> Iterator[SensitivityRow]:
    """Expected log predictive density of a new answer, and what is lost without each part."""
    others = {}
    for name, request in loo_variants(context.request).items():
        fit = context.refits[name]
        others[name] = _loo(fit, request) if fit.passed else None
    yield from loo_rows(context, _loo(context.fit, context.request), others)


def loo_rows(
    context: RegionContext, base: Loo, others: Mapping[str, Loo | None]
) -> Iterator[SensitivityRow]:
    """Rows of the declared model and of those without a part.

    A model that did not pass the gate has no numbers. Leaving a part out `changes` the predictions
    where they are worse by more than twice the standard error and by at least 4, below which that
    standard error cannot be relied on (Sivula, Magnusson, Matamoros & Vehtari 2025, Bayesian
    Analysis).
    """
    row = context.row(variant=Version.AS_DECLARED, quantity="elpd", estimate=base.total)
    yield replace(row, n=base.n_high_k, note=_reliable(base))
    for name, other in others.items():
        row = context.row(variant=f"{name}, minus declared", quantity="elpd_difference", about=name)
        if other is None:
            yield unassessed(row, "withheld: its fit did not pass")
            continue
        value, error = elpd_difference(other, base)
        worse = value < -max(2 * error, SMALL_DIFFERENCE)
        yield replace(
            row,
            estimate=value,
            std_error=error,
            verdict=Verdict.CHANGES if worse else Verdict.HOLDS,
            n=other.n_high_k,
            note=_reliable(other),
        )


def _loo(fit: HierarchicalFit, request: Request) -> Loo:
    beta = fit.draws["beta"]
    relative = mean_size(beta) / beta.size
    return loo(fit.draws, request.cells, request.form.link, float(np.clip(relative, 0.01, 1.0)))


def _reliable(of: Loo) -> str:
    n = of.n_high_k
    if not n:
        return f"all Pareto k at most {HIGH_K}"
    return f"{n} people have Pareto k above {HIGH_K}: read with care"
