"""SAS transport files: as SAS files are read, letters and all; a cut one is refused."""

from __future__ import annotations

import datetime
import tomllib
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from coopgap.app import cli
from coopgap.app.plan import make_plan
from coopgap.fit import main
from coopgap.report.plan import plan_text
from coopgap.survey.read import read_table

from ..reading import cells, refusal

HERE = Path(__file__).parent
VERSIONS = (5, 8)
STOOD_IN = 123_456_789_012_345.0
"""A number whose bytes a test replaces by those of a missing value."""


def lettered(raw):
    return [(one.column, one.code, one.count) for one in raw.extended]


def xpt(folder, data, version=8, name="DATASET", **options):
    path = folder / "survey.xpt"
    pyreadstat.write_xport(data, path, file_format_version=version, table_name=name, **options)
    return path


def with_letters(path, letters):
    """The numbers that stand in for missing values become those, one after the other."""
    content = path.read_bytes()
    # IBM floating point: sixteen to the power of the first byte less 64, and a fraction.
    mark = bytes([64 + 12]) + int(STOOD_IN * 16**2).to_bytes(7)
    assert content.count(mark) == len(letters)
    for letter in letters:
        content = content.replace(mark, letter.encode().ljust(8, b"\0"), 1)
    path.write_bytes(content)
    return path


@pytest.mark.usefixtures("in_process")
class TestRead:
    def test_it_reads_as_the_sas_file_of_the_same_people(self):
        """Both by haven."""
        sas, transport = (
            read_table(HERE / f"extended.{kind}", None) for kind in ("sas7bdat", "xpt")
        )
        assert transport.columns == sas.columns
        for column in sas.columns:
            assert cells(transport, column) == cells(sas, column)
        assert transport.labels == sas.labels
        assert transport.extended == sas.extended
        assert lettered(transport) == [("q", ".A", 3), ("q", ".B", 8)]

    @pytest.mark.parametrize("version", VERSIONS)
    def test_missing_values_are_told_apart_by_letter(self, tmp_path, version):
        stood = [STOOD_IN] * 3
        data = pd.DataFrame(
            {"s": [*"AZ_", "", "x"], "x": [*stood, None, 2.5], "y": [*stood, 10.0, 0.0]}
        )
        path = with_letters(xpt(tmp_path, data, version), "AZZAA_")
        raw = read_table(path, None)
        assert cells(raw, "s") == ["A", "Z", "_", "", "x"]
        assert cells(raw, "x") == [None, None, None, None, 2.5]
        assert cells(raw, "y") == [None, None, None, 10.0, 0.0]
        every = [("x", ".A", 2), ("x", ".Z", 1), ("y", ".A", 1), ("y", ".Z", 1), ("y", "._", 1)]
        assert lettered(raw) == every
        assert lettered(read_table(path, ["s", "y"])) == every[2:]

    @pytest.mark.parametrize("version", VERSIONS)
    def test_labels_and_dates(self, tmp_path, version):
        """Dates are days, and times seconds, since 1960: what SAS itself holds."""
        day, start = datetime.date(2020, 1, 31), datetime.date(1960, 1, 1)
        noon = datetime.datetime(2020, 1, 31, 12)
        data = pd.DataFrame({"day": [day], "noon": [noon], "w": [0.7]})
        labels = {"day": "Day of the interview", "w": "Weight"}
        raw = read_table(xpt(tmp_path, data, version, column_labels=labels), None)
        days = (day - start).days
        assert cells(raw, "day") == [days]
        assert cells(raw, "noon") == [days * 86_400 + 43_200]
        assert cells(raw, "w") == [0.7]
        assert raw.labels == labels

    @pytest.mark.parametrize(("encoding", "named"), [("utf-8", ""), ("cp1252", "cp1252")])
    def test_text_in_an_encoding_that_no_file_declares(self, tmp_path, encoding, named):
        places = ["Junín", "Áncash", "Huánuco"]
        path = xpt(tmp_path, pd.DataFrame({"place": places}), column_labels={"place": "Región"})
        content = path.read_bytes()
        for text in [*places, "Región"]:
            own, other = text.encode(), text.encode(encoding)
            content = content.replace(own, other.ljust(len(own)))
        path.write_bytes(content)
        raw = read_table(path, ["place"])
        assert cells(raw, "place") == places
        assert raw.encoding == named
        assert raw.labels["place"].startswith("Regi")
        assert cells(read_table(path, None, encoding=encoding), "place") == places

    @pytest.mark.parametrize("version", VERSIONS)
    def test_of_several_data_sets_the_one_that_has_the_columns(self, tmp_path, version):
        path = several(
            tmp_path,
            version,
            {
                "PEOPLE": pd.DataFrame({"id": [1.0, 2, 3], "s": ["x", "yy", ""]}),
                "PLACES": pd.DataFrame({"id": [9.0, 8], "z": [STOOD_IN, 2.0]}),
            },
        )
        with_letters(path, "C")
        places = read_table(path, ["z"])
        assert (places.sheet, cells(places, "z")) == ("PLACES", [None, 2.0])
        assert lettered(places) == [("z", ".C", 1)]
        people = read_table(path, None)
        assert (people.sheet, people.n_rows, people.columns) == ("PEOPLE", 3, ("id", "s"))
        assert "2 data sets have these columns: 'PEOPLE', 'PLACES'" in refusal(path, ["id"])
        assert "no column 'zz'" in refusal(path, ["zz"])


