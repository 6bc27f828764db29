"""The tables for a paper in Word, with the headline sentences and their figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docx import Document
from docx.enum.section import WD_ORIENT
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor
from markdown_it import MarkdownIt

from coopgap.report.documents import BESIDE, Page, fit
from coopgap.report.figures.canvas import drawing_style
from coopgap.report.tables import Table
from coopgap.report.words import clean

if TYPE_CHECKING:
    from docx.document import Document as Word
    from markdown_it.token import Token

    from coopgap.report.pages import Content


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
