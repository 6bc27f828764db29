"""The hierarchical models of a run: what each is asked, where it is fitted, what comes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from coopgap.bayes.cells import hierarchical_cells, members_by_row, population_weights
from coopgap.bayes.fit import HierarchicalFit, Request, fit_hierarchical, summarise
from coopgap.bayes.layout import Form, Priors, draw_names
from coopgap.bayes.store import DrawsError, StoredDraws, load_draws
from coopgap.checks.registry import Cost, Scope, answers, checks, parts
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, Keys, SensitivityRow
from coopgap.core.executor import cores, executor
from coopgap.core.gap import Contrast, contrasts
from coopgap.core.progress import Notify
from coopgap.core.vocabulary import (
    Comparator,
    Diagnostic,
    Family,
    IntervalKind,
    Kind,
    Population,
    Quantity,
    Verdict,
)
from coopgap.families.estimate import Tables, interval_numbers
from coopgap.families.hierarchical import (
    coefficient_rows,
    gap_rows,
    gate_rows,
    posterior_interval,
)
from coopgap.families.plan import ModelPlan, Plan
from coopgap.families.sample import population_row
from coopgap.study.spec import Hierarchical
from coopgap.survey.records import ModelRows


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionContext:
    """A model by region with its fit; `refits` are those that the `wants` of checks name."""

    plan: Plan
    model: ModelPlan
    keys: Keys
    request: Request
    fit: HierarchicalFit
    refits: Mapping[str, HierarchicalFit] = field(default_factory=dict)

    def bare(self, **numbers: Any) -> SensitivityRow:
        """A row of the model alone; its check is added by the runner."""
        keys = self.keys
        own = {"check": "", "model": keys.model, "outcome": keys.outcome, "source": keys.source}
        return SensitivityRow(**own | numbers)

    def row(self, **numbers: Any) -> SensitivityRow:
        """A row of the model by region, with numbers or other keys."""
        own = {
            "family": Family.HIERARCHICAL,
            "comparator": Comparator.COMPARISON,
            "group": "all",
            "population": Population.ALL_MEMBERS,
        }
        return self.bare(**own | numbers)

    def posterior(
        self,
        draws: FloatArray | None,
        *,
        quantity: str = Quantity.RISK_DIFFERENCE,
        **keys: Any,
    ) -> SensitivityRow:
        """A row of the model by region with what draws say, where there are some."""
        numbers: dict[str, Any] = {}
        if draws is not None:
            numbers = interval_numbers(posterior_interval(draws, quantity), IntervalKind.CREDIBLE)
        return self.row(quantity=quantity, **numbers, **keys)


def headline_contrasts(levels: tuple[str, ...]) -> list[Contrast]:
    """The gap at each threshold, highest first; superiority last for more than two levels."""
    return [
        contrast
        for contrast in contrasts(levels)
        if contrast.is_threshold_gap
        or (contrast.quantity is Quantity.SUPERIORITY and len(levels) > 2)
    ]


def why_withheld(fit: HierarchicalFit) -> str:
    """Which bars of the gate a fit did not pass."""
    return f"withheld: {', '.join(item.name for item in fit.gate if not item.passed)}"


def say_why_not(tables: Tables, plan: Plan) -> None:
    """A row for each check of a model by region that has none, with the reason."""
    by_region = [one.name for one in checks().values() if one.scope in (Scope.FIT, Scope.REFIT)]
    there = {(row.model, row.check) for row in tables.sensitivity}
    for model in plan.models:
        keys = plan.keys(model)
        if model.spec.hierarchical:
            verdict, reason = Verdict.NOT_ASSESSED, "The model by region has no usable draws."
        else:
            verdict, reason = Verdict.NOT_APPLICABLE, "The model file asks for no gaps by region."
        tables.sensitivity += [
            SensitivityRow(
                check=check,
                model=keys.model,
                outcome=keys.outcome,
                verdict=verdict,
                note=reason,
                source=keys.source,
            )
            for check in by_region
            if (keys.model, check) not in there
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A model, its request, and the draws kept from an earlier run, or why none are reused."""

    model: ModelPlan
    request: Request
    kept: StoredDraws | None
    why_not: str

    @classmethod
    def of(
        cls,
        tables: Tables,
        plan: Plan,
        model: ModelPlan,
        seed: int,
        draws: int | None,
        reuse: Path | None,
    ) -> _Wanted | None:
        """What a model asks for; None where it asks for nothing, or cannot be fitted."""
        if not model.spec.hierarchical:
            return None
        try:
            request = hierarchical_request(plan, model, seed=seed, draws=draws)
        except NotEstimable as error:
            nothing = model.sample.refused(Family.HIERARCHICAL, Population.ALL_MEMBERS, error)
            tables.collect(nothing.named(plan.keys(model)))
            return None
        populations = {
            **_matched_members(plan, model),
            **_declared_population(tables, plan, model, request),
        }
        request = replace(request, populations=populations)
        kept, why_not = None, ""
        if reuse is not None:
            try:
                kept = load_draws(reuse / f"{model.spec.name}.nc", request.digest)
            except DrawsError as error:
                why_not = str(error)
        return cls(model=model, request=request, kept=kept, why_not=why_not)


