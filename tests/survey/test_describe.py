"""Drafts of study.toml: valid TOML from hostile labels, and nobody's words in them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from dataclasses import replace

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coopgap.app.cli import run
from coopgap.survey.draft import comment, draft_study, quote
from coopgap.survey.profile import Kind, profile
from coopgap.survey.raw import from_dataframe
from coopgap.survey.values import reads_as_missing

HOSTILE = 'A "quoted"\nlabel\\ with ]] # = \x1b[31m \u2028 \x7f and \U0001f600'


def draft(frame):
    text = draft_study(from_dataframe(frame), "survey.csv")
    return text, tomllib.loads(text)


def column(values, n=60):
    """One column, its values repeated to n rows."""
    return pd.DataFrame({"x": (values * n)[:n]})


class TestEscapes:
    @given(st.text())
    def test_quoted_text_comes_back(self, text):
        assert tomllib.loads(f"x = {quote(text)}")["x"] == text

    @given(st.text(st.characters(codec=None, exclude_categories=())))
    def test_any_text_is_one_safe_line(self, text):
        for line in (quote(text), comment(text)):
            assert line.isprintable()
        assert tomllib.loads(f"{comment(text)}\nx = 1  {comment(text)}\n") == {"x": 1}


class TestGuesses:
    @pytest.mark.parametrize(
        ("values", "drafted", "mark"),
        [
            (
                [1, 2, 3, 4, 5],
                {"type": "ordinal", "levels": ["1", "2", "3", "4", "5"]},
                'type = "ordinal"  # EDIT',
            ),
            (
                ["Lima", "Cusco", "Puno"],
                {"type": "nominal", "levels": ["Cusco", "Lima", "Puno"]},
                'type = "nominal"  # EDIT',
            ),
            (
                ["Female", "Male"],
                {"type": "binary", "levels": ["Female", "Male"]},
                "# EDIT: no before yes",
            ),
            # np.quantile at fifths: 29.8, 39.6, 49.4, 59.2, rounded.
            (
                list(range(20, 70)),
                {"type": "banded", "cuts": [30, 40, 49, 59]},
                "# EDIT: these are quantiles",
            ),
            ([0, 1], {"type": "binary", "yes": [1], "no": [0]}, ""),
            (["Yes", "No"], {"type": "binary", "yes": ["Yes"], "no": ["No"]}, ""),
            (["sí", "no"], {"type": "binary", "yes": ["sí"], "no": ["no"]}, ""),
            ([True, False], {"type": "binary", "yes": ["true"], "no": ["false"]}, ""),
        ],
    )
    def test_what_a_column_is_drafted_as(self, values, drafted, mark):
        text, toml = draft(column(values, 200))
        assert toml["variables"]["x"] == drafted
        assert mark in text

    def test_a_scale_with_most_people_at_its_foot_still_has_a_cut(self):
        frame = pd.DataFrame({"x": [0] * 500 + list(range(1, 41))})
        _, toml = draft(frame)
        (cut,) = toml["variables"]["x"]["cuts"]
        assert 0 < cut <= 40

    def test_thirteen_numbers_are_a_scale_and_twelve_are_codes(self):
        for n, kind in ((12, Kind.CODES), (13, Kind.SCALE)):
            raw = from_dataframe(column(list(range(1, n + 1))))
            assert profile(raw, "x").kind is kind

    def test_names_become_bare_keys_each_once(self):
        frame = pd.DataFrame({"a.b": [1, 2] * 10, "A b": [1, 2] * 10, "¿?": [1, 2] * 10})
        _, toml = draft(frame)
        assert {key: item["column"] for key, item in toml["variables"].items()} == {
            "a_b": "a.b",
            "a_b_2": "A b",
            "variable": "¿?",
        }

    def test_likely_columns_of_the_design_are_comments(self):
        frame = pd.DataFrame({"es_socio": [1, 2] * 60, "cluster": list(range(20)) * 6})
        text, toml = draft(frame.assign(hh_id=range(120)))
        assert '# likely: "es_socio" with codes 1, 2' in text
        assert '# likely zone: "cluster"' in text
        assert '# likely id: "hh_id"' in text
        assert toml["group"] == {"column": "TODO", "member": 1, "comparison": 2, "missing": []}
        assert toml["design"] == {}
        assert "hh_id" not in toml["variables"]


def test_codes_for_no_answer_of_a_key_are_drafted_beside_it():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"wt": [*rng.uniform(0.5, 2, 119).round(3), 999.0]})
    raw = replace(from_dataframe(data), user_missing={"wt": ((999.0, float("inf")),)})
    text = draft_study(raw, "s.sav")
    assert '# likely weight: "wt"\n' in text
    assert "# missing = { weight = [999] }" in text
    assert "# missing = {" not in draft_study(from_dataframe(data[:-1]), "s.sav")


def field_export(mark="/", n=90):
    """Choices between spaces in one column, and a column for each of them."""
    chosen = np.random.default_rng(3).integers(0, 2, (n, 3))
    names = ("maize", "beans", "2")
    cells = [" ".join(name for name, on in zip(names, row, strict=True) if on) for row in chosen]
    items = {f"crops{mark}{name}": chosen[:, k] for k, name in enumerate(names)}
    return pd.DataFrame({"crops": cells, **items, "crops_sold": chosen[::-1, 0]})


class TestSeveralChoices:
    @pytest.mark.parametrize("mark", ["/", ".", ":", "_"])
    def test_they_are_drafted_as_a_count_and_as_yes_or_no(self, mark):
        data = field_export(mark)
        _, toml = draft(data)
        items = [f"crops{mark}{name}" for name in ("maize", "beans", "2")]
        assert toml["variables"]["crops"] == {
            "type": "count_of",
            "items": items,
            "yes": [1],
            "no": [0],
            "at_least": 1,
        }
        drafted = {one.get("column", name): one for name, one in toml["variables"].items()}
        assert all(drafted[item]["type"] == "binary" for item in items)

    def test_booleans_and_people_who_were_not_asked(self):
        data = field_export()
        items = [name for name in data if "/" in name]
        asked = np.arange(len(data)) % 4 > 0
        flags = {item: data[item].astype(bool).astype(object).where(asked, None) for item in items}
        data = data.assign(**flags, crops=data.crops.where(asked))
        _, toml = draft(data)
        assert (toml["variables"]["crops"]["yes"], toml["variables"]["crops"]["no"]) == (
            ["true"],
            ["false"],
        )

    def test_columns_that_say_something_else_are_no_choices(self):
        data = field_export()
        mixed = data.assign(crops=data.crops.sample(frac=1, random_state=1).to_numpy())
        assert draft(mixed)[1]["variables"]["crops"]["type"] == "nominal"
        assert draft(data[["crops", "crops/maize"]])[1]["variables"]["crops"]["type"] == "nominal"

    def test_a_single_choice_beside_its_dummies_stays_itself(self):
        place = np.random.default_rng(2).integers(1, 4, 90)
        data = pd.DataFrame({"place": place} | {f"place_{k}": place == k for k in (1, 2, 3)})
        assert draft(data)[1]["variables"]["place"]["type"] == "ordinal"

    def test_choices_of_few_people_are_in_no_draft(self):
        """Free text beside columns of yes and no: the text itself is not repeated."""
        data = field_export().assign(crops=lambda x: x.crops + " my_neighbour_Rosa")
        text, toml = draft(data)
        assert toml["variables"]["crops"]["type"] == "count_of"
        assert "Rosa" not in text


class TestMissing:
    def test_likely_missing_codes_are_comments_and_no_levels(self):
        values = [1, 2, 3, 4, 5] * 10 + [98] * 14 + [-1] * 3 + ["n/a"] * 10
        text, toml = draft(column(values, len(values)))
        assert toml["variables"]["x"]["levels"] == ["1", "2", "3", "4", "5"]
        assert "missing" not in toml["variables"]["x"]
        assert '# missing = [-1, 98, "n/a"]' in text
        assert '# EDIT likely missing, with how often: -1 (3), 98 (14), "n/a" (10)' in text

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([1, 2, 3, 4, 5, 8, 9], ["8", "9"]),
            ([1, 2, 3, 4, 5, 6, 7, 8, 9], []),
            ([*range(18, 99), 999], ["999"]),
            (list(range(18, 100)), []),
            ([*range(20, 60), 98, 99], ["98", "99"]),
            ([0, 1, -9], ["-9"]),
            ([-2, -1, 0, 1, 2], []),
            ([1, 2, 3, 4, -1, -2], ["-2", "-1"]),
            ([0, 1, 2, 3, 4, -1, -2], ["-2", "-1"]),
            ([1, 2, -1, -2], ["-2", "-1"]),
            ([1, 2, 3, -88, -99], ["-99", "-88"]),
            ([*range(-12, 20)], []),
            ([1, 2, 3, 4, 5, 88, 77], ["77", "88"]),
            (["a", "b", "NS/NR", "No sabe", "DON'T KNOW"], ["DON'T KNOW", "NS/NR", "No sabe"]),
        ],
    )
    def test_which_codes_are_likely(self, values, expected):
        # Negative codes are levels where they are the lower half of a scale about zero.
        raw = from_dataframe(pd.DataFrame({"x": values * 6}))
        assert [item.code for item in profile(raw, "x").missing] == expected

    def test_negative_codes_are_drafted_as_missing_and_not_as_the_lowest_levels(self):
        rng = np.random.default_rng(0)
        shares = [0.3, 0.3, 0.2, 0.1, 0.06, 0.04]
        values = rng.choice([1, 2, 3, 4, -1, -2], 600, p=shares)
        text, toml = draft(pd.DataFrame({"x": values}))
        assert toml["variables"]["x"]["levels"] == ["1", "2", "3", "4"]
        assert "# missing = [-2, -1]" in text

    def test_a_negative_code_whose_label_is_an_answer_is_a_level(self):
        raw = from_dataframe(pd.DataFrame({"x": [-2, -1, 1, 2, 3] * 9}))
        named = {"x": {-2: "much worse", -1: "No sabe", 1: "same"}}
        found = profile(replace(raw, value_labels=named), "x")
        assert [item.code for item in found.missing] == ["-1"]
        assert "-2" in found.codes

    def test_labels_may_say_it_in_a_sentence_and_answers_may_not(self):
        text = "My husband does not know"
        assert reads_as_missing(text, label=True)
        assert not reads_as_missing(text, label=False)
        assert not reads_as_missing("Lima", label=True)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("spss") / "s.sav"
    frame = pd.DataFrame(
        {"ses": [1.0, 2, 3, 3, 98, 99] * 10, "age": [*range(20, 49), *range(20, 50), 99.0]}
    )
    pyreadstat.write_sav(
        frame,
        path,
        column_labels={"ses": HOSTILE.replace("\x1b", ""), "age": "Edad"},
        variable_value_labels={
            "ses": {1: "E", 2: HOSTILE, 3: "C", 4: "B", 98: "No sabe / no responde"},
            "age": {99: "NS/NR"},
        },
        missing_ranges={"ses": [99]},
    )
    done = subprocess.run(
        [sys.executable, "-m", "coopgap.describe", str(path)], capture_output=True, check=True
    )
    return done.stdout.decode("utf-8")


class TestSpss:
    def test_labels_become_levels_and_codes(self, text):
        ses = tomllib.loads(text)["variables"]["ses"]
        assert ses["levels"] == ["E", HOSTILE, "C"]
        assert ses["codes"] == {"1": "E", "2": HOSTILE, "3": "C"}
        assert "\x1b" not in text

    def test_declared_missing_is_set_and_likely_missing_is_a_comment(self, text):
        assert tomllib.loads(text)["variables"]["ses"]["missing"] == [99]
        assert '98 "No sabe / no responde" (10)' in text
        assert "# missing = [98, 99]" in text

    def test_a_label_that_nobody_has_is_no_level(self, text):
        assert '# labelled in the file, but nobody has: "B"' in text

    def test_a_scale_with_a_labelled_missing_code_stays_a_scale(self, text):
        age = tomllib.loads(text)["variables"]["age"]
        assert (age["type"], age["label"]) == ("banded", "Edad")
        assert '# EDIT likely missing, with how often: 99 "NS/NR" (1)' in text


class TestPrivacy:
    def test_free_text_is_named_and_not_repeated(self):
        names = [f"Rosa Quispe {k}" for k in range(60)]
        other = ["", *["it rained; my neighbour Juan does not know"] * 2, *[""] * 57]
        frame = pd.DataFrame(
            {
                "name": names,
                "comment": [f"she said {k % 40}" for k in range(60)],
                "other": other,
                "mixed": ["Lima"] * 30 + ["Cusco"] * 28 + ["only Maria", "at Pedro's"],
                "phone": [None] * 56 + [987654321, 987654322, 987654323, 987654324],
                "k": [1, 2] * 30,
            }
        )
        text, toml = draft(frame)
        for word in ("Rosa", "she said", "Juan", "Maria", "Pedro", "98765432"):
            assert word not in text
        for name in ("name", "comment", "other", "phone"):
            assert f'#   "{name}"' in text or f'# "{name}"' in text
        assert set(toml["variables"]) == {"mixed", "k"}
        assert "# EDIT: 2 answers are texts that few people gave" in text

    @settings(max_examples=40)
    @given(st.lists(st.text(), min_size=20, max_size=30, unique=True))
    def test_no_single_answer_is_repeated(self, words):
        words = [f"she said {word}." for word in words]
        try:
            raw = from_dataframe(pd.DataFrame({"x": words + ["a", "b"] * 5}))
        except UnicodeError:
            return
        assert "she said" not in draft_study(raw, "s.csv")


class TestCommand:
    def test_draft_to_standard_output(self, tmp_path, capsys):
        path = tmp_path / "survey.csv"
        path.write_text("ñ,b\n" + "1,x\n2,y\n" * 10, encoding="latin-1")
        assert run("describe", [str(path), "--encoding", "latin-1"]) == 0
        toml = tomllib.loads(capsys.readouterr().out)
        assert (toml["survey"], toml["encoding"]) == (str(path), "latin-1")
        assert set(toml["variables"]) == {"n", "b"}

    def test_unreadable_input_is_one_line_and_exit_2(self, tmp_path, capsys):
        assert run("describe", [str(tmp_path / "none.sav")]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("coopgap: ")
        assert captured.err.count("\n") == 1

    def test_the_draft_opens_in_utf8_whatever_the_terminal(self, tmp_path):
        path = tmp_path / "survey.csv"
        path.write_text("x\n" + "Áncash\nJunín\n" * 10, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "coopgap.describe", str(path)],
            capture_output=True,
            check=True,
            env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        )
        levels = tomllib.loads(done.stdout.decode("utf-8"))["variables"]["x"]["levels"]
        assert levels == ["Junín", "Áncash"]
