"""Who was compared: people read, left out, kept; what the design reached; balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coopgap.estimate import DiagnosticRow
from coopgap.report.content.balance import balance_table, model_label
from coopgap.report.document import Block, Figure, Items, Paragraph, Section, Table
from coopgap.report.figures.names import balance_name
from coopgap.report.values import DASH, count, number
from coopgap.report.view import View
from coopgap.report.words import (
    FAMILIES,
    POPULATIONS,
    STATUSES,
    UNKNOWN,
    capital,
    clean,
    group_words,
    once,
    readable,
)
from coopgap.vocabulary import REASONS, Diagnostic, Family

__all__ = ["compared_section"]

_COLUMNS = (
    ("rows_complete", "Complete answers"),
    ("members_without_comparison", "Members without comparison"),
    ("comparison_unused", "Comparison people unused"),
    ("ess_comparison", "Effective size of comparison"),
    ("matched_sets", "Matched sets"),
    ("pairs_possible", "Pairs possible"),
    ("largest_smd_before", "Largest difference before"),
    ("largest_smd_after", "Largest difference left"),
)
_NOTED = {
    "strata_members_only": "Strata with members only",
    "strata_comparison_only": "Strata with comparison people only",
    "strata_few_comparison": "Strata with few comparison people",
    "comparison_weight_moved": "What the matching changes",
    "member_weight_moved": "Members the matching moves",
    "largest_smd_after": "Largest difference left",
    "pairs_possible": "One-to-one pairs within strata",
    "pairs_ignoring_strata": "One-to-one pairs without strata",
    "zones_in_model": "Zones in the hierarchical model",
    "gate_retried": "Sampling",
}
_STRATA = {
    "stratum_members_only": "Members without a comparison person",
    "stratum_few_comparison": "Members with few comparison people",
}
"""Diagnostics that name one stratum each."""

_NAMED = 12
"""Strata that are named; more stand in diagnostics.csv."""

_SENTENCES = ("zones_in_model", "gate_retried")
"""Diagnostics whose note says all."""

_BARS = {
    "finite_draws": "quantities with finite draws",
    "chains": "chains",
    "r_hat": "R-hat, largest",
    "ess_bulk": "bulk effective sample size, smallest",
    "ess_tail": "tail effective sample size, smallest",
    "chains_alike": "correlation of two chains, or share of draws they share, largest",
    "chains_agree": "adjusted p-value that the chains have one mean, smallest",
    "mean_error": "error of a mean by chains, in posterior SDs, largest",
    "moving": "variance of a twentieth of a chain over that of all, smallest",
    "pareto_k": "tail shape (Pareto k), largest",
    "probability_error": "Monte Carlo error of a probability, largest",
    "divergences": "divergences",
    "tree_depth_reached": "draws at the largest tree depth",
    "e_bfmi": "energy fraction (E-BFMI), smallest",
    "largest_smd_after": "largest standardised difference left",
    "imputation_convergence": "R-hat of imputed shares, largest",
}
_DECIMALS = {"largest_smd_before": 2, "largest_smd_after": 2}


def compared_section(view: View, drawn: Sequence[str]) -> Section:
    """Counts, what was left out, feasibility and balance."""
    blocks: list[Block] = [Paragraph(text=_people(view.meta))]
    dropped = _dropped(view.meta)
    blocks.append(Items(items=dropped) if dropped else Paragraph(text="Nobody was left out."))
    blocks += _feasibility(view)
    blocks += _not_estimated(view)
    if view.balance:
        blocks.append(balance_table(view))
    models = view.in_order(row.model for row in view.balance)
    names = {balance_name(model): view.is_matched(model) for model in models}
    when = {True: " before and after matching", False: ""}
    blocks += [
        Figure(
            name=name,
            caption=f"Standardised differences{when[matched]}; the bar is at 0.1.",
            mark=view.mark,
        )
        for name, matched in names.items()
        if name in drawn
    ]
    return Section(title="Who was compared", anchor="compared", blocks=tuple(blocks))


def _people(meta: Mapping[str, Any]) -> str:
    def people(key: str) -> str:
        value = meta.get(key)
        return UNKNOWN if value is None else count(value)

    text = (
        f"Rows read: {people('n_read')}. Members: {people('n_member')}. Comparison people "
        f"interviewed in person: {people('n_comparison')}."
    )
    if meta.get("n_phone"):
        text += (
            f" Interviewed by phone: {people('n_phone')}; they enter no headline, only the phone "
            "check."
        )
    return text


def _dropped(meta: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = [("Whole run", item) for item in meta.get("dropped") or []]
    for model in meta.get("models") or []:
        found += [(f"Model {model['model']}", item) for item in model.get("dropped") or []]
    return tuple(
        (f"{where}:", f"{count(item['count'])} left out, {clean(str(item['reason']))}")
        for where, item in found
    )


def _feasibility(view: View) -> list[Block]:
    rows = [row for row in view.diagnostics if not _is_reason(row)]
    found = {(row.model, row.diagnostic): row for row in rows if not _is_by_level(row)}
    models = view.in_order(row.model for row in rows)
    columns = [(key, head) for key, head in _COLUMNS if any((m, key) in found for m in models)]
    blocks: list[Block] = []
    if columns:
        blocks.append(
            Table(
                caption="What each model's design reached" if view.has_matching else _AS_THEY_ARE,
                header=("Model", *(_head(view, head) for _, head in columns)),
                rows=tuple(
                    (
                        model_label(view, model),
                        *(_value(found.get((model, Diagnostic(key))), key) for key, _ in columns),
                    )
                    for model in models
                ),
                notes=(_ONE_DENOMINATOR,) if view.has_matching else (),
                mark=view.mark,
            )
        )
    notes = _notes(view, rows) + _strata(view, rows)
    blocks += [Items(items=notes, brief=False)] if notes else []
    others = [
        row
        for row in rows
        if row.diagnostic not in dict(_COLUMNS)
        and row.bar is not None
        and row.diagnostic != Diagnostic.PROPORTIONAL_ODDS
    ]
    blocks += [_bar_table(view, others)] if others else []
    return blocks


_ONE_DENOMINATOR = "Differences are standardised by the same denominator before and after."
_AS_THEY_ARE = "Whom each model has answers of"


def _head(view: View, head: str) -> str:
    return head if view.has_matching else head.removesuffix(" before")


def _value(row: DiagnosticRow | None, key: str) -> str:
    return DASH if row is None else number(row.value, _DECIMALS.get(key, 0))


def _notes(view: View, rows: Sequence[DiagnosticRow]) -> tuple[tuple[str, str], ...]:
    """Sentences about the design, once each, with the models they hold for."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        name = None if _is_by_level(row) else _NOTED.get(row.diagnostic)
        if name and row.note and row.value is not None:
            value = "" if row.diagnostic in _SENTENCES else f"{_plain(row.value)}: "
            text = f"{value}{_sentence(row.note)}"
            found.setdefault((name, text), []).append(row.model)
    models = len({row.model for row in rows})
    return tuple(
        (f"{name}.", text if len(where) == models else f"{text} ({_models(view, where)})")
        for (name, text), where in found.items()
    )


