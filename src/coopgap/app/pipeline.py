"""The order of a run: the only module that knows it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from coopgap.app.families import model_families
from coopgap.app.meta import run_meta, with_warnings
from coopgap.app.result import Run
from coopgap.bayes.store import StoredDraws
from coopgap.checks.context import Context, RunContext, context_for
from coopgap.checks.hierarchical import fit_regions, say_why_not
from coopgap.checks.multiplicity import holm
from coopgap.checks.registry import Cost, Scope, answers
from coopgap.core.disclose import protected_meta, protected_rows
from coopgap.core.estimate import TABLES, to_frame
from coopgap.core.progress import Notify, silent
from coopgap.core.vocabulary import Family, Population
from coopgap.families.behind import behind_model, counted
from coopgap.families.estimate import Tables
from coopgap.families.headline import (
    declared_headlines,
    families_for,
    headline_positions,
    with_adjusted,
)
from coopgap.families.plan import Plan
from coopgap.study.spec import Study


def stages(plan: Plan, checks: Cost = "quick") -> int:
    """How many stages `execute` tells of."""
    found = 0
    for model in plan.models:
        families = families_for(model.spec, len(model.rows.levels))
        # Each family but the hierarchical one, benchmarks and domains, checks; the unadjusted and
        # the doubly robust gap of matched members too.
        found += sum(family is not Family.HIERARCHICAL for family in families) + 2
        found += 2 * (model.sample.population is Population.MEMBERS)
        found += model.sample.by_replicates
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
    """Fit everything a plan holds; the rest as `coopgap.run` takes it.

    `reuse` is a folder of draws that an earlier run kept; `notify` is called with what is being
    done.
    """
    tables = Tables()
    started = time.perf_counter()
    contexts: list[Context] = []
    for model in plan.models:
        with tables.stage("families"):
            estimates = model_families(tables, plan, model, notify, jobs=jobs, scheduler=scheduler)
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
    tables.seconds["total"] = time.perf_counter() - started
    meta = run_meta(
        plan,
        {one.keys.model: one.headline for one in contexts},
        checks=checks,
        seed=seed,
        draws=draws,
        seconds=tables.seconds,
    )
    return _released(tables, plan, meta, kept)


def _released(
    tables: Tables, plan: Plan, meta: dict[str, Any], draws: dict[str, StoredDraws]
) -> Run:
    """The finished run: people counted, and told as finely as the study allows."""
    rows = {name: [*getattr(tables, name)] for name in TABLES}
    behind = {model.spec.name: behind_model(plan, model) for model in plan.models}
    for name in ("coefficients", "sensitivity"):
        rows[name] = [*counted(rows[name], behind)]
    minimum = plan.study.disclosure_minimum
    if minimum:
        sizes = {model.spec.name: model.rows.n_smaller for model in plan.models}
        rows = {name: [*protected_rows(table, minimum, sizes)] for name, table in rows.items()}
        meta, draws = protected_meta(meta, minimum), {}
    frames = {name: to_frame(name, table) for name, table in rows.items()}
    return Run(study=plan.study, meta=with_warnings(meta), draws=draws, **frames)


def _printed(tables: Tables, study: Study) -> None:
    """The printed numbers that the study names."""
    if study.printed is None:
        return
    from coopgap.printed.rows import printed_rows

    result = printed_rows(study.printed, study.benchmarks)
    for name in TABLES:
        getattr(tables, name).extend(getattr(result, name))


def _headlines(tables: Tables, run: RunContext) -> None:
    """Adjust the p-values of the questions' headlines for there being several."""
    positions = headline_positions(tables.gaps, run.study)
    run = replace(run, headlines=[tables.gaps[position] for position in positions])
    tables.add(answers(run, Scope.GAPS, "quick"))
    declared = {one.model for one in declared_headlines(run.study).values()}
    if declared <= {one.keys.model for one in run.models}:
        p_values = [np.nan if row.p_value is None else row.p_value for row in run.headlines]
        tables.gaps = with_adjusted(tables.gaps, positions, holm(p_values))
