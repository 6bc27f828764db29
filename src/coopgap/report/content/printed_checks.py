"""Checks of printed gaps: design effects, what the phone could confirm, gradients, cuts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from coopgap.estimate import CoefficientRow, DiagnosticRow, SensitivityRow
from coopgap.report.content.printed_items import Entry, entry_label, item_label, item_name
from coopgap.report.content.printed_tables import MARK
from coopgap.report.document import Block, Items, Paragraph, Table
from coopgap.report.values import interval_name, number, p_value, points, ratio, spread
from coopgap.report.view import View
from coopgap.report.words import TESTS, capital, clean, once
from coopgap.vocabulary import Check, OddsTest, Quantity, Scale

__all__ = ["design_effect_table", "gradient_items", "phone_table", "proportional_blocks"]

_REACH = "reaches zero"
_EXPLAINED = (
    "People who answer alike within zones count for fewer. A design effect of 2 halves the people "
    "asked. In brackets: limits that hold zero where those of the first column do not. Zero at: "
    "the design effect at which the limits reach zero."
)


def design_effect_table(
    view: View, found: Sequence[Entry], *, explained: bool = False
) -> list[Block]:
    """Each gap's interval under stated design effects, and the one at which it reaches zero."""
    rows = [row for row in view.printed_sensitivity if row.check == Check.DESIGN_EFFECT]
    variants = [one for one in dict.fromkeys(row.variant for row in rows) if one != _REACH]
    by_entry: dict[tuple[str, str, str, str], dict[str, SensitivityRow]] = {}
    for row in rows:
        key = (item_name(row.model), row.comparator, row.group, row.category)
        by_entry.setdefault(key, {})[row.variant] = row
    lines = []
    for entry in found:
        mine = by_entry.get((entry.name, entry.comparator, entry.group, entry.category))
        if mine is None:
            continue
        cells = [_scenario(mine.get(variant), mine.get(variants[0])) for variant in variants]
        lines.append((entry_label(view, entry), *cells, _reach(mine.get(_REACH))))
    if not lines:
        return []
    table = Table(
        caption="Gaps under design effects: 95 % limits in points",
        header=("Item", *(one.capitalize() for one in variants), "Zero at"),
        rows=tuple(lines),
        notes=() if explained else (_EXPLAINED,),
        mark=MARK,
    )
    return [table]


def _scenario(row: SensitivityRow | None, first: SensitivityRow | None) -> str:
    """Limits, in brackets where they hold zero and those of the first column do not."""
    if row is None:
        return ""
    limits = spread(row.quantity, row.lower, row.upper)
    return f"({limits})" if first and _holds_zero(row) and not _holds_zero(first) else limits


def _holds_zero(row: SensitivityRow) -> bool:
    return (row.lower or 0.0) <= 0 <= (row.upper or 0.0)


def _reach(row: SensitivityRow | None) -> str:
    if row is None:
        return "holds zero"
    if row.estimate is None:
        return "above 1,000"
    return number(row.estimate, 2 if row.estimate < 2 else 1)


def phone_table(view: View) -> list[Block]:
    """What the phone interviews could confirm, by margin and design effect."""
    rows = [row for row in view.printed_sensitivity if row.check == Check.PHONE_EQUIVALENCE]
    rows = [row for row in rows if not row.category]
    powers = [row for row in rows if row.threshold is not None]
    if not powers:
        return []
    margins = sorted({row.threshold for row in powers if row.threshold is not None})
    cells: dict[tuple[str, float | None], dict[float | None, SensitivityRow]] = {}
    for row in rows:
        cells.setdefault((row.outcome, row.setting), {})[row.threshold] = row
    lines = []
    for (outcome, factor), mine in cells.items():
        label = item_label(view, outcome, outcome)
        smallest = mine.get(None)
        power = (mine[margin].power if margin in mine else None for margin in margins)
        lines.append(
            (
                label,
                "" if factor is None else f"{factor:g}",
                *(number(one, 2) for one in power),
                points(smallest.estimate if smallest else None),
            )
        )
    table = Table(
        caption="What the telephone interviews could confirm",
        header=(
            "Item",
            "Design effect",
            *(f"Margin ±{points(margin)}" for margin in margins),
            "Margin confirmed with 80 %",
        ),
        rows=once(lines),
        leading=1,
        notes=(
            "Probability that two one-sided tests confirm a difference within the margin, if "
            f"telephone and in-person people answer alike. {clean(powers[0].note)} Items of one "
            "answer; programmes stand in sensitivity.csv. Mode, date, "
            "quarantine and coverage cannot be told apart, and no members were called.",
        ),
        mark=MARK,
    )
    return [table]


