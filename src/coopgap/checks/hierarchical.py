"""The hierarchical models of a run: what each is asked, where it is fitted, what comes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from coopgap.bayes.cells import hierarchical_cells, members_by_row, population_weights
from coopgap.bayes.criticism import Loo, loo
from coopgap.bayes.fit import HierarchicalFit, Request, fit_hierarchical, summarise
from coopgap.bayes.gate import mean_size
from coopgap.bayes.layout import Form, Priors, draw_names
from coopgap.bayes.store import DrawsError, StoredDraws, load_draws
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow
from coopgap.core.executor import cores, executor
from coopgap.core.progress import Notify
from coopgap.core.vocabulary import BY_REGION, Diagnostic, Family, Kind, Population, Verdict
from coopgap.families.dispatch import not_hierarchical
from coopgap.families.hierarchical import coefficient_rows, gap_rows, gate_rows
from coopgap.families.plan import ModelPlan, Plan
from coopgap.families.rows import population_row
from coopgap.families.tables import Tables, model_labels
from coopgap.sensitivity.hierarchical import (
    loo_rows,
    loo_variants,
    posterior_rows,
    prior_refit_rows,
    prior_refits,
    prior_rows,
    scaling_rows,
)
from coopgap.sensitivity.keys import Keys, unanswered
from coopgap.sensitivity.phone.data import PhoneData, truthful, why_not
from coopgap.sensitivity.phone.hierarchical import PhoneRefit, phone_refit_rows, phone_refits
from coopgap.study.spec import Hierarchical
from coopgap.survey.complete import complete_rows
from coopgap.survey.records import ModelRows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A model, what is asked for it, and the draws kept from an earlier run."""

    model: ModelPlan
    request: Request
    kept: StoredDraws | None
    why_not: str


def say_why_not(tables: Tables, plan: Plan) -> None:
    """A row for each check of a model by region that has none, with the reason."""
    there = {(row.model, row.check) for row in tables.sensitivity}
    for model in plan.models:
        labels = model_labels(plan, model)
        keys = Keys(model=labels.model, outcome=labels.outcome, source=labels.source)
        absent = [check for check in BY_REGION if (labels.model, check) not in there]
        if model.spec.hierarchical:
            verdict, reason = Verdict.NOT_ASSESSED, "The model by region has no usable draws."
        else:
            verdict, reason = Verdict.NOT_APPLICABLE, "The model file asks for no gaps by region."
        tables.sensitivity += unanswered(absent, keys, verdict, reason)


def fit_regions(
    tables: Tables,
    plan: Plan,
    *,
    checks: Literal["quick", "full"],
    seed: int,
    draws: int | None,
    jobs: int | None,
    reuse: Path | None,
    notify: Notify,
) -> dict[str, StoredDraws]:
    """Every model that asks for regions: fitted side by side, gated, checked.

    Parameters
    ----------
    tables
        Gets the rows.
    plan
        What is run.
    checks
        `full` adds refits under other priors and without each part of the model.
    seed, draws
        As asked for.
    jobs
        Processes.
    reuse
        A folder of an earlier run whose draws may stand in for sampling.
    notify
        Called with what is being done.

    Returns
    -------
    dict
        By model, the draws that passed the gate, to be kept.
    """
    asked = []
    for model in plan.models:
        if model.spec.hierarchical:
            try:
                request = hierarchical_request(plan, model, seed=seed, draws=draws)
            except NotEstimable as error:
                tables.collect(not_hierarchical(model.rows, error), model_labels(plan, model))
                continue
            populations = {
                **_matched_members(plan, model),
                **_declared_population(tables, plan, model, request),
            }
            request = replace(request, populations=populations)
            asked.append(_asked(model, request, reuse))
    if not asked:
        return {}
    notify(f"{', '.join(one.model.spec.name for one in asked)}: hierarchical by region")
    fits = _fits(asked, jobs)
    for one, fit in zip(asked, fits, strict=True):
        _collect(tables, plan, one, fit)
    if checks == "full":
        with executor(jobs) as pool:
            for one, fit in zip(asked, fits, strict=True):
                notify(f"{one.model.spec.name}: other priors, and without each part")
                _refit(tables, plan, one, fit, pool)
    return {
        one.model.spec.name: StoredDraws(
            digest=one.request.digest,
            draws=fit.draws,
            stats=fit.stats,
            seconds=fit.seconds,
            retried=fit.retried,
            names=draw_names(one.request.cells),
        )
        for one, fit in zip(asked, fits, strict=True)
        if fit.passed
    }


