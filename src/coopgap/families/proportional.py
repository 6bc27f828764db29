"""Whether one odds ratio holds at every threshold, and what the gap owes to taking it so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, Keys
from coopgap.core.vocabulary import Diagnostic, Kind, OddsTest
from coopgap.families.cells import sample_cells
from coopgap.families.records import Sample, SampleCells
from coopgap.regression.proportional import (
    ProportionalityTest,
    bootstrap_ratio,
    brant,
    likelihood_ratio,
    robust_wald,
)

LEVEL = 0.05
"""A p-value below it counts against proportional odds."""

ALL_TERMS = "all terms"
"""`about` of a test of every term at once."""

_REPLICATES = 500


def proportionality_rows(sample: Sample, labels: Keys) -> Iterator[DiagnosticRow]:
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
        row = _row(labels, term, name)
        try:
            found = test()
        except NotEstimable as error:
            yield replace(row, note=error.reason)
            continue
        yield replace(
            row,
            value=found.p_value,
            kind=Kind.P_VALUE,
            passed=found.p_value >= LEVEL,
            statistic=found.statistic,
            df=found.df,
            df_residual=found.df_error if np.isfinite(found.df_error) else None,
            note=_note(found),
        )


def _row(labels: Keys, term: str, test: OddsTest) -> DiagnosticRow:
    """A row of one test of one term, without its numbers."""
    return DiagnosticRow(
        model=labels.model,
        diagnostic=Diagnostic.PROPORTIONAL_ODDS,
        bar=LEVEL,
        about=term,
        test=test,
        source=labels.source,
    )


type _Test = Callable[[], ProportionalityTest]


def _tests(sample: Sample, made: SampleCells) -> Iterator[tuple[str, OddsTest, _Test]]:
    x, cells = made.x, made.cells
    every = tuple(range(x.shape[1]))
    terms = {**made.columns, ALL_TERMS: every}
    if np.ptp(sample.rows.weight) == 0:
        people = cells.people.astype(np.float64)
        for term, columns in terms.items():
            yield (
                term,
                OddsTest.LIKELIHOOD_RATIO,
                partial(likelihood_ratio, x, people, columns, sample.link),
            )
        if sample.link == "logit":
            yield "member", OddsTest.BRANT, lambda: brant(x, people, made.columns["member"])
            yield ALL_TERMS, OddsTest.BRANT, lambda: brant(x, people, every)
    for term, columns in terms.items():
        yield (
            term,
            OddsTest.WALD,
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


def bootstrap_row(sample: Sample, labels: Keys, seed: int) -> DiagnosticRow:
    """Likelihood ratio for membership against surveys drawn from the proportional fit.

    Parameters
    ----------
    sample, labels
        As in `proportionality_rows`; sampling weights must not differ.
    seed
        The same seed gives the same p-value.
    """
    made = sample_cells(sample, sample.rows.weight)
    row = _row(labels, "member", OddsTest.BOOTSTRAP)
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
