"""From a hierarchical fit to rows; what the gate withholds stays blank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import Any, Final

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.fit import HierarchicalFit
from coopgap.bayes.layout import Form
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.estimate import CoefficientRow, DiagnosticRow, GapRow
from coopgap.core.gap import LOG_SCALE, Contrast, contrast_values, contrasts, smallest_count
from coopgap.core.vocabulary import (
    FEW_PEOPLE,
    Comparator,
    Diagnostic,
    Family,
    IntervalKind,
    Kind,
    Population,
    Quantity,
    Scale,
    Status,
)
from coopgap.families.groups import MOST_PAIRED, difference_row
from coopgap.families.headline import headline_contrast
from coopgap.families.records import INTERVAL_PROB
from coopgap.families.rows import Labels

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


def gap_rows(
    fit: HierarchicalFit, cells: HierarchicalCells, labels: Labels, smallest_gap: float
) -> Iterator[GapRow]:
    """Rows for all and for each region, and what the model puts first compared between regions.

    The estimate is the posterior mean, of ratios the median; `std_error` is the posterior SD (of
    the logarithm for ratios), the interval equal-tailed. If the gate failed every row is withheld;
    a region without members has no gap.
    """
    first = headline_contrast(cells.levels, labels.at)
    own: list[tuple[GapRow, FloatArray]] = []
    for g, group in enumerate(("all", *(f"region={name}" for name in cells.regions))):
        people = cells.people_by_level(None if g == 0 else g - 1)
        blank = None if people[1].any() else Status.NOT_ESTIMABLE
        if not fit.passed:
            blank = Status.WITHHELD
        row = partial(_row, labels=labels, group=group, people=people, blank=blank)
        for contrast in contrasts(cells.levels):
            if g and contrast.quantity is Quantity.SHARE:
                continue
            draws = contrast_values(contrast, fit.member[g], fit.comparison[g])
            made = row(contrast, draws)
            yield made
            if g and contrast == first:
                own.append((made, draws))
            if g and contrast.is_threshold_gap:
                for quantity, bar in (
                    (Quantity.PROB_ABOVE_ZERO, 0.0),
                    (Quantity.PROB_ABOVE_SMALLEST, smallest_gap),
                ):
                    above = (draws > bar).astype(np.float64)
                    yield row(contrast._replace(quantity=quantity), above, interval=False)
        if g:
            yield row(_overall(Quantity.EXPECTED_RANK), _ranks(fit.region_gap)[g - 1])
            continue
        for quantity in (Quantity.SD_SUPERPOPULATION, Quantity.SD_FINITE):
            yield row(_overall(quantity), fit.parameters[quantity])
        for population, margins in fit.elsewhere.items():
            for contrast in contrasts(cells.levels):
                yield row(contrast, contrast_values(contrast, *margins), population=population)
    yield from _differences(own)


def _differences(own: Sequence[tuple[GapRow, FloatArray]]) -> Iterator[GapRow]:
    """A later region's gap less an earlier one's, from the draws of both."""
    if len(own) > MOST_PAIRED:
        return
    for (second, base), (first, draws) in combinations(own, 2):
        numbers: dict[str, Any] = {}
        if first.estimate is not None and second.estimate is not None:
            numbers = posterior_numbers(draws - base) | {
                "interval_prob": INTERVAL_PROB,
                "interval_kind": IntervalKind.CREDIBLE,
            }
        yield difference_row(first, second, **numbers)


def _overall(quantity: Quantity) -> Contrast:
    """A quantity of no category."""
    return Contrast(quantity, "", 0, False)


def _row(
    contrast: Contrast,
    draws: FloatArray,
    *,
    labels: Labels,
    group: str,
    people: IntArray,
    blank: Status | None,
    population: Population = Population.ALL_MEMBERS,
    interval: bool = True,
) -> GapRow:
    fewest = smallest_count(people, contrast)
    comparison, member = people.sum(axis=1)
    limits = blank is None and interval
    return GapRow(
        model=labels.model,
        family=Family.HIERARCHICAL,
        outcome=labels.outcome,
        comparator="" if contrast.of_member else Comparator.COMPARISON,
        group=group,
        population=population,
        quantity=contrast.quantity,
        category=contrast.category,
        interval_prob=INTERVAL_PROB if limits else None,
        interval_kind=IntervalKind.CREDIBLE if limits else None,
        n_member=int(member),
        n_comparison=int(comparison),
        n_fewest=fewest,
        status=blank or (Status.FEW_PEOPLE if fewest < FEW_PEOPLE else Status.OK),
        source=labels.source,
        **({} if blank else posterior_numbers(draws, contrast.quantity, interval=interval)),
    )


def _ranks(gaps: FloatArray) -> FloatArray:
    """Rank of each region's log-odds gap in each draw, 1 the largest; shape as given."""
    return np.asarray((-gaps).argsort(axis=0).argsort(axis=0) + 1.0)


