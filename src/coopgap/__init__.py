"""The gap between co-operative members and non-members, with its uncertainty.

Everything here is an association. `run` does what `python -m coopgap.fit` does and returns the
tables; the other names are its steps, one at a time, on frames. Nothing heavy is imported before
one of them is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from coopgap import checks, datasets
    from coopgap.api.cumulative import logit, ordinal
    from coopgap.api.data import describe, read_survey
    from coopgap.api.gaps import Gap
    from coopgap.api.gate import Gate, gate
    from coopgap.api.least_squares import linear
    from coopgap.api.matched import Matched, match
    from coopgap.api.regions import Regions, hierarchical
    from coopgap.api.standardised import gap
    from coopgap.api.within import conditional
    from coopgap.app.result import Run
    from coopgap.core.errors import (
        CoopgapError,
        InputError,
        NotEstimable,
        OutputError,
        StudyError,
        SurveyError,
    )
    from coopgap.study.spec import Design
    from coopgap.survey.raw import Columns

__all__ = [
    "CoopgapError",
    "Design",
    "Gap",
    "Gate",
    "InputError",
    "Matched",
    "NotEstimable",
    "OutputError",
    "Regions",
    "Run",
    "StudyError",
    "SurveyError",
    "__version__",
    "checks",
    "conditional",
    "datasets",
    "describe",
    "gap",
    "gate",
    "hierarchical",
    "linear",
    "logit",
    "match",
    "ordinal",
    "read_survey",
    "run",
]

__version__ = "0.1.0"

_HOMES: Final = {
    "coopgap.api.cumulative": ("logit", "ordinal"),
    "coopgap.api.data": ("describe", "read_survey"),
    "coopgap.api.gaps": ("Gap",),
    "coopgap.api.gate": ("Gate", "gate"),
    "coopgap.api.least_squares": ("linear",),
    "coopgap.api.matched": ("Matched", "match"),
    "coopgap.api.regions": ("Regions", "hierarchical"),
    "coopgap.api.standardised": ("gap",),
    "coopgap.api.within": ("conditional",),
    "coopgap.app.result": ("Run",),
    "coopgap.core.errors": (
        "CoopgapError",
        "InputError",
        "NotEstimable",
        "OutputError",
        "StudyError",
        "SurveyError",
    ),
    "coopgap.study.spec": ("Design",),
}
"""By module, the public names that it holds."""


def __getattr__(name: str) -> Any:
    """A public name, from the module that holds it."""
    if name in ("checks", "datasets"):
        return import_module(f"coopgap.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def run(
    study: str | Path = "peru",
    *,
    data: str | Path | Columns | None = None,
    encoding: str | None = None,
    only: Sequence[str] = (),
    checks: Literal["quick", "full"] = "quick",
    seed: int = 20200131,
    draws: int | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    reuse: str | Path | None = None,
) -> Run:
    """Estimate every gap a study asks for.

    Parameters
    ----------
    study
        A study folder, or the name of a shipped study.
    data
        A survey file; a table of pandas, polars, pyarrow, DuckDB or any library of Arrow's C
        stream interface; or a dict of columns. The study's own survey if absent.
    encoding
        Of the survey file's text; as the study says, or as detected, if absent.
    only
        Stems of the model files to fit; all if empty.
    checks
        `quick` or `full` sensitivity checks.
    seed
        Seed of everything random.
    draws
        Posterior draws a chain, for every hierarchical model; the model files' own if absent.
    jobs
        Processes; the machine's cores if absent.
    scheduler
        Address of a Dask scheduler on which multiverses are fitted, in place of processes here.
    reuse
        A saved run whose draws stand in for sampling where nothing that decides them changed.

    Returns
    -------
    Run
        `gaps`, `coefficients`, `balance`, `sensitivity` and `diagnostics` are DataFrames;
        `draws` are the posterior draws by model; `save(folder)` writes what the command writes.

    Raises
    ------
    coopgap.core.errors.InputError
        If the study or the survey cannot be used.

    Examples
    --------
    >>> import coopgap
    >>> run = coopgap.run("peru", only=["neighbours"], draws=100)
    >>> run.gaps["quantity"].head(2).tolist()
    ['risk_difference', 'risk_ratio']
    """
    from coopgap.app.pipeline import execute
    from coopgap.app.plan import make_plan
    from coopgap.bayes.store import DRAWS_FOLDER

    plan = make_plan(study, data, only, encoding)
    kept = None if reuse is None else Path(reuse) / DRAWS_FOLDER
    return execute(
        plan,
        checks=checks,
        seed=seed,
        draws=draws,
        jobs=jobs,
        scheduler=scheduler,
        reuse=kept,
    )
