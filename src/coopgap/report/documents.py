"""The widths of the tables for a paper, and the tables in LaTeX.

Every column of a LaTeX table has a width of its own in parts of the line, so nothing can be
overfull; a table that needs more than a line of an upright page is set smaller, and then on a page
turned sideways.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from coopgap.report.tables import Table
from coopgap.report.words import clean

if TYPE_CHECKING:
    from coopgap.report.data import Results


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


_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "−": "$-$",
    "∞": r"$\infty$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "χ": r"$\chi$",
    "Γ": r"$\Gamma$",
    "Δ": r"$\Delta$",
}
"""What T1 type lacks, and what LaTeX, or babel in some language, reads as a command."""

_LATEX_PAGE: Final = Page(upright=345, turned=550, ems=(9.3, 8.5, 8.0))
"""Of the narrowest of LaTeX's own classes; small type is drawn wider than it is named."""

_SIZES: Final = ("small", "footnotesize", "scriptsize")

_LINES = 40
"""Most lines of a table that floats."""


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_LATEX.get(char, char) for char in re.sub(r"[ \t\r\n]+", " ", clean(text)))


def write_latex(results: Results, tables: Sequence[Table], folder: Path) -> list[Path]:
    """Write `tables/NAME.tex` for every table, and `tables.tex` that inputs them all."""
    head = [
        f"{results.study.title}.",
        f"{results.mark}: nothing in these tables is a finding." if results.mark else "",
        r"Needs \usepackage{array,booktabs,longtable,pdflscape} and \usepackage[T1]{fontenc}.",
        "Letters that the font lacks need LuaLaTeX or XeLaTeX.",
    ]
    lines = [f"% {' '.join(clean(line).split())}" for line in head if line]
    paths = [folder / "tables.tex"]
    (folder / "tables").mkdir(exist_ok=True)
    for number, table in enumerate(tables, start=1):
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", table.name).strip("-") or "table"
        path = folder / "tables" / f"{plain}.tex"
        path = path.with_stem(f"{plain}-{number}") if path in paths else path
        path.write_text(_fragment(table, path.stem, results.mark), encoding="utf-8", newline="\n")
        paths.append(path)
        lines.append(f"\\input{{tables/{path.stem}}}")
    if not tables:
        lines.append(escape_latex(f"{results.mark} No gap was estimated in this run."))
    paths[0].write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return paths


def _fragment(table: Table, name: str, mark: str) -> str:
    """A table that floats, or, turned or long, one that runs over pages with its head on each."""
    layout = fit(table, _LATEX_PAGE)
    line = _LATEX_PAGE.turned if layout.is_turned else _LATEX_PAGE.upright
    told = f"\\textbf{{{escape_latex(mark)}.}} " if mark else ""
    caption = f"\\caption{{{told}{escape_latex(table.caption)}}}\\label{{tab:{name}}}"
    columns = "".join(
        f">{{\\{'raggedleft' if n in table.numbers else 'raggedright'}\\arraybackslash}}"
        # Rounded down: the file has four decimals.
        f"p{{{floor(1e4 * width / line) / 1e4:.4f}\\linewidth}}"
        for n, width in enumerate(layout.widths)
    )
    head = ["\\toprule", _row(table.header), "\\midrule"]
    body = [_row(row, strong=number in table.strong) for number, row in enumerate(table.rows)]
    notes = escape_latex(" ".join(table.explained))
    start = ["\\begingroup", f"\\{_SIZES[layout.size]}\\setlength{{\\tabcolsep}}{{{BESIDE:g}pt}}"]
    if layout.is_turned or layout.lines > _LINES:
        start += ["\\setlength{\\LTcapwidth}{\\linewidth}"]
        start += [f"\\begin{{longtable}}{{@{{}}{columns}@{{}}}}", f"{caption}\\\\"]
        head = [*head, "\\endfirsthead", *head, "\\endhead", "\\bottomrule", "\\endlastfoot"]
        end = [
            "\\end{longtable}",
            f"\\noindent\\parbox{{\\linewidth}}{{\\raggedright {notes}}}\\par",
            "\\endgroup",
        ]
    else:
        start += ["\\begin{table}[htbp]", f"\\centering\\{_SIZES[layout.size]}", caption]
        start += ["\\par\\smallskip", f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}"]
        end = [
            "\\bottomrule",
            "\\end{tabular}",
            f"\\par\\smallskip\\parbox{{\\linewidth}}{{\\raggedright {notes}}}",
        ]
        end += ["\\end{table}", "\\endgroup"]
    if layout.is_turned:
        start, end = ["\\begin{landscape}", *start], [*end, "\\end{landscape}"]
    return "\n".join([*start, *head, *body, *end]) + "\n"


def _row(cells: Sequence[str], *, strong: bool = False) -> str:
    told = [escape_latex(cell) for cell in cells]
    return " & ".join(f"\\textbf{{{one}}}" if strong and one else one for one in told) + r" \\"