def posterior_numbers(
    draws: FloatArray, quantity: str = Quantity.RISK_DIFFERENCE, *, interval: bool = True
) -> dict[str, Any]:
    """Columns of a row about draws: the mean, of a ratio the median, and what is around it.

    The median of a ratio is that of its logarithm, whose standard deviation is the error; the
    mean is not, and lies off the middle of its own interval.
    """
    ratio = quantity in LOG_SCALE
    found = {"estimate": float(np.median(draws) if ratio else draws.mean())}
    if interval:
        lower, upper = np.quantile(draws, TAILS)
        spread = np.log(draws) if ratio else draws
        found |= {"std_error": float(spread.std(ddof=1)), "lower": float(lower)}
        found |= {"upper": float(upper)}
    return found


def coefficient_rows(
    fit: HierarchicalFit, cells: HierarchicalCells, form: Form, labels: Labels
) -> Iterator[CoefficientRow]:
    """Rows of the parameters, with R-hat and effective sizes; none if the gate failed."""
    if not fit.passed:
        return
    for term, draws in fit.parameters.items():
        found = posterior_numbers(draws)
        yield CoefficientRow(
            model=labels.model,
            family=Family.HIERARCHICAL,
            outcome=labels.outcome,
            term=term,
            scale=_scale(term, cells, form),
            interval_prob=INTERVAL_PROB,
            interval_kind=IntervalKind.CREDIBLE,
            std_error_kind="posterior",
            n_obs=int(cells.counts.sum()),
            n_clusters=cells.n_zones or None,
            **fit.convergence[term]._asdict(),
            source=labels.source,
            **found,
        )


def _scale(term: str, cells: HierarchicalCells, form: Form) -> Scale:
    if term not in cells.columns:
        if term.startswith("sd_"):
            return Scale.SD
        if "|" in term:
            return Scale.THRESHOLD
    return Scale.PROBIT if form.link == "probit" else Scale.LOG_ODDS


def gate_rows(
    fit: HierarchicalFit, cells: HierarchicalCells, labels: Labels
) -> Iterator[DiagnosticRow]:
    """Rows of everything the gate looked at, and what the model leaves out."""
    for item in fit.gate:
        yield DiagnosticRow(
            model=labels.model,
            diagnostic=Diagnostic.GATE,
            about=item.name,
            value=item.value if np.isfinite(item.value) else None,
            bar=item.bar,
            passed=item.passed,
            note=item.note,
            source=labels.source,
        )
    yield DiagnosticRow(
        model=labels.model,
        diagnostic=Diagnostic.GATE_RETRIED,
        value=float(fit.retried),
        kind=Kind.PLAIN,
        note="A first attempt failed and a longer one was made." if fit.retried else "",
        source=labels.source,
    )
    if not fit.passed:
        yield DiagnosticRow(
            model=labels.model,
            diagnostic=Diagnostic.WITHHELD,
            family=Family.HIERARCHICAL,
            passed=False,
            note="The draws cannot be trusted and no number is shown; try more --draws, or a "
            "higher target_accept in the model file.",
            source=labels.source,
        )
    for r, region in enumerate(cells.regions):
        if not cells.people(r)[1]:
            yield DiagnosticRow(
                model=labels.model,
                diagnostic=Diagnostic.NOT_ESTIMABLE,
                family=Family.HIERARCHICAL,
                group=f"region={region}",
                population=Population.ALL_MEMBERS,
                passed=False,
                note="no members are left",
                source=labels.source,
            )
    yield DiagnosticRow(
        model=labels.model,
        diagnostic=Diagnostic.ZONES_IN_MODEL,
        value=float(cells.n_zones),
        kind=Kind.COUNT,
        note=_WITH_ZONES if cells.n_zones else _WITHOUT_ZONES,
        source=labels.source,
    )
