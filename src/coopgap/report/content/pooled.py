"""The hierarchical model by region in words: its headline, its footnote, its spreads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coopgap.estimate import CoefficientRow, GapRow
from coopgap.report.document import Block, Items, Paragraph
from coopgap.report.values import (
    estimate_words,
    interval_name,
    number,
    percent,
    spread,
)
from coopgap.report.view import View, pick
from coopgap.report.words import category_words, clean, status_word
from coopgap.vocabulary import Family, Population, Quantity, Scale, Status

__all__ = ["headline_blocks", "pooled_rows", "spread_blocks"]

_SUPERPOPULATION = "member:superpopulation"
_SCALES = {Scale.LOG_ODDS: "log odds", Scale.PROBIT: "probits"}
_SPREADS = {
    Quantity.SD_FINITE: "Spread between these regions' gaps",
    Quantity.SD_SUPERPOPULATION: "Spread between gaps of regions like these",
    "sd_zone_gap": "Spread between the gaps of zones",
    "sd_zone": "Spread between the levels of zones",
}


def pooled_rows(
    rows: Sequence[GapRow], population: Population = Population.ALL_MEMBERS
) -> list[GapRow]:
    """Rows of the hierarchical model over all members, or over another population."""
    return [
        row
        for row in rows
        if row.family == Family.HIERARCHICAL
        and row.group == "all"
        and (row.population == population or row.quantity in _SPREADS)
    ]


def headline_blocks(view: View, model: str, outcome: str, rows: Sequence[GapRow]) -> list[Block]:
    """The gap over members' regions, then the one of regions like these as a footnote."""
    pooled = pooled_rows(rows)
    gaps = [
        row
        for at in view.thresholds(outcome)
        if (row := pick(pooled, Quantity.RISK_DIFFERENCE, at)) is not None
    ]
    if not gaps:
        return []
    terms = _terms(view, model)
    blocks: list[Block] = [
        Paragraph(lead="Over the members' own regions.", text=_headline(view, pooled, gaps, terms))
    ]
    blocks += _elsewhere(view, outcome, rows)
    outside = terms.get(_SUPERPOPULATION)
    if outside is not None and "member" in terms:
        n = len({row.group for row in rows if row.group.startswith("region=")})
        blocks.append(
            Paragraph(
                lead="Footnote: regions like these.",
                text=_footnote(outside, terms["member"], n),
            )
        )
    return blocks


def _elsewhere(view: View, outcome: str, rows: Sequence[GapRow]) -> list[Block]:
    """The gap over the population that the study declares, by the name of its file."""
    declared = view.study.design.population
    over = pooled_rows(rows, Population.POSTSTRATIFIED)
    gaps = [pick(over, Quantity.RISK_DIFFERENCE, at) for at in view.thresholds(outcome)]
    shown = [row for row in gaps if row is not None and row.estimate is not None]
    if declared is None or not shown:
        return []
    return [
        Paragraph(
            lead="Over a declared population.",
            text=(
                f"With the mix of {clean(declared.file)} in place of the members': "
                f"{_gaps(view, shown)}. It is what the model expects of people of that mix; they "
                "are not co-operative members."
            ),
        )
    ]


def _gaps(view: View, gaps: Sequence[GapRow]) -> str:
    levels = view.levels(gaps[0].outcome)
    return "; ".join(
        " ".join(
            (
                *((category_words(row.category, levels),) if row.category else ()),
                estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status),
            )
        )
        for row in gaps
    )


def _terms(view: View, model: str) -> Mapping[str, CoefficientRow]:
    return {
        row.term: row
        for row in view.coefficients
        if row.model == model and row.family == Family.HIERARCHICAL
    }


