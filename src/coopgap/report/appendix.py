"""What has no number and why, the gate of draws, and what run.json says, for the appendix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coopgap.core.estimate import DiagnosticRow
from coopgap.core.vocabulary import Diagnostic, Verdict
from coopgap.report import values as v
from coopgap.report.data import Answer, Results
from coopgap.report.tables import Table
from coopgap.report.words import clean, family_words, readable


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something has no number: of what, for which outcomes; no names where for all."""

    what: str
    note: str
    places: tuple[str, ...]
    outcomes: tuple[str, ...]


def _reasons(results: Results, found: Iterable[tuple[str, str, str, str]]) -> list[Reason]:
    """One a kind and note, from (kind, note, place, model)."""
    merged: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for what, note, place, model in found:
        places, models = merged.setdefault((what, note), ({}, {}))
        places |= {place: None} if place else {}
        models |= {model: None}
    every = {one.model for one in results.answers}
    labels = {one.model: one.label for one in results.answers}
    return [
        Reason(
            what=what,
            note=clean(note).rstrip(". "),
            places=tuple(places),
            outcomes=() if every <= set(models) else tuple(labels.get(m, m) for m in models),
        )
        for (what, note), (places, models) in merged.items()
    ]


def unanswered(results: Results) -> list[Reason]:
    """Checks that gave no answer, by reason."""
    none = (Verdict.NOT_APPLICABLE, Verdict.NOT_ASSESSED)
    rows = [r for r in results.survey.sensitivity if r.verdict in none and not r.quantity]
    return _reasons(results, ((row.check, row.note, "", row.model) for row in rows))


_WITHOUT: Final = (
    Diagnostic.WITHHELD,
    Diagnostic.NOT_ESTIMABLE,
    Diagnostic.SHARES_INSTEAD,
    Diagnostic.BIAS_REDUCED,
)


def without_number(results: Results) -> list[Reason]:
    """Estimates withheld, impossible or made otherwise, by reason."""
    rows = [row for row in results.survey.diagnostics if row.diagnostic in _WITHOUT]
    return _reasons(
        results,
        ((row.diagnostic, row.note, _of_what(results, row), row.model) for row in rows),
    )


def _of_what(results: Results, row: DiagnosticRow) -> str:
    group = results.group(row.group) if row.group not in ("", "all") else ""
    family = family_words(row.family) if row.family else ""
    return ", ".join(part for part in (family, clean(row.about), group) if part)


GATE: Final = {
    "finite_draws": "finite draws",
    "r_hat": "R-hat",
    "ess_bulk": "bulk effective size",
    "ess_tail": "tail effective size",
    "chains_alike": "copies of a chain",
    "chains_agree": "agreement of chains",
    "mean_error": "error of a mean",
    "moving": "a chain that stands still",
    "pareto_k": "Pareto k",
    "probability_error": "Monte Carlo error of a probability",
    "tree_depth_reached": "largest tree depth",
    "e_bfmi": "E-BFMI",
}
"""Items of the gate of draws in words; others by their names."""


def gate(answer: Answer) -> list[DiagnosticRow]:
    """Items of the gate of a hierarchical model; none without one."""
    return [row for row in answer.diagnostics if row.diagnostic == Diagnostic.GATE]


def gated(results: Results) -> list[Answer]:
    """Models whose draws had to pass the gate."""
    return [one for one in results.answers if gate(one)]


def gate_words(row: DiagnosticRow) -> str:
    """An item of the gate with what was found and what would pass."""
    name = GATE.get(row.about, readable(row.about))
    return f"{name} {v.value_words('', row.value)} (bar {v.value_words('', row.bar)})"


def run_details(results: Results) -> Table:
    """Seed, versions, hashes and times."""
    meta = results.meta
    versions = ", ".join(f"{name} {one}" for name, one in (meta.get("versions") or {}).items())
    seconds = meta.get("seconds") or {}
    timed = ", ".join(f"{name} {v.number(one, 1)}" for name, one in seconds.items())
    told = {
        "Program": f"{meta.get('program', '')} {meta.get('version', '')}",
        "Finished": meta.get("finished"),
        "Checks": meta.get("checks"),
        "Seed": meta.get("seed"),
        "Survey": f"{meta.get('survey', '')}, SHA-256 {str(meta.get('survey_sha256'))[:16]}…",
        "Study": f"{meta.get('study', '')}, SHA-256 {str(meta.get('study_sha256'))[:16]}…",
        "Versions": versions,
        "Seconds": timed,
    }
    rows = [(name, clean(str(value))) for name, value in told.items() if value not in (None, "")]
    return Table(name="run", caption="The run", header=("", ""), rows=tuple(rows))
