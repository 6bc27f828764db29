"""Every family of one model, its benchmarks and domains, and how well its groups are balanced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coopgap.app.replicates import replicated
from coopgap.core.estimate import BalanceRow, DiagnosticRow, Keys
from coopgap.core.progress import Notify
from coopgap.core.vocabulary import Use
from coopgap.families.estimate import Estimate, Tables
from coopgap.families.every import group_estimates, outside_estimates, whole_estimates
from coopgap.families.groups import group_rows
from coopgap.families.headline import headline_contrast, headline_families
from coopgap.families.plan import ModelPlan, Plan, domains
from coopgap.families.sample import Sample, population_row
from coopgap.matching.balance import balance_rows, with_interactions
from coopgap.study.spec import ModelSpec


def model_families(
    tables: Tables,
    plan: Plan,
    model: ModelPlan,
    notify: Notify,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
) -> list[Estimate]:
    """Add the rows of one model's families, domains and balance; the whole model's estimates.

    With replicate weights everything is fitted again with each, on `jobs` processes or by a Dask
    `scheduler`.
    """
    study, sample, keys = plan.study, model.sample, plan.keys(model)
    tables.diagnostics += model.feasibility
    whole = [*whole_estimates(plan, model, notify)]
    notify(f"{keys.model}: benchmarks and domains")
    outside = [*outside_estimates(plan, model)]
    places = [*domains(study, model)]
    within = [*group_estimates(plan, model, places)]
    more: list[DiagnosticRow] = []
    if sample.rows.replicates is not None:
        notify(f"{keys.model}: {sample.rows.replicates.name}")
        found, more = replicated(plan, model, [*whole, *outside, *within], jobs, scheduler)
        whole, rest = found[: len(whole)], found[len(whole) :]
        outside, within = rest[: len(outside)], rest[len(outside) :]
    for estimate in whole:
        tables.collect(estimate)
    tables.diagnostics += more
    declared = study.design.population
    if declared is not None and model.spec.population == "poststratified":
        tables.diagnostics.append(population_row(declared, keys))
    for estimate in (*outside, *within):
        tables.collect(estimate)
    tables.balance += _balance(plan, model, keys, sample)
    for name, domain in places:
        if name.startswith("region="):
            tables.balance += _balance(plan, model, replace(keys, group=name), domain)
    groups: dict[str, dict[str, Estimate]] = defaultdict(dict)
    for estimate in within:
        if estimate.family in headline_families(model.spec):
            groups[estimate.keys.group.partition("=")[0]][estimate.keys.group] = estimate
    first = headline_contrast(keys.levels, keys.at)
    for variable, by_group in groups.items():
        differences, tests = group_rows(variable, by_group, first, keys)
        tables.gaps += differences
        tables.diagnostics += tests
    return whole


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
