"""One forest: lines with a point, its interval and its value; figures of gaps are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coopgap.core.estimate import GapRow, SensitivityRow
from coopgap.core.vocabulary import Check, Family, Population, Quantity, Verdict
from coopgap.report.data import Answer, Results, by
from coopgap.report.figures.canvas import BAND, FIRST, INK, SECOND, SOFT, Canvas, Drawing, canvas
from coopgap.report.words import (
    capital,
    category_words,
    comparator_words,
    family_words,
    interval_name,
    joined,
    percent,
    row_words,
    verdict_words,
    version_words,
)

AXIS = "gap, percentage points"
_APART = (Family.CONDITIONAL_LOGIT, Family.CONDITIONAL_ORDINAL, Family.BENCHMARK)
_VERSIONS = (
    Check.VARIANT,
    Check.PHONE_REPLACES,
    Check.PHONE_JOINS,
    Check.PHONE_JOINS_MODE,
    Check.MISSING_IMPUTATION,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a forest in the unit of its axis; without `at` it heads those below it.

    `beside` is a second, hollow mark; `band` is half the width of a margin around zero.
    """

    label: str
    value: str = ""
    at: float | None = None
    limits: tuple[float, float] | None = None
    beside: float | None = None
    band: float | None = None
    color: str = SOFT
    is_strong: bool = False
    shape: str = "o"


def forest(
    answer: Answer,
    kind: str,
    lines: Sequence[Line],
    *,
    title: str,
    axis: str = AXIS,
    has_zero: bool = True,
) -> Drawing | None:
    """Draw lines below one another, over the line of no gap; None where none has a point."""
    if not any(line.at is not None for line in lines):
        return None
    drawn = canvas(
        len(lines),
        title,
        axis,
        mark=answer.results.mark,
        labels=[line.label for line in lines],
        values=[line.value for line in lines],
    )
    if has_zero:
        drawn.zero()
    draw_lines(drawn, lines)
    told = "; ".join(f"{line.label} {line.value}".strip() for line in lines)
    name = f"{kind}_{answer.model}"
    return Drawing(name=name, alt=f"{answer.label}: {told}.", figure=drawn.figure)


def draw_lines(drawn: Canvas, lines: Sequence[Line]) -> None:
    """Lines below one another."""
    for number, line in enumerate(lines):
        if line.at is None and not line.value:
            drawn.heading(number, line.label)
            continue
        ink = line.color if line.is_strong else INK
        drawn.label(number, line.label, bold=line.is_strong, color=ink)
        drawn.value(number, line.value, bold=line.is_strong, color=ink)
        if line.band is not None:
            drawn.band(number, line.band)
        if line.beside is not None:
            drawn.mark(number, line.beside, None, color=SECOND, hollow=True)
        if line.at is not None:
            drawn.mark(number, line.at, line.limits, color=line.color, shape=line.shape)


def limits(row: Any) -> tuple[float, float] | None:
    """Limits of a row in points."""
    return None if row.lower is None or row.upper is None else (100 * row.lower, 100 * row.upper)


def shown(row: Any) -> str:
    """The estimate, or why there is none."""
    return row_words(row).partition(";")[0]


def _line(row: Any, label: str, **how: Any) -> Line:
    at = None if row.estimate is None else 100 * row.estimate
    return Line(label=label, value=how.pop("value", shown(row)), at=at, limits=limits(row), **how)


def headline(results: Results) -> Drawing | None:
    """Every declared gap, with both groups' shares; superiority stands in its section."""
    told = [
        (one, row)
        for one in results.headlines
        if (row := one.headline) is not None
        and row.quantity == Quantity.RISK_DIFFERENCE
        and row.estimate is not None
    ]
    if not told:
        return None
    names = [one.title for one, _ in told]
    kinds = [interval_name(row.interval_prob, row.interval_kind) for _, row in told]
    sides = [
        " vs ".join(percent(one.share(side)) for side in ("", "comparison")) for one, _ in told
    ]
    drawn = canvas(
        len(told) * 2,
        f"{capital(results.members)} vs {results.others}",
        f"{AXIS}, {joined(list(dict.fromkeys(kinds)))}",
        mark=results.mark,
        labels=sides,
        values=[shown(row) for _, row in told],
        width=5.6,
    )
    drawn.zero()
    for number, (one, row) in enumerate(told):
        color, at = SOFT if one.is_control else FIRST, 2 * number + 0.9
        drawn.above(2 * number, names[number], color=SOFT if one.is_control else INK)
        drawn.label(at, sides[number], color=SOFT)
        drawn.value(at, shown(row), color=color, bold=True)
        drawn.mark(at, 100 * (row.estimate or 0.0), limits(row), color=color)
    said = "; ".join(f"{name} {shown(row)}" for name, (_, row) in zip(names, told, strict=True))
    return Drawing(name="headline", alt=f"Headline gaps in points: {said}.", figure=drawn.figure)


