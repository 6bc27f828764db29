"""Beside the hierarchical model: what its prior allowed, whether it fits, what it hangs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from coopgap.estimate import GapRow, SensitivityRow
from coopgap.report.content.pooled import pooled_rows
from coopgap.report.content.pooled_refits import (
    CREDIBLE,
    part_blocks,
    refit_blocks,
    same_words,
    told_words,
)
from coopgap.report.document import Block, Figure, Paragraph, Table
from coopgap.report.figures.names import predictive_name
from coopgap.report.values import (
    DASH,
    count,
    estimate_words,
    number,
    percent,
    quantity_words,
    spread,
)
from coopgap.report.view import View, pick, predicted_shares
from coopgap.report.words import (
    CHECKS,
    category_words,
    comparator_words,
    group_words,
    joined,
)
from coopgap.vocabulary import BY_REGION, Check, Quantity, Verdict

__all__ = ["pooled_check_blocks", "pooled_summary"]

_NAMED: Final = 6
"""Shares outside their interval that are named; sensitivity.csv has all."""


def pooled_check_blocks(
    view: View, model: str, outcome: str, rows: Sequence[GapRow], drawn: Sequence[str]
) -> list[Block]:
    """Each check under its own lead, as far as it was made."""
    mine = [row for row in view.sensitivity if (row.model, row.outcome) == (model, outcome)]
    mine = [row for row in mine if row.quantity]
    found = {check: [row for row in mine if row.check == check] for check in BY_REGION}
    pooled = pooled_rows(rows)
    return [
        *_prior(view, pooled, found[Check.PRIOR_PREDICTIVE]),
        *_fit(view, model, predicted_shares(view, model, outcome), drawn),
        *_weight(view, found[Check.POWER_SCALING]),
        *refit_blocks(view, pooled, found[Check.PRIOR_REFIT]),
        *part_blocks(view, found[Check.LOO]),
    ]


def _cell(row: GapRow | SensitivityRow | None) -> str:
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper)


def _prior(view: View, pooled: Sequence[GapRow], rows: Sequence[SensitivityRow]) -> list[Block]:
    """Prior beside posterior, from the top of the scale and then from its foot."""
    if not rows:
        return []
    levels = view.levels(rows[0].outcome)
    several = len(levels) > 2
    lead = Paragraph(
        lead=f"{CHECKS[Check.PRIOR_PREDICTIVE]}.",
        text=(
            "Drawn from its prior alone, the model holds gaps as far from zero as the table says; "
            "the answers then leave what stands beside them."
            + (" It says the same of either end of the scale." if several else "")
        ),
        brief=False,
    )
    return [
        lead,
        Table(
            caption="Gap in points before and after the answers",
            header=("At", "Before: prior", "After: posterior"),
            rows=tuple(
                (
                    category_words(row.category, levels),
                    _cell(row),
                    _posterior(pooled, row.category, levels),
                )
                for row in rows
            ),
            notes=(CREDIBLE,),
            mark=view.mark,
            brief=False,
        ),
    ]


def _posterior(pooled: Sequence[GapRow], category: str, levels: Sequence[str]) -> str:
    """The posterior gap at a category; `<=B` is the other side of the next threshold up."""
    if not category.startswith("<="):
        return _cell(pick(pooled, Quantity.RISK_DIFFERENCE, category))
    above = levels[levels.index(category[2:]) + 1]
    row = pick(pooled, Quantity.RISK_DIFFERENCE, f">={above}")
    if row is None or row.estimate is None or row.lower is None or row.upper is None:
        return _cell(row)
    return estimate_words(row.quantity, -row.estimate, -row.upper, -row.lower)


def _fit(
    view: View, model: str, rows: Sequence[SensitivityRow], drawn: Sequence[str]
) -> list[Block]:
    """How many shares lie where the model expects them, which do not, and the picture."""
    if not rows:
        return []
    blocks: list[Block] = [
        Paragraph(
            lead="Does the model fit?",
            text=(
                "The same people were let answer anew by draws from the posterior. "
                f"{_inside(rows)} The answers have formed the posterior, so no fewer than 95 in "
                f"100 should.{_outside(view, rows)}"
            ),
            brief=False,
        )
    ]
    if predictive_name(model) in drawn:
        blocks.append(
            Figure(
                name=predictive_name(model),
                caption=(
                    "Shares observed against shares predicted, a point a region and answer, with "
                    "95 % predictive intervals. Points on the line are predicted as they are."
                ),
                mark=view.mark,
                brief=False,
            )
        )
    return blocks


def _inside(rows: Sequence[SensitivityRow]) -> str:
    inside = sum(row.verdict == Verdict.HOLDS for row in rows)
    return (
        f"Of {count(len(rows))} shares, by group, region and answer, {count(inside)} lie in their "
        "95 % predictive interval."
    )


def _outside(view: View, rows: Sequence[SensitivityRow]) -> str:
    out = [row for row in rows if row.verdict == Verdict.CHANGES]
    if not out:
        return ""
    named = "; ".join(
        f"{comparator_words(row.comparator)}, {group_words(row.group)}, "
        f"{category_words(row.category, view.levels(row.outcome))}: {percent(row.threshold)} "
        f"observed, {spread(row.quantity, row.lower, row.upper)} predicted"
        for row in out[:_NAMED]
    )
    more = f"; and {len(out) - _NAMED} more in sensitivity.csv" if len(out) > _NAMED else ""
    return f" Outside: {named}{more}."


def _weight(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """One sentence on the priors, one on the answers."""
    prior = [row for row in rows if row.verdict and row.estimate is not None]
    answers = [row for row in rows if not row.verdict and row.estimate is not None]
    if not prior or not answers:
        return []
    above = [row for row in prior if row.verdict == Verdict.CHANGES]
    bar = number(prior[0].threshold, 2)
    text = (
        "Let the priors on the mean gap, the spreads and the thresholds count a little more, and "
        f"the posterior of the headline gaps moves at a rate of {_range(prior)}; let the answers, "
        f"and it is {_range(answers)}. Above {bar} the priors have a say: "
        f"{joined([_place(view, row) for row in above]) or 'at no gap'}."
    )
    lead = f"{CHECKS[Check.POWER_SCALING]}."
    return [Paragraph(lead=lead, text=text, brief=False)]


def _range(rows: Sequence[SensitivityRow]) -> str:
    values = [row.estimate for row in rows if row.estimate is not None]
    low, high = number(min(values), 2), number(max(values), 2)
    return low if low == high else f"{low} to {high}"


def _place(view: View, row: SensitivityRow) -> str:
    at = category_words(row.category, view.levels(row.outcome))
    return f"“{at}”" if at else quantity_words(row.quantity)


def pooled_summary(view: View) -> tuple[tuple[str, str], ...]:
    """A line a check for where every check is listed."""
    told: Mapping[str, Callable[[Sequence[SensitivityRow]], str]] = {
        Check.PRIOR_PREDICTIVE: lambda _: "Gaps that the prior allows, beside the posterior.",
        Check.POSTERIOR_PREDICTIVE: _inside,
        Check.POWER_SCALING: _weights,
        Check.PRIOR_REFIT: same_words,
        Check.LOO: _told_parts,
    }
    rows = [row for row in view.sensitivity if row.quantity]
    found = {c: [row for row in rows if row.check == c] for c in BY_REGION}
    found[Check.POSTERIOR_PREDICTIVE] = _every_share(view)
    return tuple((f"{CHECKS[check]}.", told[check](mine)) for check, mine in found.items() if mine)


def _every_share(view: View) -> list[SensitivityRow]:
    return [row for key in view.by_model for row in predicted_shares(view, *key)]


def _weights(rows: Sequence[SensitivityRow]) -> str:
    judged = [row for row in rows if row.verdict]
    above = sum(row.verdict == Verdict.CHANGES for row in judged)
    return f"The priors have a say in {_of(above, len(judged))} headline gaps."


def _told_parts(rows: Sequence[SensitivityRow]) -> str:
    judged = [row for row in rows if row.verdict in (Verdict.HOLDS, Verdict.CHANGES)]
    needed = sum(told_words(row) == "needed" for row in judged)
    return f"The answers need {_of(needed, len(judged))} parts that were left out in turn."


def _of(some: int, every: int) -> str:
    return f"{count(some) if some else 'none'} of {count(every)}"
