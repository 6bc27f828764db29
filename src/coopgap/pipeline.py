"""The order of a run: the only module that knows it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, replace
from typing import Literal

import numpy as np

from coopgap.bayes.launch import Job, fit_all
from coopgap.bayes.records import Priors, RegionCells, region_cells
from coopgap.bayes.rows import coefficient_rows as hierarchical_coefficients
from coopgap.bayes.rows import gap_rows as hierarchical_gaps
from coopgap.bayes.rows import gate_rows
from coopgap.checks import check_model
from coopgap.domains import domains
from coopgap.errors import NotEstimable
from coopgap.estimate import (
    BalanceRow,
    to_frame,
)
from coopgap.families.dispatch import (
    benchmark_estimate,
    domain_estimates,
    family_estimates,
    not_hierarchical,
)
from coopgap.families.records import FamilyEstimate, Sample
from coopgap.families.rows import (
    Labels,
    population_row,
)
from coopgap.headline import headline_positions, with_adjusted
from coopgap.matching.balance import balance_rows
from coopgap.meta import run_meta
from coopgap.plan import ModelPlan, Plan
from coopgap.printed.rows import printed_rows
from coopgap.progress import Notify, silent
from coopgap.result import Run
from coopgap.sensitivity.multiplicity import holm, multiplicity_rows
from coopgap.study.spec import Hierarchical, Study
from coopgap.tables import Tables, model_labels
from coopgap.vocabulary import Family, Population

__all__ = ["execute"]


def execute(
    plan: Plan,
    *,
    checks: Literal["quick", "full"] = "quick",
    seed: int = 0,
    draws: int | None = None,
    jobs: int | None = None,
    notify: Notify = silent,
) -> Run:
    """Fit everything a plan holds.

    Parameters
    ----------
    plan
        From `coopgap.plan.make_plan`.
    checks
        Which sensitivity checks.
    seed
        Seed of everything random.
    draws
        Posterior draws a chain instead of the model files' own.
    jobs
        Processes.
    notify
        Called with what is being done.

    Returns
    -------
    Run
    """
    tables = Tables()
    started = time.perf_counter()
    for model in plan.models:
        notify(f"{model.spec.name}: families")
        with tables.stage("families"):
            estimates = _families(tables, plan, model)
        notify(f"{model.spec.name}: checks")
        with tables.stage("checks"):
            check_model(tables, plan, model, estimates, checks=checks, seed=seed)
    with tables.stage("hierarchical"):
        _hierarchical(tables, plan, seed=seed, draws=draws, jobs=jobs, notify=notify)
    with tables.stage("printed"):
        _printed(tables, plan.study)
    _headlines(tables, plan)
    tables.seconds["total"] = time.perf_counter() - started
    return Run(
        study=plan.study,
        gaps=to_frame("gaps", tables.gaps),
        coefficients=to_frame("coefficients", tables.coefficients),
        balance=to_frame("balance", tables.balance),
        sensitivity=to_frame("sensitivity", tables.sensitivity),
        diagnostics=to_frame("diagnostics", tables.diagnostics),
        meta=run_meta(plan, checks=checks, seed=seed, draws=draws, seconds=tables.seconds),
    )


def _families(tables: Tables, plan: Plan, model: ModelPlan) -> dict[Family, FamilyEstimate]:
    """Every family of one model, its domains and its balance."""
    tables.diagnostics += model.feasibility
    labels, sample = model_labels(plan, model), model.sample
    declared = plan.study.design.population
    estimates = list(family_estimates(sample, Population(model.spec.population), declared))
    for estimate in estimates:
        tables.collect(estimate, labels)
    if declared is not None and model.spec.population == "poststratified":
        tables.diagnostics.append(population_row(declared, labels))
    for benchmark in plan.study.benchmarks:
        if benchmark.outcome == labels.outcome:
            tables.collect(benchmark_estimate(sample, benchmark), labels)
    balances = [("all", sample)]
    for name, domain in domains(plan.study, model):
        for estimate in domain_estimates(domain):
            tables.collect(estimate, replace(labels, group=name))
        if name.startswith("region="):
            balances.append((name, domain))
    for name, part in balances:
        tables.balance += _balance(plan, labels, name, part)
    return {estimate.family: estimate for estimate in reversed(estimates)}


def _balance(plan: Plan, labels: Labels, group: str, sample: Sample) -> list[BalanceRow]:
    """Balance of one group; a covariate that is constant there by its definition says nothing."""
    rows = sample.rows
    constant = plan.study.design.region if group != "all" else None
    factors = {name: codes for name, codes in rows.factors.items() if name != constant}
    return balance_rows(
        replace(rows, factors=factors),
        sample.matched,
        model=labels.model,
        group=group,
        source=labels.source,
        nominal=[name for name, one in plan.study.variables.items() if one.type == "nominal"],
    )


def _hierarchical(
    tables: Tables,
    plan: Plan,
    *,
    seed: int,
    draws: int | None,
    jobs: int | None,
    notify: Notify,
) -> None:
    """Every model that asks for regions, side by side."""
    chosen = [model for model in plan.models if model.spec.hierarchical]
    prepared: list[tuple[ModelPlan, RegionCells]] = []
    for model in chosen:
        try:
            prepared.append((model, _region_cells(plan, model)))
        except NotEstimable as error:
            tables.collect(not_hierarchical(model.rows, error), model_labels(plan, model))
    if not prepared:
        return
    notify(f"{', '.join(model.spec.name for model, _ in prepared)}: hierarchical by region")
    work = [_job(plan, model, cells, seed=seed, draws=draws) for model, cells in prepared]
    for (model, cells), fit in zip(prepared, fit_all(work, jobs), strict=True):
        labels = model_labels(plan, model)
        tables.gaps += hierarchical_gaps(fit, cells, labels, plan.study.smallest_gap)
        tables.coefficients += hierarchical_coefficients(fit, cells, labels)
        tables.diagnostics += gate_rows(fit, labels)
        for name, value in fit.seconds.items():
            tables.seconds[f"hierarchical {labels.model} {name}"] += value


def _region_cells(plan: Plan, model: ModelPlan) -> RegionCells:
    region = plan.study.design.region
    if region is None:
        raise NotEstimable("the study declares no region")
    return region_cells(model.rows, model.spec.covariates, region)


def _job(plan: Plan, model: ModelPlan, cells: RegionCells, *, seed: int, draws: int | None) -> Job:
    spec = model.spec.hierarchical or Hierarchical()
    # A model keeps its draws whichever other models are fitted beside it.
    own = int.from_bytes(hashlib.sha256(f"{seed} {model.spec.name}".encode()).digest()[:4], "big")
    request = {
        "draws": draws or spec.draws,
        "target_accept": spec.target_accept,
        "seed": own,
        "smallest_gap": plan.study.smallest_gap,
        "priors": asdict(Priors.with_changes(spec.priors)),
    }
    return Job(name=model.spec.name, cells=cells, request=request)


def _printed(tables: Tables, study: Study) -> None:
    """The printed numbers that the study names."""
    if study.printed is None:
        return
    result = printed_rows(study.printed)
    tables.gaps += result.gaps
    tables.diagnostics += result.diagnostics


def _headlines(tables: Tables, plan: Plan) -> None:
    """Adjust the declared headlines' p-values for there being several."""
    positions = headline_positions(tables.gaps, plan.study)
    rows = [tables.gaps[position] for position in positions]
    tables.sensitivity += multiplicity_rows(rows)
    adjusted = holm([np.nan if row.p_value is None else row.p_value for row in rows])
    tables.gaps = with_adjusted(tables.gaps, positions, adjusted)
