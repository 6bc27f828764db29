"""Tables for a paper in LaTeX: booktabs fragments, none wider than its line.

Every column has a width of its own in parts of the line, so nothing can be overfull; a table that
needs more than a line of an upright page is set smaller, and then on a page turned sideways.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coopgap.report.layout import BESIDE, Page, fit
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

_PAGE: Final = Page(upright=345, turned=550, ems=(9.3, 8.5, 8.0))
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
    layout = fit(table, _PAGE)
    line = _PAGE.turned if layout.is_turned else _PAGE.upright
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