def shown_category(answer: Answer) -> str:
    """The threshold at which gaps are drawn: the declared one, else the middle one."""
    return answer.first.category or answer.thresholds[len(answer.thresholds) // 2]


def families(answer: Answer) -> Drawing | None:
    """The gap by family over the headline's people, so that they differ by method only."""
    category = shown_category(answer)
    found = [
        row
        for row in answer.gaps
        if (row.group, row.quantity, row.category) == ("all", Quantity.RISK_DIFFERENCE, category)
        and row.family not in _APART
    ]
    over = {row.population for row in found if answer.is_headline(row)}
    return forest(
        answer,
        "gaps",
        [_family(answer, row) for row in found if not over or row.population in over],
        title="Gap by how it is estimated",
    )


def _family(answer: Answer, row: GapRow) -> Line:
    sampled, first = row.family == Family.HIERARCHICAL, answer.is_headline(row)
    return _line(
        row,
        family_words(row.family),
        color=FIRST if first else (SECOND if sampled else SOFT),
        is_strong=first,
        shape="s" if sampled else "o",
    )


def versions(answer: Answer) -> Drawing | None:
    """The headline beside each version of it: variants, phone interviews, imputed answers."""
    rows = [row for row in answer.check(*_VERSIONS) if _is_version(answer, row)]
    head = answer.headline
    if head is None or head.quantity != Quantity.RISK_DIFFERENCE or not rows:
        return None
    lines = [_line(head, "as declared", color=FIRST, is_strong=True)]
    for row in rows:
        color = SECOND if row.verdict == Verdict.CHANGES else SOFT
        name = version_words(row)
        lines.append(_line(row, name, color=color, is_strong=color == SECOND))
    return forest(
        answer, "versions", lines, title="Versions of the headline; those that change it in colour"
    )


def _is_version(answer: Answer, row: SensitivityRow) -> bool:
    return answer.is_first(row) and row.estimate is not None and row.reference is not None


def phone(answer: Answer) -> Drawing | None:
    """Phone less in-person answers of those the members are compared with, and the margin."""
    rows = [
        row
        for row in answer.check(Check.PHONE_EQUIVALENCE)
        if (row.variant, row.quantity) == ("adjusted", Quantity.RISK_DIFFERENCE)
    ]
    lines = [
        _line(
            row,
            category_words(row.category, answer.levels),
            value=f"{shown(row)} {verdict_words(row.verdict)}",
            band=None if row.threshold is None else 100 * row.threshold,
            color=FIRST,
        )
        for row in rows
    ]
    return forest(
        answer,
        "phone",
        lines,
        title="Phone minus in person; band: the margin declared",
        axis="difference, percentage points, 90 % interval",
    )


_FARTHEST = 16


def predictive(answer: Answer) -> Drawing | None:
    """Observed shares (hollow) on the posterior's intervals: those that lie farthest from it."""
    results = answer.results
    rows = answer.check(Check.POSTERIOR_PREDICTIVE)
    told = [row for row in rows if row.quantity == Quantity.SHARE]
    far = sorted(told, key=lambda row: -abs((row.threshold or 0.0) - (row.estimate or 0.0)))
    shown = [row for row in told if row in far[:_FARTHEST]]
    lines: list[Line] = []
    for comparator, found in by(shown, "comparator").items():
        who = comparator_words(comparator, results.members, results.others)
        for group, mine in by(found, "group").items():
            place = results.group(group)
            lines.append(Line(label=capital(who if place == "all" else f"{who}, {place}")))
            lines += [_predicted(answer, row) for row in mine]
    return forest(
        answer,
        "predictive",
        lines,
        title="Observed share (hollow) on the posterior's interval",
        axis="share, percent",
        has_zero=False,
    )


def _predicted(answer: Answer, row: SensitivityRow) -> Line:
    known = [end for end in (row.lower, row.threshold, row.upper) if end is not None]
    out = known != sorted(known)
    return _line(
        row,
        category_words(row.category, answer.levels),
        beside=None if row.threshold is None else 100 * row.threshold,
        color=SECOND if out else FIRST,
        is_strong=out,
    )


def prior(answer: Answer) -> Drawing | None:
    """What the prior allows of the headline, and what the posterior leaves."""
    rows = [row for row in answer.check(Check.PRIOR_PREDICTIVE) if answer.is_first(row)]
    over = {row.population for row in answer.headlines}
    found = [
        row
        for row in answer.gaps
        if row.family == Family.HIERARCHICAL
        and row.group == "all"
        and answer.is_first(row)
        and row.population in over
    ]
    lines = [_line(row, "prior") for row in rows[:1]]
    lines += [_line(row, "posterior", color=FIRST, is_strong=True) for row in found[:1]]
    if len(lines) < 2:
        return None
    return forest(
        answer,
        "prior",
        lines,
        title="Prior and posterior of the headline",
        axis=f"{AXIS}, 95 % credible interval",
    )


def regions(answer: Answer, place: str = "region") -> Drawing | None:
    """Each place alone (hollow) beside its partially pooled gap (filled); None without pooling."""
    results, category = answer.results, shown_category(answer)
    mine = [
        row
        for row in answer.gaps
        if (row.quantity, row.category) == (Quantity.RISK_DIFFERENCE, category)
        and (answer.is_headline(row) or row.family == Family.HIERARCHICAL)
    ]
    pooled = [row for row in mine if row.family == Family.HIERARCHICAL and row.estimate is not None]
    over = {row.population for row in mine if answer.is_headline(row)} | {Population.ALL_MEMBERS}
    inside = [row for row in mine if row.group.startswith(f"{place}=") and row.population in over]
    groups = list(dict.fromkeys(row.group for row in inside))
    if not groups or not any(row.group in groups for row in pooled):
        return None
    whole = next((row for row in pooled if row.group == "all"), None)
    drawn = canvas(
        2 * len(groups) + 1.5,
        f"{answer.label}{f': {category_words(category, answer.levels)}' if category else ''}",
        f"gap, percentage points, {results.members} minus {results.others}",
        mark=results.mark,
        labels=[results.group(group) for group in groups],
        values=[f"● pooled {shown(row)}" for row in inside],
    )
    drawn.zero()
    if whole is not None:
        _overall(drawn, whole)
    for number, group in enumerate(groups):
        drawn.label(2 * number + 1.9, results.group(group))
        _region(drawn, 2 * number + 1.5, [row for row in inside if row.group == group])
    told = "; ".join(f"{results.group(row.group)} {_how(row)} {shown(row)}" for row in inside)
    return Drawing(
        name=f"{place}s_{answer.model}",
        alt=f"{answer.label} by {place}: {told}.",
        figure=drawn.figure,
    )


def _how(row: GapRow) -> str:
    return "pooled" if row.family == Family.HIERARCHICAL else "alone"


def _overall(drawn: Canvas, row: GapRow) -> None:
    """The gap over all regions, as a mark above them and a band behind them."""
    band, at = limits(row), 100 * (row.estimate or 0.0)
    if band is not None:
        drawn.axes.axvspan(*band, color=BAND, zorder=0, lw=0)
    drawn.axes.axvline(at, color=FIRST, lw=1.1, ls=(0, (4, 2)), zorder=2)
    drawn.mark(0, at, band, color=FIRST, shape="D")
    drawn.label(0, "all regions", bold=True, color=FIRST)
    drawn.value(0, f"◆ all {shown(row)}", bold=True, color=FIRST)


def _region(drawn: Canvas, top: float, rows: Sequence[GapRow]) -> None:
    for row in rows:
        pooled = row.family == Family.HIERARCHICAL
        at, color = (top + 0.8, FIRST) if pooled else (top, SECOND)
        drawn.value(at, f"{'●' if pooled else '○'} {_how(row)} {shown(row)}", color=color)
        if row.estimate is not None:
            drawn.mark(at, 100 * row.estimate, limits(row), color=color, hollow=not pooled)
