"""Tables for a paper: which there are, and how wide the columns of each are on a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from coopgap.report import paper
from coopgap.report.tables import Table, pivot
from coopgap.report.words import capital, clean

if TYPE_CHECKING:
    from coopgap.report.data import Results


def paper_tables(results: Results) -> list[Table]:
    """Table 1, gaps, differences between groups and coefficients; those that are not empty."""
    answers = results.headlines
    tables = [
        paper.table_one(results),
        paper.gaps(results),
        *(paper.by_group(one, name) for one in answers for name in paper.group_variables(one)),
        *(paper.coefficients(answer) for answer in answers),
    ]
    if not answers:
        printed = pivot(
            results,
            results.published.estimated("risk_difference"),
            down=["item", "beside"],
            cells=["own", "other", "estimate"],
            end=["rounding", "zero_at"],
            caption="Printed gaps in points",
            name="printed",
        )
        tables = [printed]
    # Word and LaTeX count tables themselves.
    return [
        replace(table, caption=capital(table.caption.removeprefix("Table 1: ")))
        for table in tables
        if table
    ]


BESIDE: Final = 3.0
"""Points left and right of a cell's text."""

SHORT: Final = 8
"""Most rows of a table whose brackets may stand below their estimates on an upright page."""


class Page(NamedTuple):
    """Points of a line, upright and turned, and of an em in large, usual and small type."""

    upright: float
    turned: float
    ems: tuple[float, float, float]


class Layout(NamedTuple):
    """The size of type by its place in the page's; points of each column's text; lines in all."""

    size: int
    is_turned: bool
    widths: list[float]
    lines: int


def fit(table: Table, page: Page) -> Layout:
    """The largest type, upright if it may be, in which every piece has room that is not broken.

    What a line has left goes to columns whose cells, and then to those whose heads, take several.
    """
    columns = list(zip(table.header, *table.rows, strict=True))
    weights = [_BOLD if at - 1 in table.strong else 1.0 for at in range(len(table.rows) + 1)]
    whole = [[width(cell) * x for cell, x in zip(c, weights, strict=True)] for c in columns]
    for size, is_turned, breaks in _TRIES:
        if breaks and not is_turned and len(table.rows) > SHORT:
            continue
        line = page.turned if is_turned else page.upright
        room = (line - 2 * BESIDE * len(columns)) / page.ems[size]
        ems = [_least(table, n, weights, breaks=breaks) for n in range(len(columns))]
        if sum(ems) <= room:
            break
    for start in (1, 0):
        lack = [max(0.0, *all_of[start:], em) - em for all_of, em in zip(whole, ems, strict=True)]
        share = max(min((room - sum(ems)) / (sum(lack) or 1.0), 1.0), 0.0)
        ems = [em + share * more for em, more in zip(ems, lack, strict=True)]
    # Where even the last try is too wide, words are broken by the page's own rules.
    scale = min(room / (sum(ems) or 1.0), 1.0)
    lines = (
        max(ceil(one / (em or 1.0) - 1e-9) for one, em in zip(row, ems, strict=True))
        for row in zip(*whole, strict=True)
    )
    return Layout(size, is_turned, [page.ems[size] * em * scale for em in ems], sum(lines))


_TRIES: Final = (
    (0, False, False),
    (1, False, False),
    (1, False, True),
    (1, True, False),
    (2, True, False),
    (2, True, True),
)
"""Size of type, whether the page is turned, whether brackets are parted from estimates."""


def _least(table: Table, n: int, weights: Sequence[float], *, breaks: bool) -> float:
    """Ems of a column's widest piece: a word, or of a number all but its remarks; more of text."""
    is_kept = n in table.numbers and not breaks
    cells = [row[n] for row in (table.header, *table.rows)]
    words = r"[ \t\r\n]+|(?<=[^\W\d]-)(?=[^\W\d])"
    found = [
        max(map(width, re.split("(?<=;) " if at and is_kept else words, cell))) * weight
        for at, (cell, weight) in enumerate(zip(cells, weights, strict=True))
    ]
    text = 0.0 if n in table.numbers else max(map(width, cells[1:]), default=0.0)
    return max(*found, min(text, _TEXT))


_TEXT: Final = 7.5
"""Ems that a column of text has, if its cells need them."""


_EMS: Final = {
    **dict.fromkeys("ijl.,:;!|'‘’ \N{NO-BREAK SPACE}", 0.34),
    **dict.fromkeys('frstI()[]/-"“”\N{NARROW NO-BREAK SPACE}', 0.45),
    **dict.fromkeys("0123456789", 0.51),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZw&+=<>−±×≥≤·", 0.8),
    **dict.fromkeys("mMW%@—…∞", 1.04),
}
_BOLD: Final = 1.16
"""How much wider bold Computer Modern is."""


def width(text: str) -> float:
    """Ems of a text, at most: in Computer Modern, or in Times of either weight."""
    return sum(
        _EMS.get(char, 0.58 if char < "\u0250" or char == "–" else 1.2) for char in clean(text)
    )
