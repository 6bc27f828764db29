"""Sample the hierarchical model, pass its draws through the gate, retry once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.draws import draw_margins, region_gaps, reported_parameters
from coopgap.bayes.gate import check
from coopgap.bayes.layout import Draws
from coopgap.bayes.mode import density_of
from coopgap.bayes.records import Form, HierarchicalFit, Priors, SamplerStats
from coopgap.core.arrays import FloatArray
from coopgap.core.gap import LOG_SCALE, Contrast, contrast_values, contrasts
from coopgap.core.vocabulary import Population, Quantity
from coopgap.study.spec import Hierarchical

_USUAL: Final = Hierarchical()
"""What a model file that says nothing more asks for."""

_PACKAGES: Final = ("coopgap", "nutpie", "numba", "numpy")
_MODULES: Final = ("compiled", "density", "kernel", "likelihood", "layout", "sample")
"""Packages and modules of this folder that decide the draws."""

_MODE_MODULES: Final = ("mode", "mode_compiled", "mode_density", "mode_kernel")
"""Those that do too where the mode moves thresholds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One hierarchical model to fit.

    Attributes
    ----------
    cells
        Distinct rows with counts.
    priors, form
        Priors and parts of the model.
    draws
        A chain.
    target_accept
        Target acceptance of the first attempt.
    seed
        Of this fit.
    smallest_gap
        The smallest gap of interest, on the probability scale.
    populations
        By population other than all members, shape (r,): how much each row counts in it. The
        draws do not depend on them.
    """

    cells: HierarchicalCells
    priors: Priors = field(default_factory=Priors)
    form: Form = field(default_factory=Form)
    draws: int = _USUAL.draws
    target_accept: float = _USUAL.target_accept
    seed: int = 0
    smallest_gap: float = 0.05
    populations: Mapping[Population, FloatArray] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides the draws, the versions of the packages included."""
        priors = self.priors.choices(slopes=bool(self.cells.columns))
        choices = [priors, self.form.choices, self.draws, self.target_accept]
        versions = {name: version(name) for name in _PACKAGES}
        text = json.dumps([self.cells.digest, choices, self.seed, versions])
        found = hashlib.sha256(text.encode())
        for module in (*_MODULES, *(_MODE_MODULES if self.form.mode is not None else ())):
            found.update(Path(__file__).with_name(f"{module}.py").read_bytes())
        return found.hexdigest()


def fit_hierarchical(request: Request, cores: int = 1) -> HierarchicalFit:
    """Fit, gate, and retry once with twice the draws and a higher target acceptance.

    Parameters
    ----------
    request
        The model and its choices.
    cores
        Threads.
    """
    # The kernel is compiled or loaded here and not where a model is only described.
    from coopgap.bayes.sample import attempts

    tries = attempts(
        density_of(request.cells, request.priors, request.form),
        draws=request.draws,
        seed=request.seed,
        target_accept=request.target_accept,
        cores=cores,
    )
    for found in tries:
        fit = summarise(
            found.draws, found.stats, request, seconds=found.seconds, retried=found.retried
        )
        if fit.passed:
            break
    return fit


def summarise(
    draws: Draws, stats: SamplerStats, request: Request, *, seconds: float, retried: bool
) -> HierarchicalFit:
    """Everything that is reported, with the gate's verdict on it."""
    cells = request.cells
    member, comparison = draw_margins(draws, cells, request.form.link)
    parameters = reported_parameters(draws, cells)
    quantities, probabilities = reported(member, comparison, cells, request.smallest_gap)
    quantities |= {f"parameter {name}": values for name, values in parameters.items()}
    elsewhere = {}
    for population, weight in request.populations.items():
        both = draw_margins(draws, cells, request.form.link, weight)
        elsewhere[population] = (both[0][0], both[1][0])
        quantities |= _contrasts(cells.levels, *elsewhere[population], f"over {population}")
    return HierarchicalFit(
        member=member,
        comparison=comparison,
        elsewhere=elsewhere,
        parameters=parameters,
        region_gap=np.moveaxis(region_gaps(draws, len(cells.regions)), -1, 0),
        gate=check(quantities, probabilities, stats),
        draws=draws,
        stats=stats,
        seconds=seconds,
        retried=retried,
    )


def reported(
    member: FloatArray, comparison: FloatArray, cells: HierarchicalCells, smallest_gap: float
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Continuous quantities and zero-one events behind the rows of gaps.csv, by name."""
    quantities: dict[str, FloatArray] = {}
    probabilities: dict[str, FloatArray] = {}
    for g, group in enumerate(("all", *cells.regions)):
        if g and not cells.people(g - 1)[1]:
            continue
        found = _contrasts(cells.levels, member[g], comparison[g], group, shares=not g)
        quantities |= found
        for contrast in contrasts(cells.levels):
            if g and contrast.is_threshold_gap:
                key = _key(contrast, group)
                probabilities[f"{key} above zero"] = (found[key] > 0).astype(np.float64)
                above = found[key] > smallest_gap
                probabilities[f"{key} above smallest"] = above.astype(np.float64)
    return quantities, probabilities


def _contrasts(
    levels: tuple[str, ...],
    member: FloatArray,
    comparison: FloatArray,
    group: str,
    *,
    shares: bool = True,
) -> dict[str, FloatArray]:
    found = {}
    for contrast in contrasts(levels):
        if shares or contrast.quantity is not Quantity.SHARE:
            values = contrast_values(contrast, member, comparison)
            with np.errstate(divide="ignore", invalid="ignore"):
                # A ratio's error is that of its logarithm; on its own scale it may have none.
                found[_key(contrast, group)] = (
                    np.log(values) if contrast.quantity in LOG_SCALE else values
                )
    return found


def _key(contrast: Contrast, group: str) -> str:
    name = " ".join((contrast.quantity, contrast.category, group)).replace("  ", " ")
    return f"{name} (members)" if contrast.of_member else name
