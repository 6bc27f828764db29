"""The matched gap with zones drawn again and matched anew, beside the declared interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.vocabulary import Check, Verdict, Version
from coopgap.families.cells import form_of
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.sample import Sample
from coopgap.families.shares import estimate_shares
from coopgap.regression.bootstrap import Bootstrap, bootstrap_intervals, bootstrap_margins
from coopgap.regression.design import design_matrix
from coopgap.sensitivity.again import Beside, variant_rows
from coopgap.sensitivity.keys import NO_MATCHING
from coopgap.survey.cells import collapse

REPLICATES = 1000


def bootstrap_rows(
    sample: Sample, beside: Beside, labels: Keys, seed: int
) -> Iterator[SensitivityRow]:
    """Percentile intervals of the matched gap over zones drawn again.

    Parameters
    ----------
    sample
        The whole model, matched.
    beside
        The matched family as declared.
    labels
        Model, outcome and source.
    seed
        The same seed gives the same rows.

    Yields
    ------
    SensitivityRow
        Check `variant`, for exact matching with zones; otherwise one row, `not_applicable`. Pairs
        are not redrawn: with replacement the bootstrap is not valid (Abadie & Imbens 2008,
        Econometrica 76), and other distances would have to be matched a thousand times.
    """
    matched = beside.estimate
    try:
        found = resampled(sample, seed)
    except NotEstimable as error:
        yield SensitivityRow(
            check=Check.VARIANT,
            variant=Version.BOOTSTRAP,
            model=labels.model,
            family=matched.family,
            outcome=labels.outcome,
            group=labels.group,
            population=matched.population,
            verdict=Verdict.NOT_APPLICABLE,
            note=error.reason,
            source=labels.source,
        )
        return
    note = (
        f"{REPLICATES:,} draws of {found.n_clusters} zones, matched anew; percentile interval; "
        f"{found.n_failed} draws without a fit"
    )
    intervals = bootstrap_intervals(found, sample.rows.levels, INTERVAL_PROB)
    own = matched if form_of(sample) == "proportional" else estimate_shares(sample)
    again = replace(own, given=intervals, reason=note)
    yield from variant_rows(Version.BOOTSTRAP, again, beside, labels)


def resampled(sample: Sample, seed: int, replicates: int = REPLICATES) -> Bootstrap:
    """Margins over zones drawn again.

    Those of the matched fit where it has two levels or proportional odds, else weighted shares.

    Parameters
    ----------
    sample
        The whole model, matched exactly.
    seed, replicates
        As in `bootstrap_margins`.

    Raises
    ------
    NotEstimable
        For another matching, freed covariates, no zones, or no fit.
    """
    rows, matched = sample.rows, sample.matched
    if not sample.is_matched:
        raise NotEstimable(NO_MATCHING.rstrip("."))
    if matched.method != "exact":
        raise NotEstimable(f"zones are redrawn for exact matching only; this is {matched.method}")
    shares = form_of(sample) != "proportional"
    if sample.fitting.free and not shares:
        raise NotEstimable("zones are redrawn without freed covariates only")
    if rows.zone is None:
        raise NotEstimable("the study declares no zone")
    # A stratum with one group in the survey has one in every draw, and never counts.
    inside = np.flatnonzero(matched.set_id >= 0)
    names = sample.covariates
    factors = [rows.member.astype(np.int64), matched.set_id, rows.zone]
    factors += [rows.factors[name] for name in names]
    cells = collapse(
        [factor[inside] for factor in factors],
        rows.outcome[inside],
        len(rows.levels),
        rows.weight[inside],
    )
    codes = {name: cells.codes[:, 3 + k] for k, name in enumerate(names)}
    levels = {name: rows.factor_levels[name] for name in names}
    design = design_matrix(codes, levels, len(cells.codes), rows.numeric)
    member = cells.codes[:, 0].astype(np.float64)
    return bootstrap_margins(
        np.column_stack([member, design.x]),
        0,
        member,
        cells.counts,
        cells.codes[:, 2],
        seed=seed,
        replicates=replicates,
        sets=cells.codes[:, 1],
        link=sample.link,
        shares=shares,
    )
