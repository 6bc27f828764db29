"""Whether one odds ratio holds at every threshold, and what the gap owes to taking it so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from coopgap.arrays import FloatArray
from coopgap.errors import NotEstimable
from coopgap.estimate import DiagnosticRow
from coopgap.families.cells import CellFit, SampleCells, fit_cells, sample_cells
from coopgap.families.records import INTERVAL_PROB, Sample
from coopgap.families.rows import Labels
from coopgap.gap import Contrast, Interval, contrasts, wald
from coopgap.regression.covariance import CoefficientCovariance, unit_covariance
from coopgap.regression.leverage import root
from coopgap.regression.proportional import (
    ProportionalityTest,
    bootstrap_ratio,
    brant,
    likelihood_ratio,
    robust_wald,
)
from coopgap.regression.shift import cr2_shift
from coopgap.regression.standardise import margin_influence

__all__ = ["LEVEL", "bootstrap_row", "gap_shift", "proportionality_rows"]

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
    return replace(row, value=value, passed=value >= LEVEL, note=note)


def gap_shift(sample: Sample) -> dict[Contrast, Interval]:
    """Matched risk differences with membership freed, minus those under proportional odds.

    Parameters
    ----------
    sample
        The whole model, matched; an outcome of more than two levels.

    Returns
    -------
    dict
        At each threshold, with the covariance of the two fits taken jointly.

    Raises
    ------
    NotEstimable
        As `fit_cells` for either fit.
    """
    free = fit_cells(sample, sample.weight, member_free=True, matched=True)
    tied = fit_cells(sample, sample.weight, matched=True)
    shift, found = _joint(free, tied)
    n_levels = len(sample.rows.levels)
    result = {}
    for one in contrasts(sample.rows.levels):
        if not one.is_threshold_gap:
            continue
        above = (np.arange(n_levels) >= one.level).astype(np.float64)
        gradient = np.concatenate([above, -above])
        result[one] = wald(
            float(gradient @ shift),
            float(np.sqrt(max(gradient @ found.cov @ gradient, 0.0))),
            df=found.df_of(gradient),
            prob=INTERVAL_PROB,
            null=0.0,
        )
    return result


def _joint(free: CellFit, tied: CellFit) -> tuple[FloatArray, CoefficientCovariance]:
    """Margins of the freed fit minus the tied one's, shape (2J,), with their covariance."""
    on = free.on
    target, counts = on.member.astype(np.float64), on.cells.counts
    if free.kind == tied.kind == "CR2" and on.cluster is not None:
        return cr2_shift(free.fit, tied.fit, on.x, 0, target, counts, on.cluster, fixed=free.fixed)
    # A covariance of both fits at once has one kind; bias-reduced fits take the plainer.
    kind = free.kind if free.kind == tied.kind else ("HC1" if on.cluster is None else "CR1")
    squares = on.cells.squares if kind == "HC3" else None
    (m_free, i_free), (m_tied, i_tied) = (
        margin_influence(one.fit, on.x, 0, target, counts, fixed=one.fixed, squares=squares)
        for one in (free, tied)
    )
    found = unit_covariance(
        i_free - i_tied,
        counts,
        on.cells.squares,
        on.cluster,
        kind=kind,
        second=on.second,
        people=on.cells.people,
        n_params=root(free.fit.bread).shape[1],
    )
    return m_free - m_tied, found
