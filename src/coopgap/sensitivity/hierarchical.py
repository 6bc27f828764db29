"""Beside a hierarchical fit: what its priors allow, whether it fits, what it hangs on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from coopgap.bayes.criticism import (
    HIGH_K,
    Loo,
    elpd_difference,
    log_likelihood,
    log_priors,
    power_scaling,
    predictive_shares,
    prior_gaps,
)
from coopgap.bayes.fit import HierarchicalFit, Request
from coopgap.bayes.layout import Form, SdPrior, make_layout
from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import contrast_values
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict, Version
from coopgap.families.headline import headline_contrast
from coopgap.families.rows import Labels
from coopgap.sensitivity.posterior import (
    TAILS,
    headline_contrasts,
    posterior_interval,
    posterior_row,
)
from coopgap.sensitivity.verdict import compared, shifted

SCALING_BAR: Final = 0.05
SMALL_DIFFERENCE: Final = 4.0
_SCALING_DRAWS: Final = 500
"""A chain: a rate needs fewer draws than an interval's ends."""

_REFITS: Final = {
    "half-normal 0.25": SdPrior(scale=0.25),
    "half-normal 0.5": SdPrior(scale=0.5),
    "half-normal 1": SdPrior(scale=1.0),
    "half-t3 2.5": SdPrior(scale=2.5, df=3.0),
    "half-Cauchy 1": SdPrior(scale=1.0, df=1.0),
}
_SCALED: Final = (Version.TOP_LEVEL_PRIORS, Version.ANSWERS)
_SHIFT_SDS: Final = (0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """A refit under another choice: of what, which, and the number in it."""

    name: str
    request: Request
    about: str = ""
    choice: str = ""
    setting: float | None = None


def prior_rows(request: Request, labels: Labels) -> Iterator[SensitivityRow]:
    """What gaps the prior allows before an answer is seen: at each threshold, from both ends."""
    layout = make_layout(request.cells, request.form)
    gaps = prior_gaps(request.cells, layout, request.priors, request.form.link, request.seed)
    levels = request.cells.levels
    for j in range(len(levels) - 1, 0, -1):
        name = f">={levels[j]}" if len(levels) > 2 else ""
        yield posterior_row(
            Check.PRIOR_PREDICTIVE, Version.PRIOR, labels, category=name, draws=gaps[:, j - 1]
        )
    for j in range(1, len(levels) if len(levels) > 2 else 1):
        name = f"<={levels[j - 1]}"
        yield posterior_row(
            Check.PRIOR_PREDICTIVE, Version.PRIOR, labels, category=name, draws=-gaps[:, j - 1]
        )


def posterior_rows(
    fit: HierarchicalFit, request: Request, labels: Labels
) -> Iterator[SensitivityRow]:
    """Observed shares by group, region and level beside those the posterior predicts.

    `threshold` is the observed share, `estimate` the predicted mean with its predictive interval.
    Regions without people of a group are left out.
    """
    cells = request.cells
    found = predictive_shares(fit.draws, cells, request.form.link, request.seed)
    for side, comparator in ((1, ""), (0, Comparator.COMPARISON)):
        for r, region in enumerate(cells.regions):
            total = int(found.observed[side, r].sum())
            for j, level in enumerate(cells.levels if total else ()):
                drawn = found.drawn[:, side, r, j] / total
                row = posterior_row(
                    Check.POSTERIOR_PREDICTIVE,
                    "answers drawn anew",
                    labels,
                    category=level,
                    draws=drawn,
                    quantity=Quantity.SHARE,
                    comparator=comparator,
                    group=f"region={region}",
                )
                observed = int(found.observed[side, r, j]) / total
                inside = np.quantile(drawn, TAILS[0]) <= observed <= np.quantile(drawn, TAILS[1])
                yield replace(
                    row,
                    threshold=observed,
                    verdict=Verdict.HOLDS if inside else Verdict.CHANGES,
                    note="threshold is the observed share",
                )


def scaling_rows(
    fit: HierarchicalFit, request: Request, labels: Labels
) -> Iterator[SensitivityRow]:
    """Power-scaling of the headline gap: top-level priors only, and the answers."""
    link, cells = request.form.link, request.cells
    layout = make_layout(cells, request.form)
    named = {
        str(k): contrast_values(contrast, fit.member[0], fit.comparison[0])
        for k, contrast in enumerate(headline_contrasts(cells.levels))
    }
    every = max(1, fit.draws["beta"].shape[1] // _SCALING_DRAWS)
    draws = {name: values[:, ::every] for name, values in fit.draws.items()}
    scaled = power_scaling(
        {name: values[:, ::every] for name, values in named.items()},
        log_priors(draws, layout, request.priors, link),
        log_likelihood(draws, cells, link),
    )
    for k, contrast in enumerate(headline_contrasts(cells.levels)):
        for variant, value in zip(_SCALED, scaled[str(k)], strict=True):
            rate = f"rate_of_{contrast.quantity}"
            row = posterior_row(Check.POWER_SCALING, variant, labels, contrast.category, None, rate)
            above = value > SCALING_BAR
            about_prior = variant is Version.TOP_LEVEL_PRIORS
            yield replace(
                row,
                estimate=value,
                threshold=SCALING_BAR,
                verdict=(Verdict.CHANGES if above else Verdict.HOLDS) if about_prior else None,
                note="how fast the gap's posterior moves as these count more; above the bar it "
                "moves" + (" with the priors" if about_prior else ", as it should"),
            )


_SPREADS: Final = "region and zone SDs"
_SHIFTS: Final = "threshold shifts"


def prior_refits(request: Request) -> list[Refit]:
    """The refits: SDs of regions' gaps and of zones, then of the threshold shifts."""
    priors, found = request.priors, []
    for name, prior in _REFITS.items():
        spread = replace(priors, gap_sd=prior, zone_sd=prior, zone_gap_sd=prior)
        found.append(
            Refit(
                name=f"{_SPREADS} {name}",
                request=_with(request, spread),
                about=_SPREADS,
                choice=name,
                setting=prior.scale,
            )
        )
    if len(request.cells.levels) > 2:
        for sd in _SHIFT_SDS:
            shift = replace(priors, threshold_shift_sd=sd)
            found.append(
                Refit(
                    name=f"{_SHIFTS} normal {sd:g}",
                    request=_with(request, shift),
                    about=_SHIFTS,
                    choice=f"normal {sd:g}",
                    setting=sd,
                )
            )
    return found


def _with(request: Request, priors: Any) -> Request:
    return replace(request, priors=priors)


def prior_refit_rows(
    refit: Refit, fit: HierarchicalFit, base: HierarchicalFit, request: Request, labels: Labels
) -> Iterator[SensitivityRow]:
    """The headline gap, its region SDs and each region's gap under other priors.

    The verdict compares posterior means: the answers are the same, so sampling adds nothing to
    their difference. Rows of a fit that does not pass the gate have no numbers.
    """
    before = _refitted(base, request, labels.at)
    for key, draws in _refitted(fit, request, labels.at).items():
        quantity, category, group = key
        name, used = refit.name, draws if fit.passed else None
        row = posterior_row(Check.PRIOR_REFIT, name, labels, category, used, quantity, group=group)
        row = replace(row, about=refit.about, choice=refit.choice, setting=refit.setting)
        if not fit.passed:
            failed = ", ".join(item.name for item in fit.gate if not item.passed)
            yield replace(row, verdict=Verdict.NOT_ASSESSED, note=f"withheld: {failed}")
            continue
        if quantity in (Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY):
            first, again = (posterior_interval(one) for one in (before[key], draws))
            gap = shifted(first, again)
            row = compared(row, first, again, gap, request.smallest_gap)
        yield row


def _refitted(
    fit: HierarchicalFit, request: Request, at: str
) -> dict[tuple[Quantity, str, str], FloatArray]:
    """What a refit shows, by quantity, category and group; of regions the headline."""
    cells = request.cells
    found = {
        (c.quantity, c.category, "all"): contrast_values(c, fit.member[0], fit.comparison[0])
        for c in headline_contrasts(cells.levels)
    }
    for quantity in (Quantity.SD_SUPERPOPULATION, Quantity.SD_FINITE):
        found[quantity, "", "all"] = fit.parameters[quantity]
    first = headline_contrast(cells.levels, at)
    for r, region in enumerate(cells.regions):
        if cells.people(r)[1]:
            found[first.quantity, first.category, f"region={region}"] = contrast_values(
                first, fit.member[1 + r], fit.comparison[1 + r]
            )
    return found


def loo_variants(request: Request) -> list[Refit]:
    """The model without each of its parts, as far as it has them."""
    form, found = request.form, []
    parts: list[tuple[str, bool, Form]] = [
        ("proportional odds", len(request.cells.levels) > 2, replace(form, shifts=False)),
        ("no regional gaps", True, replace(form, region_gaps=False)),
        ("no zones", form.zones, replace(form, zones=False)),
    ]
    for name, has, other in parts:
        if has:
            found.append(Refit(name=name, request=replace(request, form=other)))
    return found


def loo_rows(
    base: Loo, others: Mapping[str, Loo | None], labels: Labels
) -> Iterator[SensitivityRow]:
    """Expected log predictive density of a new answer, and what is lost without each part.

    Rows of a model that did not pass the gate have no numbers. Leaving a part out `changes` the
    predictions where they are worse by more than twice the standard error and by at least 4,
    below which that standard error cannot be relied on (Sivula, Magnusson, Matamoros & Vehtari
    2025, Bayesian Analysis).
    """
    row = posterior_row(Check.LOO, Version.AS_DECLARED, labels, quantity="elpd")
    yield replace(row, estimate=base.total, n=base.n_high_k, note=_reliable(base))
    for name, other in others.items():
        row = posterior_row(
            Check.LOO, f"{name}, minus declared", labels, quantity="elpd_difference"
        )
        row = replace(row, about=name)
        if other is None:
            yield replace(row, verdict=Verdict.NOT_ASSESSED, note="withheld: its fit did not pass")
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


def _reliable(found: Loo) -> str:
    n = found.n_high_k
    if not n:
        return f"all Pareto k at most {HIGH_K}"
    return f"{n} people have Pareto k above {HIGH_K}: read with care"
