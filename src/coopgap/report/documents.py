"""The readable tables for a manuscript: LaTeX and Word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coopgap.report.content.gaps import gaps_section
from coopgap.report.content.printed import printed_section
from coopgap.report.content.says import headline_sentences, headline_table
from coopgap.report.document import Table
from coopgap.report.view import View
from coopgap.report.words import clean

__all__ = ["escape_latex", "latex_tables", "readable_tables", "write_word"]

_LATEX = {
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
    "\N{NO-BREAK SPACE}": "~",
    "−": r"$-$",
    "–": "--",
    "“": "``",
    "”": "''",
    "∞": r"$\infty$",
    "±": r"$\pm$",
    "…": r"\ldots{}",
    "[": "{[}",
    "]": "{]}",
}


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_LATEX.get(char, char) for char in re.sub(r"[ \t\r\n]+", " ", clean(text)))


def readable_tables(view: View) -> list[Table]:
    """The printed gaps, the headline gaps, and each outcome's families."""
    printed = printed_section(view)
    tables = [
        block
        for block in (printed.blocks if printed else ())
        if isinstance(block, Table) and block.brief
    ]
    headline = headline_table(view)
    tables += [headline] if headline.rows else []
    return tables + [
        block for block in gaps_section(view, ()).blocks if isinstance(block, Table) and block.brief
    ]


def latex_tables(view: View, tables: Sequence[Table]) -> str:
    """LaTeX source with one table environment a table; needs no package beyond LaTeX."""
    parts = [_comment(f"{view.study.title}. Read with \\input. No packages are needed.")]
    if view.mark:
        parts.append(_comment(f"{view.mark}: nothing in tables so marked is a finding."))
    if not tables:
        note = f"{view.mark}. " if view.mark else ""
        parts.append(f"{note}No gap was estimated in this run.")
    return "\n".join([*parts, *(_latex(table) for table in tables)]) + "\n"


def _comment(text: str) -> str:
    return f"% {' '.join(clean(text).split())}"


def _latex(table: Table) -> str:
    width = len(table.header)
    first = min(0.24, 0.8 / width)
    columns = "".join(
        "r" if table.is_number(number) else f"p{{{first:.3f}\\linewidth}}"
        for number in range(width)
    )
    mark = f"\\textbf{{{escape_latex(table.mark)}}} " if table.mark else ""
    lines = [
        "",
        "\\begin{table}[htbp]",
        "\\centering\\footnotesize\\setlength{\\tabcolsep}{3pt}",
        f"\\caption{{{mark}{escape_latex(table.caption)}}}",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\hline",
        _latex_row(table.header),
        "\\hline",
        *(_latex_row(row) for row in table.rows),
        "\\hline",
        "\\end{tabular}",
        *(
            f"\\par\\smallskip\\parbox{{\\linewidth}}{{{escape_latex(note)}}}"
            for note in table.explained
        ),
        "\\end{table}",
    ]
    return "\n".join(lines)


def _latex_row(cells: tuple[str, ...]) -> str:
    return " & ".join(escape_latex(cell) for cell in cells) + r" \\"


def write_word(view: View, tables: Sequence[Table], path: Path) -> None:
    """Write the same tables, after the headline sentences, as a Word document.

    Parameters
    ----------
    view
        The report's rows.
    tables
        As they are to be read.
    path
        The `.docx` file.
    """
    from docx import Document
    from docx.enum.section import WD_ORIENT
    from docx.shared import Pt

    document = Document()
    section = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = section.page_height, section.page_width
    document.core_properties.title = clean(view.study.title)[:255]
    document.styles["Normal"].font.size = Pt(10)
    document.add_heading(clean(view.study.title), level=0)
    if view.mark:
        section.header.paragraphs[0].text = view.mark
        run = document.add_paragraph().add_run(
            f"{view.mark}. Nothing in tables so marked is a finding."
        )
        run.bold = True
    for lead, text in headline_sentences(view):
        paragraph = document.add_paragraph()
        paragraph.add_run(f"{lead} ").bold = True
        paragraph.add_run(text)
    for table in tables:
        _word_table(document, table)
    document.save(str(path))


def _word_table(document: Any, table: Table) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    mark = f"{table.mark}: " if table.mark else ""
    caption = document.add_paragraph(style="Caption")
    caption.add_run(f"{mark}{table.caption}")
    caption.paragraph_format.keep_with_next = True
    grid = document.add_table(rows=1 + len(table.rows), cols=len(table.header), style="Light List")
    for line, cells in zip(grid.rows, (table.header, *table.rows), strict=True):
        for number, (cell, text) in enumerate(zip(line.cells, cells, strict=True)):
            paragraph = cell.paragraphs[0]
            paragraph.add_run(clean(text)).font.size = Pt(8)
            if table.is_number(number):
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    for note in table.explained:
        document.add_paragraph().add_run(note).font.size = Pt(8)