def several(folder, version, data_sets):
    """A file of several data sets, each as a file of its own has it."""
    each = [xpt(folder, data, version, name=name).read_bytes() for name, data in data_sets.items()]
    path = folder / "survey.xpt"
    path.write_bytes(each[0] + b"".join(content[240:] for content in each[1:]))
    return path


class TestRefusals:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_a_cut_file_is_no_shorter_survey(self, tmp_path, version):
        """A row has 21 bytes, so that no cut between records is one between rows too."""
        data = pd.DataFrame({"a": range(1, 101), "b": ["wordy"] * 100, "c": 0.25})
        path = xpt(tmp_path, data.astype({"a": float}), version)
        whole = path.read_bytes()
        assert read_table(path, None).n_rows == 100
        for cut in (len(whole) - 80, len(whole) - 81, 1200, 640, 240):
            path.write_bytes(whole[:cut])
            assert str(path) in refusal(path)

    def test_version_8_states_how_many_rows_there_are(self, tmp_path):
        path = xpt(tmp_path, pd.DataFrame({"a": [float(k) for k in range(100)]}))
        path.write_bytes(path.read_bytes()[:-160])
        assert "it says that it has 100 rows and holds 80; give the whole file" in refusal(path)

    def test_what_is_no_transport_file(self, tmp_path):
        path = tmp_path / "survey.xpt"
        path.write_bytes(b"**COMPRESSED** " * 5 + b"**COMPRESSED********" + bytes(200))
        assert "the content is a SAS file of PROC CPORT, not SAS transport" in refusal(path)
        path.write_text("a,b\n1,2\n")
        assert "the content is text, not SAS transport" in refusal(path)
        path.write_bytes((HERE / "extended.sas7bdat").read_bytes())
        assert "the content is SAS, not SAS transport" in refusal(path)
        (tmp_path / "survey.csv").write_bytes((HERE / "extended.xpt").read_bytes())
        assert "the content is SAS transport, not CSV" in refusal(tmp_path / "survey.csv")

    def test_the_command_ends_with_2_and_one_line(self, tmp_path, capsys):
        path = tmp_path / "cut.xpt"
        path.write_bytes((HERE / "extended.xpt").read_bytes()[:-100])
        assert main(["peru", "--data", str(path), "--dry-run"]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert f"{path}: it ends within a record of 80 bytes" in message


class TestStudy:
    def test_a_study_reads_it(self, tmp_path, people, make_folder):
        data = people.assign(age=people.age.where(people.index > 4, STOOD_IN))
        path = with_letters(xpt(tmp_path, data), "ABBBB")
        plan = make_plan(make_folder(), path)
        assert plan.survey.n == 600
        assert (plan.survey.codes["age"] < 0).sum() == 5
        assert "missing   age: 1 .A, 4 .B" in plan_text(plan)

    def test_describe_drafts_it(self, tmp_path, people, capsys):
        labels = {"yes": "Sells through the co-operative"}
        data = people.assign(yes=people.yes.where(people.index > 1, STOOD_IN))
        path = with_letters(xpt(tmp_path, data, column_labels=labels), "AB")
        assert cli.run("describe", [str(path)]) == 0
        text = capsys.readouterr().out
        drafted = tomllib.loads(text)["variables"]
        assert drafted["yes"]["label"] == labels["yes"]
        assert drafted["region"]["levels"] == ["East", "North", "South"]
        assert ".A" in text
        assert ".B" in text
