"""Excel workbooks come through with the types of their cells, or are refused in one line."""

from __future__ import annotations

import datetime
import re
import zipfile

import openpyxl
import pandas as pd
import pytest

from coopgap.survey.draft import draft_study
from coopgap.survey.read import read_table

from ..reading import cells, refusal


@pytest.fixture(autouse=True)
def _here(request):
    if "child" not in request.fixturenames:
        request.getfixturevalue("in_process")


@pytest.fixture
def child():
    """Read in a process of its own."""


def write(folder, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    path = folder / "survey.xlsx"
    book.save(path)
    return path


def change(path, part, old, new):
    """Replace text in one part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (name,) = [name for name in parts if name.endswith(part)]
    content = parts[name].decode()
    assert len(re.findall(old, content)) == 1
    parts[name] = re.sub(old, new, content).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_cells_keep_their_types(tmp_path):
    day, noon = datetime.date(2020, 3, 16), datetime.datetime(2020, 3, 16, 12, 30)
    path = write(
        tmp_path,
        data=[
            ["i", "f", "t", "b", "d", "when", "code", "mixed"],
            [1, 1.5, "Junín", True, day, noon, "007", 1],
            [2, None, " ", None, None, None, "7", "1.10"],
            [3, 2, "x", False, day, noon, "010", 1.1],
        ],
    )
    assert cells(path, "i") == [1, 2, 3]
    assert cells(path, "f") == [1.5, None, 2.0]
    assert cells(path, "t") == ["Junín", None, "x"]
    assert cells(path, "b") == [True, None, False]
    assert cells(path, "d") == ["2020-03-16", None, "2020-03-16"]
    assert cells(path, "when") == ["2020-03-16T12:30:00", None, "2020-03-16T12:30:00"]
    assert cells(path, "code") == ["007", "7", "010"]
    assert cells(path, "mixed") == ["1", "1.10", "1.1"]
    assert read_table(path, ["code"]).answers("code").texts == ("007", "7", "010")
    assert read_table(path, None).sheet == ""


@pytest.mark.usefixtures("child")
def test_the_same_survey_in_another_format(tmp_path):
    frame = pd.DataFrame({"k": [1, 2, 3] * 5, "w": [0.5, 1.25, 2.0] * 5, "s": ["a", "b", None] * 5})
    frame.to_excel(tmp_path / "s.xlsx", index=False)
    frame.to_parquet(tmp_path / "s.parquet")
    for name in frame:
        assert cells(tmp_path / "s.xlsx", name) == cells(tmp_path / "s.parquet", name)


def test_blank_rows_and_columns_are_no_answers(tmp_path):
    rows = [[], [None, "a", "b"], [None, 1, 2], [None, None, " "], [None, 3], [], []]
    path = write(tmp_path, data=rows)
    raw = read_table(path, None)
    assert (raw.columns, raw.n_rows) == (("a", "b"), 2)
    assert cells(path, "a") == [1, 3]
    assert cells(path, "b") == [2, None]


def test_the_size_that_a_sheet_says_it_has_is_not_believed(tmp_path):
    path = write(tmp_path, data=[["a", "b"], [1, 2], [3, 4]])
    change(path, "sheet1.xml", '<dimension ref="A1:B3"', '<dimension ref="A1"')
    assert cells(path, "b") == [2, 4]


def test_the_sheet_with_the_columns_is_read(tmp_path):
    path = write(tmp_path, about=[["title"], ["t"]], data=[["a", "b"], [1, 2]], codes=[["b"], [9]])
    raw = read_table(path, ["a", "b"])
    assert (raw.sheet, raw.n_rows) == ("data", 1)
    message = refusal(path, ["b"])
    assert "2 sheets have these columns: 'data', 'codes'; leave one of them" in message
    assert "no column 'c'" in refusal(path, ["c"])
    assert "# From its sheet about." in draft_study(read_table(path, None), str(path))


def test_sheets_alike_are_refused_and_hidden_or_empty_ones_passed_over(tmp_path):
    rows = [["a", "b"], [1, 2]]
    assert "2 sheets have these columns" in refusal(write(tmp_path, one=rows, two=rows))
    path = write(tmp_path, none=[], one=rows, two=rows)
    book = openpyxl.load_workbook(path)
    book["one"].sheet_state = "hidden"
    book.save(path)
    assert read_table(path, None).n_rows == 1
    assert "no sheet of the workbook holds anything" in refusal(write(tmp_path, none=[]))
    assert "no rows" in refusal(write(tmp_path, one=[["a", "b"]]))


def test_results_of_formulas_are_read_and_formulas_without_one_refused(tmp_path):
    path = write(tmp_path, data=[["a", "b", "c"], [1, "=A2+1", 5], [2, "=A3+1", 5]])
    assert "column 'b' has 2 formulas without a stored result" in refusal(path, ["b"])
    assert "column 'b' has 2 formulas" in refusal(path)
    assert cells(path, "c") == [5, 5]
    change(path, "sheet1.xml", r"<f>A2\+1</f>(<v\s*/>|<v></v>)", "<f>A2+1</f><v>2</v>")
    assert "column 'b' has 1 formulas" in refusal(path, ["b"])
    cell = r'<c r="B3"><f>A3\+1</f>(<v\s*/>|<v></v>)'
    change(path, "sheet1.xml", cell, '<c r="B3" t="str"><f>A3</f><v/>')
    assert cells(path, "b") == [2, None]


def test_a_row_of_labels(tmp_path):
    labels = ["Are you a member?", "Age in years", "Sex"]
    rows = [[i % 2, 20 + i, ("male", "female")[i % 2]] for i in range(20)]
    raw = read_table(write(tmp_path, data=[["member", "age", "sex"], labels, *rows]), ["age"])
    assert (raw.n_rows, raw.label_rows) == (20, 1)
    assert raw.labels == dict(zip(["member", "age", "sex"], labels, strict=True))
    assert raw.answers("age").values == tuple(range(20, 40))
    raw = read_table(write(tmp_path, data=[["member", "age", "sex"], *rows]), ["age"])
    assert (raw.n_rows, raw.label_rows) == (20, 0)


def test_parts_that_unpack_to_far_more_are_refused(tmp_path):
    path = write(tmp_path, data=[["a"], [1]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/bomb.xml", b"0" * (80 << 20))
    assert "unpack to 80 MB from 1 MB" in refusal(path)


def test_entities_are_refused(tmp_path):
    path = write(tmp_path, data=[["a"], [1]])
    change(path, "sheet1.xml", "^", '<!DOCTYPE x [<!ENTITY y "z">]>')
    assert "declares entities" in refusal(path)


@pytest.mark.usefixtures("child")
def test_what_is_no_workbook_is_refused(tmp_path):
    path = tmp_path / "survey.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.txt", "y")
    assert "damaged" in refusal(path)
    content = write(tmp_path, data=[["a"], [1]]).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "damaged" in refusal(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    assert "an old or an encrypted Excel workbook, not Excel" in refusal(path)
