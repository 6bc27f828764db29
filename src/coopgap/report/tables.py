"""One kind of table: rows of a frame set out by keys down and, where asked for, across."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from coopgap.report import words
from coopgap.report.words import (
    capital,
    category_words,
    clean,
    escape_markdown,
    family_words,
    joined,
    population_words,
    readable,
    status_notes,
    verdict_words,
    version_words,
)

if TYPE_CHECKING:
    from coopgap.report.data import Results


USUAL: Final = "In brackets: 95 % confidence interval."
"""Said once for the page, and below every table that stands by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells of text; `numbers` are columns set to the right, `strong` are rows set off.

    `name` is that of the file it is written to by itself, and of its label.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    strong: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rows)

    def markdown(self) -> str:
        """The table with its caption and notes; empty without rows."""
        if not self.rows:
            return ""
        rule = ["---:" if n in self.numbers else "---" for n in range(len(self.header))]
        lines = [self._line(self.header), f"| {' | '.join(rule)} |"]
        lines += [self._line(row, strong=n in self.strong) for n, row in enumerate(self.rows)]
        caption = [f"Table: {escape_markdown(self.caption)}", ""] if self.caption else []
        notes = [escape_markdown(note) for note in self.explained if note != USUAL]
        below = ["", f"*{' '.join(notes)}*"] if notes else []
        return "\n".join(["", *caption, *lines, *below, ""])

    def _line(self, cells: Sequence[str], *, strong: bool = False) -> str:
        mark = "**" if strong else ""
        told = [f"{mark}{escape_markdown(cell)}{mark}" if cell else "" for cell in cells]
        return f"| {' | '.join(told)} |"

    @property
    def explained(self) -> tuple[str, ...]:
        """The notes, and what a status means where a cell names one."""
        return (*self.notes, *status_notes(cell for row in self.rows for cell in row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column by name: its head, and what a cell of it says of a row."""

    head: str
    text: Callable[[Results, Any], str]
    is_number: bool = False


def _at(results: Results, row: Any) -> str:
    levels = results.levels(row.outcome)
    whole = "superiority" if row.quantity.endswith("superiority") else ""
    return category_words(row.category, levels) or whole


def _method(results: Results, row: Any) -> str:
    """A family, and its population where that is not the headline's."""
    answer = next(one for one in results.answers if one.model == row.model)
    if row.population in {one.population for one in answer.headlines}:
        return family_words(row.family)
    return f"{family_words(row.family)}, {population_words(row.population)}"


def _term(results: Results, term: str) -> str:
    return {"member": "membership"}.get(term) or results.label(term)


def _limits(results: Results, row: Any) -> str:
    return (
        words.DASH
        if row is None
        else words.limits_words(row.quantity, row.lower, row.upper) or words.DASH
    )


def _share(row: Any) -> str:
    return words.DASH if row is None else words.percent(row.estimate)


def _zero_at(results: Results, row: Any) -> str:
    """The design effect at which a printed interval reaches zero."""
    reached = results.published.vanishes(row)
    if reached is None:
        return words.DASH if row.lower is None else "includes zero"
    return "above 1,000" if reached.estimate is None else words.number(reached.estimate, 1)


def _words(head: str, text: Callable[[Results, Any], str]) -> Column:
    return Column(head=head, text=text)


def _number(head: str, text: Callable[[Results, Any], str]) -> Column:
    return Column(head=head, text=text, is_number=True)


COLUMNS: dict[str, Column] = {
    "at": _words("At", _at),
    "family": _words("Family", lambda r, row: family_words(row.family)),
    "method": _words("Family", _method),
    "variant": _words("Version", lambda r, row: capital(version_words(row)) or words.DASH),
    "about": _words("Of", lambda r, row: r.label(row.about) if row.about else words.DASH),
    "category": _words("Who", lambda r, row: r.group(row.category)),
    "group": _words("Where", lambda r, row: r.group(row.group)),
    "term": _words("Term", lambda r, row: _term(r, row.about)),
    "test": _words("Test", lambda r, row: readable(row.test or "")),
    "diagnostic_p": _number("p", lambda r, row: words.p_value(row.value)),
    "choice": _words("Choice", lambda r, row: clean(row.choice) or words.DASH),
    "setting": _words("Setting", lambda r, row: words.number(row.setting, 2)),
    "quantity": _words("What", lambda r, row: capital(words.quantity_words(row.quantity))),
    "estimate": _number("Estimate", lambda r, row: words.row_words(row)),
    "value": _number("Value", lambda r, row: words.value_words(row.quantity, row.estimate)),
    "p": _number("p", lambda r, row: words.p_value(row.p_value)),
    "power": _number("Power", lambda r, row: words.percent(row.power)),
    "verdict": _words("Verdict", lambda r, row: verdict_words(row.verdict)),
    "difference": _number(
        "Difference to the headline",
        lambda r, row: words.estimate_words(
            row.quantity, row.difference, row.difference_lower, row.difference_upper
        ),
    ),
    "item": _words("Item", lambda r, row: r.published.item(row)),
    "beside": _words(
        "Compared with", lambda r, row: capital(r.published.beside(row.comparator)) or words.DASH
    ),
    "own": _number("{members}", lambda r, row: _share(r.published.own(row))),
    "other": _number("Others", lambda r, row: _share(r.published.other(row))),
    "rounding": _number("Rounding alone", lambda r, row: _limits(r, r.published.rounding(row))),
    "zero_at": _number("Zero at design effect", _zero_at),
    "mixed": _words("By", lambda r, row: r.published.mixing(row)),
    "sample": _words("Samples", lambda r, row: r.published.covariate(row.covariate)),
    "whose": _words("Who", lambda r, row: capital(r.published.beside(row.comparator) or r.members)),
    "people": _number(
        "Asked", lambda r, row: words.count(row.n_comparison if row.comparator else row.n_member)
    ),
    "level": _words("Level", lambda r, row: clean(row.level)),
    "mean_member": _number("{members}", lambda r, row: words.percent(row.member_mean)),
    "mean_other": _number("{others}", lambda r, row: words.percent(row.comparison_mean_before)),
    "limits": _number("Limits", _limits),
    "margin": _words("Margin", lambda r, row: f"±{words.points(row.threshold)}"),
}
"""What templates name in `down`, `across` and `cells`."""


def pivot(
    results: Results,
    rows: Sequence[Any],
    *,
    down: Sequence[str],
    cells: Sequence[str] = ("estimate",),
    across: str = "",
    end: Sequence[str] = (),
    caption: str = "",
    name: str = "",
    strong: Callable[[Any], bool] = lambda row: False,
    notes: Sequence[str] = (),
    most: int = 0,
) -> Table:
    """Set rows out by columns of `COLUMNS`.

    A line has `down`, `cells` of its row or of its rows at each value of `across`, and at the end
    what the first of its rows says in `end`. Columns in which nothing is said are left out.
    `strong` rows set their line off; `most` is the most lines shown, 0 for all.
    """
    lead, tail = [COLUMNS[key] for key in down], [COLUMNS[key] for key in end]
    inner = [COLUMNS[key] for key in cells]

    def at(row: Any) -> str:
        return COLUMNS[across].text(results, row) if across else ""

    heads = list(dict.fromkeys(map(at, rows))) if across else [""]
    groups = _lines(results, rows, lead, apart=not across)
    full, marked = [], []
    for key, found in groups[: most or None]:
        where = {at(row): row for row in found}
        body = [
            column.text(results, where[head]) if head in where else words.DASH
            for head in heads
            for column in inner
        ]
        last = [_first_said(column.text(results, row) for row in found) for column in tail]
        full.append((*key, *body, *last))
        marked.append(any(strong(row) for row in found))
    header = [column.head for column in lead]
    header += [_head(head, column, several=len(inner) > 1) for head in heads for column in inner]
    header += [column.head for column in tail]
    columns = (*lead, *(column for _ in heads for column in inner), *tail)
    cut = f"The first {most} of {len(groups)} rows; the csv has all."
    limits = brackets(rows, "Limits" if "limits" in (*cells, *end) else "In brackets")
    table = trimmed(
        [_named(head, results) for head in header],
        full,
        fixed=range(len(lead), len(header) - len(tail)),
        numbers={n for n, column in enumerate(columns) if column.is_number},
        blank={"", words.DASH, "all"},
        name=name,
        caption=caption,
        strong=frozenset(n for n, one in enumerate(marked) if one),
        notes=(
            *notes,
            *((limits,) if limits and "interval" not in caption else ()),
            *((cut,) if most and len(groups) > most else ()),
        ),
    )
    return replace(table, rows=_once(table.rows))


def _lines(
    results: Results, rows: Sequence[Any], lead: Sequence[Column], *, apart: bool
) -> list[tuple[tuple[str, ...], list[Any]]]:
    """Rows by what they say in the first columns; each by itself where they stand `apart`."""
    told = [(tuple(column.text(results, row) for column in lead), row) for row in rows]
    if apart:
        return [(key, [row]) for key, row in told]
    lines: dict[tuple[str, ...], list[Any]] = {}
    for key, row in told:
        lines.setdefault(key, []).append(row)
    return list(lines.items())


def trimmed(
    header: Sequence[str],
    lines: Sequence[tuple[str, ...]],
    *,
    fixed: range,
    numbers: Set[int],
    blank: Set[str] = frozenset(("", words.DASH)),
    **how: Any,
) -> Table:
    """A table without the columns outside `fixed` that are blank in every line."""
    kept = [
        n for n in range(len(header)) if n in fixed or any(line[n] not in blank for line in lines)
    ]
    return Table(
        header=tuple(header[n] for n in kept),
        rows=tuple(tuple(line[n] for n in kept) for line in lines),
        numbers=frozenset(at for at, n in enumerate(kept) if n in numbers),
        **how,
    )


def _once(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Rows whose first cell is left empty where it repeats the one above."""
    return tuple(
        ("", *row[1:]) if number and row[0] == rows[number - 1][0] else row
        for number, row in enumerate(rows)
    )


def brackets(rows: Iterable[Any], where: str = "In brackets") -> str:
    """What the limits of estimates are; empty where none has any."""
    kinds = dict.fromkeys(
        words.interval_name(row.interval_prob, row.interval_kind)
        for row in rows
        if getattr(row, "interval_kind", None)
    )
    return f"{where}: {joined(list(kinds), 'or')}." if kinds else ""


def _head(head: str, column: Column, *, several: bool) -> str:
    if not head:
        return column.head
    return f"{capital(head)}, {column.head.lower()}" if several else capital(head)


def _named(head: str, results: Results) -> str:
    """A head with the study's own words for the two groups."""
    people = {"{members}": results.members, "{others}": results.others}
    return capital(people.get(head, head))


def _first_said(texts: Any) -> str:
    found = list(dict.fromkeys(text for text in texts if text and text != words.DASH))
    return "; ".join(found) or words.DASH
