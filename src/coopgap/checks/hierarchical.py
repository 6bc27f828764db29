"""The hierarchical models of a run: what each is asked, where it is fitted, what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coopgap.bayes.cells import hierarchical_cells, members_by_row, population_weights
from coopgap.bayes.fit import HierarchicalFit, Request, fit_hierarchical, summarise
from coopgap.bayes.layout import Form, Priors, draw_names
from coopgap.bayes.store import DrawsError, StoredDraws, load_draws
from coopgap.checks.compare import unassessed
from coopgap.checks.context import Keyed
from coopgap.checks.registry import Cost, Scope, answers, checks, derived_seed, parts
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, SensitivityRow
from coopgap.core.executor import cores, executor
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
    department_rows,
    gap_rows,
    gate_rows,
    posterior_interval,
)
from coopgap.families.plan import ModelPlan, Plan, model_departments
from coopgap.families.sample import population_row
from coopgap.study.spec import Hierarchical, Study
from coopgap.survey.records import ModelRows


@dataclass(frozen=True, kw_only=True)
class RegionContext(Keyed):
    """A model by region with its fit; `refits` are those that the `wants` of checks name."""

    plan: Plan
    model: ModelPlan
    request: Request
    fit: HierarchicalFit
    refits: Mapping[str, HierarchicalFit] = field(default_factory=dict)

    @property
    def own(self) -> Mapping[str, Any]:
        """Of the model by region."""
        return {
            "family": Family.HIERARCHICAL,
            "comparator": Comparator.COMPARISON,
            "group": "all",
            "population": Population.ALL_MEMBERS,
        }

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


def why_withheld(fit: HierarchicalFit) -> str:
    """Which bars of the gate a fit did not pass."""
    return f"withheld: {', '.join(item.name for item in fit.gate if not item.passed)}"


def say_why_not(tables: Tables, plan: Plan) -> None:
    """A row for each check of a model by region that has none, with the reason."""
    by_region = [one.name for one in checks().values() if one.scope in (Scope.FIT, Scope.REFIT)]
    answered = {(row.model, row.check) for row in tables.sensitivity}
    for model in plan.models:
        base = Keyed(keys=plan.keys(model)).bare(
            verdict=Verdict.NOT_APPLICABLE, note="The model file asks for no gaps by region."
        )
        if model.spec.hierarchical:
            base = unassessed(base, "The model by region has no usable draws.")
        tables.sensitivity += [
            replace(base, check=name) for name in by_region if (base.model, name) not in answered
        ]


class _Wanted(NamedTuple):
    """A model, its request, and the draws kept from an earlier run, or why none are reused."""

    model: ModelPlan
    request: Request
    kept: StoredDraws | None
    why_not: str


def _wanted(
    tables: Tables, plan: Plan, *, seed: int, draws: int | None, reuse: Path | None
) -> Iterator[_Wanted]:
    """What each model asks for; nothing of one that asks for nothing, or cannot be fitted."""
    for model in plan.models:
        if not model.spec.hierarchical:
            continue
        try:
            request = hierarchical_request(plan, model, seed=seed, draws=draws)
        except NotEstimable as error:
            nothing = model.sample.refused(Family.HIERARCHICAL, Population.ALL_MEMBERS, error)
            tables.collect(nothing.named(plan.keys(model)))
            continue
        populations = dict(_populations(tables, plan, model, request))
        request = replace(
            request, populations=populations, by_department=_by_department(plan.study)
        )
        kept, why_not = None, ""
        if reuse is not None:
            try:
                kept = load_draws(reuse / f"{model.spec.name}.nc", request.digest)
            except DrawsError as error:
                why_not = str(error)
        yield _Wanted(model, request, kept, why_not)


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
    wanted = list(_wanted(tables, plan, seed=seed, draws=draws, reuse=reuse))
    if not wanted:
        return {}
    notify(f"{', '.join(one.model.spec.name for one in wanted)}: hierarchical by region")
    fits = []
    for one, fit in zip(wanted, _fits(wanted, jobs), strict=True):
        keys = plan.keys(one.model)
        fits.append(
            RegionContext(plan=plan, model=one.model, keys=keys, request=one.request, fit=fit)
        )
        _collect(tables, one, fits[-1])
    if cost == "full":
        with executor(jobs) as pool:
            for context in fits:
                notify(f"{context.model.spec.name}: other priors, and without each part")
                if context.fit.passed:
                    tables.add(answers(_refitted(context, pool), Scope.REFIT, cost))
    return {
        one.model.spec.name: _stored(one, context.fit)
        for one, context in zip(wanted, fits, strict=True)
        if context.fit.passed
    }


def _stored(one: _Wanted, fit: HierarchicalFit) -> StoredDraws:
    """What is kept of a fit; the file that its draws came from, unless zones are renamed."""
    names = draw_names(one.request.cells)
    if one.kept is not None and one.kept.names.coords.items() <= names.coords.items():
        return one.kept
    return fit.stored(one.request)


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
    return Request(
        cells=hierarchical_cells(
            rows,
            model.spec.covariates,
            region,
            zones=zones,
            zone_labels=plan.survey.zone_labels,
            departments=model_departments(plan, model),
        ),
        priors=Priors.with_scales(spec.priors),
        form=Form(link="probit" if model.spec.link == "probit" else "logit", zones=zones),
        draws=draws or spec.draws,
        target_accept=spec.target_accept,
        seed=derived_seed(f"{seed} {model.spec.name}", 4),
        smallest_gap=plan.study.smallest_gap,
    )


def _populations(
    tables: Tables, plan: Plan, model: ModelPlan, request: Request
) -> Iterator[tuple[Population, FloatArray]]:
    """The matched members and the declared population; without any the diagnostics say why."""
    sample, keys, region = model.sample, plan.keys(model), plan.study.design.region
    assert region is not None
    cells = request.cells
    department = plan.study.design.department if cells.departments else None
    if not sample.matched.reason and sample.population is Population.MEMBERS:
        people = members_by_row(sample.rows, model.spec.covariates, region, sample.kept, department)
        if people.any():
            in_no_row = cells.region.size - people.size
            yield Population.MEMBERS, np.pad(people, (0, in_no_row)).astype(np.float64)
    declared = plan.study.design.population
    if declared is None:
        return
    try:
        weights = population_weights(cells, declared, region, department)
    except NotEstimable as error:
        row = DiagnosticRow(
            model=keys.model,
            diagnostic=Diagnostic.NOT_POSTSTRATIFIED,
            family=Family.HIERARCHICAL,
            note=f"{error.reason}.",
            source=keys.source,
        )
        tables.diagnostics.append(row)
        return
    if model.spec.population != "poststratified":
        tables.diagnostics.append(population_row(declared, keys))
    yield Population.POSTSTRATIFIED, weights


def _by_department(study: Study) -> frozenset[Population]:
    """Populations whose departments are known: the declared one, where its margins have them."""
    margins = study.design.population.margins if study.design.population else ()
    known = any(study.design.department in margin.variables for margin in margins)
    return frozenset([Population.POSTSTRATIFIED] if known else [])


def _fits(wanted: Sequence[_Wanted], jobs: int | None) -> list[HierarchicalFit]:
    """Fits in the order wanted; kept draws pass through the same gate as new ones."""
    new = [one for one in wanted if one.kept is None]
    fits: dict[str, HierarchicalFit] = {}
    for one in wanted:
        if one.kept is not None:
            kept = one.kept
            fits[one.model.spec.name] = summarise(
                kept.draws, kept.stats, one.request, seconds=kept.seconds, retried=kept.retried
            )
    if new:
        at_once = min(len(new), cores(jobs))
        with executor(at_once) as pool:
            share = max(1, cores(jobs) // at_once)
            futures = [pool.submit(fit_hierarchical, one.request, share) for one in new]
            for one, future in zip(new, futures, strict=True):
                fits[one.model.spec.name] = future.result()
    return [fits[one.model.spec.name] for one in wanted]


def _collect(tables: Tables, one: _Wanted, context: RegionContext) -> None:
    """The rows of one fit and of the checks that need no refit."""
    keys, request, fit = context.keys, context.request, context.fit
    tables.gaps += gap_rows(fit, request.cells, keys, request.smallest_gap)
    tables.coefficients += coefficient_rows(fit, request.cells, request.form, keys)
    tables.diagnostics += gate_rows(fit, request.cells, keys)
    if context.plan.study.design.department is not None:
        tables.diagnostics += department_rows(fit, request, keys)
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
    requests: dict[str, Request] = {}
    for part in parts(Scope.REFIT, "full"):
        requests |= part.wants(context)
    futures = {
        name: pool.submit(fit_hierarchical, request)
        for name, request in requests.items()
        if request.digest != context.request.digest
    }
    fits = {name: future.result() for name, future in futures.items()}
    return replace(context, refits={name: fits.get(name, context.fit) for name in requests})
