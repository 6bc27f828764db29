"""Whether one odds ratio holds at every threshold, and what the gap owes to taking it so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from coopgap.errors import NotEstimable
from coopgap.estimate import DiagnosticRow
from coopgap.families.cells import SampleCells, sample_cells
from coopgap.families.records import Sample
from coopgap.families.rows import Labels
from coopgap.regression.proportional import (
    ProportionalityTest,
    bootstrap_ratio,
    brant,
    likelihood_ratio,
    robust_wald,
)
from coopgap.vocabulary import Kind

__all__ = ["LEVEL", "bootstrap_row", "proportionality_rows"]

LEVEL = 0.05
"""A p-value below it counts against proportional odds."""

_REPLICATES = 500


def proportionality_rows(sample: Sample, labels: Labels) -> Iterator[DiagnosticRow]:
    """Tests of proportional odds in the adjusted model, on all complete in-person rows.

    Parameters
    ----------
    sample
        The whole model; an outcome of more than two levels.
    labels
        Keys of the rows.

    Yields
    ------
    DiagnosticRow
        `value` is the p-value and `bar` the level it is held against. Likelihood ratios and
        Brant's test take people as independent and are left out where sampling weights differ;
        the Wald test with zone-clustered covariance stands in either case, for each term and for
        all of them where there are zones enough.
    """
    if not sample.rows.n:
        return
    made = sample_cells(sample, sample.rows.weight)
    for term, name, test in _tests(sample, made):
        diagnostic = f"proportional_odds: {term}, {name}"
        try:
            found = test()
        except NotEstimable as error:
            yield DiagnosticRow(
                model=labels.model,
                diagnostic=diagnostic,
                bar=LEVEL,
                note=error.reason,
                source=labels.source,
            )
            continue
        yield DiagnosticRow(
            model=labels.model,
            diagnostic=diagnostic,
            value=found.p_value,
            kind=Kind.P_VALUE,
            bar=LEVEL,
            passed=found.p_value >= LEVEL,
            note=_note(found),
            source=labels.source,
        )


type _Test = Callable[[], ProportionalityTest]


def _tests(sample: Sample, made: SampleCells) -> Iterator[tuple[str, str, _Test]]:
    x, cells = made.x, made.cells
    every = tuple(range(x.shape[1]))
    terms = {**made.columns, "all terms": every}
    if np.ptp(sample.rows.weight) == 0:
        people = cells.people.astype(np.float64)
        for term, columns in terms.items():
            yield (
                term,
                "likelihood ratio",
                partial(likelihood_ratio, x, people, columns, sample.link),
            )
        if sample.link == "logit":
            yield "member", "Brant", lambda: brant(x, people, made.columns["member"])
            yield "all terms", "Brant", lambda: brant(x, people, every)
    for term, columns in terms.items():
        yield (
            term,
            "Wald",
            partial(
                robust_wald,
                x,
                cells.counts,
                cells.squares,
                made.cluster,
                columns,
                sample.link,
            ),
        )


def _note(test: ProportionalityTest) -> str:
    if np.isfinite(test.df_error):
        text = f"F {test.statistic:.2f} on {test.df} and {test.df_error:.0f} df, zones as clusters"
    else:
        text = f"chi-square {test.statistic:.2f} on {test.df} df"
    return f"{text}; a freed slope is infinite: at its supremum" if test.at_supremum else text


def bootstrap_row(sample: Sample, labels: Labels, seed: int) -> DiagnosticRow:
    """Likelihood ratio for membership against surveys drawn from the proportional fit.

    Parameters
    ----------
    sample, labels
        As in `proportionality_rows`; sampling weights must not differ.
    seed
        The same seed gives the same p-value.
    """
    made = sample_cells(sample, sample.rows.weight)
    row = DiagnosticRow(
        model=labels.model,
        diagnostic="proportional_odds: member, bootstrap",
        bar=LEVEL,
        source=labels.source,
    )
    try:
        value, used = bootstrap_ratio(
            made.x,
            made.cells.people,
            made.columns["member"],
            replicates=_REPLICATES,
            seed=seed,
            link=sample.link,
        )
    except NotEstimable as error:
        return replace(row, note=error.reason)
    note = (
        f"likelihood ratio in {_REPLICATES} surveys drawn from the fit, {used:.0%} of them usable"
    )
    return replace(row, value=value, kind=Kind.P_VALUE, passed=value >= LEVEL, note=note)
