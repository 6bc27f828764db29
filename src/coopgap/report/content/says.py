"""What this run says: one plain sentence a headline outcome, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import GapRow
from coopgap.headline import declared_at, headline_first
from coopgap.report.document import Block, Items, Paragraph, Section, Table
from coopgap.report.values import (
    DASH,
    count,
    estimate_words,
    interval_name,
    number,
    p_value,
    percent,
    points,
    spread,
)
from coopgap.report.view import View, headline_rows, is_first, pick
from coopgap.report.words import (
    POPULATIONS,
    STATUSES,
    category_words,
    joined,
    once,
    status_word,
)
from coopgap.study.spec import ModelSpec
from coopgap.vocabulary import Quantity, Status

__all__ = ["headline_sentences", "headline_table", "says_section"]

_ASSOCIATION = "This is an association."


def says_section(view: View) -> Section:
    """The headline gaps in sentences, then in one table."""
    blocks: list[Block] = []
    if view.is_example:
        blocks.append(
            Paragraph(
                lead=f"{view.mark}.",
                text=(
                    "Everything from here on comes from an example survey with known gaps, made to "
                    "show the method. None of it is a finding about anybody."
                ),
            )
        )
    sentences = headline_sentences(view)
    if sentences:
        blocks.append(Items(items=tuple(sentences)))
        table = headline_table(view)
        blocks += [table] if table.rows else []
    else:
        blocks.append(Paragraph(text="No headline outcome was estimated in this run."))
    return Section(title="What this run says", anchor="says", blocks=tuple(blocks))


_CHOSEN = {
    "nearest": "each the nearest in",
    "optimal": "paired at the least total distance in",
    "full": "in sets at the least total distance in",
    "cardinality": "chosen for balance in",
    "overlap": "both groups weighted to where they overlap in",
}


def headline_sentences(view: View) -> list[tuple[str, str]]:
    """A lead and its sentences for each declared headline outcome."""
    found = []
    for outcome, model in view.headlines:
        if (model, outcome) not in view.by_model:
            continue
        rows = headline_rows(view, model, outcome)
        spec = view.spec(model)
        text = _told(view, rows, spec)
        if view.is_negative_control(outcome):
            text += (
                " This is a negative control: no reason is evident for members to differ here, so "
                "a clear gap would speak against the comparison."
            )
        found.append((f"{view.label(outcome)}.", text))
    return found


def _who(view: View, spec: ModelSpec | None) -> str:
    """The people the members are compared with, by how they were made comparable."""
    if spec is None:
        return "comparison people"
    on = spec.matching.on
    others = [name for name in spec.covariates if name not in on]
    text = "comparison people"
    if spec.matching.method == "entropy":
        names = view.labels(tuple(dict.fromkeys((*on, *spec.covariates))))
        return f"{text} weighted to the same mix of {joined(names)}"
    text += f" of the same {joined(view.labels(on))}" if on else ""
    if spec.matching.covariates:
        about = joined(view.labels(spec.matching.covariates))
        text += "," * bool(on) + f" {_CHOSEN[spec.matching.method]} {about}"
    return text + (f", adjusted for {joined(view.labels(others))}" if others else "")


def _limits(row: GapRow) -> str:
    found = spread(row.quantity, row.lower, row.upper)
    return f" ({interval_name(row.interval_prob, row.interval_kind)} {found})" if found else ""


def _not_shown(row: GapRow | None) -> str:
    if row is None:
        return "No estimate was made."
    reason = STATUSES.get(row.status) or "no number"
    return f"No number: {reason}."


def _caution(row: GapRow, null: float) -> str:
    if row.status in (Status.FEW_CLUSTERS, Status.FEW_PEOPLE):
        return f" {STATUSES[row.status].capitalize()}."
    if row.lower is not None and row.upper is not None and row.lower <= null <= row.upper:
        return " The interval holds no gap too, so these answers do not settle its direction."
    return ""


def _told(view: View, rows: Sequence[GapRow], spec: ModelSpec | None) -> str:
    """What is put first, then the rest of the distribution where there is more of it."""
    row = next((one for one in rows if is_first(view, one)), None)
    if row is None or row.estimate is None:
        return _not_shown(row)
    by_level = row.quantity != Quantity.SUPERIORITY
    text = _gap(view, row, rows, spec) if by_level else _higher(view, row)
    parts = [
        f"{category_words(one.category, view.levels(one.outcome))} {_at(one)}"
        for category in view.thresholds(row.outcome)
        if category and (one := pick(rows, Quantity.RISK_DIFFERENCE, category)) is not None
    ]
    thresholds = f" In points, members less comparison people: {'; '.join(parts)}." if parts else ""
    higher = pick(rows, Quantity.SUPERIORITY)
    if row.category and higher is not None and higher.estimate is not None:
        text += (
            f" Probability of superiority {percent(higher.estimate)}{_limits(higher)}: one of the "
            f"{_members(view, row)} has a higher answer than one of the comparison people, "
            "standardised to them, counting ties half."
        )
    return text + thresholds


def _gap(view: View, row: GapRow, rows: Sequence[GapRow], spec: ModelSpec | None) -> str:
    levels, estimate = view.levels(row.outcome), row.estimate or 0.0
    level = category_words(row.category, levels)
    size = points(abs(estimate))
    how = f"{size} points {'more' if estimate > 0 else 'less'} often"
    if size == "0.0":
        how = "as often (0.0 points apart)"
    shares = [
        percent(item.estimate)
        for comparator in ("", "comparison")
        for item in rows
        if item.quantity == Quantity.SHARE
        and item.comparator == comparator
        and item.estimate is not None
    ]
    beside = f": {shares[0]} against {shares[1]}" if len(levels) == len(shares) == 2 else ""
    than = "as" if size == "0.0" else "than"
    verb = "stand at" if row.category else "answer"
    return (
        f"Members {verb} “{level}” {how}{_limits(row)} {than} {_who(view, spec)}{beside}. "
        f"{_ASSOCIATION}{_caution(row, 0.0)}"
    )


def _members(view: View, row: GapRow) -> str:
    return "matched members" if view.is_matched(row.model) else "members"


def _higher(view: View, row: GapRow) -> str:
    return (
        f"Probability of superiority {percent(row.estimate)}{_limits(row)}: one person drawn from "
        f"the {_members(view, row)} has a higher answer than one drawn from the comparison people "
        f"standardised to them, counting ties half; {percent(0.5)} would be no gap. "
        f"{_ASSOCIATION}{_caution(row, 0.5)}"
    )


def _at(row: GapRow) -> str:
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)


def headline_table(view: View) -> Table:
    """One line a headline outcome and threshold."""
    lines: list[tuple[str, ...]] = []
    kinds: dict[str, None] = {}
    people: dict[str, None] = {}
    how = view.how(model for outcome, model in view.headlines if (model, outcome) in view.by_model)
    for outcome, model in view.headlines:
        rows = headline_rows(view, model, outcome)
        for one in headline_first(view.levels(outcome), declared_at(view.study, model)):
            row = pick(rows, one.quantity, one.category)
            if row is not None:
                lines.append(_line(view, row))
                people[POPULATIONS[row.population]] = None
                if row.interval_kind:
                    kinds[interval_name(row.interval_prob, row.interval_kind)] = None
    return Table(
        caption=f"Headline gaps: {how}" + (f" ({joined(list(people))})" if people else ""),
        header=(
            "Outcome",
            "At",
            "Gap, points, or probability",
            joined(list(kinds)) or "interval",
            "p",
            "p, adjusted",
            "Members",
            "Comparison people",
            "Effective size",
        ),
        rows=once(lines),
        leading=2,
        notes=(
            "Adjusted p-values are Holm's, over one headline row a "
            "question, negative controls left "
            "out; only those rows have one. The effective size is what the weighted comparison "
            "group is worth in people.",
        ),
        mark=view.mark,
    )


def _line(view: View, row: GapRow) -> tuple[str, ...]:
    at = category_words(row.category, view.levels(row.outcome)) or "superiority"
    if row.estimate is None:
        estimate, limits = status_word(row.status) or DASH, DASH
    else:
        estimate = (
            points(row.estimate, signed=True)
            if row.quantity == Quantity.RISK_DIFFERENCE
            else percent(row.estimate)
        )
        limits = spread(row.quantity, row.lower, row.upper) or DASH
        if row.status != Status.OK:
            limits += f"; {status_word(row.status)}"
    return (
        view.label(row.outcome),
        at,
        estimate,
        limits,
        p_value(row.p_value),
        p_value(row.p_adjusted),
        count(row.n_member),
        count(row.n_comparison),
        number(row.ess_comparison, 0),
    )