def fit_regions(
    tables: Tables,
    plan: Plan,
    *,
    cost: Cost,
    seed: int,
    draws: int | None,
    jobs: int | None,
    reuse: Path | None,
    notify: Notify,
) -> dict[str, StoredDraws]:
    """Every model that asks for regions: fitted side by side, gated, checked.

    `full` adds refits under other priors and without each part of the model. Draws in the folder
    `reuse` may stand in for sampling. Returns by model the draws that passed the gate, to be kept.
    """
    wanted = [_Wanted.of(tables, plan, model, seed, draws, reuse) for model in plan.models]
    asked = [one for one in wanted if one is not None]
    if not asked:
        return {}
    notify(f"{', '.join(one.model.spec.name for one in asked)}: hierarchical by region")
    fits = [
        RegionContext(
            plan=plan,
            model=one.model,
            keys=plan.keys(one.model),
            request=one.request,
            fit=fit,
        )
        for one, fit in zip(asked, _fits(asked, jobs), strict=True)
    ]
    for one, context in zip(asked, fits, strict=True):
        _collect(tables, one, context)
    if cost == "full":
        with executor(jobs) as pool:
            for context in fits:
                notify(f"{context.model.spec.name}: other priors, and without each part")
                if context.fit.passed:
                    tables.add(answers(_refitted(context, pool), Scope.REFIT, cost))
    return {
        one.model.spec.name: _stored(one, context.fit)
        for one, context in zip(asked, fits, strict=True)
        if context.fit.passed
    }


def _stored(one: _Wanted, fit: HierarchicalFit) -> StoredDraws:
    """What is kept of a fit; the file that its draws came from, unless zones are renamed."""
    names = draw_names(one.request.cells)
    if one.kept is not None and one.kept.names.coords.items() <= names.coords.items():
        return one.kept
    return StoredDraws(
        digest=one.request.digest,
        draws=fit.draws,
        stats=fit.stats,
        seconds=fit.seconds,
        retried=fit.retried,
        names=names,
    )


def hierarchical_request(
    plan: Plan,
    model: ModelPlan,
    rows: ModelRows | None = None,
    *,
    seed: int = 0,
    draws: int | None = None,
) -> Request:
    """What a model's `[hierarchical]` table asks for, of its in-person rows if none are given.

    The model's own seed follows from that of the run and its name, so that a model keeps its draws
    whichever other models are fitted beside it. Raises `NotEstimable` if the study declares no
    region, or the rows do not make cells.
    """
    region = plan.study.design.region
    if region is None:
        raise NotEstimable("the study declares no region")
    spec = model.spec.hierarchical or Hierarchical()
    rows = model.rows if rows is None else rows
    zones = spec.zones and rows.zone is not None
    own = hashlib.sha256(f"{seed} {model.spec.name}".encode()).digest()[:4]
    return Request(
        cells=hierarchical_cells(
            rows,
            model.spec.covariates,
            region,
            zones=zones,
            zone_labels=plan.survey.zone_labels,
        ),
        priors=Priors.with_scales(spec.priors),
        form=Form(link="probit" if model.spec.link == "probit" else "logit", zones=zones),
        draws=draws or spec.draws,
        target_accept=spec.target_accept,
        seed=int.from_bytes(own, "big"),
        smallest_gap=plan.study.smallest_gap,
    )


