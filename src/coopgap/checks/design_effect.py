"""The headline gap under design effects: the one found, and stated ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.checks.compare import with_interval
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, check
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import wald_interval
from coopgap.core.vocabulary import Check, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.dispatch import headline_estimate

SCENARIOS: Final = (1.0, 1.5, 2.0, 3.0)
"""Design effects for which the interval is shown."""


@check(
    Check.DESIGN_EFFECT,
    title="Design effect",
    question="How much do zones widen the interval, and what if they did more?",
    cost="full",
    place=(150, 80),
)
def design_effect(context: Context) -> Iterator[SensitivityRow]:
    """How much zones widen the headline gap, and its interval under stated design effects.

    `design_effect` is the variance with people clustered in zones over the variance with the same
    weights and independent people, the part of clustering alone: that of the weights is in both.
    Then normal limits with the second variance times each of `SCENARIOS`, without a verdict: the
    estimate stays. Kish (1965), Survey Sampling, section 8.2.
    """
    sample, declared, first = context.sample, context.declared, context.first
    # Without zones chosen pairs would cluster people by their sets.
    nobody = replace(sample.matched, set_id=np.full(sample.rows.n, -1), n_sets=0)
    independent = replace(sample, rows=replace(sample.rows, zone=None), matched=nobody)
    simple = None
    if declared is not None and sample.rows.zone is not None:
        simple = headline_estimate(independent).intervals.get(first)
    if declared is None or simple is None or not simple.std_error > 0:
        raise NotApplicable("The study declares no zone, or there is no estimate.")
    yield context.row(
        variant=Version.AS_ESTIMATED,
        quantity="design_effect",
        category=first.category,
        estimate=(declared.std_error / simple.std_error) ** 2,
        note="Variance with zones over the variance with the same weights and independent people.",
    )
    for factor in SCENARIOS:
        error = simple.std_error * factor**0.5
        again = wald_interval(
            first.quantity, declared.estimate, error, df=np.inf, prob=INTERVAL_PROB
        )
        row = context.row(variant=f"design effect {factor:g}", setting=factor)
        yield with_interval(row, first, again)
