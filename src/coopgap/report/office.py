"""A Word document for a paper: the headline sentences, their figure, and the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.report import paper
from coopgap.report.data import Answer, Results
from coopgap.report.tables import Table, pivot
from coopgap.report.terminal import doubts
from coopgap.report.words import clean

if TYPE_CHECKING:
    from docx.document import Document as Word
    from markdown_it.token import Token

    from coopgap.report.content import Content

_STYLE = "Coopgap Table"
_SIZE = 8.5
_CHARACTER = 0.068
"""Inches of a character at that size."""

_MARGIN, _UPRIGHT, _SIDEWAYS = 0.9, 8.27, 11.69
"""Inches: the margins, and the two sides of A4."""


def paper_tables(results: Results) -> list[Table]:
    """Table 1, coefficients, gaps and differences between groups; those that are not empty."""
    answers = results.headlines
    if not answers:
        tables = [
            pivot(
                results,
                results.published.estimated("risk_difference"),
                down=["item", "beside"],
                cells=["own", "other", "estimate"],
                end=["rounding", "zero_at"],
                caption="Printed gaps in points",
                name="printed",
            )
        ]
    else:
        tables = [
            paper.table_one(results),
            paper.gaps(results),
            *(paper.by_group(one, name) for one in answers for name in paper.group_variables(one)),
            *(paper.coefficients(answer) for answer in answers),
        ]
    # Word and LaTeX count tables themselves.
    return [
        replace(table, caption=table.caption.removeprefix("Table 1: ")) for table in tables if table
    ]


def headline_rows(results: Results) -> list[dict[str, Any]]:
    """The headlines as numbers, by head: the first sheet of a workbook."""
    return [_headline_row(results, answer) for answer in results.headlines]


def _headline_row(results: Results, answer: Answer) -> dict[str, Any]:
    row = answer.headline
    of_points = row is not None and row.quantity == "risk_difference"

    def points(value: float | None) -> float | None:
        return None if value is None else 100 * value

    gap = [None] * 3 if row is None else [points(v) for v in (row.estimate, row.lower, row.upper)]
    names = ("gap, points", "lower, points", "upper, points")
    superiority = ("superiority, %", "superiority lower, %", "superiority upper, %")
    return {
        "outcome": answer.title,
        f"{results.members}, %": points(answer.share("")),
        f"{results.others}, %": points(answer.share("comparison")),
        **dict(zip(names, gap if of_points else [None] * 3, strict=True)),
        **dict(zip(superiority, [None] * 3 if of_points else gap, strict=True)),
        "interval probability": row and row.interval_prob,
        "p_value": row and row.p_value,
        "p_adjusted": row and row.p_adjusted,
        results.members: row and row.n_member,
        results.others: row and row.n_comparison,
        "ess_comparison": row and row.ess_comparison,
        "status": str(row.status) if row else "not estimated",
        "look at": doubts(answer),
    }


def write_word(content: Content, tables: Sequence[Table], path: Path) -> None:
    """Write the headlines and the tables as a Word document.

    Parameters
    ----------
    content
        What the sentences are rendered from.
    tables
        As they are to be read.
    path
        The `.docx` file.
    """
    from docx import Document

    from coopgap.report.figures.canvas import drawing_style

    results = content.results
    document = Document()
    document.core_properties.title = clean(results.study.title)[:255]
    document.core_properties.author = "coopgap"
    _set_styles(document)
    _turn(document.sections[0], wide=False)
    document.sections[0].header.paragraphs[0].text = results.mark
    with drawing_style():
        text = content.render("document.md.j2")
        _add_text(document, text, content)
    wide = False
    for number, table in enumerate(tables, start=1):
        if _is_wide(table) is not wide:
            wide = not wide
            _turn(document.add_section(), wide=wide)
        _add_table(document, table, number, results.mark, wide=wide)
    document.save(str(path))


def _set_styles(document: Word) -> None:
    """Plain type, and a table style of thin rules above, below and under the head."""
    from docx.enum.style import WD_STYLE_TYPE
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls
    from docx.shared import Pt, RGBColor

    document.styles["Normal"].font.size = Pt(10)
    caption = document.styles["Caption"]
    caption.font.size, caption.font.bold, caption.font.color.rgb = Pt(9), True, RGBColor(0, 0, 0)
    for level in ("Title", "Heading 1", "Heading 2"):
        document.styles[level].font.color.rgb = RGBColor(0, 0, 0)
    style = document.styles.add_style(_STYLE, WD_STYLE_TYPE.TABLE)
    style.font.size = Pt(_SIZE)
    rule = 'w:val="single" w:sz="6" w:space="0" w:color="000000"'
    side = 'w:w="60" w:type="dxa"'
    margins = f"<w:tblCellMar><w:left {side}/><w:right {side}/></w:tblCellMar>"
    for xml in (
        f"<w:tblPr {nsdecls('w')}><w:tblBorders><w:top {rule}/><w:bottom {rule}/></w:tblBorders>"
        f"{margins}</w:tblPr>",
        f'<w:tblStylePr {nsdecls("w")} w:type="firstRow"><w:rPr><w:b/></w:rPr><w:tcPr>'
        f"<w:tcBorders><w:bottom {rule}/></w:tcBorders></w:tcPr></w:tblStylePr>",
    ):
        style.element.append(parse_xml(xml))


def _turn(section: Any, *, wide: bool) -> None:
    """A4, upright or turned."""
    from docx.enum.section import WD_ORIENT
    from docx.shared import Inches

    sides = (_SIDEWAYS, _UPRIGHT) if wide else (_UPRIGHT, _SIDEWAYS)
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = (Inches(side) for side in sides)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Inches(_MARGIN))


def _add_text(document: Word, text: str, content: Content) -> None:
    """Headings, paragraphs and figures of a Markdown text."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(text)
    for before, token in pairwise(tokens):
        children = token.children or []
        if token.type != "inline":
            continue
        if before.type == "heading_open":
            plain = "".join(text for text, _ in _runs(children))
            document.add_heading(plain, level=int(before.tag[1:]) - 1)
        elif children[0].type == "image":
            _add_figure(document, children[0], content)
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


