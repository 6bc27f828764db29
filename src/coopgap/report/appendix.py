"""What has no number and why, the gate of draws, the run, and the papers to cite for it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from coopgap.core.estimate import DiagnosticRow
from coopgap.core.vocabulary import BY_PHONE, Check, Diagnostic, Verdict
from coopgap.report import words
from coopgap.report.data import Answer, Results
from coopgap.report.tables import Table
from coopgap.report.words import clean, family_words, joined, readable
from coopgap.study.spec import Matching


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
    """Checks that gave no answer, by reason; those of phone interviews where there are any."""
    none = (Verdict.NOT_APPLICABLE, Verdict.NOT_ASSESSED)
    silent = frozenset() if results.has_phone else BY_PHONE
    rows = [
        row
        for row in results.survey.sensitivity
        if row.verdict in none and not row.quantity and row.check not in silent
    ]
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
    "correction_positive": "smallest change of a variance by the correction for weights",
    "correction_condition": "condition of that correction",
    "correction_narrowest": "smallest change of a width by it",
    "correction_widest": "largest change of a width by it",
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
    return f"{name} {words.value_words('', row.value)} (bar {words.value_words('', row.bar)})"


def run_details(results: Results) -> Table:
    """Seed, versions, hashes and times."""
    meta = results.meta
    versions = ", ".join(f"{name} {one}" for name, one in (meta.get("versions") or {}).items())
    seconds = meta.get("seconds") or {}
    timed = ", ".join(f"{name} {words.number(one, 1)}" for name, one in seconds.items())
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


type Facts = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One paper; `fields` are BibTeX's, `when` is what a run must have to cite it."""

    key: str
    type: str
    when: Sequence[Mapping[str, Sequence[str]]]
    fields: Mapping[str, str]

    def is_cited(self, facts: Facts) -> bool:
        """Whether any of its conditions holds: a value of each of their keys."""
        return any(
            all(not facts[name].isdisjoint(values) for name, values in one.items())
            for one in self.when
        )

    @property
    def short(self) -> str:
        """`Hansen and Klopfer 2006`."""
        authors = self.fields["author"].split(" and ")
        family = [name.partition(",")[0].strip("{}") for name in authors]
        named = f"{family[0]} et al." if len(family) > 2 else joined(family)
        return f"{named} {self.fields.get('year', '')}".strip()

    @property
    def text(self) -> str:
        """The entry of a short list of references; titles of papers stand in the BibTeX file."""
        it = self.fields
        journal = f"{it['journal']} {it['volume']}" if "journal" in it else it["title"]
        number = f"({it['number']})" if "number" in it else ""
        pages = it.get("pages", "").replace("--", "–")
        place = [f"{journal}{number}".replace("\\&", "&"), pages, it.get("publisher", "")]
        link = f"doi:{it['doi']}" if "doi" in it else it.get("url", "").removeprefix("https://")
        link = f"arXiv:{it['eprint']}" if "eprint" in it else link
        return ", ".join(part for part in (self.short, *place, link) if part)

    @property
    def bibtex(self) -> str:
        """The entry of a BibTeX file."""
        lines = [f"  {name} = {{{value}}}," for name, value in self.fields.items()]
        return "\n".join((f"@{self.type}{{{self.key},", *lines, "}"))


@cache
def references() -> dict[str, Reference]:
    """Every paper that a run may cite, by key."""
    from importlib.resources import files

    text = (files("coopgap.report") / "data" / "references.toml").read_text(encoding="utf-8")
    return {
        key: Reference(
            key=key,
            type=entry.pop("type"),
            when=entry.pop("when"),
            fields={name: str(value) for name, value in entry.items()},
        )
        for key, entry in tomllib.loads(text).items()
    }


@dataclass(frozen=True, kw_only=True)
class Used:
    """What a run did, told from its tables and its study."""

    results: Results

    @cached_property
    def facts(self) -> Facts:
        """By kind, what the tables have numbers of and what the models declare."""
        rows = self.results.survey
        valued = [row for row in rows.diagnostics if row.value is not None]
        errors = {row.std_error_kind for row in rows.coefficients}
        axes = [one.spec.multiverse for one in self.results.answers if one.spec is not None]
        ran = any(row.check == Check.MULTIVERSE and row.quantity for row in rows.sensitivity)
        methods = {one.method for one in self.designs}
        found: dict[str, Iterable[str | None]] = {
            "family": {row.family for row in rows.gaps},
            "form": {row.form for row in rows.gaps},
            "quantity": {row.quantity for row in rows.gaps if row.estimate is not None},
            "population": {row.population for row in rows.gaps},
            "interval": {row.interval_kind for row in rows.gaps},
            "check": {row.check for row in rows.sensitivity if row.quantity},
            "diagnostic": {row.diagnostic for row in valued},
            "test": {row.test for row in valued},
            "std_error": {word for kind in errors for word in re.split(r"[ ,]+", kind)},
            "method": methods.union(*(one.method for one in axes if one is not None and ran)),
            "distance": {one.distance for one in self.designs if one.method in _BY_DISTANCE},
            "has": set(self._had()),
        }
        return {kind: frozenset(filter(None, values)) for kind, values in found.items()}

    def _had(self) -> Iterator[str]:
        """What a run has or has not."""
        if self.designs:
            yield "matching"
        if any(one.caliper is not None for one in self.designs):
            yield "caliper"
        if self.results.survey.balance:
            yield "balance"
        if any(row.p_adjusted is not None for row in self.results.survey.gaps):
            yield "p_adjusted"
        if any(one.is_control for one in self.results.answers):
            yield "negative_control"

    @cached_property
    def designs(self) -> tuple[Matching, ...]:
        """Matchings of the models and of their variants that were estimated."""
        ran = {
            (r.model, r.variant) for r in self.results.survey.sensitivity if r.check == "variant"
        }
        specs = [one.spec for one in self.results.answers if one.spec is not None]
        variants = [
            variant.spec
            for spec in specs
            for variant in spec.variants
            if (spec.name, variant.name) in ran
        ]
        return tuple(one.matching for one in (*specs, *variants) if one.matching.is_declared)

    @cached_property
    def cited(self) -> dict[str, Reference]:
        """Papers to cite, by key."""
        return {key: one for key, one in references().items() if one.is_cited(self.facts)}


_BY_DISTANCE = ("nearest", "optimal", "full")


def bibliography(results: Results) -> str:
    """The papers that a run used as BibTeX."""
    cited = Used(results=results).cited.values()
    return "".join(f"{one.bibtex}\n\n" for one in cited).rstrip() + "\n"
