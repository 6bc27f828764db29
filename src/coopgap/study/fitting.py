"""The keys of a model file that say how its regressions are fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from coopgap.core.errors import StudyError
from coopgap.study.section import Section
from coopgap.study.spec import (
    Design,
    Fitting,
    FormName,
    IntervalsName,
    ModelSpec,
    StdErrorsName,
    Variable,
)

FITTING_KEYS = ("form", "free", "std_errors", "fixed", "intervals")
"""Keys of a model file that `read_fitting` reads."""


def read_fitting(section: Section, outcome: Variable, covariates: Sequence[str]) -> Fitting:
    """How the adjusted and matched regressions of a model are fitted.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    free = section.texts("free")
    for key in ("form", "free"):
        if section.has(key) and len(outcome.levels) == 2:
            raise section.refuse(
                key, f"{outcome.name} has two levels and one threshold", "leave it out"
            )
    form = section.choice("form", get_args(FormName), "free")
    for name in free:
        if name not in covariates:
            raise section.refuse(
                "free",
                f"{name} is no covariate of the model",
                f"covariates: {', '.join(covariates) or 'none'}",
            )
    usual, *kinds = get_args(StdErrorsName)
    chosen = section.choice("std_errors", kinds) if section.has("std_errors") else usual
    intervals = section.choice("intervals", get_args(IntervalsName), "wald")
    if free and intervals == "profile":
        raise section.refuse(
            "intervals", "is profile, but freed slopes have none", 'leave free out or give "wald"'
        )
    return Fitting(
        form=form,  # type: ignore[arg-type]
        free=free,
        std_errors=chosen,  # type: ignore[arg-type]
        fixed=section.flag("fixed", default=False),
        intervals=intervals,  # type: ignore[arg-type]
    )


def check_fitting(model: ModelSpec, design: Design) -> None:
    """Refuse standard errors or intervals that the study's design cannot have.

    Raises
    ------
    StudyError
        Clustered standard errors without zones, or a profile likelihood of sampling weights.
    """
    for spec in (model, *(variant.spec for variant in model.variants)):
        chosen = spec.fitting.std_errors
        if chosen.startswith("CR") and not design.zone:
            raise StudyError(
                f"{model.name}.toml: std_errors",
                f"is {chosen}, but the study declares no zone",
                "name one under [design] in study.toml, or choose HC1 or HC3",
            )
        if spec.fitting.intervals == "profile" and design.weight is not None:
            raise StudyError(
                f"{model.name}.toml: intervals",
                "is profile, but sampling weights make no likelihood",
                'leave it out or give "wald"',
            )