def _matched_members(plan: Plan, model: ModelPlan) -> dict[Population, FloatArray]:
    """The matched members' rows: the people whom the headline is about."""
    sample, region = model.sample, plan.study.design.region
    if region is None or sample.matched.reason or sample.population is not Population.MEMBERS:
        return {}
    people = members_by_row(sample.rows, model.spec.covariates, region, sample.kept)
    return {Population.MEMBERS: people.astype(np.float64)} if people.any() else {}


def _declared_population(
    tables: Tables, plan: Plan, model: ModelPlan, request: Request
) -> dict[Population, FloatArray]:
    """Weights of the declared population; the reason goes to the diagnostics if it has none."""
    declared, region = plan.study.design.population, plan.study.design.region
    if declared is None or region is None:
        return {}
    labels = plan.keys(model)
    try:
        weights = population_weights(request.cells, declared, region)
    except NotEstimable as error:
        tables.diagnostics.append(
            DiagnosticRow(
                model=labels.model,
                diagnostic=Diagnostic.NOT_POSTSTRATIFIED,
                family=Family.HIERARCHICAL,
                note=f"{error.reason}.",
                source=labels.source,
            )
        )
        return {}
    if model.spec.population != "poststratified":
        tables.diagnostics.append(population_row(declared, labels))
    return {Population.POSTSTRATIFIED: weights}


def _fits(asked: Sequence[_Wanted], jobs: int | None) -> list[HierarchicalFit]:
    """Fits in the order asked for; kept draws pass through the same gate as new ones."""
    wanted = [one for one in asked if one.kept is None]
    found: dict[str, HierarchicalFit] = {}
    for one in asked:
        if one.kept is not None:
            found[one.model.spec.name] = summarise(
                one.kept.draws,
                one.kept.stats,
                one.request,
                seconds=one.kept.seconds,
                retried=one.kept.retried,
            )
    if wanted:
        at_once = min(len(wanted), cores(jobs))
        with executor(at_once) as pool:
            share = max(1, cores(jobs) // at_once)
            futures = [pool.submit(fit_hierarchical, one.request, share) for one in wanted]
            for one, future in zip(wanted, futures, strict=True):
                found[one.model.spec.name] = future.result()
    return [found[one.model.spec.name] for one in asked]


def _collect(tables: Tables, one: _Wanted, context: RegionContext) -> None:
    """The rows of one fit and of the checks that need no refit."""
    keys, request, fit = context.keys, context.request, context.fit
    tables.gaps += gap_rows(fit, request.cells, keys, request.smallest_gap)
    tables.coefficients += coefficient_rows(fit, request.cells, request.form, keys)
    tables.diagnostics += gate_rows(fit, request.cells, keys)
    tables.diagnostics.append(
        DiagnosticRow(
            model=keys.model,
            diagnostic=Diagnostic.DRAWS_REUSED,
            value=float(one.kept is not None),
            kind=Kind.PLAIN,
            note=one.why_not,
            source=keys.source,
        )
    )
    tables.add(answers(context, Scope.FIT, "quick"))
    tables.seconds[f"hierarchical {keys.model} sample"] += fit.seconds


def _refitted(context: RegionContext, pool: Executor) -> RegionContext:
    """The context with every fit that its checks want; the declared one is there already."""
    own = context.request.digest
    requests: dict[str, Request] = {}
    for part in parts(Scope.REFIT, "full"):
        requests |= part.wants(context)
    futures = {
        name: pool.submit(fit_hierarchical, request)
        for name, request in requests.items()
        if request.digest != own
    }
    fits = {name: future.result() for name, future in futures.items()}
    return replace(context, refits={name: fits.get(name, context.fit) for name in requests})
