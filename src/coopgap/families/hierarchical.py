"""Estimates of a hierarchical fit and their rows; what the gate withholds stays blank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Final

import numpy as np

from coopgap.bayes.cells import Group, HierarchicalCells
from coopgap.bayes.fit import HierarchicalFit, Request
from coopgap.bayes.layout import Form
from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import CoefficientRow, DiagnosticRow, GapRow, Keys, finite
from coopgap.core.gap import LOG_SCALE, Contrast, Interval, contrast_values, contrasts
from coopgap.core.vocabulary import (
    Diagnostic,
    Family,
    IntervalKind,
    Kind,
    Population,
    Quantity,
    Scale,
    Status,
)
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import Coefficient, Estimate, interval_numbers
from coopgap.families.groups import MOST_PAIRED, difference_row
from coopgap.families.headline import headline_contrast

TAILS: Final = ((1 - INTERVAL_PROB) / 2, (1 + INTERVAL_PROB) / 2)
"""Probabilities at the ends of an equal-tailed interval."""

_WITH_ZONES: Final = (
    "Zones have levels and gaps of their own in the hierarchical model; its gaps are averages over "
    "zones drawn anew from the distribution they come from."
)
_WITHOUT_ZONES: Final = (
    "Zones are not in the hierarchical model: its intervals take the people of a region as "
    "independent and are conditional on these zones."
)


_WITH_DEPARTMENTS: Final = (
    "Departments have levels and gaps of their own, drawn towards those of their region; one "
    "without members has what its region and the other departments predict."
)
_WITHOUT_DEPARTMENTS: Final = (
    "Departments are not in the hierarchical model: no region has people in two of them, so they "
    "are its regions."
)


def posterior_interval(draws: FloatArray, quantity: str = Quantity.RISK_DIFFERENCE) -> Interval:
    """The mean of draws, of a ratio the median, their SD and equal-tailed limits; no p-value.

    The median of a ratio is that of its logarithm, whose standard deviation is the error; the
    mean is not, and lies off the middle of its own interval.
    """
    ratio = quantity in LOG_SCALE
    lower, upper = np.quantile(draws, TAILS)
    return Interval(
        estimate=float(np.median(draws) if ratio else draws.mean()),
        std_error=float((np.log(draws) if ratio else draws).std(ddof=1)),
        lower=float(lower),
        upper=float(upper),
        p_value=np.nan,
    )


def region_estimates(
    fit: HierarchicalFit, cells: HierarchicalCells, keys: Keys, smallest_gap: float
) -> Iterator[Estimate]:
    """Everybody's estimate, each region's and department's, and those over other populations.

    If the gate failed all are withheld; a region without members has no gap, and a department
    without any the one that is predicted from its region.
    """
    places = (fit.region_gap, fit.department_gap)
    ranks = [rank for gap in places for rank in (-gap).argsort(axis=0).argsort(axis=0) + 1.0]
    for g, group in enumerate(cells.groups):
        people = cells.people_by_level(group.region, group.department)
        estimate = partial(
            Estimate,
            family=Family.HIERARCHICAL,
            people=people,
            keys=replace(keys, group=group.name, levels=cells.levels),
            interval_kind=IntervalKind.CREDIBLE,
            status=_status(cells, group) if fit.passed else Status.WITHHELD,
        )
        given: dict[Contrast, Interval | None] = {}
        for contrast in contrasts(cells.levels):
            if g and contrast.quantity is Quantity.SHARE:
                continue
            draws = contrast_values(contrast, fit.member[g], fit.comparison[g])
            given[contrast] = posterior_interval(draws, contrast.quantity)
            for quantity, bar in _CHANCES if g and contrast.is_threshold_gap else ():
                above = float((draws > (smallest_gap if bar is None else bar)).mean())
                chance = Interval(above, np.nan, np.nan, np.nan, np.nan)
                given[contrast._replace(quantity=quantity)] = chance
        spreads = (Quantity.SD_SUPERPOPULATION, Quantity.SD_FINITE)
        own = (
            {Quantity.EXPECTED_RANK: ranks[g - 1]}
            if g
            else {quantity: fit.parameters[quantity] for quantity in spreads}
        )
        for quantity, draws in own.items():
            given[Contrast(quantity, "", 0, False)] = posterior_interval(draws, quantity)
        yield estimate(population=Population.ALL_MEMBERS, given=given)
        for (population, of), margins in fit.elsewhere.items():
            if of == group and np.isfinite(margins).all():
                given = {
                    one: posterior_interval(contrast_values(one, *margins), one.quantity)
                    for one in contrasts(cells.levels)
                    if not (g and one.quantity is Quantity.SHARE)
                }
                yield estimate(population=population, given=given)


def _status(cells: HierarchicalCells, group: Group) -> Status:
    """A department without members has its gap from elsewhere, a region none."""
    if cells.people(group.region, group.department)[1]:
        return Status.OK
    return Status.PREDICTED if cells.people(group.region)[1] else Status.NOT_ESTIMABLE


_CHANCES: Final = ((Quantity.PROB_ABOVE_ZERO, 0.0), (Quantity.PROB_ABOVE_SMALLEST, None))
"""Probabilities that a region's gap exceeds something; None is the study's smallest gap."""


def gap_rows(
    fit: HierarchicalFit, cells: HierarchicalCells, keys: Keys, smallest_gap: float
) -> Iterator[GapRow]:
    """Rows of every estimate, and what the model puts first compared between places."""
    first = headline_contrast(cells.levels, keys.at)
    number = {group.name: g for g, group in enumerate(cells.groups)}
    places: dict[str, list[tuple[GapRow, FloatArray]]] = {"region": [], "department": []}
    for estimate in region_estimates(fit, cells, keys, smallest_gap):
        yield from estimate.gap_rows()
        group = estimate.keys.group
        if group != "all" and estimate.population is Population.ALL_MEMBERS:
            g = number[group]
            draws = contrast_values(first, fit.member[g], fit.comparison[g])
            places[group.partition("=")[0]].append((estimate.gap_row(first), draws))
    for alike in places.values():
        for (earlier, base), (later, draws) in (
            combinations(alike, 2) if len(alike) <= MOST_PAIRED else ()
        ):
            known = later.estimate is not None and earlier.estimate is not None
            interval = posterior_interval(draws - base)
            numbers = interval_numbers(interval, IntervalKind.CREDIBLE) if known else {}
            yield difference_row(later, earlier, **numbers)


def coefficient_rows(
    fit: HierarchicalFit, cells: HierarchicalCells, form: Form, keys: Keys
) -> Iterator[CoefficientRow]:
    """Rows of the parameters, with R-hat and effective sizes; none if the gate failed."""
    if not fit.passed:
        return
    yield from Estimate(
        family=Family.HIERARCHICAL,
        population=Population.ALL_MEMBERS,
        people=cells.people_by_level(None),
        keys=keys,
        interval_kind=IntervalKind.CREDIBLE,
        n_clusters=cells.n_zones or None,
        coefficients=tuple(
            Coefficient(
                term=term,
                scale=_scale(term, cells, form),
                interval=posterior_interval(draws),
                std_error_kind="posterior",
                **fit.convergence[term]._asdict(),
            )
            for term, draws in fit.parameters.items()
        ),
    ).coefficient_rows()


def _scale(term: str, cells: HierarchicalCells, form: Form) -> Scale:
    if term not in {*cells.columns, *cells.area}:
        if term.startswith("sd_"):
            return Scale.SD
        if "|" in term:
            return Scale.THRESHOLD
    return Scale.PROBIT if form.link == "probit" else Scale.LOG_ODDS


def gate_rows(
    fit: HierarchicalFit, cells: HierarchicalCells, keys: Keys
) -> Iterator[DiagnosticRow]:
    """Rows of everything the gate looked at, and what the model leaves out."""
    for item in fit.gate:
        yield DiagnosticRow(
            model=keys.model,
            diagnostic=Diagnostic.GATE,
            about=item.name,
            value=finite(item.value),
            bar=item.bar,
            passed=item.passed,
            note=item.note,
            source=keys.source,
        )
    yield DiagnosticRow(
        model=keys.model,
        diagnostic=Diagnostic.GATE_RETRIED,
        value=float(fit.retried),
        kind=Kind.PLAIN,
        note="A first attempt failed and a longer one was made." if fit.retried else "",
        source=keys.source,
    )
    if not fit.passed:
        yield DiagnosticRow(
            model=keys.model,
            diagnostic=Diagnostic.WITHHELD,
            family=Family.HIERARCHICAL,
            passed=False,
            note="The draws cannot be trusted and no number is shown; try more --draws, or a "
            "higher target_accept in the model file.",
            source=keys.source,
        )
    for r, region in enumerate(cells.regions):
        if not cells.people(r)[1]:
            yield DiagnosticRow(
                model=keys.model,
                diagnostic=Diagnostic.NOT_ESTIMABLE,
                family=Family.HIERARCHICAL,
                group=f"region={region}",
                population=Population.ALL_MEMBERS,
                passed=False,
                note="no members are left",
                source=keys.source,
            )
    yield DiagnosticRow(
        model=keys.model,
        diagnostic=Diagnostic.ZONES_IN_MODEL,
        value=float(cells.n_zones),
        kind=Kind.COUNT,
        note=_WITH_ZONES if cells.n_zones else _WITHOUT_ZONES,
        source=keys.source,
    )


def department_rows(fit: HierarchicalFit, request: Request, keys: Keys) -> Iterator[DiagnosticRow]:
    """How many departments a model tells apart, and what the prior says of their areas' slopes.

    A prior's share of the posterior precision is one where the answers say nothing of a slope.
    """
    cells = request.cells
    row = partial(DiagnosticRow, model=keys.model, family=Family.HIERARCHICAL, source=keys.source)
    yield row(
        diagnostic=Diagnostic.DEPARTMENTS_IN_MODEL,
        value=float(len(cells.departments)),
        kind=Kind.PLAIN,
        note=_WITH_DEPARTMENTS if cells.departments else _WITHOUT_DEPARTMENTS,
    )
    for term in (one for name in cells.area for one in (name, f"member:{name}")):
        if fit.passed:
            scale = cells.area[term.removeprefix("member:")].scale
            share = float(np.var(fit.parameters[term] * scale)) / request.priors.slope_sd**2
            yield row(
                diagnostic=Diagnostic.PRIOR_SHARE,
                about=term,
                value=min(share, 1.0),
                kind=Kind.SHARE,
                note="the prior's share of the posterior precision",
            )