def hierarchical_request(
    plan: Plan,
    model: ModelPlan,
    rows: ModelRows | None = None,
    *,
    seed: int = 0,
    draws: int | None = None,
) -> Request:
    """What a model's `[hierarchical]` table asks for.

    Parameters
    ----------
    plan, model
        What is run.
    rows
        Complete rows; the model's in-person rows if absent.
    seed
        Of the run; the model's own seed follows from it and its name, so that a model keeps its
        draws whichever other models are fitted beside it.
    draws
        Draws a chain instead of the model file's.

    Raises
    ------
    NotEstimable
        If the study declares no region, or the rows do not make cells.
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
    labels = model_labels(plan, model)
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


def _asked(model: ModelPlan, request: Request, reuse: Path | None) -> _Asked:
    kept, why_not = None, ""
    if reuse is not None:
        try:
            kept = load_draws(reuse / f"{model.spec.name}.nc", request.digest)
        except DrawsError as error:
            why_not = str(error)
    return _Asked(model=model, request=request, kept=kept, why_not=why_not)


def _fits(asked: Sequence[_Asked], jobs: int | None) -> list[HierarchicalFit]:
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


def _collect(tables: Tables, plan: Plan, one: _Asked, fit: HierarchicalFit) -> None:
    """The rows of one fit and of the checks that need no refit."""
    labels, request = model_labels(plan, one.model), one.request
    tables.gaps += gap_rows(fit, request.cells, labels, request.smallest_gap)
    tables.coefficients += coefficient_rows(fit, request.cells, request.form, labels)
    tables.diagnostics += gate_rows(fit, request.cells, labels)
    tables.diagnostics.append(
        DiagnosticRow(
            model=labels.model,
            diagnostic=Diagnostic.DRAWS_REUSED,
            value=float(one.kept is not None),
            kind=Kind.PLAIN,
            note=one.why_not,
            source=labels.source,
        )
    )
    tables.sensitivity += prior_rows(request, labels)
    if fit.passed:
        tables.sensitivity += posterior_rows(fit, request, labels)
        tables.sensitivity += scaling_rows(fit, request, labels)
    tables.seconds[f"hierarchical {labels.model} sample"] += fit.seconds


def _refit(tables: Tables, plan: Plan, one: _Asked, fit: HierarchicalFit, pool: Executor) -> None:
    """The rows of the checks that refit the model; nothing if it did not pass itself."""
    if not fit.passed:
        return
    labels = model_labels(plan, one.model)
    refits, without = prior_refits(one.request), loo_variants(one.request)
    data, called = _with_phone(plan, one)
    requests = {variant.name: variant.request for variant in (*refits, *without)}
    requests |= {again.name: again.request for again in called if again.request is not None}
    futures = {
        name: pool.submit(fit_hierarchical, request)
        for name, request in requests.items()
        # One of the priors is the declared one: that fit is there.
        if request.digest != one.request.digest
    }
    fits = {name: future.result() for name, future in futures.items()}
    for variant in refits:
        again = fits.get(variant.name, fit)
        tables.sensitivity += prior_refit_rows(variant, again, fit, one.request, labels)
    others = {
        variant.name: _loo(fits[variant.name], variant.request)
        if fits[variant.name].passed
        else None
        for variant in without
    }
    tables.sensitivity += loo_rows(_loo(fit, one.request), others, labels)
    if called:
        rows = phone_refit_rows(called, fits, fit, data, labels, one.request.smallest_gap)
        tables.sensitivity += truthful(rows, data)


def _with_phone(plan: Plan, one: _Asked) -> tuple[PhoneData, list[PhoneRefit]]:
    """People by mode, and the refits with those called; none where nobody was."""
    model, region = one.model, plan.study.design.region
    called = complete_rows(plan.survey, plan.study, model.spec, mode="phone")
    # The refit clusters on nothing but declared zones, so that nobody is made one here.
    members = bool((plan.survey.phone & plan.survey.member).any())
    data = PhoneData(in_person=model.rows, phone=called, members_called=members)
    if region is None or why_not(data) is not None:
        return data, []
    return data, phone_refits(one.request, data, model.spec.covariates, region)


def _loo(fit: HierarchicalFit, request: Request) -> Loo:
    beta = fit.draws["beta"]
    relative = float(np.clip(mean_size(beta) / beta.size, 0.01, 1.0))
    return loo(fit.draws, request.cells, request.form.link, relative)
