"""What a run is written as: tables as they are, and tables for a paper in Word, LaTeX and Excel."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace

import openpyxl
import pandas as pd
import pytest
from docx import Document
from docx.oxml.ns import qn

from coopgap.core.atomic import FIGURES, FORMATS
from coopgap.core.errors import OutputError
from coopgap.core.estimate import TABLES, columns, to_frame
from coopgap.core.vocabulary import EXAMPLE
from coopgap.report.data import make_results
from coopgap.report.documents import escape_latex, write_latex
from coopgap.report.pages import Content
from coopgap.report.sheets import write_workbook
from coopgap.report.tables import Table
from coopgap.report.word import write_word
from coopgap.report.write import write_report

from .conftest import FIRST, HOSTILE_TOGETHER

NARROW = Table(
    name="narrow",
    caption="A narrow table",
    header=("Outcome", "Gap, points"),
    rows=(("Agrees", "+9.1 (4.2\xa0to\xa014.0)"), ("Class", "few people")),
    numbers=frozenset({1}),
    strong=frozenset({0}),
    notes=("In brackets: 95 % confidence interval.",),
)
WIDE = Table(
    name="wide table",
    caption="Eight ways",
    header=("Term", *(f"matched, proportional odds {number}" for number in range(8))),
    rows=tuple((f"Region: North {line}", *["−0.25 (0.11)"] * 8) for line in range(60)),
    numbers=frozenset(range(1, 9)),
)
TABLES_FOR_PAPER = (NARROW, WIDE, replace(NARROW, caption="Another of that name"))


@pytest.fixture(scope="module")
def results(build):
    return make_results(build.pooled(), build.study(), build.meta())


@pytest.fixture(scope="module")
def written(build, tmp_path_factory):
    """A folder with every format, and the paths that were named."""
    target = tmp_path_factory.mktemp("report")
    given = build.pooled(), build.study(), build.meta(), target
    return target, write_report(*given, FORMATS, figures=FIGURES)


@pytest.fixture(scope="module")
def folder(written):
    return written[0]


@pytest.fixture(scope="module")
def word(results, tmp_path_factory):
    path = tmp_path_factory.mktemp("word") / "tables.docx"
    write_word(Content(results, _draw), TABLES_FOR_PAPER, path)
    return Document(str(path))


def _draw(name, results, answer):
    from coopgap.report.figures import draw

    return draw(name, results, answer)


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# A folder


def test_every_format_is_written_and_named(written):
    folder, paths = written
    found = {str(path.relative_to(folder)) for path in paths}
    assert found == names(folder)
    assert {f"{name}.{kind}" for name in TABLES for kind in ("csv", "parquet")} < found
    assert {"run.json", "report.html", "report.md"} < found
    assert {"tables.xlsx", "tables.tex", "tables.docx", "tables/table_1.tex"} < found
    drawn = {name.removesuffix(".png") for name in found if name.endswith(".png")}
    assert "figures/headline" in drawn
    for kind in FIGURES:
        assert {name.removesuffix(f".{kind}") for name in found if name.endswith(kind)} == drawn


def test_figures_alone_write_no_page_and_csv_alone_no_figure(build, tmp_path):
    given = build.frames(), build.study(), build.meta()
    for name, formats, figures in (("one", ("csv",), ("svg",)), ("two", ("csv",), ())):
        (tmp_path / name).mkdir()
        write_report(*given, tmp_path / name, formats, figures=figures)
        assert not (tmp_path / name / "report.html").exists()
        assert (tmp_path / name / "figures" / "headline.svg").exists() is bool(figures)


@pytest.mark.parametrize("asked", [{"formats": ("csv", "odt")}, {"figures": ("eps",)}])
def test_an_unknown_format_is_refused_before_anything_is_written(build, tmp_path, asked):
    given = build.frames(), build.study(), build.meta(), tmp_path
    with pytest.raises(OutputError, match="allowed: "):
        write_report(*given, **({"formats": ("csv",)} | asked))
    assert not list(tmp_path.iterdir())


def test_the_same_run_is_written_alike_twice(build, folder, tmp_path):
    write_report(build.pooled(), build.study(), build.meta(), tmp_path, FORMATS, figures=FIGURES)
    assert names(tmp_path) == names(folder)
    # Office files carry the time of writing.
    for name in names(folder) - {"tables.xlsx", "tables.docx"}:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_another_template_makes_the_pages(build, tmp_path):
    given = build.frames(), build.study(), build.meta(), tmp_path, ("md",)
    write_report(*given, template="summary.md.j2")
    text = (tmp_path / "report.md").read_text("utf-8")
    assert text.startswith("# A study")
    assert "## " not in text


def test_figures_stand_alone_with_their_words_and_mark(folder):
    for path in (folder / "figures").glob("*.svg"):
        text = ET.parse(path).getroot()
        assert len("".join(text[0].itertext())) > 20
        # Published numbers are real, whatever the survey is.
        assert (EXAMPLE in "".join(text.itertext())) == (path.stem != "printed_gaps")
    for path in (folder / "figures").glob("*.pdf"):
        assert path.read_bytes().startswith(b"%PDF")
        assert b"CreationDate" not in path.read_bytes()


def test_parquet_keeps_every_type(build, folder):
    for name, frame in build.pooled().items():
        pd.testing.assert_frame_equal(pd.read_parquet(folder / f"{name}.parquet"), frame)


def test_example_data_stands_in_every_export(folder):
    for name in ("tables.tex", "tables/table_1.tex", "figures/headline.svg", "report.md"):
        assert EXAMPLE in (folder / name).read_text("utf-8"), name
    document = Document(str(folder / "tables.docx"))
    assert EXAMPLE in document.sections[0].header.paragraphs[0].text
    assert openpyxl.load_workbook(folder / "tables.xlsx").properties.title == EXAMPLE


def test_a_users_survey_is_not_marked(build, tmp_path):
    meta = build.meta(is_example=False)
    write_report(build.frames("survey.csv"), build.study(), meta, tmp_path, FORMATS)
    for name in ("report.html", "report.md", "tables.tex", "gaps.csv"):
        assert EXAMPLE not in (tmp_path / name).read_text("utf-8")
    with zipfile.ZipFile(tmp_path / "tables.docx") as archive:
        parts = [archive.read(part) for part in archive.namelist() if part.endswith(".xml")]
    assert EXAMPLE.encode() not in b"".join(parts)
    book = openpyxl.load_workbook(tmp_path / "tables.xlsx")
    assert book.properties.title == "coopgap"
    for sheet in book.worksheets[:-1]:
        assert EXAMPLE not in {cell for row in sheet.iter_rows(values_only=True) for cell in row}
        assert sheet.oddHeader.center.text is None


@pytest.mark.parametrize("label", HOSTILE_TOGETHER, ids=FIRST)
def test_a_hostile_label_passes_through_every_export_as_text(build, tmp_path, label):
    study = build.study((label, f"{label} 2", label, label))
    frames = build.hostile(build.frames(), label)
    write_report(frames, study, build.meta(), tmp_path, ("csv", "xlsx", "tex", "docx"))
    for path in (tmp_path / "tables").iterdir():
        tex = re.sub(r"\\[\\%&#_{}$]", "", path.read_text("utf-8"))
        assert "\\input{" not in tex
        assert tex.count("{") == tex.count("}")
    for sheet in openpyxl.load_workbook(tmp_path / "tables.xlsx"):
        assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


def test_empty_tables_make_every_format(build, tmp_path):
    frames = {name: to_frame(name, []) for name in TABLES}
    write_report(frames, build.study(), build.meta(), tmp_path, FORMATS, figures=FIGURES)
    text = "No gap was estimated in this run."
    assert text in (tmp_path / "report.md").read_text("utf-8")
    assert text in (tmp_path / "tables.tex").read_text("utf-8")
    document = Document(str(tmp_path / "tables.docx"))
    assert text in [paragraph.text for paragraph in document.paragraphs]
    assert list((tmp_path / "tables").iterdir()) == []


# Word


def test_word_says_what_the_page_says(results, word):
    content = Content(results)
    told = content.templates.get_template("told.md.j2").module
    texts = [paragraph.text for paragraph in word.paragraphs]
    assert texts[0] == "A study"
    for answer in results.headlines:
        plain = str(told.headline(answer)).replace("*", "").strip().split("\n\n")
        for paragraph in (f"{answer.label}. {plain[0]}", *plain[1:]):
            assert paragraph.split() in [text.split() for text in texts], paragraph
    assert any(text.startswith("Not said: ") for text in texts)
    assert not any(re.search(r"\*\*|\]\(|\\|&lt;", text) for text in texts)
    (bold,) = [p.runs[0] for p in word.paragraphs if p.text.startswith("Agrees. ")]
    assert bold.bold
    assert bold.text == "Agrees."


def test_word_holds_the_headline_figure_with_its_words(word):
    (shape,) = word.inline_shapes
    assert "Headline gaps" in shape._inline.docPr.get("descr")
    assert 5 < shape.width.inches < 7


def test_heads_are_repeated_rows_are_whole_and_captions_stay_with_tables(word):
    assert len(word.tables) == len(TABLES_FOR_PAPER)
    for number, (grid, table) in enumerate(zip(word.tables, TABLES_FOR_PAPER, strict=True), 1):
        rows = grid.rows
        heads = [row._tr.trPr.find(qn("w:tblHeader")) is not None for row in rows]
        assert heads == [True] + [False] * len(table.rows)
        assert all(row._tr.trPr.find(qn("w:cantSplit")) is not None for row in rows)
        caption = grid._tbl.getprevious()
        assert caption.pPr.find(qn("w:keepNext")) is not None
        assert "SEQ Table" in caption.find(qn("w:fldSimple")).get(qn("w:instr"))
        words = "".join(part.text for part in caption.iter(qn("w:t")))
        assert words == f"Table {number}. {EXAMPLE}. {table.caption}"
        first = rows[0].cells[0].paragraphs[0]
        assert first.paragraph_format.keep_with_next
        for line, cells in zip(rows, (table.header, *table.rows), strict=True):
            assert tuple(cell.text for cell in line.cells) == cells


def test_the_tables_style_is_thin_rules_above_and_below_only(word):
    style = word.styles["Coopgap Table"].element
    borders = style.find(qn("w:tblPr")).find(qn("w:tblBorders"))
    assert [part.tag for part in borders] == [qn("w:top"), qn("w:bottom")]
    assert {grid.style.name for grid in word.tables} == {"Coopgap Table"}


def test_only_a_wide_table_turns_the_page_and_none_is_wider_than_it(word):
    turned = [section.page_width > section.page_height for section in word.sections]
    assert turned == [False, True, False]
    for grid, section in zip(word.tables, word.sections, strict=True):
        room = section.page_width - section.left_margin - section.right_margin
        assert sum(column.width for column in grid.columns) <= room + 9 * 635


@pytest.mark.parametrize("table", TABLES_FOR_PAPER)
def test_no_word_is_broken_inside_a_cell_of_word(word, table):
    """By the metrics of STIX, which are those of Times."""
    grid = word.tables[TABLES_FOR_PAPER.index(table)]
    fonts = [_font(f"STIXGeneral{weight}.ttf") for weight in ("", "Bol")]
    for number, column in enumerate(grid.columns):
        for at, row in enumerate((table.header, *table.rows)):
            size = grid.rows[at].cells[number].paragraphs[0].runs[0].font.size.pt
            font = fonts[at == 0 or at - 1 in table.strong]
            for word_ in re.split(r"[ \n]+", row[number]):
                assert _points(font, word_) * size + 6 <= column.width.pt + 0.1, word_


def test_a_short_table_is_not_broken_between_pages_and_type_is_small(word):
    for grid, table in zip(word.tables, TABLES_FOR_PAPER, strict=True):
        kept = [row.cells[0].paragraphs[0].paragraph_format.keep_with_next for row in grid.rows]
        assert kept == [at < 3 or len(table.rows) < 46 for at in range(len(table.rows) + 1)]
    cell = word.styles["Coopgap Cell"].paragraph_format
    assert cell.line_spacing == 1
    assert cell.space_before.pt + cell.space_after.pt <= 2


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("soffice"), reason="needs LibreOffice")
def test_libreoffice_opens_the_document_on_few_pages(folder, tmp_path):
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path)]
    subprocess.run([*command, str(folder / "tables.docx")], check=True, capture_output=True)
    pages = re.findall(rb"/Type\s*/Page\b", (tmp_path / "tables.pdf").read_bytes())
    assert 1 <= len(pages) <= 4


# LaTeX


@pytest.fixture
def fragments(results, tmp_path):
    write_latex(results, TABLES_FOR_PAPER, tmp_path)
    return tmp_path


def test_one_file_a_table_with_a_label_and_one_that_inputs_them(fragments):
    text = (fragments / "tables.tex").read_text("utf-8")
    stems = ["narrow", "wide-table", "narrow-3"]
    assert re.findall(r"^\\input\{tables/(.*)\}$", text, flags=re.M) == stems
    for stem, table in zip(stems, TABLES_FOR_PAPER, strict=True):
        fragment = (fragments / "tables" / f"{stem}.tex").read_text("utf-8")
        assert f"{escape_latex(table.caption)}}}\\label{{tab:{stem}}}" in fragment
        for rule in ("\\toprule", "\\midrule", "\\bottomrule"):
            assert rule in fragment
        opened = re.findall(r"\\begin\{(\w+)\}", fragment)
        assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", fragment))
        assert fragment.count("\\begingroup") == fragment.count("\\endgroup") == 1
    long = (fragments / "tables" / "wide-table.tex").read_text("utf-8")
    assert "\\endhead" in long
    assert long.startswith("\\begin{landscape}")
    assert "longtable" not in (fragments / "tables" / "narrow.tex").read_text("utf-8")


POINTS = {"small": 9, "footnotesize": 8, "scriptsize": 7}
OPTICAL = {9: 1.028, 8: 1.062, 7: 1.138}
"""How much wider Computer Modern is at a size than by its name."""


def _font(name):
    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font

    font = FT2Font(f"{get_data_path()}/fonts/ttf/{name}")
    font.set_size(100, 72)
    return font


def _points(font, word):
    """Width at a size of one point."""
    font.set_text(word, 0)
    return font.get_width_height()[0] / 64 / 100


def test_no_word_is_wider_than_its_column_and_no_table_than_its_line(fragments):
    """By the metrics of Computer Modern, with what a small size and bold type add."""
    font = _font("cmr10.ttf")
    for table, stem in zip(TABLES_FOR_PAPER, ("narrow", "wide-table", "narrow-3"), strict=True):
        text = (fragments / "tables" / f"{stem}.tex").read_text("utf-8")
        size = POINTS[re.search(r"\\(small|footnotesize|scriptsize)\\", text)[1]]
        line = 550.0 if "landscape" in text else 345.0
        widths = [line * float(part) for part in re.findall(r"p\{([\d.]+)\\linewidth\}", text)]
        assert len(widths) == len(table.header)
        assert sum(widths) + 6 * (len(widths) - 1) <= line + 0.1
        for number, width in enumerate(widths):
            for at, row in enumerate((table.header, *table.rows)):
                bold = 1.15 if at - 1 in table.strong else 1
                for word in re.split(r"[ \n]+", row[number]):
                    points = _points(font, word.replace("−", "-")) * size * OPTICAL[size] * bold
                    assert points <= width, (word, stem)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
@pytest.mark.parametrize("which", ["saved", "tables"])
def test_latex_compiles_and_nothing_is_overfull(folder, fragments, which):
    where = folder if which == "saved" else fragments
    packages = r"\usepackage[T1]{fontenc}\usepackage{array,booktabs,longtable,pdflscape}"
    body = rf"\documentclass{{article}}{packages}\begin{{document}}\input{{tables}}\end{{document}}"
    command = ["pdflatex", "-draftmode", "-halt-on-error", "-interaction=nonstopmode"]
    done = subprocess.run(
        [*command, f"-output-directory={fragments}", "-jobname=paper", body],
        cwd=where,
        capture_output=True,
        check=False,
    )
    log = (fragments / "paper.log").read_text("latin-1")
    assert done.returncode == 0, log[-2000:]
    assert not re.search("Overfull|Float too large|Undefined", log)


def test_latex_is_escaped():
    assert escape_latex("100% $x_$ & {a} \\b ^ ~ # [c] −1 ≥ “q”") == (
        r"100\% \$x\_\$ \& \{a\} \textbackslash{}b \textasciicircum{} \textasciitilde{} \# "
        r"{[}c{]} $-$1 $\geq$ “q”"
    )


# Excel


def test_the_workbook_opens_with_the_headlines_as_numbers(folder, results):
    book = openpyxl.load_workbook(folder / "tables.xlsx")
    assert book.sheetnames[0] == "headlines"
    assert book.sheetnames[-6:] == [*TABLES, "columns"]
    sheet = book["headlines"]
    heads = [cell.value for cell in sheet[1]]
    assert all(any(cell.value is not None for cell in column[1:]) for column in sheet.columns)
    for row, answer in zip(sheet.iter_rows(min_row=2), results.headlines, strict=True):
        cells = dict(zip(heads, row, strict=True))
        assert cells["outcome"].value.startswith(answer.label)
        gap = cells["gap, points"]
        if answer.headline.quantity == "risk_difference":
            assert gap.value == pytest.approx(100 * answer.headline.estimate)
            assert gap.number_format.startswith("+0.0")
        assert cells["p_value"].value == answer.headline.p_value
        assert cells["members"].value == answer.headline.n_member
        assert cells["members"].number_format == "#,##0"


def test_sheets_have_filters_a_fixed_head_and_formats(build, folder):
    book = openpyxl.load_workbook(folder / "tables.xlsx")
    for name, frame in build.pooled().items():
        sheet = book[name]
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref == sheet.dimensions
        assert sheet.max_row == len(frame) + 1
    gaps = book["gaps"]
    at = {cell.value: cell.column_letter for cell in gaps[1]}
    assert gaps[f"{at['estimate']}2"].number_format == "0.0000"
    assert gaps[f"{at['n_member']}2"].number_format == "#,##0"
    found = [cell.value for cell in gaps[at["estimate"]][1:] if cell.value is not None]
    # A workbook holds 16 digits.
    expected = build.pooled()["gaps"]["estimate"].dropna()
    assert found == pytest.approx(list(expected), rel=1e-15)


def test_the_last_sheet_says_what_every_column_means(folder):
    rows = openpyxl.load_workbook(folder / "tables.xlsx")["columns"].iter_rows(values_only=True)
    assert next(rows) == ("table", "column", "meaning")
    assert list(rows) == [(name, *item) for name in TABLES for item in columns(name).items()]


def test_tables_for_a_paper_are_sheets_of_their_own(tmp_path):
    long = replace(NARROW, name="a name of more than one and thirty letters: [x]")
    tables = (NARROW, long, long, replace(NARROW, name="Gaps"))
    frames = {name: to_frame(name, []) for name in TABLES}
    write_workbook(frames, tmp_path / "x.xlsx", tables=tables)
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    assert len(book.sheetnames) == len({name.lower() for name in book.sheetnames}) == 4 + 6
    assert {"Gaps-2", *TABLES} < {*book.sheetnames}
    assert all(len(name) <= 31 for name in book.sheetnames)
    sheet = book["narrow"]
    values = [row for row in sheet.iter_rows(values_only=True) if any(row)]
    assert values[0][0] == NARROW.caption
    assert values[1:4] == [NARROW.header, *NARROW.rows]
    assert values[4][0] == NARROW.notes[0]
    assert sheet.freeze_panes == "B3"
    assert sheet["A3"].font.bold
    assert sheet["B4"].alignment.horizontal == "right"


def test_a_workbook_of_empty_tables_keeps_their_columns(tmp_path):
    frames = {name: to_frame(name, []) for name in TABLES}
    write_workbook(frames, tmp_path / "tables.xlsx")
    book = openpyxl.load_workbook(tmp_path / "tables.xlsx")
    for name in TABLES:
        assert [cell.value for cell in book[name][1]] == list(columns(name))