def _headline(
    view: View,
    pooled: Sequence[GapRow],
    gaps: Sequence[GapRow],
    terms: Mapping[str, CoefficientRow],
) -> str:
    first = gaps[0]
    if first.estimate is None:
        return f"No number: {status_word(first.status) or 'unknown'}."
    levels = view.levels(first.outcome)
    text = f"In points, members less comparison people: {_gaps(view, gaps)}."
    higher = pick(pooled, Quantity.SUPERIORITY)
    if len(levels) > 2 and higher is not None and higher.status in (Status.OK, Status.FEW_PEOPLE):
        limits = spread(higher.quantity, higher.lower, higher.upper)
        text += f" Probability of superiority {percent(higher.estimate)} ({limits})."
    if "member" in terms:
        text += (
            " The mean of the regions' gaps, weighted by members, is "
            f"{_latent(terms['member'])} {_scale(terms['member'])}."
        )
    kind = interval_name(first.interval_prob, first.interval_kind)
    return f"{text} In brackets: {kind}. This is an association."


def _footnote(outside: CoefficientRow, inside: CoefficientRow, n: int) -> str:
    return (
        "Were the regions a sample from many, the mean gap of regions like these would be "
        f"{_latent(outside)} {_scale(outside)}{_wider(outside, inside)}. It is no headline: {n} "
        "regions say little about others, and its width hangs on the prior for the spread "
        "between regions."
    )


def _wider(outside: CoefficientRow, inside: CoefficientRow) -> str:
    """How much wider one interval is than the other, where it is."""
    if None in (outside.lower, outside.upper, inside.lower, inside.upper):
        return ""
    wide, narrow = (row.upper - row.lower for row in (outside, inside))  # type: ignore[operator]
    if narrow <= 0 or wide / narrow < 1.05:
        return ""
    return f", with an interval {number(wide / narrow, 1)} times as wide"


def _latent(row: CoefficientRow) -> str:
    limits = f"{number(row.lower, 2)} to {number(row.upper, 2)}".replace(" ", "\N{NO-BREAK SPACE}")
    return f"{number(row.estimate, 2, signed=True)} ({limits})"


def _scale(row: CoefficientRow) -> str:
    return _SCALES.get(Scale(row.scale), row.scale)


def spread_blocks(view: View, model: str, outcome: str, rows: Sequence[GapRow]) -> list[Block]:
    """How far from one odds ratio the posterior is, and how far regions and zones differ."""
    terms = _terms(view, model)
    spreads = _spreads(pooled_rows(rows), terms)
    blocks: list[Block] = [Items(items=spreads)] if spreads else []
    by_cut = {
        at: terms[f"member:{at}"] for at in view.thresholds(outcome) if f"member:{at}" in terms
    }
    shift = terms.get("sd_threshold_shift")
    if by_cut and shift is not None:
        blocks.append(
            Paragraph(
                lead="How far from one odds ratio?",
                text=_departure(view, outcome, by_cut, shift),
                brief=False,
            )
        )
    return blocks


def _departure(
    view: View, outcome: str, by_cut: Mapping[str, CoefficientRow], shift: CoefficientRow
) -> str:
    low, high = (choose(by_cut, key=lambda at: by_cut[at].estimate or 0.0) for choose in (min, max))
    ends = " to ".join(
        f"{_latent(by_cut[at])} at “{category_words(at, view.levels(outcome))}”"
        for at in (low, high)
    )
    return (
        f"In {_scale(by_cut[low])} the gaps run from {ends}. One odds ratio for every threshold "
        "would make them equal. The shifts by membership of the distances between thresholds have "
        "a root mean square of "
        f"{estimate_words('sd', shift.estimate, shift.lower, shift.upper)}; zero would be one odds "
        "ratio."
    )


def _spreads(
    pooled: Sequence[GapRow], terms: Mapping[str, CoefficientRow]
) -> tuple[tuple[str, str], ...]:
    found: dict[str, GapRow | CoefficientRow] = dict(terms)
    found |= {row.quantity: row for row in pooled if row.quantity in _SPREADS}
    scale = _scale(terms["member"]) if "member" in terms else _SCALES[Scale.LOG_ODDS]
    return tuple(
        (f"{words} ({scale}):", _spread(row))
        for name, words in _SPREADS.items()
        if (row := found.get(name)) is not None
    )


def _spread(row: GapRow | CoefficientRow) -> str:
    status = row.status if isinstance(row, GapRow) else Status.OK
    return estimate_words("sd", row.estimate, row.lower, row.upper, status)
