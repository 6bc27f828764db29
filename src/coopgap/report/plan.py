"""A plan as text, for `--dry-run`: what would be fitted, on whom, and what the design can reach."""

from __future__ import annotations

from collections.abc import Iterator

from coopgap.families.dispatch import families_for
from coopgap.plan import ModelPlan, Plan

__all__ = ["plan_text"]


def plan_text(plan: Plan) -> str:
    """Describe a plan in plain lines; nothing has been fitted."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    study, survey = plan.study, plan.survey
    yield study.title
    yield f"survey    {survey.source}: {survey.n_read:,} rows read"
    phone = int(survey.phone.sum())
    in_person = int((~survey.member & ~survey.phone).sum())
    yield (
        f"people    {int(survey.member.sum()):,} members, {in_person:,} comparison people in person"
        + (f", {phone:,} by phone" if phone else "")
    )
    for drop in survey.dropped:
        yield f"dropped   {drop.count:,}: {drop.reason}"
    for outcome, name in study.headline.items():
        yield f"headline  {outcome}: model {name}"
    for model in plan.models:
        yield ""
        yield from _model_lines(model)
    yield ""
    yield "dry run: nothing was fitted, nothing was written"


def _model_lines(model: ModelPlan) -> Iterator[str]:
    spec = model.spec
    yield f"model {spec.name}: {spec.outcome}, {' < '.join(model.rows.levels)}"
    yield f"  families    {', '.join(families_for(spec, len(model.rows.levels)))}"
    yield f"  covariates  {', '.join(spec.covariates) or 'none'}"
    yield f"  matching    {spec.matching.method} on {', '.join(spec.matching.on) or 'nothing'}"
    if spec.variants:
        yield f"  variants    {', '.join(variant.name for variant in spec.variants)}"
    if model.reason:
        yield f"  no matched sample: {model.reason}"
    for row in model.feasibility:
        number = "" if row.value is None else f"{row.value:,.4g}"
        yield f"  {row.diagnostic.replace('_', ' ')}: {number}" + (
            f"  {row.note}" if row.note else ""
        )
