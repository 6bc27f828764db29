"""Reading survey files: every format comes through as written, every bad file is one line."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

from coopgap.core.errors import SurveyError
from coopgap.survey import read
from coopgap.survey.raw import from_dataframe
from coopgap.survey.read import Limits, read_table

from .reading import cells, refusal


def outcome(path):
    try:
        raw = read_table(path, None)
    except SurveyError as error:
        return "refused" if "\n" not in str(error) else str(error)
    return "read" if raw.n_rows > 0 else "no rows"


def write_csv(folder, text, name="survey.csv"):
    path = folder / name
    path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return path


@pytest.fixture(scope="module")
def sav(tmp_path_factory):
    path = tmp_path_factory.mktemp("sav") / "survey.sav"
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "member": rng.integers(0, 2, 60).astype(float),
            "ses": rng.integers(1, 6, 60).astype(float),
            "region": [["Junín", "Lima", ""][k] for k in rng.integers(0, 3, 60)],
        }
    )
    frame.loc[0, "ses"] = 99.0
    frame.loc[1, "ses"] = np.nan
    pyreadstat.write_sav(
        frame,
        path,
        column_labels={"ses": "Nivel socioeconómico"},
        variable_value_labels={"ses": {1: "E", 5: "A", 99: "NS/NR"}},
        missing_ranges={"ses": [99]},
    )
    return path


@pytest.mark.usefixtures("in_process")
class TestFormats:
    def test_spss_gives_raw_codes_with_labels_and_user_missing_beside_them(self, sav):
        raw = read_table(sav, ["ses", "region"])
        assert raw.columns == ("ses", "region")
        assert raw.n_rows == 60
        assert cells(raw, "ses")[:2] == [99.0, None]
        assert set(cells(raw, "region")) == {"Junín", "Lima", ""}
        assert raw.labels == {"ses": "Nivel socioeconómico"}
        assert raw.value_labels == {"ses": {1.0: "E", 5.0: "A", 99.0: "NS/NR"}}
        assert raw.user_missing == {"ses": ((99.0, 99.0),)}
        assert raw.sha256 == hashlib.sha256(sav.read_bytes()).hexdigest()
        assert (raw.name, raw.is_example) == ("survey.sav", False)

    def test_compressed_spss(self, tmp_path):
        path = tmp_path / "survey.zsav"
        pyreadstat.write_sav(pd.DataFrame({"a": [1.0, 2.0]}), path, compress=True)
        assert cells(read_table(path, ["a"]), "a") == [1.0, 2.0]

    def test_stata_extended_missing_values_are_counted_by_letter(self, tmp_path):
        letters = ["a"] * 3 + ["b"] * 8 + ["c"] * 12 + ["z"] * 5668
        for name, answers in (("whole", [1, 2, None]), ("single", [0.7, 0.1, None])):
            path = tmp_path / f"{name}.dta"
            frame = pd.DataFrame({"x": [*answers, *letters]})
            frame["w"] = 1.5
            pyreadstat.write_dta(
                frame,
                path,
                missing_user_values={"x": ["a", "b", "c", "z"]},
                variable_value_labels={"x": {1: "yes", "a": "refused"}},
            )
            raw = read_table(path, ["x"])
            assert cells(raw, "x") == [*answers, *[None] * len(letters)]
            found = [(one.column, one.code, one.label, one.count) for one in raw.extended]
            assert found == [
                ("x", ".a", "refused", 3),
                ("x", ".b", "", 8),
                ("x", ".c", "", 12),
                ("x", ".z", "", 5668),
            ]
            assert raw.value_labels == {"x": {1: "yes"}}
            assert read_table(path, ["w"]).extended == ()

    def test_sas_extended_missing_values_are_counted_by_letter(self, tmp_path):
        made = Path(__file__).parent / "formats" / "extended.sas7bdat"
        raw = read_table(made, ["q", "place"])
        assert cells(raw, "q") == [*[None] * 12, *[1.0, 2.0] * 14]
        assert cells(raw, "place")[:3] == ["Ica", "Piura", "Ica"]
        assert raw.labels["q"] == "Sells through it"
        found = [(one.column, one.code, one.count) for one in raw.extended]
        assert found == [("q", ".A", 3), ("q", ".B", 8)]
        (tmp_path / "s.dta").write_bytes(made.read_bytes())
        assert "the content is SAS, not Stata" in refusal(tmp_path / "s.dta")

    def test_parquet_keeps_numbers_text_categories_and_empty_cells(self, tmp_path):
        path = tmp_path / "survey.parquet"
        frame = pd.DataFrame(
            {
                "i": pd.array([1, None, 3], dtype="Int64"),
                "f": [1.5, np.nan, 2.0],
                "s": ["x", None, "z"],
                "c": pd.Categorical(["b", "a", "b"]),
                "t": [True, False, True],
                "d": pd.to_datetime(["2020-03-16"] * 3),
            },
            index=[5, 6, 7],
        )
        frame.to_parquet(path)
        raw = read_table(path, None)
        assert raw.columns == ("i", "f", "s", "c", "t", "d")
        assert cells(raw, "i") == [1, None, 3]
        assert cells(raw, "f") == [1.5, None, 2.0]
        assert cells(raw, "s") == ["x", None, "z"]
        assert cells(raw, "c") == ["b", "a", "b"]
        assert cells(raw, "t") == [True, False, True]
        assert cells(raw, "d") == ["2020-03-16"] * 3

    def test_days_are_alike_however_they_are_stored_and_instants_keep_their_time(self):
        days = pd.to_datetime(["2020-03-16", None, "1969-12-31"])
        noon = pd.to_datetime(["2020-03-16 12:30", None, "1969-12-31 00:00"])
        frame = pd.DataFrame({"s": days.astype("datetime64[s]"), "ns": days, "noon": noon})
        raw = from_dataframe(frame.assign(date=[day.date() for day in days]))
        for name in ("s", "ns", "date"):
            assert cells(raw, name) == ["2020-03-16", None, "1969-12-31"]
        assert cells(raw, "noon")[0].startswith("2020-03-16 12:30")
        assert cells(raw, "noon")[2].startswith("1969-12-31 00:00")

    @pytest.mark.parametrize("name", ["survey.dta", "survey.parquet", "frame"])
    def test_single_precision_is_read_as_the_decimal_it_stands_for(self, tmp_path, name):
        """The nearest single to .7 is .69999999, which is below a cut at .7."""
        numbers = [0.1, 0.3, 0.7, 1e10, 16777216.0, np.nan]
        frame = pd.DataFrame({"x": np.array(numbers, dtype=np.float32), "d": numbers})
        path = tmp_path / name
        if path.suffix == ".dta":
            frame.to_stata(path, write_index=False)
        elif path.suffix == ".parquet":
            frame.to_parquet(path)
        raw = read_table(path, None) if path.suffix else from_dataframe(frame)
        assert cells(raw, "x") == cells(raw, "d") == [*numbers[:-1], None]

    def test_half_precision_is_read_as_the_decimal_it_stands_for(self):
        raw = from_dataframe(pd.DataFrame({"x": np.array([0.1, 0.7], dtype=np.float16)}))
        assert cells(raw, "x") == [0.1, 0.7]

    def test_parquet_refuses_nested_and_binary_columns(self, tmp_path):
        path = tmp_path / "survey.parquet"
        pq.write_table(pa.table({"a": [1], "n": [[1, 2]], "b": [b"\0"]}), path)
        assert "'n' holds nested values" in refusal(path, ["n"])
        assert "binary" in refusal(path, ["b"])
        assert cells(read_table(path, ["a"]), "a") == [1]

    def test_csv_cells_come_as_the_text_that_stands_there(self, tmp_path):
        path = write_csv(tmp_path, 'a,b\n1,n/a\n1.0," x, y"\n007,\nNA,"say ""hi""\nyou"\n')
        raw = read_table(path, ["b", "a"])
        assert raw.columns == ("b", "a")
        assert cells(raw, "a") == ["1", "1.0", "007", "NA"]
        assert cells(raw, "b") == ["n/a", " x, y", "", 'say "hi"\nyou']

    @pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_csv_delimiters_and_line_ends(self, tmp_path, mark, end):
        lines = [mark.join(row) for row in (["a", "b"], ["1", "x"], ["2", "y"])]
        raw = read_table(write_csv(tmp_path, end.join(lines)), ["b"])
        assert cells(raw, "b") == ["x", "y"]

    @pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=; ", "\ufeffsep=;", "sep=;;;"])
    def test_a_line_that_names_the_delimiter(self, tmp_path, line):
        raw = read_table(write_csv(tmp_path, f"{line}\r\na,x;b\r\n1,5;2\r\n2,5;3\r\n"), None)
        assert (raw.columns, raw.delimiter) == (("a,x", "b"), ";")
        assert cells(raw, "a,x") == ["1,5", "2,5"]

    def test_the_delimiter_parts_rows_as_it_parts_the_header(self, tmp_path):
        lines = ["weight (kg, net, dry);age", *[f"{k};{k}" for k in range(60)]]
        assert read_table(write_csv(tmp_path, "\n".join(lines)), None).columns == (
            "weight (kg, net, dry)",
            "age",
        )
        lines = ["q1;a;x,q2;b", '"1;2",3', "x,y"]
        assert read_table(write_csv(tmp_path, "\n".join(lines)), None).columns == ("q1;a;x", "q2;b")
        lines = ['a|"b|c"', '1|"x|y|z"', "2|"]
        raw = read_table(write_csv(tmp_path, "\n".join(lines)), None)
        assert cells(raw, "b|c") == ["x|y|z", ""]

    def test_csv_header_over_two_lines(self, tmp_path):
        raw = read_table(write_csv(tmp_path, '\n"a\nb",c\n1,2\n'), ["c", "a\nb"])
        assert cells(raw, "a\nb") == ["1"]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
    def test_csv_encodings_are_detected(self, tmp_path, encoding):
        text = "región,sexo\nJunín,mujer\nÁncash,varón\nHuánuco,niña\n" * 1
        raw = read_table(write_csv(tmp_path, text.encode(encoding)), ["región", "sexo"])
        assert cells(raw, "región") == ["Junín", "Áncash", "Huánuco"]
        assert cells(raw, "sexo") == ["mujer", "varón", "niña"]

    def test_csv_encoding_can_be_named(self, tmp_path):
        path = write_csv(tmp_path, "a\nŁódź\n".encode("cp1250"))
        assert cells(read_table(path, ["a"], encoding="cp1250"), "a") == ["Łódź"]
        assert "not ascii" in refusal(path, ["a"], encoding="ascii")
        assert "not no-such-encoding" in refusal(path, ["a"], encoding="no-such-encoding")

    def test_csv_in_blocks(self, tmp_path):
        n = 1_500_000
        path = write_csv(tmp_path, "k,text\n" + "".join(f"{i % 7},abcdef\n" for i in range(n)))
        raw = read_table(path, ["k"])
        assert raw.n_rows == n
        assert dict(
            zip(raw.answers("k").values, raw.answers("k").counts.tolist(), strict=True)
        ) == {str(k): len(range(k, n, 7)) for k in range(7)}

    def test_extension_in_capitals(self, tmp_path):
        assert read_table(write_csv(tmp_path, "a\n1\n", "S.CSV"), ["a"]).n_rows == 1


@pytest.mark.usefixtures("in_process")
class TestProvenance:
    def test_the_mark_comes_along_unasked(self, tmp_path):
        path = write_csv(tmp_path, "a,provenance\n1,EXAMPLE DATA\n2,EXAMPLE DATA\n")
        raw = read_table(path, ["a"])
        assert raw.is_example
        assert raw.columns == ("a", "provenance")

    def test_example_rows_among_real_ones_are_refused(self, tmp_path):
        path = write_csv(tmp_path, "a,provenance\n1,EXAMPLE DATA\n2,field\n")
        assert "1 of 2 rows say EXAMPLE DATA" in refusal(path, ["a"])

    def test_a_column_of_that_name_with_other_text_marks_nothing(self, tmp_path):
        path = write_csv(tmp_path, "a,provenance\n1,field\n2,\n")
        assert not read_table(path, ["a"]).is_example


BINARY = bytes(random.Random(1).randrange(128, 256) for _ in range(400))
KNOWN = ".sav, .zsav, .dta, .sas7bdat, .xpt, .csv, .xlsx, .parquet"
REFUSED = [
    *[(name, "a\n1\n", None, KNOWN) for name in ("s.xls", "s")],
    *[(name, "", None, "empty") for name in ("s.csv", "s.sav", "s.dta", "s.parquet")],
    ("s.csv", "\n \n", None, "empty"),
    ("s.csv", "a,b\n\n", None, "no rows"),
    *[
        (name, "a,b\n1,2\n", None, "the content is text")
        for name in ("s.sav", "s.zsav", "s.dta", "s.sas7bdat", "s.xlsx", "s.parquet")
    ],
    *[(name, b"$FL2 SPSS", None, "the content is SPSS") for name in ("s.csv", "s.dta", "s.xlsx")],
    ("s.csv", b"PK\x03\x04", None, "zip archive"),
    ("s.csv", b"a,b\n1,\0\n", None, "binary"),
    ("s.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0", None, "binary"),
    ("s.csv", b"a,b\n" + b"1,2\n" * 5000 + b"1,\0\n", None, "binary"),
    ("s.csv", b"a,b\n" + BINARY, None, "neither UTF-8 nor cp1252"),
    ("s.csv", "Regions,b\n1,2\n", ["b", "Regoin"], "no column 'Regoin'; the nearest are 'Regions'"),
    ("s.csv", "a,b\n1,2\n", ["zone"], "no column 'zone'; none of its 2 columns"),
    ("s.csv", "Member\n1\n", ["member"], "no column 'member'; the nearest are 'Member'"),
    ("s.csv", "a,b,a,,\n1,2,3,4,5\n", ["a"], "'a' stands 2 times"),
    ("s.csv", "a,b,a,,\n1,2,3,4,5\n", None, "'a' stands 2 times"),
    *[
        ("s.csv", f"a,b\n1,2\n{row}\n", ["a"], "row 2 below the header")
        for row in ("1,secret,3", "secret")
    ],
    ("s.csv", 'a,b\n1,"secret\n2,y\n3,z\n', ["a"], "quotation mark is not closed"),
    ("s.csv", 'a,b\n1,"secret\n2,"y\n', ["a"], "not closed"),
]


@pytest.mark.usefixtures("in_process")
class TestRefusals:
    @pytest.mark.parametrize(("name", "content", "columns", "words"), REFUSED)
    def test_what_is_wrong_is_one_line_without_answers(
        self, tmp_path, name, content, columns, words
    ):
        message = refusal(write_csv(tmp_path, content, name), columns)
        assert words in message
        assert "secret" not in message

    def test_what_is_no_file(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.csv")
        assert "not a regular file" in refusal(tmp_path / "pipe.csv")
        assert "no such file" in refusal(tmp_path / "none.csv")
        assert "folder" in refusal(tmp_path)

    def test_no_rows_in_spss_and_parquet(self, tmp_path):
        frame = pd.DataFrame({"a": np.zeros(0)})
        frame.to_parquet(tmp_path / "s.parquet")
        pyreadstat.write_sav(frame, tmp_path / "s.sav")
        assert "no rows" in refusal(tmp_path / "s.parquet")
        assert "no rows" in refusal(tmp_path / "s.sav")

    def test_columns_that_are_not_wanted_may_stand_twice(self, tmp_path):
        path = write_csv(tmp_path, "a,b,a,,\n1,2,3,4,5\n")
        assert cells(read_table(path, ["b"]), "b") == ["2"]


class TestChild:
    """A reader that dies, hangs or talks nonsense is one line for the user."""

    def test_truncated_spss(self, sav, tmp_path):
        content = sav.read_bytes()
        for size in (100, 300, len(content) - 40):
            message = refusal(write_csv(tmp_path, content[:size], "t.sav"))
            assert "damaged" in message

    def test_truncated_parquet_and_stata(self, tmp_path):
        frame = pd.DataFrame({"a": np.arange(100.0)})
        frame.to_parquet(tmp_path / "a.parquet")
        pyreadstat.write_dta(frame, tmp_path / "a.dta")
        for name in ("a.parquet", "a.dta"):
            content = (tmp_path / name).read_bytes()
            assert "damaged" in refusal(write_csv(tmp_path, content[:-200], name))
        content = (Path(__file__).parent / "formats" / "extended.sas7bdat").read_bytes()
        assert "cannot be read as SAS" in refusal(write_csv(tmp_path, content[:9000], "a.sas7bdat"))

    def run(self, monkeypatch, folder, code, **options):
        monkeypatch.setattr(read, "_command", lambda: [sys.executable, "-c", code])
        limits = Limits(**{"memory": 1 << 33, "seconds": 60} | options)
        return refusal(write_csv(folder, "a\n1\n"), ["a"], limits=limits)

    @pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
    def test_death_by_signal(self, monkeypatch, tmp_path, name):
        number = int(getattr(signal, name))
        message = self.run(monkeypatch, tmp_path, f"import os; os.kill(os.getpid(), {number})")
        assert "it cannot be read as CSV: it is damaged" in message

    def test_uncaught_error_does_not_pass_its_text_on(self, monkeypatch, tmp_path):
        message = self.run(monkeypatch, tmp_path, "raise ValueError('secret')")
        assert "damaged" in message
        assert "secret" not in message

    def test_timeout(self, monkeypatch, tmp_path):
        message = self.run(monkeypatch, tmp_path, "import time; time.sleep(60)", seconds=1)
        assert "more than 1 seconds" in message

    def test_broken_answer(self, monkeypatch, tmp_path):
        assert "damaged" in self.run(monkeypatch, tmp_path, "print('not arrow')")

    def test_memory_limit(self, tmp_path):
        path = write_csv(tmp_path, "a\n" + "1\n" * 20_000_000)
        limits = Limits(memory=1 << 26, seconds=60)
        message = refusal(path, ["a"], limits=limits)
        assert "reading it takes more than 64 MB of memory" in message

    @pytest.mark.parametrize("name", ["survey.sav", "survey.zsav", "survey.dta", "survey.parquet"])
    def test_rows_that_a_file_has_no_room_for_take_no_memory(self, tmp_path, name, monkeypatch):
        path = tmp_path / name
        frame = pd.DataFrame({f"q{k}": [1.0, 2.0, 3.0] for k in range(20)})
        rows = 100_000_000
        if path.suffix == ".parquet":
            one = pa.table({"a": np.zeros(5_000_000, dtype=np.int64)})
            with pq.ParquetWriter(path, one.schema) as writer:
                for _ in range(12):
                    writer.write_table(one)
        elif path.suffix == ".dta":
            frame.to_stata(path, write_index=False, version=118)
            content = bytearray(path.read_bytes())
            place = content.index(b"<N>") + 3
            content[place : place + 8] = rows.to_bytes(8, "little")
            path.write_bytes(content)
        else:
            pyreadstat.write_sav(frame, path, compress=path.suffix == ".zsav")
            content = bytearray(path.read_bytes())
            assert content[80:84] == b"\3\0\0\0"
            content[80:84] = rows.to_bytes(4, "little")
            path.write_bytes(content)
        peaks = tmp_path / "peaks"
        # A process of its own in between: a peak begins at what its parent has.
        measure = (
            "import resource, subprocess, sys;"
            "code = subprocess.run(sys.argv[2:]).returncode;"
            "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10;"
            "print(peak, file=open(sys.argv[1], 'a'));"
            "sys.exit(code)"
        )
        command = [sys.executable, "-c", measure, str(peaks), *read._command()]
        monkeypatch.setattr(read, "_command", lambda: command)
        message = refusal(path)
        if path.suffix == ".parquet":
            assert "its 60,000,000 rows of 1 columns need more than" in message
        else:
            assert "it says that it has 100,000,000 rows, for which it is too small" in message
        (peak,) = peaks.read_text().split()
        # The libraries by themselves take 120 MB.
        assert int(peak) < 300

    def test_a_changed_byte_that_crashes_the_reader(self, sav, tmp_path, monkeypatch):
        """pyreadstat 1.3.7 dies of a value label that names a variable that is not there."""
        codes: list[int] = []
        run = subprocess.run

        def watch(*args, **options):
            done = run(*args, **options)
            codes.append(done.returncode)
            return done

        monkeypatch.setattr(subprocess, "run", watch)
        content = bytearray(sav.read_bytes())
        # Record of type 4 with one variable; its index follows.
        place = content.index(b"\x04\0\0\0\x01\0\0\0") + 8
        content[place] = 0xFD
        assert "damaged" in refusal(write_csv(tmp_path, bytes(content), "c.sav"))
        assert codes[0] != 0

    def test_a_missing_library_is_no_fault_of_the_file(self, monkeypatch, tmp_path):
        code = "import no_such_library"
        monkeypatch.setattr(read, "_command", lambda: [sys.executable, "-c", code])
        with pytest.raises(ImportError, match="no_such_library"):
            read_table(write_csv(tmp_path, "a\n1\n"), ["a"])

    def test_changed_bytes_never_reach_the_parent(self, sav, tmp_path):
        """A table or a SurveyError, whatever byte is changed; some of these crash the reader."""
        content = bytearray(sav.read_bytes())
        rng = random.Random(20)
        outcomes = set()
        for trial in range(3):
            changed = bytearray(content)
            for _ in range(1 + trial % 3):
                changed[rng.randrange(4, len(changed))] = rng.randrange(256)
            outcomes.add(outcome(write_csv(tmp_path, bytes(changed), "f.sav")))
        assert outcomes <= {"read", "refused"}

    @pytest.mark.slow
    def test_many_changed_bytes(self, sav, tmp_path):
        content = bytearray(sav.read_bytes())
        rng = random.Random(21)
        for _ in range(60):
            changed = bytearray(content)
            changed[rng.randrange(4, len(changed))] ^= 1 << rng.randrange(8)
            assert outcome(write_csv(tmp_path, bytes(changed), "f.sav")) in {"read", "refused"}


@pytest.mark.parametrize(
    "code",
    [
        "import coopgap.survey.codebook, coopgap.survey.read, coopgap.describe",
        "from coopgap.fit import main; main(['--dry-run'])",
    ],
)
def test_what_reads_no_file_imports_no_reader(code):
    heavy = {"pandas", "pyarrow", "pyreadstat", "pymc", "matplotlib"}
    code = f"{code}\nimport sys\nprint(sorted(sys.modules.keys() & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == b"[]"


class TestDataFrame:
    def test_values_as_they_stand(self):
        frame = pd.DataFrame(
            {
                "i": [1, 2, 2],
                "f": [1.0, np.nan, 2.5],
                "o": [1, "n/a", None],
                "c": pd.Categorical(["x", None, "y"]),
                "n": pd.array([True, None, False], dtype="boolean"),
            },
            index=[9, 9, 9],
        )
        raw = from_dataframe(frame)
        assert cells(raw, "i") == [1, 2, 2]
        assert cells(raw, "f") == [1.0, None, 2.5]
        assert cells(raw, "o") == ["1", "n/a", None]
        assert cells(raw, "c") == ["x", None, "y"]
        assert cells(raw, "n") == [True, None, False]
        assert raw.name == "DataFrame"

    def test_tables_of_other_libraries_and_columns_by_name(self):
        columns = {
            "i": [1, 2, None],
            "f": [0.5, None, 2.0],
            "s": ["x", None, "ñ"],
            "b": [True, None, False],
        }
        arrow = pa.table(columns)
        views = arrow.set_column(2, "s", arrow["s"].cast(pa.string_view()))
        coded = arrow.set_column(2, "s", arrow["s"].dictionary_encode())
        for table in (columns, arrow, views, coded, pa.RecordBatchReader.from_stream(arrow)):
            raw = from_dataframe(table)
            assert {name: cells(raw, name) for name in columns} == columns
            assert raw.name == type(table).__name__
        assert from_dataframe(arrow, ["s"]).columns == ("s",)
        for wanted, found in ((["z"], "no column 'z'"), (["s"], "stands 2 times")):
            with pytest.raises(SurveyError, match=found):
                from_dataframe(arrow.append_column("s", arrow["s"]), wanted)

    def test_polars_and_duckdb(self):
        polars = pytest.importorskip("polars")
        columns = {"i": [1, 2, None], "s": ["x", None, "ñ"], "b": [True, None, False]}
        frame = polars.DataFrame(columns)
        categories = frame.with_columns(polars.col("s").cast(polars.Categorical))
        duckdb = pytest.importorskip("duckdb")
        for table in (frame, categories, duckdb.sql("select * from frame")):
            raw = from_dataframe(table)
            assert {name: cells(raw, name) for name in columns} == columns

    def test_numbers_among_texts_are_plain(self):
        raw = from_dataframe({"x": [1, 1.0, np.float32(0.7), np.int8(1), "1.0", True, None]})
        assert cells(raw, "x") == ["1", "1", "0.7", "1", "1.0", "true", None]

    def test_what_is_no_table_is_refused(self):
        for data, found in (
            ([1, 2], "list: this is no table"),
            ({"a": [1], "b": [1, 2]}, "dict: the columns differ in length"),
            ({}, "there are no rows"),
            (pd.DataFrame(index=[1, 2]), "there are no rows"),
            (pa.table({"a": [b"x"]}), "binary"),
            (pa.table({"a": [[1]]}), "nested"),
        ):
            with pytest.raises(SurveyError, match=found):
                from_dataframe(data)

    def test_hash_follows_the_values_and_nothing_else(self):
        frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
        sha256 = from_dataframe(frame, ["a", "b"]).sha256
        again = frame.set_axis([3, 4, 5]).assign(other=0)
        assert from_dataframe(again, ["a", "b"]).sha256 == sha256
        changed = frame.assign(a=[1, 3, 2])
        assert from_dataframe(changed, ["a", "b"]).sha256 != sha256
        assert from_dataframe(frame.rename(columns={"a": "c"}), ["c", "b"]).sha256 != sha256

    def test_the_mark_comes_along(self):
        frame = pd.DataFrame({"a": [1], "provenance": ["EXAMPLE DATA"]})
        assert from_dataframe(frame, ["a"]).is_example

    def test_refusals(self):
        frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
        for columns, found in ((["b"], "no column 'b'"), (["a"], "stands 2 times")):
            with pytest.raises(SurveyError, match=found):
                from_dataframe(frame, columns)
        with pytest.raises(SurveyError, match="no rows"):
            from_dataframe(frame.iloc[:0], ["a"])
        with pytest.raises(SurveyError, match="nested"):
            from_dataframe(pd.DataFrame({"a": [[1], [2]]}), ["a"])
