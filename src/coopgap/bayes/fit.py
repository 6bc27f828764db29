"""Sample the hierarchical model, pass its draws through the gate, retry once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Final, TypedDict

import numpy as np

from coopgap.bayes.cells import Group, HierarchicalCells
from coopgap.bayes.correction import Corrected, correct
from coopgap.bayes.draws import draw_margins, place_gaps, region_gaps, reported_parameters
from coopgap.bayes.gate import (
    Convergence,
    GateItem,
    SamplerStats,
    check,
    check_correction,
    passes,
)
from coopgap.bayes.layout import DRAWS_VERSION, Draws, Form, Priors, draw_names
from coopgap.bayes.store import StoredDraws
from coopgap.core.arrays import FloatArray
from coopgap.core.gap import LOG_SCALE, Contrast, contrast_values, contrasts
from coopgap.core.vocabulary import Population, Quantity
from coopgap.study.spec import Hierarchical

_USUAL: Final = Hierarchical()
"""What a model file that says nothing more asks for."""

_PARAMETER: Final = "parameter "

_PACKAGES: Final = ("nutpie", "numba", "numpy")
"""Those whose versions decide the draws."""


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
    by_department
        Those of them whose departments are known, and have gaps of their own.
    """

    cells: HierarchicalCells
    priors: Priors = field(default_factory=Priors)
    form: Form = field(default_factory=Form)
    draws: int = _USUAL.draws
    target_accept: float = _USUAL.target_accept
    seed: int = 0
    smallest_gap: float = 0.05
    populations: Mapping[Population, FloatArray] = field(default_factory=dict)
    by_department: frozenset[Population] = frozenset()

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides the draws, versions included."""
        versions = [DRAWS_VERSION, *(version(name) for name in _PACKAGES)]
        choices = [asdict(self.priors), asdict(self.form), self.draws, self.target_accept]
        text = json.dumps([self.cells.digest, choices, self.seed, versions])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchicalFit:
    """Draws of everything that is reported, and whether they may be.

    Attributes
    ----------
    member, comparison
        Shape (G, chains, draws, J): outcome distribution of members and of the same people as
        comparison, for each group of the cells, standardised over members.
    elsewhere
        By other population and group, the same two, each of shape (chains, draws, J).
    parameters
        By term, shape (chains, draws): coefficients on their reported scale.
    region_gap, department_gap
        Shape (R, chains, draws) and (D, chains, draws): the log-odds gap of each.
    gate
        Every item; the fit passes if all of them do.
    convergence
        By term of `parameters`.
    draws
        The sampler's draws of the model's parameters, as in `coopgap.bayes.layout`.
    sampled
        `member` and `comparison` of these: where people are weighted, not those above.
    correction
        What made the draws above of the sampler's where people are weighted, else None.
    stats
        What the sampler says of itself.
    seconds
        Wall time of sampling.
    retried
        Whether the first attempt failed the gate and a longer one was made.
    """

    member: FloatArray
    comparison: FloatArray
    elsewhere: Mapping[tuple[Population, Group], tuple[FloatArray, FloatArray]]
    parameters: Mapping[str, FloatArray]
    region_gap: FloatArray
    department_gap: FloatArray
    gate: tuple[GateItem, ...]
    convergence: Mapping[str, Convergence]
    draws: Mapping[str, FloatArray]
    sampled: tuple[FloatArray, FloatArray]
    correction: Corrected | None
    stats: SamplerStats
    seconds: float
    retried: bool

    @property
    def corrected(self) -> Mapping[str, FloatArray]:
        """Draws of the model's parameters that what is reported comes from."""
        return self.draws if self.correction is None else self.correction.draws

    @property
    def passed(self) -> bool:
        """Whether anything of it may be shown; False where nothing was looked at."""
        return passes(self.gate)

    def stored(self, request: Request) -> StoredDraws:
        """The draws as they are kept, of the request that they answer."""
        return StoredDraws(
            digest=request.digest,
            draws=self.draws,
            stats=self.stats,
            seconds=self.seconds,
            retried=self.retried,
            names=draw_names(request.cells),
        )


def fit_hierarchical(request: Request, cores: int = 1) -> HierarchicalFit:
    """Fit, gate, and retry once with twice the draws and a higher target acceptance."""
    # The kernel is compiled or loaded here and not where a model is only described.
    from coopgap.bayes.sample import attempts, make_density

    tries = attempts(
        make_density(request.cells, request.priors, request.form),
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
    """Everything that is reported, with the gate's verdict on it.

    Where people are weighted the gate looks at the sampler's draws, then at their correction.
    """
    sampled, quantities, probabilities = _summary(draws, request)
    gate, convergence = check(quantities, probabilities, stats)
    correction, summary = None, sampled
    if request.cells.sampling is not None and all(map(_finite, draws.values())):
        correction = correct(draws, request.cells, request.form)
        summary, moved, _ = _summary(correction.draws, request)
        gate += check_correction(correction.values, quantities, moved)
    return HierarchicalFit(
        **summary,
        draws=draws,
        stats=stats,
        seconds=seconds,
        retried=retried,
        sampled=(sampled["member"], sampled["comparison"]),
        correction=correction,
        gate=gate,
        convergence={
            name.removeprefix(_PARAMETER): convergence[name]
            for name in quantities
            if name.startswith(_PARAMETER) and name in convergence
        },
    )


def _finite(values: FloatArray) -> bool:
    return bool(np.isfinite(values).all())


class _Summary(TypedDict):
    """Fields of a fit that are made of its draws."""

    member: FloatArray
    comparison: FloatArray
    elsewhere: Mapping[tuple[Population, Group], tuple[FloatArray, FloatArray]]
    parameters: Mapping[str, FloatArray]
    region_gap: FloatArray
    department_gap: FloatArray


def _summary(
    draws: Draws, request: Request
) -> tuple[_Summary, dict[str, FloatArray], dict[str, FloatArray]]:
    """What is reported of draws, then the quantities and the events that a gate looks at."""
    cells = request.cells
    member, comparison = draw_margins(draws, cells, request.form.link)
    parameters = reported_parameters(draws, cells)
    quantities, probabilities = reported(member, comparison, cells, request.smallest_gap)
    quantities |= {f"{_PARAMETER}{name}": values for name, values in parameters.items()}
    elsewhere = {}
    for population, weight in request.populations.items():
        both = draw_margins(draws, cells, request.form.link, weight)
        for g, group in enumerate(cells.groups):
            if g and (group.department is None or population not in request.by_department):
                continue
            elsewhere[population, group] = own = (both[0][g], both[1][g])
            name = f"{group.name} over {population}" if g else f"over {population}"
            if np.isfinite(own).all():
                quantities |= _contrasts(cells.levels, *own, name)
    summary = _Summary(
        member=member,
        comparison=comparison,
        elsewhere=elsewhere,
        parameters=parameters,
        region_gap=np.moveaxis(region_gaps(draws, cells), -1, 0),
        department_gap=np.moveaxis(place_gaps(draws, cells)[..., : len(cells.departments)], -1, 0),
    )
    return summary, quantities, probabilities


def reported(
    member: FloatArray, comparison: FloatArray, cells: HierarchicalCells, smallest_gap: float
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Continuous quantities and zero-one events behind the rows of gaps.csv, by name."""
    quantities: dict[str, FloatArray] = {}
    probabilities: dict[str, FloatArray] = {}
    for g, (name, region, department) in enumerate(cells.groups):
        if g and not cells.people(region)[1]:
            continue
        # A region has been called by its name alone.
        group = name if department is not None else name.removeprefix("region=")
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
