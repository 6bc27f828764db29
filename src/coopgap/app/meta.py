"""What `run.json` says of a run: what went in, what was declared, where the time went."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from coopgap.checks.multiverse.specifications import specifications
from coopgap.core.arrays import BoolArray
from coopgap.core.atomic import PROGRAM
from coopgap.core.vocabulary import PRINTED
from coopgap.families.estimate import Estimate
from coopgap.families.plan import ModelPlan, Plan
from coopgap.study.spec import Design
from coopgap.survey.records import ModelRows, Survey, dropped_meta, people_meta

if TYPE_CHECKING:
    from coopgap.printed.rows import PrintedResult

_PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "linearmodels", "nutpie", "numba", "arviz")


def run_meta(
    plan: Plan,
    headlines: Mapping[str, Estimate],
    *,
    checks: str,
    seed: int,
    draws: int | None,
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Everything about a run that is not an estimate, in values that JSON can hold.

    `headlines` are the headline's family by model; times are seconds, counts are people.
    """
    study, survey = plan.study, plan.survey
    return {
        "program": PROGRAM,
        "version": version("coopgap"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": study.title,
        "study": study.name,
        "study_sha256": study.sha256,
        "survey": survey.source,
        "survey_sha256": survey.sha256,
        "survey_sheet": survey.sheet,
        "survey_encoding": survey.encoding,
        "source": survey.source,
        "is_example": survey.is_example,
        "headline": {
            question: [asdict(one) for one in models] for question, models in study.headline.items()
        },
        "smallest_gap": study.smallest_gap,
        "design": _design_meta(study.design) | _drawn_meta(study.design, plan.survey),
        "checks": checks,
        "seed": seed,
        **people_meta(survey),
        "models": [_model_meta(model, headlines[model.spec.name], draws) for model in plan.models],
        "multiverse": _multiverses(plan) if checks == "full" else {},
        "versions": _versions(_PACKAGES),
        "cpu_seconds": round(time.process_time(), 3),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def with_warnings(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What run.json holds, with a sentence for each of its doubts under `warnings`."""
    sentences = []
    for doubt in meta["doubts"]:
        count = doubt["count"]
        often = "1 time" if count == 1 else f"{count:,} times"
        sentences.append(
            f"{doubt['column']}: {doubt['code']} ({often}) is taken as it stands; "
            "if it means no answer, name it in missing, and if it is one, give a variable its range"
        )
    return {**meta, "warnings": sentences}


def printed_meta(
    result: PrintedResult, *, title: str, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Everything about a re-analysis of printed numbers that is not an estimate.

    Numbers that stand behind no row are named with the reason.
    """
    registry = result.registry
    return {
        "program": PROGRAM,
        "version": version("coopgap"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": title,
        "printed": registry.name,
        "printed_sha256": registry.sha256,
        "source": PRINTED,
        "is_example": False,
        "n_numbers": len(registry.rows),
        "unused": {one.printed.id: one.reason for one in result.traced if not one.models},
        "versions": _versions(("numpy", "scipy", "pandas")),
        "cpu_seconds": round(time.process_time(), 3),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def _versions(packages: Iterable[str]) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _multiverses(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """By model, what each `variant` of the check `multiverse` chooses on each axis."""
    return {
        model.spec.name: [
            {"variant": one.id, "choices": dict(one.choices), "is_declared": one.is_declared}
            for one in specifications(plan.study, model.spec).listed
        ]
        for model in plan.models
        if model.spec.multiverse is not None
    }


def _design_meta(design: Design) -> dict[str, Any]:
    """Columns that say how people were sampled, `region` a variable; null where undeclared."""
    return {
        "region": design.region,
        **({} if design.department is None else {"department": design.department}),
        "zone": list(design.zone) or None,
        "weight": design.weight,
        "id": design.id,
        "cluster": None,
        "mode": None if design.mode is None else design.mode.column,
        "population": None if design.population is None else design.population.file,
    }


def _drawn_meta(design: Design, survey: Survey) -> dict[str, Any]:
    """What a study declares of how people were drawn; nothing where it declares none of it."""
    drawn, replicates = survey.drawn, survey.replicates
    found: dict[str, Any] = {}
    if drawn is not None and drawn.has_strata:
        found["strata"] = {
            "columns": list(design.strata),
            "n": len(drawn.labels),
            "zones": int(drawn.first.n.sum()) if design.zone else None,
            "lonely": int(drawn.first.lonely.sum()),
            "lonely_rule": design.lonely,
        }
    if drawn is not None and drawn.has_fpc:
        shares = 1 - drawn.first.left
        found["fpc"] = {
            "columns": list(design.fpc),
            "fraction_lowest": float(shares.min()),
            "fraction_highest": float(shares.max()),
        }
    if replicates is not None:
        kind = {"type": replicates.type, "n": replicates.n, "scale": replicates.scale}
        found["replicates"] = kind
    return found


def _model_meta(model: ModelPlan, headline: Estimate, draws: int | None) -> dict[str, Any]:
    """What a model was fitted to; `draws` a chain is null where nothing is sampled."""
    sampled, rows, matched = model.spec.hierarchical, model.rows, model.sample.matched
    kept = model.sample.kept
    return {
        "model": model.spec.name,
        "outcome": model.spec.outcome,
        "n": rows.n,
        "members": int(rows.member.sum()),
        "members_matched": int((rows.member & kept).sum()) if model.sample.is_matched else None,
        "tied_members": matched.n_tied,
        "n_zones": headline.n_clusters,
        "zones_member": _zones(rows, kept & rows.member),
        "zones_comparison": _zones(rows, kept & ~rows.member),
        "form": headline.form or None,
        "dropped": dropped_meta(rows.dropped),
        "draws": (draws or sampled.draws) if sampled else None,
    }


def _zones(rows: ModelRows, people: BoolArray) -> int | None:
    return None if rows.zone is None else int(np.unique(rows.zone[people]).size)