def _add_figure(document: Word, image: Token, content: Content) -> None:
    from docx.shared import Inches

    drawing = content.drawings[Path(str(image.attrGet("src"))).stem]
    buffer = BytesIO()
    drawing.figure.savefig(buffer, format="png", dpi=300, facecolor="#ffffff")
    paragraph = document.add_paragraph()
    shape = paragraph.add_run().add_picture(buffer, width=Inches(_UPRIGHT - 2 * _MARGIN))
    shape._inline.docPr.set("descr", clean(drawing.alt))


def _is_wide(table: Table) -> bool:
    return sum(_widths(table)) > _UPRIGHT - 2 * _MARGIN


def _widths(table: Table) -> list[float]:
    """Inches of each column on one line, within bounds."""
    lines = (table.header, *table.rows)
    longest = [max(len(line[number]) for line in lines) for number in range(len(table.header))]
    return [min(max(0.12 + _CHARACTER * count, 0.5), 2.4) for count in longest]


def _add_table(document: Word, table: Table, number: int, mark: str, *, wide: bool) -> None:
    """A table under its caption; its head is repeated on every page."""
    from docx.oxml import OxmlElement
    from docx.shared import Inches, Pt

    caption = document.add_paragraph(style="Caption")
    caption.paragraph_format.keep_with_next = True
    caption.add_run("Table ")
    _add_counter(caption, number)
    caption.add_run(f". {f'{mark}. ' if mark else ''}{clean(table.caption)}")
    grid = document.add_table(rows=0, cols=len(table.header), style=_STYLE)
    grid.autofit = False
    room, widths = (_SIDEWAYS if wide else _UPRIGHT) - 2 * _MARGIN, _widths(table)
    part = min(room / sum(widths), 1.0)
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = Inches(width * part)
    for line, cells in enumerate((table.header, *table.rows)):
        row = grid.add_row()
        properties = row._tr.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if line == 0:
            properties.append(OxmlElement("w:tblHeader"))
        _fill(row, cells, table, strong=line - 1 in table.strong, kept=line < 3)
    for note in table.explained:
        paragraph = document.add_paragraph()
        paragraph.paragraph_format.space_after = Pt(2)
        paragraph.add_run(clean(note)).font.size = Pt(_SIZE)


def _fill(row: Any, cells: Sequence[str], table: Table, *, strong: bool, kept: bool) -> None:
    """Cells of a row; the first rows stay with the caption."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    for number, (cell, text) in enumerate(zip(row.cells, cells, strict=True)):
        paragraph = cell.paragraphs[0]
        paragraph.paragraph_format.keep_with_next = kept
        if number in table.numbers:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        run = paragraph.add_run(clean(text))
        if strong:
            run.bold = True


def _add_counter(paragraph: Any, number: int) -> None:
    """Word's own counter of tables, so that a document can refer to them."""
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    paragraph._p.append(
        parse_xml(
            f'<w:fldSimple {nsdecls("w")} w:instr=" SEQ Table \\* ARABIC ">'
            f"<w:r><w:t>{number}</w:t></w:r></w:fldSimple>"
        )
    )
