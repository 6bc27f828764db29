"""The phone interviews: who was reached, whether they answer alike, what the gap would be."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.phone_reached import reached_blocks
from coopgap.report.document import Block, Figure, Heading, Items, Paragraph, Section, Table
from coopgap.report.figures.names import PHONE
from coopgap.report.values import (
    DASH,
    estimate_words,
    p_value,
    percent,
    points,
    spread,
)
from coopgap.report.view import View
from coopgap.report.words import CHECKS, category_words, clean, once, verdict_words
from coopgap.vocabulary import Check

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
_ALIKE = {
    "largest_difference": "all thresholds together",
    "superiority": "phone person stands higher",
    "risk_difference": "",
}
_GAPS = (Check.PHONE_REPLACES, Check.PHONE_JOINS)


def phone_section(view: View, drawn: Sequence[str]) -> Section | None:
    """The phone check; None where no row of it exists."""
    rows = [row for row in view.sensitivity if row.check.startswith("phone")]
    if not rows:
        return None
    blocks: list[Block] = [Paragraph(lead="Limits.", text=PHONE_LIMITS)]
    unanswered = _unanswered(view, rows)
    blocks += [Items(items=unanswered)] if unanswered else []
    alike = [row for row in rows if row.check == Check.PHONE_EQUIVALENCE and row.quantity in _ALIKE]
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
    blocks += reached_blocks(view, rows)
    blocks += _others(view, rows)
    return Section(title="The phone subsample", anchor="phone", blocks=tuple(blocks))


def _note(row: SensitivityRow) -> str:
    return clean(row.note).replace(_LIMIT_NOTE, "").strip()


def _unanswered(view: View, rows: Sequence[SensitivityRow]) -> tuple[tuple[str, str], ...]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.estimate is None and not row.quantity and row.note:
            found.setdefault(f"{verdict_words(row.verdict).capitalize()}. {_note(row)}", []).append(
                f"{CHECKS.get(row.check, row.check)} ({view.label(row.outcome)})"
            )
    return tuple((text, "; ".join(where) + ".") for text, where in found.items())


def _at(view: View, row: SensitivityRow) -> str:
    return category_words(row.category, view.levels(row.outcome))


def _sentences(view: View, rows: Sequence[SensitivityRow]) -> tuple[tuple[str, str], ...]:
    """One item an outcome: verdicts in words, the joint one first; a note stands once."""
    items = []
    told = {""}
    for outcome in dict.fromkeys(row.outcome for row in rows):
        found: dict[tuple[str, str], list[str]] = {}
        mine = [row for row in rows if row.outcome == outcome and row.variant == "adjusted"]
        for row in sorted(mine, key=lambda row: row.quantity != "largest_difference"):
            if row.quantity != "superiority":
                found.setdefault((verdict_words(row.verdict), _note(row)), []).append(
                    _where(view, row)
                )
        parts = []
        for (verdict, note), where in found.items():
            parts.append(f"{verdict[:1].upper()}{verdict[1:]}: {'; '.join(where)}.")
            parts += [] if note in told else [note]
            told.add(note)
        if parts:
            items.append((f"{view.label(outcome)}.", " ".join(parts)))
    return tuple(items)


def _where(view: View, row: SensitivityRow) -> str:
    name = _ALIKE.get(row.quantity) or f"“{_at(view, row)}”"
    return f"{name} {_difference(row)}".strip()


def _difference(row: SensitivityRow) -> str:
    if row.estimate is None:
        return ""
    if row.lower is None and row.upper is None:
        return f"(largest {points(row.estimate, signed=True)} points)"
    share = f"{100 * row.interval_prob:.3g} % interval " if row.interval_prob else ""
    return (
        f"{points(row.estimate, signed=True)} points "
        f"({share}{spread(row.quantity, row.lower, row.upper)})"
    )


def _alike_table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    lines = [
        (
            view.label(row.outcome),
            _ALIKE.get(row.quantity) or _at(view, row) or DASH,
            clean(row.variant),
            estimate_words(row.quantity, row.estimate, row.lower, row.upper),
            DASH if row.threshold is None else f"± {points(row.threshold)}",
            p_value(row.p_value),
            percent(row.power),
            verdict_words(row.verdict),
        )
        for row in rows
    ]
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
        rows=once(lines),
        leading=3,
        trailing=1,
        notes=(
            "Not significant is not equivalent: the verdict is equivalent only if the whole 90 % "
            "interval lies inside the margin. Power is the probability "
            "to confirm that when nothing "
            "differs. All thresholds together: the largest difference, tested for all at once.",
        ),
        mark=view.mark,
    )


def _margin_table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    """A column a scenario: the smallest margin, and the power at the declared one."""
    found = {(row.outcome, row.category, row.variant): row for row in rows}
    variants = list(dict.fromkeys(row.variant for row in rows))
    places = {(row.outcome, row.category): row for row in rows}
    return Table(
        caption=(
            "Smallest margin these interviews could confirm, in points, "
            "and power at the margin declared"
        ),
        header=("Outcome", "At", "Declared", *(clean(name) or "as it is" for name in variants)),
        rows=once(
            [
                (
                    view.label(outcome),
                    _at(view, row) or DASH,
                    points(row.threshold),
                    *(_margin(found.get((outcome, category, name))) for name in variants),
                )
                for (outcome, category), row in places.items()
            ]
        ),
        leading=2,
        notes=tuple(dict.fromkeys(_note(row) for row in rows if row.note)),
        mark=view.mark,
        brief=False,
    )


def _margin(row: SensitivityRow | None) -> str:
    if row is None:
        return DASH
    power = "" if row.power is None else f" (power {percent(row.power)})"
    return f"{points(row.estimate)}{power}".replace(" (power ", " (power\N{NO-BREAK SPACE}")


def _gap_table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    """In person, with the phone people in place, with them added: side by side."""
    found: dict[tuple[str, str, str], dict[str, SensitivityRow]] = {}
    for row in rows:
        key = (row.outcome, row.quantity, row.category)
        slot = "in person" if row.variant == "in person" else str(row.check)
        found.setdefault(key, {}).setdefault(slot, row)
    lines = [
        (
            view.label(outcome),
            category_words(category, view.levels(outcome)) or "member stands higher",
            _gap(slots.get("in person")),
            *(
                cell
                for check in _GAPS
                for cell in (_gap(slots.get(check)), _gap_verdict(slots.get(check)))
            ),
        )
        for (outcome, _, category), slots in found.items()
    ]
    return Table(
        caption="Gap between members and the comparison group with the phone interviews, in points",
        header=(
            "Outcome",
            "At",
            "In person only",
            "By phone instead",
            "Conclusion",
            "Both together",
            "Conclusion",
        ),
        rows=once(lines),
        leading=2,
        notes=(
            "Holds: the interval says the same about zero as in person. The comparison group is "
            "balanced on the covariates; members left out and effective sizes stand in "
            "sensitivity.csv. In brackets: 95 % confidence interval.",
        ),
        mark=view.mark,
        brief=False,
    )


def _gap(row: SensitivityRow | None) -> str:
    if row is None:
        return DASH
    if row.estimate is None:
        return _note(row).split(":")[0].lower() or DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper)


def _gap_verdict(row: SensitivityRow | None) -> str:
    return DASH if row is None else verdict_words(row.verdict)


def _others(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """Checks beyond composition, equivalence and the two gaps; what has no answer stands above."""
    from coopgap.report.content.checks import check_blocks

    known = {Check.PHONE_COMPOSITION, Check.PHONE_EQUIVALENCE, *_GAPS}
    return check_blocks(view, [row for row in rows if row.check not in known and row.quantity])
