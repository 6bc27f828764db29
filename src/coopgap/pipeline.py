"""The order of a run: the only module that knows it."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np

from coopgap.bayes.launch import Job, fit_all
from coopgap.bayes.records import Priors, RegionCells, region_cells
from coopgap.bayes.rows import coefficient_rows as hierarchical_coefficients
from coopgap.bayes.rows import gap_rows as hierarchical_gaps
from coopgap.bayes.rows import gate_rows
from coopgap.domains import domains
from coopgap.errors import NotEstimable
from coopgap.estimate import (
    BalanceRow,
    CoefficientRow,
    DiagnosticRow,
    GapRow,
    SensitivityRow,
    to_frame,
)
from coopgap.families.dispatch import (
    MATCHED,
    benchmark_estimate,
    domain_estimates,
    doubly_estimate,
    family_estimates,
    freed_estimate,
    matched_estimate,
    not_hierarchical,
)
from coopgap.families.proportional import bootstrap_row, proportionality_rows
from coopgap.families.records import FamilyEstimate, Sample
from coopgap.families.rows import (
    Labels,
    coefficient_rows,
    constant_row,
    decimals_row,
    gap_rows,
    infinite_row,
    reason_row,
)
from coopgap.families.wild import wild_score_row
from coopgap.headline import headline_positions, with_adjusted
from coopgap.matching.balance import balance_rows
from coopgap.meta import run_meta
from coopgap.plan import ModelPlan, Plan, sample_for
from coopgap.printed.rows import printed_rows
from coopgap.progress import Notify, silent
from coopgap.result import Run
from coopgap.sensitivity.again import DOUBLY_ROBUST, variant_rows
from coopgap.sensitivity.confounding import e_value_rows, robustness_rows
from coopgap.sensitivity.freed import freed_coefficients, freed_rows
from coopgap.sensitivity.keys import Keys
from coopgap.sensitivity.leave_one import leave_one_rows
from coopgap.sensitivity.multiplicity import holm, multiplicity_rows
from coopgap.sensitivity.phone.data import PhoneData
from coopgap.sensitivity.phone.rows import phone_rows
from coopgap.sensitivity.tipping import phone_shifts, tipping_rows
from coopgap.study.spec import Hierarchical, Study
from coopgap.survey.complete import complete_rows
from coopgap.vocabulary import Family, Population

__all__ = ["execute"]


@dataclass(slots=True)
class _Tables:
    """Rows of every table as they come in, and where the time went."""

    gaps: list[GapRow] = field(default_factory=list)
    coefficients: list[CoefficientRow] = field(default_factory=list)
    balance: list[BalanceRow] = field(default_factory=list)
    sensitivity: list[SensitivityRow] = field(default_factory=list)
    diagnostics: list[DiagnosticRow] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - started


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
    tables = _Tables()
    started = time.perf_counter()
    for model in plan.models:
        notify(f"{model.spec.name}: families")
        with tables.stage("families"):
            estimates = _families(tables, plan, model)
        notify(f"{model.spec.name}: checks")
        with tables.stage("checks"):
            _thresholds(tables, plan, model, estimates)
            _variants(tables, plan, model, estimates)
            _checks(tables, plan, model, estimates, seed)
            if checks == "full":
                _full_checks(tables, plan, model, estimates, seed)
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


def _families(tables: _Tables, plan: Plan, model: ModelPlan) -> dict[Family, FamilyEstimate]:
    """Every family of one model, its domains and its balance."""
    tables.diagnostics += model.feasibility
    labels, sample = _labels(plan, model), model.sample
    estimates = list(family_estimates(sample, Population(model.spec.population)))
    for estimate in estimates:
        _collect(tables, estimate, labels)
    for benchmark in plan.study.benchmarks:
        if benchmark.outcome == labels.outcome:
            _collect(tables, benchmark_estimate(sample, benchmark), labels)
    balances = [("all", sample)]
    for name, domain in domains(plan.study, model):
        for estimate in domain_estimates(domain):
            _collect(tables, estimate, replace(labels, group=name))
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


def _variants(
    tables: _Tables, plan: Plan, model: ModelPlan, estimates: Mapping[Family, FamilyEstimate]
) -> None:
    """The gap again under each declared variant, and weighted and modelled at once."""
    labels = _labels(plan, model)
    base = _matched(estimates)
    for variant in model.spec.variants:
        rows = complete_rows(plan.survey, plan.study, variant.spec)
        sample, _ = sample_for(rows, variant.spec)
        again = matched_estimate(sample)
        tables.sensitivity += variant_rows(variant.name, again, base.intervals, labels)
    doubly = doubly_estimate(model.sample)
    tables.sensitivity += variant_rows(DOUBLY_ROBUST, doubly, base.intervals, labels)


def _thresholds(
    tables: _Tables, plan: Plan, model: ModelPlan, estimates: Mapping[Family, FamilyEstimate]
) -> None:
    """Whether one odds ratio holds at every threshold, and the gap where it need not."""
    labels, sample = _labels(plan, model), model.sample
    if len(labels.levels) == 2:
        return
    tables.diagnostics += proportionality_rows(sample, labels)
    freed = freed_estimate(sample)
    tables.sensitivity += freed_rows(sample, freed, _matched(estimates), labels)
    tables.coefficients += freed_coefficients(freed, labels)


def _checks(
    tables: _Tables,
    plan: Plan,
    model: ModelPlan,
    estimates: Mapping[Family, FamilyEstimate],
    seed: int,
) -> None:
    """Few clusters, phone interviews, tipping points, unmeasured confounding."""
    labels, rows = _labels(plan, model), model.rows
    phone = complete_rows(plan.survey, plan.study, model.spec, mode="phone")
    about_phone = phone_rows(
        PhoneData(in_person=rows, phone=phone), model.spec, plan.study, labels.source
    )
    tables.sensitivity += about_phone
    if rows.zone is not None:
        tables.diagnostics.append(wild_score_row(model.sample, _matched(estimates), labels, seed))
    keys = Keys(model=labels.model, outcome=labels.outcome, source=labels.source)
    tables.sensitivity += tipping_rows(rows, model.sample.weight, keys, phone_shifts(about_phone))
    tables.sensitivity += e_value_rows(_matched(estimates), labels)
    tables.sensitivity += robustness_rows(estimates[Family.LINEAR], labels)


def _full_checks(
    tables: _Tables,
    plan: Plan,
    model: ModelPlan,
    estimates: Mapping[Family, FamilyEstimate],
    seed: int,
) -> None:
    """Checks that repeat the fit many times."""
    if len(model.rows.levels) > 2 and np.ptp(model.rows.weight) == 0:
        row = bootstrap_row(model.sample, _labels(plan, model), seed)
        tables.diagnostics.append(row)
    tables.sensitivity += leave_one_rows(
        model.sample,
        _matched(estimates),
        _labels(plan, model),
        region=plan.study.design.region,
        zone_labels=plan.survey.zone_labels,
    )


def _matched(estimates: Mapping[Family, FamilyEstimate]) -> FamilyEstimate:
    return next(one for family, one in estimates.items() if family in MATCHED)


def _hierarchical(
    tables: _Tables,
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
            _collect(tables, not_hierarchical(model.rows, error), _labels(plan, model))
    if not prepared:
        return
    notify(f"{', '.join(model.spec.name for model, _ in prepared)}: hierarchical by region")
    work = [_job(plan, model, cells, seed=seed, draws=draws) for model, cells in prepared]
    for (model, cells), fit in zip(prepared, fit_all(work, jobs), strict=True):
        labels = _labels(plan, model)
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


def _printed(tables: _Tables, study: Study) -> None:
    """The printed numbers that the study names."""
    if study.printed is None:
        return
    result = printed_rows(study.printed)
    tables.gaps += result.gaps
    tables.diagnostics += result.diagnostics


def _headlines(tables: _Tables, plan: Plan) -> None:
    """Adjust the declared headlines' p-values for there being several."""
    positions = headline_positions(tables.gaps, plan.study)
    rows = [tables.gaps[position] for position in positions]
    tables.sensitivity += multiplicity_rows(rows)
    adjusted = holm([np.nan if row.p_value is None else row.p_value for row in rows])
    tables.gaps = with_adjusted(tables.gaps, positions, adjusted)


def _labels(plan: Plan, model: ModelPlan) -> Labels:
    return Labels(
        model=model.spec.name,
        outcome=model.spec.outcome,
        levels=model.rows.levels,
        source=plan.survey.source,
    )


def _collect(tables: _Tables, estimate: FamilyEstimate, labels: Labels) -> None:
    tables.gaps += gap_rows(estimate, labels)
    if labels.group == "all":
        # coefficients.csv has no column for a domain.
        tables.coefficients += coefficient_rows(estimate, labels)
        if estimate.correct_decimals is not None:
            tables.diagnostics.append(decimals_row(estimate, labels))
    if estimate.reason:
        tables.diagnostics.append(reason_row(estimate, labels))
    if estimate.constant:
        tables.diagnostics.append(constant_row(estimate, labels))
    if estimate.infinite:
        tables.diagnostics.append(infinite_row(estimate, labels))
