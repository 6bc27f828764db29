"""What will have no number, as far as it is known before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coopgap.bayes.cells import hierarchical_cells
from coopgap.core.errors import NotEstimable
from coopgap.core.vocabulary import Status
from coopgap.families.domains import domains
from coopgap.families.plan import ModelPlan, Plan
from coopgap.families.records import (
    Sample,
    count_clusters,
    require_both_groups,
    require_matched,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Estimates of a model that will have no number, and why."""

    model: str
    families: str
    group: str
    reason: str


def foreseen(plan: Plan) -> tuple[Foreseen, ...]:
    """What of a plan will not be estimable: for want of people, of a match or of zones.

    A fit may still fail for reasons that only the fit finds, such as separation.
    """
    return tuple(one for model in plan.models for one in _of_model(plan, model))


def _of_model(plan: Plan, model: ModelPlan) -> Iterator[Foreseen]:
    whole = _why_not(model.sample)
    if whole:
        families, reason = whole
        yield Foreseen(model=model.spec.name, families=families, group="all", reason=reason)
    if whole is None or whole[0] != _EVERY:
        for group, sample in domains(plan.study, model):
            found = _why_not(sample)
            if found:
                families, reason = found
                yield Foreseen(model=model.spec.name, families=families, group=group, reason=reason)
        reason = _no_region_model(plan, model)
        if reason:
            yield Foreseen(
                model=model.spec.name, families="hierarchical", group="all", reason=reason
            )


_EVERY, _MATCHED = "every family", "matched families"
_WITHIN_SETS = "conditional and linear families"


def _why_not(sample: Sample) -> tuple[str, str] | None:
    """Which families of a sample will have no number, and why; None where all may have one.

    A domain with one zone has numbers without an interval, and is no exception of a run.
    """
    of_whom = {_EVERY: None} | ({_MATCHED: sample.kept} if sample.is_matched else {})
    for families, keep in of_whom.items():
        try:
            if keep is not None:
                require_matched(sample)
            require_both_groups(sample.rows.people_by_level(keep))
            count_clusters(sample, keep)
        except NotEstimable as error:
            return None if error.status is Status.FEW_CLUSTERS else (families, error.reason)
    if sample.is_matched and not sample.domain and not sample.matched.n_sets:
        return _WITHIN_SETS, "this matching makes no sets"
    return None


def _no_region_model(plan: Plan, model: ModelPlan) -> str:
    """Why the model by region cannot be fitted; empty where it can, or is not asked for."""
    region, asked = plan.study.design.region, model.spec.hierarchical
    if asked is None or region is None:
        return ""
    zones = asked.zones and model.rows.zone is not None
    try:
        hierarchical_cells(model.rows, model.spec.covariates, region, zones=zones)
    except NotEstimable as error:
        return error.reason
    return ""
