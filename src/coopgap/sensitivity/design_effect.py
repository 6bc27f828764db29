"""The headline gap under design effects: the one found, and stated ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import wald_interval
from coopgap.core.vocabulary import Check, Comparator, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.headline import headline_contrast
from coopgap.families.sample import Sample
from coopgap.sensitivity.keys import with_interval

SCENARIOS = (1.0, 1.5, 2.0, 3.0)
"""Design effects for which the interval is shown."""


def design_effect_rows(sample: Sample, matched: Estimate, labels: Keys) -> Iterator[SensitivityRow]:
    """How much zones widen the headline gap, and its interval under stated design effects.

    Parameters
    ----------
    sample
        The whole model, matched.
    matched
        The matched family as declared.
    labels
        Model, outcome and source.

    Yields
    ------
    SensitivityRow
        `design_effect`: variance with people clustered in zones over the variance with the same
        weights and independent people. Then the gap with the second variance times each of
        `SCENARIOS`, normal limits, without a verdict: the estimate stays. One row,
        `not_applicable`, without zones or without an estimate.

    References
    ----------
    Kish (1965), Survey Sampling, section 8.2: here for a gap, with the variance of the weights in
    both numerator and denominator, so that it is the part of clustering alone.
    """
    base = SensitivityRow(
        check=Check.DESIGN_EFFECT,
        model=labels.model,
        family=matched.family,
        outcome=labels.outcome,
        comparator=Comparator.COMPARISON,
        group=labels.group,
        population=matched.population,
        source=labels.source,
    )
    contrast = headline_contrast(labels.levels, labels.at)
    declared = matched.intervals.get(contrast)
    # Without zones chosen pairs would cluster people by their sets.
    nobody = replace(sample.matched, set_id=np.full(sample.rows.n, -1), n_sets=0)
    independent = replace(sample, rows=replace(sample.rows, zone=None), matched=nobody)
    alone = None
    if declared is not None and sample.rows.zone is not None:
        alone = headline_estimate(independent).intervals.get(contrast)
    if declared is None or alone is None or not alone.std_error > 0:
        reason = "The study declares no zone, or there is no estimate."
        yield replace(base, verdict=Verdict.NOT_APPLICABLE, note=reason)
        return
    at = replace(base, category=contrast.category)
    yield replace(
        at,
        variant=Version.AS_ESTIMATED,
        quantity="design_effect",
        estimate=(declared.std_error / alone.std_error) ** 2,
        note="Variance with zones over the variance with the same weights and independent people.",
    )
    for factor in SCENARIOS:
        again = wald_interval(
            contrast.quantity,
            declared.estimate,
            alone.std_error * factor**0.5,
            df=np.inf,
            prob=INTERVAL_PROB,
        )
        yield replace(
            with_interval(at, again),
            variant=f"design effect {factor:g}",
            setting=factor,
            quantity=contrast.quantity,
        )