def _strata(view: View, rows: Sequence[DiagnosticRow]) -> tuple[tuple[str, str], ...]:
    """Strata that hold members and hardly anybody beside them, by name."""
    lists: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for kind, name in _STRATA.items():
        for model in view.in_order(row.model for row in rows):
            mine = [row for row in rows if row.model == model]
            cells = tuple(row.about for row in mine if row.diagnostic == kind)
            if cells:
                lists.setdefault((name, cells), []).append(model)
    models = len({row.model for row in rows})
    return tuple(
        (f"{name}.", f"{_first(cells)}." + ("" if len(at) == models else f" ({_models(view, at)})"))
        for (name, cells), at in lists.items()
    )


def _first(cells: Sequence[str]) -> str:
    """Names of strata; of many the first, and how many more there are."""
    named = "; ".join(clean(cell) for cell in cells[:_NAMED])
    more = len(cells) - _NAMED
    return f"{named}; and {count(more)} more in diagnostics.csv" if more > 0 else named


def _sentence(text: str) -> str:
    return f"{clean(text).rstrip('. ')}."


def _plain(value: float | None) -> str:
    """A number of any kind: whole numbers whole, others as far as they say something."""
    if value is None or value == int(value):
        return number(value, 0)
    return number(value, 1 if abs(value) >= 10 else 3)


def _models(view: View, models: Sequence[str]) -> str:
    return ", ".join(model_label(view, model) for model in dict.fromkeys(models))


def _is_reason(row: DiagnosticRow) -> bool:
    return row.diagnostic in REASONS


def _is_by_level(row: DiagnosticRow) -> bool:
    """Whether a row of pairs is about one level of a stratum variable."""
    return row.diagnostic == Diagnostic.PAIRS_POSSIBLE and bool(row.about)


def _not_estimated(view: View) -> list[Block]:
    """What has no estimate and why: reasons once each, with the places they hold for."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in view.diagnostics:
        if _is_reason(row):
            outside = f"against {row.about}: " if row.about else ""
            reason = f"{STATUSES[row.diagnostic]}: {_sentence(outside + row.note)}"
            places = found.setdefault(reason, {})
            places.setdefault(_place(view, row), []).append(row.model)
    if not found:
        return []
    every = len(view.by_model)
    items = tuple(
        (
            capital(reason),
            " ".join(
                f"{place}: {'every outcome' if len(where) == every else _models(view, where)}."
                for place, where in places.items()
            ),
        )
        for reason, places in found.items()
    )
    first = Paragraph(
        lead="What could not be estimated.",
        text="The rows stay in the tables, without numbers, for these reasons:",
    )
    return [first, Items(items=items)]


def _place(view: View, row: DiagnosticRow) -> str:
    """Family, group and population in words."""
    if not row.group or not row.population or not row.family:
        return capital(FAMILIES[Family(row.family)] if row.family else "")
    over = POPULATIONS.get(row.population, readable(row.population))
    return capital(f"{group_words(row.group)}, {view.family(row.family)}, {over}")


def _bar_table(view: View, rows: Sequence[DiagnosticRow]) -> Table:
    return Table(
        caption="Bars that had to be passed",
        header=("Model", "What", "Found", "Bar", "Passed"),
        rows=once(
            [
                (
                    model_label(view, row.model),
                    _bar_name(row),
                    _plain(row.value),
                    _plain(row.bar),
                    DASH if row.passed is None else ("yes" if row.passed else "no"),
                )
                for row in rows
            ]
        ),
        leading=2,
        trailing=1,
        mark=view.mark,
        brief=False,
    )


def _bar_name(row: DiagnosticRow) -> str:
    name = row.about if row.diagnostic == Diagnostic.GATE else row.diagnostic
    return _BARS.get(name, readable(name))
