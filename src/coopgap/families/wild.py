"""The membership coefficient of the matched fit tested by signs that clusters keep or change."""

from __future__ import annotations

from dataclasses import replace

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow
from coopgap.core.vocabulary import Diagnostic, Kind
from coopgap.families.cells import sample_cells
from coopgap.families.records import FamilyEstimate, Sample
from coopgap.families.rows import Labels
from coopgap.regression.bootstrap import wild_score_test


def wild_score_row(
    sample: Sample, matched: FamilyEstimate, labels: Labels, seed: int
) -> DiagnosticRow:
    """The p-value of no gap, by a test that holds its size with few clusters.

    Parameters
    ----------
    sample
        The whole model, with zones.
    matched
        The matched family's estimate.
    labels
        Keys of the row.
    seed
        For signs drawn at random, where there are too many patterns for all.

    Returns
    -------
    DiagnosticRow
        Without a value, and with the reason, where the model has no finite fit.
    """
    row = DiagnosticRow(
        model=labels.model,
        diagnostic=Diagnostic.WILD_SCORE_P,
        family=matched.family,
        group=labels.group,
        population=matched.population,
        source=labels.source,
    )
    on = sample_cells(sample, sample.weight, matched=True)
    try:
        if on.cluster is None:
            raise NotEstimable("the study declares no zone")
        found = wild_score_test(on.x, 0, on.cells.counts, on.cluster, seed=seed, link=sample.link)
    except NotEstimable as error:
        return replace(row, note=error.reason)
    ways = f"all {found.n_signs:,}" if found.enumerated else f"{found.n_signs:,} random"
    return replace(
        row,
        value=found.p_value,
        kind=Kind.P_VALUE,
        note=(
            f"p-value of no gap, scores of {found.n_clusters} zones with {ways} patterns of signs"
        ),
    )
