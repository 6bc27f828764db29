"""The refits of the hierarchical model: under other priors, and without each of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coopgap.estimate import GapRow, SensitivityRow
from coopgap.report.document import Block, Paragraph, Table
from coopgap.report.values import DASH, count, estimate_words, number
from coopgap.report.view import View, pick
from coopgap.report.words import CHECKS, category_words, clean, joined, verdict_words
from coopgap.vocabulary import Check, Quantity, Verdict

__all__ = ["CREDIBLE", "part_blocks", "refit_blocks", "same_words", "told_words"]

CREDIBLE: Final = "In brackets: 95 % credible interval."
"""Note of a table of posterior numbers."""

_DECLARED: Final = "as declared"


def _cell(row: GapRow | SensitivityRow | None) -> str:
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper)


def refit_blocks(
    view: View, pooled: Sequence[GapRow], rows: Sequence[SensitivityRow]
) -> list[Block]:
    """The headline gaps and the spread of these regions under each refit."""
    everyone = [row for row in rows if row.group == "all"]
    if not everyone:
        return []
    outcome = rows[0].outcome
    levels = view.levels(outcome)
    wanted = [(Quantity.RISK_DIFFERENCE, at) for at in view.thresholds(outcome)]
    wanted += [(Quantity.SUPERIORITY, "")] if len(levels) > 2 else []
    wanted.append((Quantity.SD_FINITE, ""))
    heads = [category_words(at, levels) for at in view.thresholds(outcome)]
    heads += ["superiority"] if len(levels) > 2 else []
    found = {(row.variant, row.quantity, row.category): row for row in everyone}
    declared = (_DECLARED, *(_cell(pick(pooled, quantity, at)) for quantity, at in wanted))
    lines = [
        (
            clean(variant),
            *(_refit_cell(found.get((variant, quantity, at))) for quantity, at in wanted),
        )
        for variant in dict.fromkeys(row.variant for row in everyone)
    ]
    return [
        Paragraph(
            lead=f"{CHECKS[Check.PRIOR_REFIT]}.",
            text=f"The model was fitted anew under each prior. {same_words(rows)}",
            brief=False,
        ),
        Table(
            caption="Headline gap in points, and spread between these regions, by prior",
            header=("Prior", *heads, "spread between these regions"),
            rows=(declared, *lines),
            notes=(CREDIBLE,),
            mark=view.mark,
            brief=False,
        ),
    ]


def _refit_cell(row: SensitivityRow | None) -> str:
    if row is not None and row.estimate is None:
        return "withheld"
    return _cell(row)


def same_words(rows: Sequence[SensitivityRow]) -> str:
    """How many gaps change under other priors, and which refits were withheld."""
    judged = [row for row in rows if row.difference is not None]
    changed = sum(row.verdict == Verdict.CHANGES for row in judged)
    text = (
        f"Of {count(len(judged))} gaps over all members and in regions, {count(changed)} change "
        "under other priors by more than half the smallest gap that matters."
    )
    withheld = {row.variant for row in rows if row.verdict == Verdict.NOT_ASSESSED}
    if withheld:
        text += f" Withheld, as their draws did not pass: {clean(joined(sorted(withheld)))}."
    return text


def part_blocks(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """Leave-one-out predictive density of the model and without each part."""
    if not rows:
        return []
    return [
        Paragraph(
            lead=f"{CHECKS[Check.LOO]}.",
            text=(
                "Each person's answer is predicted from everybody else's. Below zero the model "
                "without a part predicts worse than the declared one. The answers need a part if "
                "predictions without it are worse by more than twice the standard error and by at "
                "least 4; otherwise they leave it open."
            ),
            brief=False,
        ),
        Table(
            caption="Expected log predictive density, left one out",
            header=("Model", "Density", "Standard error", "The answers say", "Reliability"),
            rows=tuple(
                (
                    clean(row.variant),
                    number(row.estimate, 1),
                    number(row.std_error, 1),
                    told_words(row),
                    clean(row.note),
                )
                for row in rows
            ),
            trailing=2,
            mark=view.mark,
            brief=False,
        ),
    ]


def told_words(row: SensitivityRow) -> str:
    """Whether the answers need a part, in words."""
    if row.verdict == Verdict.HOLDS:
        return "open"
    if row.verdict == Verdict.CHANGES:
        return "needed"
    return verdict_words(row.verdict) if row.verdict else DASH
