"""Members, and the comparison group, beside declared outside shares."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import GapRow
from coopgap.families.benchmark import COMPARISON_GROUP
from coopgap.report.document import Block, Paragraph, Table
from coopgap.report.values import DASH, count, estimate_words, interval_name
from coopgap.report.view import View
from coopgap.report.words import (
    capital,
    category_words,
    clean,
    comparator_words,
    joined,
    once,
    readable,
)
from coopgap.study.spec import Benchmark, OutsideShares
from coopgap.vocabulary import AT_REGIONS, Diagnostic, Family, Population, Quantity

__all__ = ["OUTSIDE", "outside_blocks", "taken_as"]

_WHO = {"all": "Members", COMPARISON_GROUP: "Comparison people"}
OUTSIDE = (
    "Outside shares are of the people whom their source names, members among them unless it says "
    "otherwise, asked in its own year: no comparison group."
)
_REGIONS = "“At the sample's regions” weighs the outside regions as the people on the left live."


def outside_blocks(view: View, outcome: str, rows: Sequence[GapRow]) -> list[Block]:
    """One table of differences from outside shares, and where those come from."""
    outside = [row for row in rows if row.family == Family.BENCHMARK and row.comparator]
    gaps = [
        row for row in outside if row.quantity in (Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY)
    ]
    if not gaps:
        return []
    named = [one for one in view.study.benchmarks if one.outcome == outcome]
    said = [*(_source(one) for one in named), OUTSIDE]
    if any(row.comparator.endswith(AT_REGIONS) for row in gaps):
        said.append(_REGIONS)
    if any(row.population == Population.POSTSTRATIFIED for row in gaps):
        said.append(_raked(view, gaps))
    return [
        _table(view, outcome, gaps),
        Paragraph(lead="Outside shares.", text=" ".join(one for one in said if one)),
    ]


def _source(one: Benchmark) -> str:
    return f"{capital(comparator_words(one.name))}: {clean(one.source)}. {taken_as(one)}"


def taken_as(one: Benchmark) -> str:
    """What error the outside shares are taken to have, in a sentence or two."""
    said = [] if one.whole is None else [_error([one.whole])]
    if one.regions:
        said.append(f"{'By region: ' if said else ''}{_error([*one.regions.values()])}")
    return " ".join(f"{capital(text)}." for text in said)


def _error(parts: Sequence[OutsideShares]) -> str:
    sizes = [part.n for part in parts if part.n is not None]
    if not sizes:
        return "no size is declared: taken as exact"
    low, high = count(min(sizes)), count(max(sizes))
    of = "a simple random sample" if len(parts) == 1 else "simple random samples"
    factors = sorted({part.design_effect for part in parts})
    words = "a design effect" if len(factors) == 1 else "design effects"
    less = f", with {words} of {joined([f'{one:g}' for one in factors])}"
    people = low if low == high else f"{low} to {high}"
    return f"taken as {of} of {people} people{'' if factors == [1.0] else less}"


def _raked(view: View, rows: Sequence[GapRow]) -> str:
    """What raking did, to whom, and how many people are left of it."""
    declared = view.study.design.population
    if declared is None:
        return ""
    by = joined([" by ".join(readable(v) for v in one.variables) for one in declared.margins])
    text = (
        f"“Raked” weighs those people to {clean(declared.file)} ({by}), whose people are not the "
        "members, and leaves every other mix as it is."
    )
    worth = [_worth(view, rows, group) for group in _WHO]
    return " ".join((text, *(one for one in worth if one)))


def _worth(view: View, rows: Sequence[GapRow], group: str) -> str:
    """How many people the raked weights of a group are worth; empty where unknown."""
    raked = Population.POSTSTRATIFIED
    sizes = {
        (one.model, one.about, one.group): one.value
        for one in view.diagnostics
        if one.diagnostic == Diagnostic.EFFECTIVE_SIZE and one.population == raked
    }
    for row in rows:
        worth = sizes.get((row.model, row.comparator, group))
        if row.population == Population.POSTSTRATIFIED and row.group == group and worth:
            return f"{_WHO[group]}: {count(row.n_member)}, worth {count(worth)} once raked."
    return ""


def _table(view: View, outcome: str, rows: Sequence[GapRow]) -> Table:
    levels, thresholds = view.levels(outcome), view.thresholds(outcome)
    wanted = [(Quantity.RISK_DIFFERENCE, category) for category in thresholds]
    heads = [category_words(category, levels) for category in thresholds]
    if len(levels) != 2:
        wanted.append((Quantity.SUPERIORITY, ""))
        heads.append("superiority of the survey")
    found = {(_place(row), row.quantity, row.category): row for row in rows}
    lines = [
        (
            _who(view, group),
            comparator_words(comparator)
            + (", raked" if population == Population.POSTSTRATIFIED else ""),
            *(_cell(found.get(((group, comparator, population), *what))) for what in wanted),
        )
        for group, comparator, population in dict.fromkeys(_place(row) for row in rows)
    ]
    kinds = dict.fromkeys(
        interval_name(row.interval_prob, row.interval_kind) for row in rows if row.interval_kind
    )
    return Table(
        caption=f"{view.label(outcome)}: points above or below outside shares",
        header=("Who", "Against", *heads),
        rows=once(sorted(lines, key=_order)),
        leading=2,
        notes=(f"In brackets: {' or '.join(kinds)}.",) if kinds else (),
        mark=view.mark,
    )


def _who(view: View, group: str) -> str:
    if group in _WHO:
        return _WHO[group]
    own, mark, region = group.partition(f"{COMPARISON_GROUP}, ")
    if mark:
        return f"{_WHO[COMPARISON_GROUP]}, {view.group(region)}"
    return f"{_WHO['all']}, {view.group(own)}"


def _order(line: tuple[str, ...]) -> int:
    """Members first, then the comparison group, then regions; within each as estimated."""
    names = [*_WHO.values()]
    return names.index(line[0]) if line[0] in names else len(names)


def _place(row: GapRow) -> tuple[str, str, str]:
    return row.group, row.comparator, row.population


def _cell(row: GapRow | None) -> str:
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)
