"""The phone interviews: who was reached, whether they answer alike, what the gap would be."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.document import Block, Figure, Heading, Items, Paragraph, Section, Table
from coopgap.report.figures.names import PHONE
from coopgap.report.view import View
from coopgap.report.words import (
    CHECKS,
    DASH,
    VERDICTS,
    category_words,
    clean,
    estimate_words,
    once,
    p_value,
    percent,
    points,
    quantity_words,
    spread,
    value_words,
)
from coopgap.vocabulary import Check, Verdict

__all__ = ["PHONE_LIMITS", "phone_section"]

PHONE_LIMITS = (
    "Mode, date, quarantine and phone coverage cannot be told "
    "apart, and no members were called, so "
    "there is no difference between two differences to take. No analysis of these interviews can "
    "settle that."
)
_LIMIT_NOTE = (
    "Mode, date, quarantine and phone coverage cannot be told apart, and no members were called."
)
_GAPS = (Check.PHONE_REPLACES, Check.PHONE_JOINS)


def phone_section(view: View, drawn: Sequence[str]) -> Section | None:
    """The phone check; None where no row of it exists."""
    rows = [row for row in view.sensitivity if row.check.startswith("phone")]
    if not rows:
        return None
    blocks: list[Block] = [Paragraph(lead="Limits.", text=PHONE_LIMITS)]
    unanswered = _unanswered(view, rows)
    blocks += [Items(items=unanswered)] if unanswered else []
    alike = [
        row
        for row in rows
        if row.check == Check.PHONE_EQUIVALENCE and row.quantity == "risk_difference"
    ]
    if alike:
        blocks.append(Heading(text="Do they answer like the comparison people asked in person?"))
        blocks += [Items(items=_sentences(view, alike)), _alike_table(view, alike)]
        if PHONE in drawn:
            blocks.append(
                Figure(
                    name=PHONE,
                    caption=(
                        "Phone less in-person comparison people, adjusted, with the "
                        "margin declared."
                    ),
                    mark=view.mark,
                )
            )
    margins = [row for row in rows if row.quantity == "smallest_margin"]
    blocks += [_margin_table(view, margins)] if margins else []
    gaps = [
        row
        for row in rows
        if row.check in _GAPS and row.quantity in ("risk_difference", "superiority")
    ]
    if gaps:
        blocks.append(Heading(text="What would the gap be with them?"))
        blocks.append(_gap_table(view, gaps))
    blocks += _composition(view, rows)
    blocks += _others(view, rows)
    return Section(title="The phone subsample", anchor="phone", blocks=tuple(blocks))


def _note(row: SensitivityRow) -> str:
    return clean(row.note).replace(_LIMIT_NOTE, "").strip()


def _verdict(row: SensitivityRow) -> str:
    return VERDICTS.get(row.verdict or "", row.verdict or "") or DASH


def _unanswered(view: View, rows: Sequence[SensitivityRow]) -> tuple[tuple[str, str], ...]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.estimate is None and not row.quantity and row.note:
            found.setdefault(f"{_verdict(row).capitalize()}. {_note(row)}", []).append(
                f"{CHECKS.get(row.check, row.check)} ({view.label(row.outcome)})"
            )
    return tuple((text, "; ".join(where) + ".") for text, where in found.items())


def _at(view: View, row: SensitivityRow) -> str:
    return category_words(row.category, view.levels(row.outcome))


def _sentences(view: View, rows: Sequence[SensitivityRow]) -> tuple[tuple[str, str], ...]:
    """One item an outcome: verdict in words, and the note that goes with it."""
    items = []
    for outcome in dict.fromkeys(row.outcome for row in rows):
        found: dict[tuple[str, str], list[str]] = {}
        for row in rows:
            if row.outcome == outcome and row.variant == "adjusted":
                found.setdefault((_verdict(row), _note(row)), []).append(
                    f"{_at(view, row)} {_difference(row)}".strip()
                )
        text = " ".join(
            f"{verdict[:1].upper()}{verdict[1:]}: {'; '.join(where)}. {note}".strip()
            for (verdict, note), where in found.items()
        )
        if text:
            items.append((f"{view.label(outcome)}.", text))
    return tuple(items)


def _difference(row: SensitivityRow) -> str:
    if row.estimate is None:
        return ""
    share = f"{100 * row.interval_prob:.3g} % interval " if row.interval_prob else ""
    return (
        f"{points(row.estimate, signed=True)} points "
        f"({share}{spread(row.quantity, row.lower, row.upper)})"
    )


def _alike_table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    return Table(
        caption="Phone less in-person comparison people, in points",
        header=(
            "Outcome",
            "At",
            "Which",
            "Difference and 90 % interval",
            "Margin",
            "p of the two tests",
            "Power",
            "Verdict",
        ),
        rows=once(
            [
                (
                    view.label(row.outcome),
                    _at(view, row) or DASH,
                    clean(row.variant),
                    estimate_words(row.quantity, row.estimate, row.lower, row.upper),
                    DASH if row.threshold is None else f"± {points(row.threshold)}",
                    p_value(row.p_value),
                    percent(row.power),
                    _verdict(row),
                )
                for row in rows
            ]
        ),
        leading=3,
        notes=(
            "Not significant is not equivalent: the verdict is equivalent only if the whole 90 % "
            "interval lies inside the margin. Power is the probability "
            "to confirm that when nothing "
            "differs.",
        ),
        mark=view.mark,
    )


def _margin_table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    return Table(
        caption="Smallest margin these interviews could confirm",
        header=(
            "Outcome",
            "At",
            "Assuming",
            "Smallest margin, points",
            "Declared margin",
            "Power at it",
        ),
        rows=once(
            [
                (
                    view.label(row.outcome),
                    _at(view, row) or DASH,
                    clean(row.variant) or DASH,
                    points(row.estimate),
                    points(row.threshold),
                    percent(row.power),
                )
                for row in rows
            ]
        ),
        leading=3,
        notes=(*dict.fromkeys(_note(row) for row in rows if row.note),),
        mark=view.mark,
        brief=False,
    )


def _gap_table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    return Table(
        caption=(
            "Gap between members and the comparison group, in points, "
            "with and without the phone interviews"
        ),
        header=("Outcome", "At", "How", "Compared with", "Gap and interval", "Verdict"),
        rows=once(
            [
                (
                    view.label(row.outcome),
                    _at(view, row) or DASH,
                    CHECKS.get(row.check, row.check),
                    clean(row.variant) or DASH,
                    estimate_words(row.quantity, row.estimate, row.lower, row.upper)
                    if row.estimate is not None
                    else _note(row) or DASH,
                    _verdict(row),
                )
                for row in rows
            ]
        ),
        leading=4,
        notes=(
            "Holds: the interval says the same about zero as in person. Members left out and "
            "effective sizes stand in sensitivity.csv.",
        ),
        mark=view.mark,
        brief=False,
    )


def _composition(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """Who was reached, once for all models that ask the same people the same covariates."""
    mine = [row for row in rows if row.check == Check.PHONE_COMPOSITION and row.category]
    shares = [
        row
        for row in mine
        if row.quantity in ("share", "smd") and not row.variant.startswith("balanced")
    ]
    if not shares:
        return []
    tests = [
        row
        for row in rows
        if row.check == Check.PHONE_COMPOSITION and row.quantity == "rao_scott_f"
    ]
    model = shares[0].model
    found = {(row.category, row.quantity, row.variant): row for row in shares if row.model == model}
    lines = []
    for category in dict.fromkeys(key[0] for key in found):
        phone = found.get((category, "share", "phone"))
        person = found.get((category, "share", "in person"))
        smd = found.get((category, "smd", ""))
        variable, _, level = category.partition("=")
        lines.append(
            (
                f"{view.label(variable)}: {clean(level)}",
                *(_share(row) for row in (phone, person)),
                DASH if smd is None else value_words("smd", smd.estimate),
                DASH if smd is None else _verdict(smd),
            )
        )
    table = Table(
        caption=f"Who was reached by phone (people of the model {view.label(shares[0].outcome)})",
        header=("Level", "By phone", "In person", "Standardised difference", "Within 0.1"),
        rows=tuple(lines),
        notes=(
            "Other models that need other answers differ a little; all stand in sensitivity.csv.",
        ),
        mark=view.mark,
        brief=False,
    )
    items = tuple(
        (
            f"{'All together' if not row.category else view.label(row.category)}:",
            f"{quantity_words(row.quantity)} "
            f"{value_words(row.quantity, row.estimate)}, p "
            f"{p_value(row.p_value)}, {_verdict(row)}.",
        )
        for row in tests
        if row.model == model
    )
    return [Heading(text="Who was reached?"), table, *([Items(items=items)] if items else [])]


def _share(row: SensitivityRow | None) -> str:
    if row is None:
        return DASH
    if row.estimate is None:
        return "suppressed" if row.verdict == Verdict.NOT_ASSESSED else DASH
    return f"{percent(row.estimate)} ({spread('share', row.lower, row.upper)})"


def _others(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """Checks beyond composition, equivalence and the two gaps, as they stand."""
    from coopgap.report.content.checks import check_blocks

    known = {Check.PHONE_COMPOSITION, Check.PHONE_EQUIVALENCE, *_GAPS}
    return check_blocks(view, [row for row in rows if row.check not in known])
