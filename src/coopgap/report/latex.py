"""Tables for a paper in LaTeX: booktabs fragments, none wider than its line.

Every column has a width of its own in parts of the line, at least that of its longest word, so
nothing can be overfull; a table that needs more than a line of an upright page is set smaller, and
then on a page of its own turned sideways. Widths are those of bold Computer Modern.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from coopgap.report.words import clean

if TYPE_CHECKING:
    from coopgap.report.data import Results
    from coopgap.report.tables import Table

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
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "−": r"$-$",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    "∞": r"$\infty$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "·": r"$\cdot$",
    "χ": r"$\chi$",
    "Γ": r"$\Gamma$",
    "Δ": r"$\Delta$",
    "²": r"$^2$",
}

_UPRIGHT, _SIDEWAYS = 345.0, 550.0
"""Points of a line in the narrowest of LaTeX's own classes, upright and turned."""

_GAP = 3.0
"""Points left and right of a column."""

_LINES = 34
"""Lines of cells from which a table is let run over pages."""


class _Size(NamedTuple):
    """A size by its command, the em of its digits in points, and the line it is set on."""

    command: str
    em: float
    line: float


_SIZES: Final = (
    _Size("small", 9.3, _UPRIGHT),
    _Size("footnotesize", 8.5, _UPRIGHT),
    _Size("footnotesize", 8.5, _SIDEWAYS),
    _Size("scriptsize", 8.0, _SIDEWAYS),
    _Size("tiny", 6.8, _SIDEWAYS),
)
"""Small type is drawn wider than it is named."""


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_LATEX.get(char, char) for char in re.sub(r"[ \t\r\n]+", " ", clean(text)))


def write_latex(results: Results, tables: Sequence[Table], folder: Path) -> list[Path]:
    """Write `tables/NAME.tex` for every table, and `tables.tex` that inputs them all.

    Parameters
    ----------
    results
        The run, for its title and mark.
    tables
        As they are to be read.
    folder
        An existing folder.

    Returns
    -------
    list of Path
    """
    shelf = folder / "tables"
    shelf.mkdir(exist_ok=True)
    paths, inputs = [], []
    for name, table in zip(_names(tables), tables, strict=True):
        paths.append(_write(shelf / f"{name}.tex", _table(table, name, results.mark)))
        inputs.append(f"\\input{{tables/{name}}}")
    mark = f"{results.mark}: nothing in these tables is a finding." if results.mark else ""
    head = [
        f"{results.study.title}.",
        mark,
        r"Needs \usepackage{array,booktabs,longtable,pdflscape} and [T1]{fontenc}.",
        "Letters that the font lacks need LuaLaTeX or XeLaTeX.",
    ]
    lines = [f"% {' '.join(clean(line).split())}" for line in head if line]
    none = [] if tables else [escape_latex(f"{results.mark} No gap was estimated in this run.")]
    return [_write(folder / "tables.tex", "\n".join([*lines, *inputs, *none]) + "\n"), *paths]


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _names(tables: Sequence[Table]) -> list[str]:
    """Names of files and labels: plain letters, each once."""
    found: list[str] = []
    for number, table in enumerate(tables, start=1):
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", table.name).strip("-") or f"table-{number}"
        found.append(name if name not in found else f"{name}-{number}")
    return found


def _table(table: Table, name: str, mark: str) -> str:
    size, widths = _fit(table)
    told = f"\\textbf{{{escape_latex(mark)}.}} " if mark else ""
    caption = f"\\caption{{{told}{escape_latex(table.caption)}}}\\label{{tab:{name}}}"
    sides = ["raggedleft" if n in table.numbers else "raggedright" for n in range(len(widths))]
    columns = "".join(
        f">{{\\{side}\\arraybackslash}}p{{{width:.4f}\\linewidth}}"
        for side, width in zip(sides, widths, strict=True)
    )
    head = ["\\toprule", _row(table.header), "\\midrule"]
    body = [_row(row, strong=number in table.strong) for number, row in enumerate(table.rows)]
    notes = [escape_latex(note) for note in table.explained]
    inside = _long if len(table.rows) > _LINES else _short
    lines = inside(columns, caption, head, body, notes)
    fitted = ["\\begingroup", f"\\{size.command}\\setlength{{\\tabcolsep}}{{{_GAP:g}pt}}"]
    if size.line > _UPRIGHT:
        fitted, lines = ["\\begin{landscape}", *fitted], [*lines, "\\endgroup", "\\end{landscape}"]
    else:
        lines = [*lines, "\\endgroup"]
    return "\n".join([*fitted, *lines]) + "\n"


def _short(
    columns: str, caption: str, head: list[str], body: list[str], notes: list[str]
) -> list[str]:
    """A table that floats."""
    return [
        "\\begin{table}[htbp]",
        "\\centering",
        caption,
        f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        *head,
        *body,
        "\\bottomrule",
        "\\end{tabular}",
        *(f"\\par\\smallskip\\parbox{{\\linewidth}}{{{note}}}" for note in notes),
        "\\end{table}",
    ]


def _long(
    columns: str, caption: str, head: list[str], body: list[str], notes: list[str]
) -> list[str]:
    """A table over several pages, its head on each."""
    return [
        f"\\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
        f"{caption}\\\\",
        *head,
        "\\endfirsthead",
        *head,
        "\\endhead",
        "\\bottomrule",
        "\\endlastfoot",
        *body,
        "\\end{longtable}",
        *(f"\\noindent {note}\\par" for note in notes),
    ]


def _row(cells: Sequence[str], *, strong: bool = False) -> str:
    told = [escape_latex(cell) for cell in cells]
    return " & ".join(f"\\textbf{{{one}}}" if strong and one else one for one in told) + r" \\"


def _fit(table: Table) -> tuple[_Size, list[float]]:
    """The largest size at which every word has room, and the columns' parts of the line."""
    lines = (table.header, *table.rows)
    cells = [[line[number] for line in lines] for number in range(len(table.header))]
    for size in _SIZES:
        room = size.line - 2 * _GAP * (len(cells) - 1)
        words = [max(_word_width(cell, size) for cell in column) for column in cells]
        if sum(words) <= room:
            break
    whole = [max(_width(cell, size) for cell in column) for column in cells]
    spare = max(room - sum(words), 0.0)
    more = [max(full - word, 0.0) for full, word in zip(whole, words, strict=True)]
    part = min(spare / sum(more), 1.0) if sum(more) else 0.0
    # Where even the smallest size is too wide, words are broken by the page's own rules.
    scale = min(room / sum(words), 1.0) if sum(words) else 1.0
    widths = [word * scale + part * extra for word, extra in zip(words, more, strict=True)]
    # Rounded down: the file has four decimals.
    return size, [floor(1e4 * width / size.line) / 1e4 for width in widths]


_WIDE: Final = frozenset("ABCDEFGHIJKLNOPQRSTUVXYZmw%@&+=<>−±×∞≥≤·")


def _em(char: str) -> float:
    """Width of a letter in bold Computer Modern, at most."""
    if char in "WM—…" or (ord(char) > 0x24F and char not in "–‘’“”\N{NARROW NO-BREAK SPACE}"):
        return 1.2
    return 0.98 if char in _WIDE else 0.64


def _width(text: str, size: _Size) -> float:
    return size.em * sum(map(_em, clean(text)))


def _word_width(text: str, size: _Size) -> float:
    """Points of the widest piece that is not broken between lines."""
    return max(_width(word, size) for word in re.split(r"[ \t\r\n]+", text))
