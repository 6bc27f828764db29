"""The order of a run: the only module that knows it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from coopgap.app.meta import run_meta, with_warnings
from coopgap.app.result import Run
from coopgap.checks.context import Context, RunContext, context_for
from coopgap.checks.hierarchical import fit_regions, say_why_not
from coopgap.checks.multiplicity import holm
from coopgap.checks.registry import Cost, Scope, answers
from coopgap.core.disclose import protected_meta, protected_rows
from coopgap.core.estimate import TABLES, BalanceRow, Keys, to_frame
from coopgap.core.progress import Notify, silent
from coopgap.core.vocabulary import Family, Population, Use
from coopgap.families.behind import Behind, counted_checks, counted_coefficients
from coopgap.families.benchmark import benchmark_estimates
from coopgap.families.dispatch import domain_estimates, families_for, family_estimates
from coopgap.families.estimate import Estimate, Tables
from coopgap.families.groups import group_rows
from coopgap.families.headline import (
    declared_headlines,
    headline_contrast,
    headline_families,
    headline_positions,
    with_adjusted,
)
from coopgap.families.plan import ModelPlan, Plan, domains
from coopgap.families.sample import Sample, population_row
from coopgap.matching.balance import balance_rows
from coopgap.matching.interactions import with_interactions
from coopgap.printed.rows import printed_rows
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.complete import complete_rows
from coopgap.survey.records import ModelRows


def stages(plan: Plan, checks: Cost = "quick") -> int:
    """How many stages `execute` tells of."""
    found = 0
    for model in plan.models:
        families = families_for(model.spec, len(model.rows.levels))
        # Each family but the hierarchical one, benchmarks and domains, checks; the unadjusted and
        # the doubly robust gap of matched members too.
        found += sum(family is not Family.HIERARCHICAL for family in families) + 2
        found += 2 * (model.sample.population is Population.MEMBERS)
    by_region = sum(model.spec.hierarchical is not None for model in plan.models)
    refits = by_region if checks == "full" else 0
    return found + (by_region > 0) + refits


def execute(
    plan: Plan,
    *,
    checks: Cost = "quick",
    seed: int = 0,
    draws: int | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    reuse: Path | None = None,
    notify: Notify = silent,
) -> Run:
    """Fit everything a plan holds.

    Parameters
    ----------
    plan
        From `coopgap.app.plan.make_plan`.
    checks
        Which sensitivity checks.
    seed
        Seed of everything random.
    draws
        Posterior draws a chain instead of the model files' own.
    jobs
        Processes.
    scheduler
        Address of a Dask scheduler for multiverses, in their place.
    reuse
        A folder of draws that an earlier run kept.
    notify
        Called with what is being done.

    Returns
    -------
    Run
    """
    tables = Tables()
    started = time.perf_counter()
    contexts: list[Context] = []
    for model in plan.models:
        with tables.stage("families"):
            estimates = _families(tables, plan, model, notify)
        notify(f"{model.spec.name}: checks")
        with tables.stage("checks"):
            one = context_for(plan, model, estimates, seed=seed, jobs=jobs, scheduler=scheduler)
            tables.add(answers(one, Scope.MODEL, checks))
        contexts.append(one)
    run = RunContext(study=plan.study, models=contexts)
    tables.add(answers(run, Scope.MODELS, checks))
    with tables.stage("hierarchical"):
        kept = fit_regions(
            tables,
            plan,
            cost=checks,
            seed=seed,
            draws=draws,
            jobs=jobs,
            reuse=reuse,
            notify=notify,
        )
    if checks == "full":
        say_why_not(tables, plan)
    with tables.stage("printed"):
        _printed(tables, plan.study)
    _headlines(tables, run)
    _count(tables, plan)
    tables.seconds["total"] = time.perf_counter() - started
    meta = run_meta(
        plan,
        {one.keys.model: one.headline for one in contexts},
        checks=checks,
        seed=seed,
        draws=draws,
        seconds=tables.seconds,
    )
    minimum = plan.study.disclosure_minimum
    if minimum:
        _protect(tables, plan, minimum)
        meta, kept = protected_meta(meta, minimum), {}
    return Run(
        study=plan.study,
        gaps=to_frame("gaps", tables.gaps),
        coefficients=to_frame("coefficients", tables.coefficients),
        balance=to_frame("balance", tables.balance),
        sensitivity=to_frame("sensitivity", tables.sensitivity),
        diagnostics=to_frame("diagnostics", tables.diagnostics),
        meta=with_warnings(meta),
        draws=kept,
    )


def _protect(tables: Tables, plan: Plan, minimum: int) -> None:
    """Tables as an official release may hold them."""
    sizes = {model.spec.name: model.rows.n_smaller for model in plan.models}
    for name in TABLES:
        setattr(tables, name, [*protected_rows(getattr(tables, name), minimum, sizes)])


def _count(tables: Tables, plan: Plan) -> None:
    """Say of rows of checks and fits how many people stand behind them."""
    behind = {
        model.spec.name: Behind(
            sample=model.sample,
            phone=complete_rows(plan.survey, plan.study, model.spec, mode="phone"),
            region=plan.study.design.region,
        )
        for model in plan.models
    }
    tables.sensitivity = [*counted_checks(tables.sensitivity, behind)]
    tables.coefficients = [*counted_coefficients(tables.coefficients, behind)]


def _families(tables: Tables, plan: Plan, model: ModelPlan, notify: Notify) -> list[Estimate]:
    """Every family of one model, its domains and its balance."""
    study, sample, keys = plan.study, model.sample, plan.keys(model)
    tables.diagnostics += model.feasibility
    declared = study.design.population
    extra = Population(model.spec.population)
    estimates = [
        estimate.named(keys)
        for estimate in family_estimates(
            sample, extra, declared, lambda family: notify(f"{keys.model}: {family}")
        )
    ]
    for estimate in estimates:
        tables.collect(estimate)
    if declared is not None and extra is Population.POSTSTRATIFIED:
        tables.diagnostics.append(population_row(declared, keys))
    outside = [one for one in study.benchmarks if one.outcome == keys.outcome]
    placed = replace(sample, rows=_with_margins(plan, sample.rows))
    notify(f"{keys.model}: benchmarks and domains")
    for estimate in benchmark_estimates(placed, outside, study.design.region, declared):
        tables.collect(estimate.named(replace(keys, group=estimate.keys.group)))
    tables.balance += _balance(plan, model, keys, sample)
    groups: dict[str, dict[str, Estimate]] = defaultdict(dict)
    for name, domain in domains(study, model):
        own = replace(keys, group=name)
        for estimate in domain_estimates(domain):
            tables.collect(estimate.named(own))
            if estimate.family in headline_families(model.spec):
                groups[name.partition("=")[0]][name] = estimate
        if name.startswith("region="):
            tables.balance += _balance(plan, model, own, domain)
    first = headline_contrast(keys.levels, keys.at)
    for variable, by_group in groups.items():
        differences, tests = group_rows(variable, by_group, first, keys)
        tables.gaps += differences
        tables.diagnostics += tests
    return estimates


def _with_margins(plan: Plan, rows: ModelRows) -> ModelRows:
    """Rows with the variables of the declared population, which may be no covariates."""
    declared = plan.study.design.population
    margins = () if declared is None else declared.margins
    names = {name for margin in margins for name in margin.variables} - {*rows.factors}
    codes, variables = plan.survey.codes, plan.survey.variables
    return replace(
        rows,
        factors={**rows.factors, **{name: codes[name][rows.index] for name in names}},
        factor_levels={**rows.factor_levels, **{name: variables[name].levels for name in names}},
    )


def _balance(plan: Plan, model: ModelPlan, keys: Keys, sample: Sample) -> list[BalanceRow]:
    """Balance of one group; a covariate that is constant there by its definition says nothing.

    Interactions and components of the outcome, which may be no covariates, have rows too.
    """
    constant = plan.study.design.region if keys.group != "all" else None
    interactions = [names for names in model.spec.matching.interactions if constant not in names]
    rows = with_interactions(sample.rows, interactions)
    variables, codes = plan.survey.variables, plan.survey.codes
    parts = [name for name in codes if variables[name].role_for(model.spec.outcome) == "component"]
    factors = {**rows.factors, **{name: codes[name][rows.index] for name in parts}}
    levels = {**rows.factor_levels, **{name: variables[name].levels for name in parts}}
    nominal = [name for name, one in plan.study.variables.items() if one.type == "nominal"]
    crossed = {":".join(names): tuple(names) for names in interactions}
    made_of = {name: crossed.get(name, (name,)) for name in factors}
    return balance_rows(
        replace(
            rows,
            factors={name: one for name, one in factors.items() if name != constant},
            factor_levels=levels,
        ),
        sample.matched,
        model=keys.model,
        group=keys.group,
        source=keys.source,
        nominal=[*nominal, *crossed],
        use={name: _use(model.spec, name, component=name in parts) for name in factors},
        missing={name: _missing(plan, names, keys.group) for name, names in made_of.items()},
    )


def _use(spec: ModelSpec, name: str, *, component: bool) -> Use:
    """What a model does with a variable; an interaction is declared to be looked at alone."""
    if name in (*spec.matching.on, *spec.matching.covariates):
        return Use.MATCHED
    if name in spec.covariates:
        return Use.ADJUSTED
    return Use.COMPONENT if component else Use.REPORTED


def _missing(plan: Plan, names: Sequence[str], group: str) -> tuple[int, int]:
    """Members and comparison people of a group, asked in person, who lack some of the answers."""
    survey, region = plan.survey, plan.study.design.region
    lacking = ~survey.phone
    if group != "all" and region is not None:
        level = survey.variables[region].levels.index(group.partition("=")[2])
        lacking &= survey.codes[region] == level
    lacking &= np.any([survey.codes[one] < 0 for one in names], axis=0)
    return int((lacking & survey.member).sum()), int((lacking & ~survey.member).sum())


def _printed(tables: Tables, study: Study) -> None:
    """The printed numbers that the study names."""
    if study.printed is None:
        return
    result = printed_rows(study.printed, study.benchmarks)
    tables.gaps += result.gaps
    tables.coefficients += result.coefficients
    tables.balance += result.balance
    tables.sensitivity += result.sensitivity
    tables.diagnostics += result.diagnostics


def _headlines(tables: Tables, run: RunContext) -> None:
    """Adjust the p-values of the questions' headlines for there being several."""
    positions = headline_positions(tables.gaps, run.study)
    run = replace(run, headlines=[tables.gaps[position] for position in positions])
    tables.add(answers(run, Scope.GAPS, "quick"))
    declared = {one.model for one in declared_headlines(run.study).values()}
    if declared <= {one.keys.model for one in run.models}:
        p_values = [np.nan if row.p_value is None else row.p_value for row in run.headlines]
        tables.gaps = with_adjusted(tables.gaps, positions, holm(p_values))
