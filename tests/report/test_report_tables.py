from __future__ import annotations

import io

import pandas as pd
import pytest

from coopgap.core.estimate import TABLES, to_frame
from coopgap.report.sheets import csv_text, escape_cell, unescape_cell, write_csv

NUMBERS = {
    "gaps": ("estimate", "lower", "upper", "p_value"),
    "coefficients": ("estimate", "statistic"),
    "balance": ("smd_before", "smd_after"),
    "sensitivity": ("estimate", "threshold"),
    "diagnostics": ("value", "bar"),
}


def read_back(text: str, frame: pd.DataFrame) -> pd.DataFrame:
    dtypes = {name: str(dtype) for name, dtype in frame.dtypes.items() if str(dtype) != "boolean"}
    blanks = {name: [""] for name, dtype in frame.dtypes.items() if str(dtype) != "string"}
    read = pd.read_csv(io.StringIO(text), dtype=dtypes, keep_default_na=False, na_values=blanks)
    words = {"true": True, "false": False, True: True, False: False}
    for name in frame.columns[frame.dtypes == "boolean"]:
        read[name] = read[name].map(words).astype("boolean")
    return read


@pytest.mark.parametrize("name", TABLES)
def test_csv_reads_back_to_the_same_table(build, name):
    frame = build.frames()[name]
    read = read_back(csv_text(frame), frame)
    pd.testing.assert_frame_equal(
        read[list(NUMBERS[name])], frame[list(NUMBERS[name])], check_exact=True
    )
    for column in frame:
        if str(frame[column].dtype) == "string":
            assert [unescape_cell(value) for value in read[column]] == list(frame[column])
        else:
            pd.testing.assert_series_equal(read[column], frame[column], check_exact=True)


def test_csv_writes_shortest_floats_plain_booleans_and_empty_cells(build):
    frame = build.frames()["gaps"].head(1).copy()
    frame["estimate"] = 0.1 + 0.2
    frame["p_value"] = 1e-300
    text = csv_text(frame)
    assert "0.30000000000000004" in text
    assert "1e-300" in text
    diagnostics = csv_text(build.frames()["diagnostics"])
    assert ",true," in diagnostics
    assert ",false," in diagnostics
    assert "True" not in diagnostics
    assert "nan" not in text.lower()
    assert "<NA>" not in diagnostics


def test_csv_escapes_text_that_starts_a_formula_but_no_number(build):
    frame = build.frames()["sensitivity"].copy()
    frame["estimate"] = -0.25
    text = csv_text(frame)
    assert ",'=cmd," in text
    assert ",-0.25," in text
    assert "'-0.25" not in text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_every_sign_that_starts_a_formula_is_escaped(start):
    assert escape_cell(f"{start}1") == f"'{start}1"
    assert unescape_cell(escape_cell(f"''{start}1")) == f"''{start}1"


@pytest.mark.parametrize("text", ["", "a=1", ">=B", "'quoted", " =1"])
def test_other_text_stays_as_it_is(text):
    assert escape_cell(text) == unescape_cell(text) == text


def test_csv_files_have_no_byte_order_mark_and_carry_any_letter(build, tmp_path):
    frames = build.hostile(build.frames(), "é 字")
    paths = write_csv(frames, tmp_path)
    assert [path.name for path in paths] == [f"{name}.csv" for name in TABLES]
    data = (tmp_path / "sensitivity.csv").read_bytes()
    assert not data.startswith(b"\xef\xbb\xbf")
    assert "字".encode() in data
    assert b"\r\n" not in data


def test_empty_tables_keep_their_columns(tmp_path):
    frames = {name: to_frame(name, []) for name in TABLES}
    write_csv(frames, tmp_path)
    for name, frame in frames.items():
        assert (tmp_path / f"{name}.csv").read_text("utf-8") == ",".join(frame.columns) + "\n"
