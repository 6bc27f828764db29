"""Whether one odds ratio holds at every threshold of an outcome, and the gap where it need not."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import DiagnosticRow, GapRow, SensitivityRow
from coopgap.report.document import Block, Paragraph, Table
from coopgap.report.values import DASH, estimate_words, interval_name, p_value
from coopgap.report.view import View, headline_rows, pick
from coopgap.report.words import TESTS, category_words, clean
from coopgap.vocabulary import Diagnostic, Family, OddsTest, Quantity

__all__ = ["proportional_blocks"]


def proportional_blocks(view: View, model: str, outcome: str) -> list[Block]:
    """Tests in a sentence, then the gap with and without the assumption; none for two levels."""
    tests = [
        row
        for row in view.diagnostics
        if row.model == model and row.diagnostic == Diagnostic.PROPORTIONAL_ODDS
    ]
    family = _TIED[view.is_matched(model)]
    declared = headline_rows(view, model, outcome)
    tied = [
        row
        for row in view.by_model.get((model, outcome), [])
        if row.family == family and row.group == "all" and _over_the_same(row, declared)
    ]
    blocks: list[Block] = []
    if tests:
        blocks.append(
            Paragraph(
                lead="Proportional odds",
                text=(
                    "The headline lets membership's odds ratio differ by threshold. A small p "
                    f"counts against one odds ratio for all: {_sentence(view, tests)}. With many "
                    "people small departures are found, with few large ones are missed, so the "
                    "table shows what one odds ratio would do to the gap."
                ),
            )
        )
    return [*blocks, _table(view, declared, tied)] if declared and tied else blocks


_TIED = {True: Family.MATCHED_PROPORTIONAL, False: Family.ADJUSTED_PROPORTIONAL}
"""The headline's family with one odds ratio, by whether a model is matched."""


def _over_the_same(row: GapRow, declared: Sequence[GapRow]) -> bool:
    """Whether a row is over the people of the headline."""
    return row.population in {one.population for one in declared}


def _sentence(view: View, tests: Sequence[DiagnosticRow]) -> str:
    """Tests by term, membership and all terms first."""
    found: dict[str, list[str]] = {}
    for row in tests:
        name = TESTS[OddsTest(row.test)] if row.test else ""
        p = f"p\N{NO-BREAK SPACE}{p_value(row.value)}" if row.value is not None else "not estimable"
        found.setdefault(row.about, []).append(f"{name} {p}")
    order = [term for term in ("member", "all terms") if term in found]
    names = {"member": "membership", "all terms": "all terms"}
    return "; ".join(
        f"{names.get(term) or clean(view.label(term)).lower()}: {', '.join(found[term])}"
        for term in dict.fromkeys((*order, *found))
    )


def _table(view: View, declared: Sequence[GapRow], tied: Sequence[GapRow]) -> Table:
    model, outcome = declared[0].model, declared[0].outcome
    thresholds = view.thresholds(outcome)
    joint = [row for row in view.joint if row.model == model and view.in_headline(row)]
    moved = {
        row.category: row
        for row in view.sensitivity
        if row.model == model and row.family == tied[0].family
    }
    lines = [
        ("declared", [_cell(pick(declared, _GAP, at)) for at in thresholds]),
        ("declared, joint limits", [_cell(pick(_all(joint), _GAP, at)) for at in thresholds]),
        ("proportional odds", [_cell(pick(tied, _GAP, at)) for at in thresholds]),
        ("difference of the two", [_difference(moved.get(at)) for at in thresholds]),
    ]
    kinds = dict.fromkeys(
        interval_name(row.interval_prob, row.interval_kind) for row in tied if row.interval_kind
    )
    return Table(
        caption=(
            f"{view.label(outcome)}: {view.how([model])} gap in points, with and without "
            "proportional odds"
        ),
        header=("Membership", *(category_words(at, view.levels(outcome)) for at in thresholds)),
        rows=tuple((name, *cells) for name, cells in lines),
        notes=(f"In brackets: {' or '.join(kinds)}.",) if kinds else (),
        mark=view.mark,
    )


_GAP = Quantity.RISK_DIFFERENCE


def _all(rows: Sequence[GapRow]) -> list[GapRow]:
    return [row for row in rows if row.group == "all"]


def _cell(row: GapRow | None) -> str:
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)


def _difference(row: SensitivityRow | None) -> str:
    if row is None or row.difference is None:
        return DASH
    return estimate_words(_GAP, row.difference, row.difference_lower, row.difference_upper)
