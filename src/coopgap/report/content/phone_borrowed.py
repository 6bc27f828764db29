"""Borrowing from the phone interviews: how much they count, and the gap with it."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.borrowed import discount_words
from coopgap.report.content.said.dispatch import said
from coopgap.report.document import Block, Figure, Heading, Items, Paragraph, Table
from coopgap.report.figures.names import PHONE_BORROWED
from coopgap.report.values import DASH, estimate_words, percent
from coopgap.report.view import View
from coopgap.report.words import CHECKS, category_words, clean, once, verdict_words
from coopgap.sensitivity.phone.borrow_rows import VAGUE, WEIGHTS
from coopgap.vocabulary import Check, Quantity, Version

__all__ = ["BORROWED", "borrowed_blocks"]

BORROWED = (Check.PHONE_POWER_PRIOR, Check.PHONE_ROBUST_MIXTURE)

type _Key = str | tuple[float | None, str]
type _Place = dict[tuple[_Key, str], SensitivityRow]
"""Rows of one outcome and threshold by quantity and variant, or the mixture's weight and prior."""


def borrowed_blocks(
    view: View, rows: Sequence[SensitivityRow], drawn: Sequence[str]
) -> list[Block]:
    """Sentences, the picture and a table a way to borrow; nothing where nobody asked."""
    mine = [row for row in rows if row.check in BORROWED and row.quantity]
    if not mine:
        return []
    blocks: list[Block] = [
        Heading(text="How much should they count?"),
        Paragraph(
            text=(
                "Borrowing lets the phone interviews add to what the in-person ones say of the "
                "comparison group, the less the more the two disagree. It is never the headline: "
                "that the two agree is no proof that the phone reached the same people."
            ),
        ),
    ]
    for check, table in zip(BORROWED, (_power_table, _mixture_table), strict=True):
        these = [row for row in mine if row.check == check]
        if not these:
            continue
        blocks.append(Heading(text=CHECKS[check]))
        items = said(view, these)
        blocks += [Items(items=items)] if items else []
        if check == Check.PHONE_POWER_PRIOR and PHONE_BORROWED in drawn:
            blocks.append(_figure(view))
        blocks.append(table(view, _places(these)))
    return blocks


def _figure(view: View) -> Figure:
    return Figure(
        name=PHONE_BORROWED,
        caption=(
            "Above: the gap by how much a phone interview counts, with its 95 % credible interval; "
            "the square stands at the posterior mean of the discount and is the gap averaged over "
            "it. Below: posterior probability of each tenth of the discount; the dashed line is "
            "the prior."
        ),
        mark=view.mark,
        brief=False,
    )


def _places(rows: Sequence[SensitivityRow]) -> dict[tuple[str, str], _Place]:
    found: dict[tuple[str, str], _Place] = {}
    for row in rows:
        found.setdefault((row.outcome, row.category), {})[_key(row), row.quantity] = row
    return found


def _key(row: SensitivityRow) -> _Key:
    return (row.setting, row.choice) if row.choice else row.variant


def _at(view: View, outcome: str, category: str) -> str:
    return category_words(category, view.levels(outcome)) or DASH


def _gap(row: SensitivityRow | None) -> str:
    if row is None:
        return DASH
    if row.estimate is None:
        return clean(row.note).split(":")[0].lower() or DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper)


def _power_table(view: View, places: dict[tuple[str, str], _Place]) -> Table:
    def discount(row: SensitivityRow | None) -> str:
        return DASH if row is None else discount_words(row).replace(" ", "\N{NO-BREAK SPACE}")

    lines = []
    for (outcome, category), here in places.items():
        averaged = here.get((Version.AVERAGED, Quantity.RISK_DIFFERENCE))
        lines.append(
            (
                view.label(outcome),
                _at(view, outcome, category),
                _gap(here.get((Version.IN_PERSON, Quantity.RISK_DIFFERENCE))),
                discount(here.get((Version.POSTERIOR, "discount"))),
                discount(here.get((Version.AGREED, "discount"))),
                _gap(averaged),
                verdict_words(None if averaged is None else averaged.verdict),
            )
        )
    return Table(
        caption="The gap averaged over how much a phone interview counts, in points",
        header=(
            "Outcome",
            "At",
            "In person only",
            "Discount",
            "Discount if they agreed exactly",
            "Gap averaged over it",
            "Conclusion",
        ),
        rows=once(lines),
        leading=2,
        trailing=1,
        notes=(
            "Discount: what part of one in-person interview a phone interview counts as; mean and "
            "95 % credible interval. Its prior is uniform on 0 to 1 (mean 0.50, 0.03 to 0.97), and "
            "the initial prior of the comparison group’s share is uniform on 0 to 1: exact "
            "agreement moves the discount no further than the fifth column.",
            "In brackets: 95 % confidence interval in person, credible interval averaged. Zones "
            "and members that the shares have in common are counted in.",
        ),
        mark=view.mark,
        brief=False,
    )


def _mixture_table(view: View, places: dict[tuple[str, str], _Place]) -> Table:
    first = next(iter(VAGUE))
    lines = []
    for (outcome, category), here in places.items():
        gaps = [row for (_, name), row in here.items() if name == Quantity.RISK_DIFFERENCE]
        cells = [
            cell
            for weight in WEIGHTS
            for cell in (
                _kept(here, weight),
                _gap(here.get(((weight, first), Quantity.RISK_DIFFERENCE))),
            )
        ]
        verdicts = dict.fromkeys(verdict_words(row.verdict) for row in gaps)
        lines.append(
            (view.label(outcome), _at(view, outcome, category), *cells, " or ".join(verdicts))
        )
    return Table(
        caption="The gap with a robust mixture, in points, by prior weight on the phone interviews",
        header=(
            "Outcome",
            "At",
            *(
                head
                for weight in WEIGHTS
                for head in (f"{weight:g}: weight found", f"{weight:g}: gap")
            ),
            "Conclusion",
        ),
        rows=once(lines),
        leading=2,
        trailing=1,
        notes=(
            "Weight found: posterior weight of what the phone interviews say, over the vague parts "
            f"{' and '.join(VAGUE)}. The gap is that under {first}, with its 95 % credible "
            "interval; the conclusion is drawn over both.",
        ),
        mark=view.mark,
        brief=False,
    )


def _kept(here: _Place, weight: float) -> str:
    """Posterior weight over the vague parts, as a range."""
    found = [here.get(((weight, vague), "phone_weight")) for vague in VAGUE]
    values = sorted(row.estimate for row in found if row is not None and row.estimate is not None)
    if not values:
        return DASH
    low, high = percent(values[0]), percent(values[-1])
    return low if low == high else f"{low.split('\N{NO-BREAK SPACE}')[0]} to {high}"
