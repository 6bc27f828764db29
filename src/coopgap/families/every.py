"""Every estimate of one model: of its people, beside outside shares, and of its domains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from coopgap.core.progress import Notify, silent
from coopgap.core.vocabulary import Population
from coopgap.families.benchmark import benchmark_estimates
from coopgap.families.dispatch import domain_estimates, family_estimates
from coopgap.families.estimate import Estimate
from coopgap.families.plan import ModelPlan, Plan, domains
from coopgap.families.sample import Sample
from coopgap.survey.records import ModelRows


def every_estimate(plan: Plan, model: ModelPlan) -> Iterator[Estimate]:
    """All of them, each with keys of its own."""
    yield from whole_estimates(plan, model)
    yield from outside_estimates(plan, model)
    yield from group_estimates(plan, model, domains(plan.study, model))


def whole_estimates(plan: Plan, model: ModelPlan, notify: Notify = silent) -> Iterator[Estimate]:
    """The families of all people; `notify` is called with each before it is fitted."""
    keys, extra = plan.keys(model), Population(model.spec.population)
    declared = plan.study.design.population
    for estimate in family_estimates(
        model.sample, extra, declared, lambda family: notify(f"{keys.model}: {family}")
    ):
        yield estimate.named(keys)


def outside_estimates(plan: Plan, model: ModelPlan) -> Iterator[Estimate]:
    """Both groups beside the outside shares that the study declares."""
    design, keys = plan.study.design, plan.keys(model)
    outside = [one for one in plan.study.benchmarks if one.outcome == keys.outcome]
    placed = replace(model.sample, rows=_with_margins(plan, model.rows))
    for estimate in benchmark_estimates(placed, outside, design.region, design.population):
        yield estimate.named(replace(keys, group=estimate.keys.group))


def group_estimates(
    plan: Plan, model: ModelPlan, places: Iterable[tuple[str, Sample]]
) -> Iterator[Estimate]:
    """Families that are estimated anew within each of some domains."""
    keys = plan.keys(model)
    for name, domain in places:
        for estimate in domain_estimates(domain):
            yield estimate.named(replace(keys, group=name))


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
