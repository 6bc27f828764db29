"""Gaps by outcome: every family beside the headline, and the groups that were asked for."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import GapRow
from coopgap.report.content.outside import outside_blocks
from coopgap.report.content.proportional import proportional_blocks
from coopgap.report.document import Block, Figure, Heading, Paragraph, Section, Table
from coopgap.report.figures.names import forest_name, shares_name
from coopgap.report.values import DASH, count, estimate_words, interval_name, quantity_words
from coopgap.report.view import View
from coopgap.report.words import POPULATIONS, category_words
from coopgap.vocabulary import Family, Quantity

__all__ = ["family_table", "gaps_section"]

_RATIOS = (Quantity.ODDS_RATIO, Quantity.CUMULATIVE_ODDS_RATIO)
_CONDITIONAL = (Family.CONDITIONAL_LOGIT, Family.CONDITIONAL_ORDINAL)
_APART = (*_CONDITIONAL, Family.BENCHMARK)
"""Families with a table of their own."""


def gaps_section(view: View, drawn: Sequence[str]) -> Section:
    """A heading an outcome: families by threshold, ratios, groups, figures."""
    blocks: list[Block] = []
    for (model, outcome), rows in view.by_model.items():
        declared = "" if view.is_headline(model, outcome) else f" (model {model})"
        blocks.append(Heading(text=view.label(outcome) + declared))
        blocks.append(family_table(view, model, outcome, rows))
        for name, caption in (
            (
                forest_name(model),
                f"Gap by family, in points. The {view.how([model])} family is the headline.",
            ),
            (shares_name(model), "How the answers are spread in each group, unadjusted."),
        ):
            if name in drawn:
                blocks.append(Figure(name=name, caption=caption, mark=view.mark))
        blocks += proportional_blocks(view, model, outcome)
        blocks += outside_blocks(view, outcome, rows)
        ratios = _ratio_table(view, rows)
        blocks += [ratios] if ratios.rows else []
        groups = _group_table(view, outcome, rows)
        blocks += [groups] if groups.rows else []
    if not blocks:
        blocks.append(Paragraph(text="No gap was estimated in this run."))
    return Section(title="Gaps by outcome", anchor="gaps", blocks=tuple(blocks))


def _cell(row: GapRow | None) -> str:
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)


def _interval_note(rows: Sequence[GapRow]) -> tuple[str, ...]:
    names = dict.fromkeys(
        interval_name(row.interval_prob, row.interval_kind) for row in rows if row.interval_kind
    )
    return (f"In brackets: {' or '.join(names)}.",) if names else ()


def family_table(view: View, model: str, outcome: str, rows: Sequence[GapRow]) -> Table:
    """Family by threshold, in points, with superiority at the end."""
    levels, thresholds = view.levels(outcome), view.thresholds(outcome)
    wanted = [(Quantity.RISK_DIFFERENCE, category) for category in thresholds]
    heads = [category_words(category, levels) for category in thresholds]
    if len(levels) != 2:
        wanted.append((Quantity.SUPERIORITY, ""))
        heads.append("superiority")
    everyone = [row for row in rows if row.group == "all" and row.family not in _APART]
    found = {(row.family, row.population, row.quantity, row.category): row for row in everyone}
    kinds = list(dict.fromkeys((row.family, row.population) for row in everyone))
    lines = [
        (
            view.family(family),
            POPULATIONS.get(population, population),
            *(
                _cell(found.get((family, population, quantity, category)))
                for quantity, category in wanted
            ),
        )
        for family, population in kinds
    ]
    first = {(row.family, row.population) for row in everyone if view.in_headline(row)}
    strong = [number for number, kind in enumerate(kinds) if kind in first]
    return Table(
        caption=f"{view.label(outcome)}: gap in points, member minus comparison",
        header=("Family", "Standardised to", *heads),
        rows=tuple(lines),
        leading=2,
        strong=tuple(strong) if view.is_headline(model, outcome) else (),
        notes=_interval_note(everyone),
        mark=view.mark,
    )


def _ratio_table(view: View, rows: Sequence[GapRow]) -> Table:
    """Odds ratios: conditional ones with the marginal ones of the headline beside them."""
    conditional = [row for row in rows if row.family in _CONDITIONAL and row.group == "all"]
    marginal = [
        row
        for row in rows
        if view.in_headline(row)
        and row.group == "all"
        and row.quantity in (*_RATIOS, Quantity.RISK_RATIO)
    ]
    shown = [*conditional, *marginal] if conditional or marginal else []
    return Table(
        caption="Ratios",
        header=("Family", "What", "At", "Ratio", *(("Sets",) if conditional else ())),
        rows=tuple(
            (
                view.family(row.family),
                quantity_words(row.quantity),
                category_words(row.category, view.levels(row.outcome)) or "every threshold at once",
                _cell(row),
                *((count(row.n_sets),) if conditional else ()),
            )
            for row in shown
        ),
        leading=3,
        notes=(
            *((_IN_SETS,) if conditional else ()),
            *_interval_note(shown),
        ),
        mark=view.mark,
        brief=False,
    )


_IN_SETS = (
    "A ratio within matched sets is conditional on the set and is not the marginal odds "
    "ratio; its sets are the discordant ones, which alone say anything."
)


def _group_table(view: View, outcome: str, rows: Sequence[GapRow]) -> Table:
    """The headline gap in each declared group, regions apart."""
    inside = [
        row
        for row in rows
        if row.group != "all" and not row.group.startswith("region=") and view.in_headline(row)
    ]
    thresholds = view.thresholds(outcome)
    found = {(row.group, row.quantity, row.category): row for row in inside}
    return Table(
        caption=f"By group: {view.how(row.model for row in inside)} gap in points",
        header=("Group", *(category_words(name, view.levels(outcome)) for name in thresholds)),
        rows=tuple(
            (
                view.group(group),
                *(_cell(found.get((group, Quantity.RISK_DIFFERENCE, name))) for name in thresholds),
            )
            for group in dict.fromkeys(row.group for row in inside)
        ),
        notes=(
            *_interval_note(inside),
            "Two groups differ only if the difference between them has an interval of its own; "
            "these intervals do not answer that.",
        ),
        mark=view.mark,
        brief=False,
    )