def gradient_items(view: View) -> list[Block]:
    """How steep a gradient must be for no gap to be left, a line an item."""
    rows = [
        row
        for row in view.printed_sensitivity
        if row.check == Check.TIPPING_POINT and not row.category and row.estimate is not None
    ]
    if not rows:
        return []
    items = tuple(
        (
            f"{item_label(view, item_name(row.model), row.outcome)}.",
            f"{ratio(row.estimate)}: {clean(row.note)[:1].lower()}{clean(row.note)[1:]}",
        )
        for row in rows
    )
    return [Paragraph(text="How strong a gradient would leave no gap:"), Items(items=items)]


def proportional_blocks(view: View) -> list[Block]:
    """One odds ratio over all cuts beside those at each, and whether it holds."""
    blocks: list[Block] = []
    for row in view.printed_coefficients:
        if row.term != "member" or row.scale != Scale.LOG_ODDS:
            continue
        tests = [one for one in view.printed_diagnostics if one.model == row.model]
        said = (
            _one_ratio(row),
            _at_the_cuts(_cuts(view, row, tests), fits=all(one.passed for one in tests)),
            _proportional(tests),
        )
        blocks.append(
            Paragraph(
                lead=f"{item_label(view, item_name(row.model), row.outcome)}.",
                text=" ".join(one for one in said if one),
            )
        )
    return blocks


def _one_ratio(row: CoefficientRow) -> str:
    value, *limits = (
        None if one is None else math.exp(one) for one in (row.estimate, row.lower, row.upper)
    )
    name = interval_name(row.interval_prob, row.interval_kind)
    return (
        f"One odds ratio for every cut, from whole people, would be {ratio(value)} ({name} "
        f"{ratio(limits[0])} to {ratio(limits[1])})."
    )


def _cuts(view: View, row: CoefficientRow, tests: Sequence[DiagnosticRow]) -> list[float]:
    """Odds ratios at each cut, of the same members against the same others."""
    beside = {(one.group, one.about) for one in tests}
    item = item_name(row.model)
    return [
        one.estimate
        for one in view.printed
        if one.outcome == row.outcome
        and item.startswith(item_name(one.model))
        and not one.model.endswith("_rounding")
        and (one.group, one.comparator) in beside
        and one.quantity == Quantity.CUMULATIVE_ODDS_RATIO
        and one.estimate is not None
    ]


def _at_the_cuts(values: Sequence[float], *, fits: bool) -> str:
    if len(values) < 2:
        return ""
    hides = "" if fits else ": one number for all of them would hide that"
    ends = f"{ratio(min(values))} to {ratio(max(values))}"
    return f"At the cuts themselves it runs from {ends}{hides}."


def _proportional(tests: Sequence[DiagnosticRow]) -> str:
    """What the tests say, and what they were made of."""
    said, about = [], ""
    for one in tests:
        name = TESTS[OddsTest(one.test)] if one.test else ""
        about = clean(one.note)
        if one.value is None:
            said.append(f"{name}: {clean(one.note).rstrip('.')}")
            about = ""
        else:
            fits = "fits" if one.passed else "does not fit"
            degrees = "degree" if one.df == 1 else "degrees"
            test = f"chi-square {one.statistic:.1f} on {one.df} {degrees} of freedom"
            said.append(f"{name}: {test}, p {p_value(one.value)}, one odds ratio {fits}")
    return capital("; ".join(said)) + (f". {about}" if about else "." if said else "")
