"""What the regressions rest on: one odds ratio at every threshold, and clusters enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, Keys, finite
from coopgap.core.vocabulary import Diagnostic, Kind, OddsTest
from coopgap.families.cells import form_of
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample, SampleCells, sample_cells
from coopgap.regression.bootstrap import wild_score_test
from coopgap.regression.proportional import (
    ProportionalityTest,
    bootstrap_ratio,
    brant,
    likelihood_ratio,
    robust_wald,
)
from coopgap.study.spec import LinkName

LEVEL = 0.05
"""A p-value below it counts against proportional odds."""

ALL_TERMS = "all terms"
"""`about` of a test of every term at once."""

_REPLICATES = 500


def proportionality_rows(sample: Sample, keys: Keys) -> Iterator[DiagnosticRow]:
    """Tests of proportional odds in the adjusted model, on all complete in-person rows.

    `value` is the p-value and `bar` the level it is held against. Likelihood ratios and Brant's
    test take people as independent and are left out where sampling weights differ; the Wald test
    with zone-clustered covariance stands in either case, for each term and for all of them where
    there are zones enough.
    """
    if not sample.rows.n:
        return
    made = sample_cells(sample, sample.rows.weight)
    weighted = bool(np.ptp(sample.rows.weight))
    for term, name, run in odds_tests(made, sample.link, weighted=weighted, brant_of=("member",)):
        row = _row(keys, term, name)
        try:
            test = run()
        except NotEstimable as error:
            yield replace(row, note=error.reason)
            continue
        yield replace(
            row,
            value=test.p_value,
            kind=Kind.P_VALUE,
            passed=test.p_value >= LEVEL,
            statistic=test.statistic,
            df=test.df,
            df_residual=finite(test.df_error),
            note=_note(test),
        )


def _row(keys: Keys, term: str, test: OddsTest) -> DiagnosticRow:
    """A row of one test of one term, without its numbers."""
    return DiagnosticRow(
        model=keys.model,
        diagnostic=Diagnostic.PROPORTIONAL_ODDS,
        bar=LEVEL,
        about=term,
        test=test,
        source=keys.source,
    )


type _Test = Callable[[], ProportionalityTest]


def odds_tests(
    on: SampleCells, link: LinkName, *, weighted: bool, brant_of: Iterable[str]
) -> Iterator[tuple[str, OddsTest, _Test]]:
    """Tests of each term and of all together, by the term and the test's name, yet to be run.

    Those that take people as independent have no place where weights differ; Brant's is of the
    terms named, and of all.
    """
    x, cells = on.x, on.cells
    every = tuple(range(x.shape[1]))
    terms = {**on.columns, ALL_TERMS: every}
    if not weighted:
        people = cells.people.astype(np.float64)
        for term, columns in terms.items():
            run = partial(likelihood_ratio, x, people, columns, link)
            yield term, OddsTest.LIKELIHOOD_RATIO, run
        for term in (*brant_of, ALL_TERMS) if link == "logit" else ():
            yield term, OddsTest.BRANT, partial(brant, x, people, terms[term])
    for term, columns in terms.items():
        wald = partial(robust_wald, x, cells.counts, cells.squares, on.sampled, columns, link)
        yield term, OddsTest.WALD, wald


def _note(test: ProportionalityTest) -> str:
    if np.isfinite(test.df_error):
        text = f"F {test.statistic:.2f} on {test.df} and {test.df_error:.0f} df, zones as clusters"
    else:
        text = f"chi-square {test.statistic:.2f} on {test.df} df"
    return f"{text}; a freed slope is infinite: at its supremum" if test.at_supremum else text


def bootstrap_row(sample: Sample, keys: Keys, seed: int) -> DiagnosticRow:
    """Likelihood ratio for membership against surveys drawn from the proportional fit.

    Sampling weights must not differ; the same seed gives the same p-value.
    """
    made = sample_cells(sample, sample.rows.weight)
    row = _row(keys, "member", OddsTest.BOOTSTRAP)
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


def wild_score_row(sample: Sample, matched: Estimate, keys: Keys, seed: int) -> DiagnosticRow:
    """No membership coefficient in the matched fit, tested by signs that clusters keep or change.

    Of ordered answers the test is of the declared threshold, which `category` then names, in the
    binary split there; with one odds ratio for all thresholds, or without a declared one, of that
    one odds ratio. It holds its size with few clusters. `seed` is for signs drawn at random, where
    there are too many patterns for all. Without a value, and with the reason, where there is no
    finite fit.
    """
    at = "" if form_of(sample) == "proportional" else keys.at
    row = DiagnosticRow(
        model=keys.model,
        diagnostic=Diagnostic.WILD_SCORE_P,
        family=matched.family,
        group=keys.group,
        population=matched.population,
        category=at,
        source=keys.source,
    )
    if at:
        sample = replace(sample, rows=sample.rows.split(at.removeprefix(">=")))
    on = sample_cells(sample, sample.weight, matched=True)
    try:
        cluster = on.sampled.cluster
        if cluster is None:
            raise NotEstimable("the study declares no zone")
        test = wild_score_test(on.x, 0, on.cells.counts, cluster, seed=seed, link=sample.link)
    except NotEstimable as error:
        return replace(row, note=error.reason)
    ways = f"all {test.n_signs:,}" if test.enumerated else f"{test.n_signs:,} random"
    ordered = len(sample.rows.levels) > 2
    what = "of no gap" + (", one odds ratio over all thresholds" if ordered else "")
    note = f"p-value {what}, scores of {test.n_clusters} zones with {ways} patterns of signs"
    return replace(row, value=test.p_value, kind=Kind.P_VALUE, note=note)
