"""The tables for a paper in LaTeX and in Word, with the headline sentences and their figure.

Every column of a LaTeX table has a width of its own in parts of the line, so nothing can be
overfull; a table that needs more than a line of an upright page is set smaller, and then on a page
turned sideways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from math import ceil, floor
from pathlib import Path
from typing import Any, Final, NamedTuple

from docx import Document
from docx.document import Document as Word
from docx.enum.section import WD_ORIENT
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor
from markdown_it import MarkdownIt
from markdown_it.token import Token

from coopgap.report.data import Results
from coopgap.report.figures.canvas import drawing_style
from coopgap.report.pages import Content
from coopgap.report.tables import Table
from coopgap.report.words import clean

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


_FONT = "Times New Roman"
_TABLE, _CELL, _CAPTION = "Coopgap Table", "Coopgap Cell", "Caption"

_MARGIN, _SHORT, _LONG = 56.7, 595.3, 841.9
"""Points: the margins, and the two sides of A4."""

_WORD_PAGE: Final = Page(_SHORT - 2 * _MARGIN, _LONG - 2 * _MARGIN, ems=(8.5, 8, 7))

_WHOLE = 45
"""Most rows of a table that is not broken between pages."""


def write_word(content: Content, tables: Sequence[Table], path: Path) -> None:
    """Write the headlines and the tables as a Word document."""
    results = content.results
    document = Document()
    document.core_properties.title = clean(results.study.title)[:255]
    document.core_properties.author = "coopgap"
    _set_styles(document)
    _turn(document.sections[0], turned=False)
    document.sections[0].header.paragraphs[0].text = results.mark
    with drawing_style():
        _add_text(document, content.render("document.md.j2"), content)
    turned = False
    for number, table in enumerate(tables, start=1):
        layout = fit(table, _WORD_PAGE)
        if layout.is_turned is not turned:
            turned = not turned
            _turn(document.add_section(), turned=turned)
        _add_caption(document, number, f"{results.mark}. " if results.mark else "", table.caption)
        _add_table(document, table, layout.widths, _WORD_PAGE.ems[layout.size])
    document.save(str(path))


def _set_styles(document: Word) -> None:
    """Plain type, and a table style of thin rules above, below and under the head."""
    document.styles.add_style(_CELL, WD_STYLE_TYPE.PARAGRAPH)
    styles = {"Normal": (10, 0, 6), "Title": (15, 0, 8), _CAPTION: (9, 14, 3), _CELL: (8, 1, 1)}
    for name, (size, before, after) in styles.items():
        style, spacing = document.styles[name], document.styles[name].paragraph_format
        style.font.size, style.font.color.rgb, style.font.name = Pt(size), RGBColor(0, 0, 0), _FONT
        # A theme's font would win over the name.
        style.element.rPr.rFonts.attrib.clear()
        style.font.name = _FONT
        spacing.space_before, spacing.space_after, spacing.line_spacing = Pt(before), Pt(after), 1.0
    rule = 'w:val="single" w:sz="6" w:space="0" w:color="000000"'
    side = f'w:w="{20 * BESIDE:g}" w:type="dxa"'
    style = document.styles.add_style(_TABLE, WD_STYLE_TYPE.TABLE)
    for xml in (
        f"<w:tblPr {nsdecls('w')}><w:tblBorders><w:top {rule}/><w:bottom {rule}/></w:tblBorders>"
        f"<w:tblCellMar><w:left {side}/><w:right {side}/></w:tblCellMar></w:tblPr>",
        f'<w:tblStylePr {nsdecls("w")} w:type="firstRow"><w:rPr><w:b/></w:rPr><w:tcPr>'
        f"<w:tcBorders><w:bottom {rule}/></w:tcBorders></w:tcPr></w:tblStylePr>",
    ):
        style.element.append(parse_xml(xml))


def _turn(section: Any, *, turned: bool) -> None:
    """A4, upright or turned."""
    section.orientation = WD_ORIENT.LANDSCAPE if turned else WD_ORIENT.PORTRAIT
    sides = (_LONG, _SHORT) if turned else (_SHORT, _LONG)
    section.page_width, section.page_height = map(Pt, sides)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Pt(_MARGIN))


def _add_text(document: Word, text: str, content: Content) -> None:
    """Headings, paragraphs and figures of a Markdown text."""
    for before, token in pairwise(MarkdownIt("commonmark").parse(text)):
        children = token.children or []
        if token.type != "inline":
            continue
        if before.type == "heading_open":
            plain = "".join(run for run, _ in _runs(children))
            document.add_heading(plain, level=int(before.tag[1:]) - 1)
        elif children[0].type == "image":
            drawing = content.drawings[Path(str(children[0].attrGet("src"))).stem]
            buffer = BytesIO()
            drawing.figure.savefig(buffer, format="png", dpi=300, facecolor="#ffffff")
            shape = document.add_picture(buffer, width=Pt(_WORD_PAGE.upright))
            shape._inline.docPr.set("descr", clean(drawing.alt))
        else:
            paragraph = document.add_paragraph()
            for run, bold in _runs(children):
                paragraph.add_run(run).bold = bold


def _runs(children: Sequence[Token]) -> Iterator[tuple[str, bool]]:
    """Pieces of plain text, and whether each is bold."""
    bold = False
    for token in children:
        if token.type in ("strong_open", "strong_close"):
            bold = token.type == "strong_open"
        elif token.type in ("softbreak", "hardbreak"):
            yield " ", bold
        elif token.content and token.type != "html_inline":
            yield token.content, bold


def _add_caption(document: Word, number: int, mark: str, text: str) -> None:
    """A caption with Word's own counter of tables, so that a document can refer to them."""
    caption = document.add_paragraph("Table ", style=_CAPTION)
    caption.paragraph_format.keep_with_next = True
    counter = f"<w:r><w:t>{number}</w:t></w:r>"
    field = f'<w:fldSimple {nsdecls("w")} w:instr=" SEQ Table \\* ARABIC ">{counter}</w:fldSimple>'
    caption._p.append(parse_xml(field))
    caption.add_run(f". {mark}{clean(text)}")


def _add_table(document: Word, table: Table, widths: Sequence[float], size: float) -> None:
    """A table whose head is repeated on every page, and its notes; a short one stays whole."""
    grid = document.add_table(rows=0, cols=len(table.header), style=_TABLE)
    grid.autofit = False
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = Pt(width + 2 * BESIDE)
    for at, texts in enumerate((table.header, *table.rows)):
        row = grid.add_row()
        properties = row._tr.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if at == 0:
            properties.append(OxmlElement("w:tblHeader"))
        for number, (cell, text) in enumerate(zip(row.cells, texts, strict=True)):
            paragraph = cell.paragraphs[0]
            paragraph.style = document.styles[_CELL]
            paragraph.paragraph_format.keep_with_next = at < 3 or len(table.rows) <= _WHOLE
            if number in table.numbers:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
            run = paragraph.add_run(clean(text))
            run.font.size, run.bold = Pt(size), (at - 1 in table.strong) or None
    document.add_paragraph(clean(" ".join(table.explained)), style=_CELL)
