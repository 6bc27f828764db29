"""Which sentences a check has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.again import (
    headlines,
    under_design_effects,
    under_other_keys,
    variants,
)
from coopgap.report.content.said.borrowed import mixture, power_prior
from coopgap.report.content.said.confounding import beside_control, e_values, explained, hidden_bias
from coopgap.report.content.said.missing import bounded, imputed
from coopgap.report.content.said.multiverse import many_choices
from coopgap.report.content.said.phone import with_mode_term
from coopgap.report.content.said.places import left_out
from coopgap.report.content.said.reference import among_subsamples, asked_twice
from coopgap.report.content.said.tipping import detectable, tipping
from coopgap.report.content.said.with_phone import reached, with_phone
from coopgap.report.view import View
from coopgap.vocabulary import Check

__all__ = ["said"]

type Said = Callable[[View, Sequence[SensitivityRow]], Sequence[str]]
"""Sentences about the answered rows of one check and one outcome."""

_SAID: Final[Mapping[str, Said]] = {
    Check.PHONE_COMPOSITION: reached,
    Check.PHONE_REPLACES: with_phone,
    Check.PHONE_JOINS: with_phone,
    Check.MULTIPLICITY: headlines,
    Check.VARIANT: variants,
    Check.MATCHING_TIES: under_other_keys,
    Check.DESIGN_EFFECT: under_design_effects,
    Check.E_VALUE: e_values,
    Check.ROSENBAUM: hidden_bias,
    Check.ROBUSTNESS_VALUE: explained,
    Check.NEGATIVE_CONTROL: beside_control,
    Check.TIPPING_POINT: tipping,
    Check.DESIGN_ANALYSIS: detectable,
    Check.PHONE_POWER_PRIOR: power_prior,
    Check.PHONE_ROBUST_MIXTURE: mixture,
    Check.MISSING_BOUNDS: bounded,
    Check.MISSING_IMPUTATION: imputed,
    Check.LEAVE_ONE_REGION: left_out,
    Check.LEAVE_ONE_ZONE: left_out,
    Check.PHONE_JOINS_MODE: with_mode_term,
    Check.PHONE_SUBSAMPLE_REFERENCE: among_subsamples,
    Check.PHONE_LINKED: asked_twice,
    Check.MULTIVERSE: many_choices,
}


def said(view: View, rows: Sequence[SensitivityRow]) -> tuple[tuple[str, str], ...]:
    """What one check found, an item an outcome with its label as lead.

    Outcomes of which the same is said share an item.

    Parameters
    ----------
    view
        The tables.
    rows
        Every row of one check; those without a quantity say why there is no answer and are left
        to the table's foot.
    """
    found: dict[str, list[str]] = {}
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model and row.quantity]
        tell = _SAID.get(mine[0].check) if mine else None
        sentences = " ".join(tell(view, mine)) if tell else ""
        if sentences:
            found.setdefault(sentences, []).append(view.label(mine[0].outcome))
    return tuple((f"{'; '.join(outcomes)}.", text) for text, outcomes in found.items())
