"""Text of SPSS and Stata files, whatever encoding it is in and whatever the file says of it."""

from __future__ import annotations

import tomllib

import pandas as pd
import pyreadstat
import pytest

from coopgap import fit
from coopgap.app import cli
from coopgap.app.plan import make_plan
from coopgap.core.errors import SurveyError
from coopgap.survey.read import read_table
from coopgap.survey.text import _looks_western

WORDS = ["Junín", "Áncash", "Huánuco", "Junín"]
"""Regions; in cp1252 as in latin-1 each letter is one byte."""


def padded(content, encoding, end):
    """Content whose words are in another encoding, of the same length."""
    for word in [*WORDS, "Región", "Perú"]:
        utf8, other = word.encode(), word.encode(encoding)
        content = content.replace(utf8, other + end * (len(utf8) - len(other)))
    return content


def stata(folder, version, encoding):
    path = folder / "survey.dta"
    frame = pd.DataFrame({"region": WORDS, "k": [1, 2, 1, 2]})
    labels = {"region": "Región", "k": "k"}
    if version < 118 and encoding == "utf-8":
        # As other programs write old files, against their format.
        values = {"k": {1: "Perú", 2: "no"}}
        pyreadstat.write_dta(
            frame, path, column_labels=labels, variable_value_labels=values, version=13
        )
        return path
    frame.to_stata(
        path,
        version=version,
        write_index=False,
        variable_labels=labels,
        value_labels={"k": {1: "Perú", 2: "no"}},
    )
    if version >= 118:
        path.write_bytes(padded(path.read_bytes(), encoding, b"\0"))
    return path


def spss(folder, encoding, declared):
    path = folder / "survey.sav"
    pyreadstat.write_sav(
        pd.DataFrame({"region": WORDS, "k": [1.0, 2.0, 1.0, 2.0]}),
        path,
        column_labels={"region": "Región"},
        variable_value_labels={"k": {1.0: "Perú", 2.0: "no"}},
    )
    content = path.read_bytes()
    record = b"\x14\0\0\0\x01\0\0\0%c\0\0\0%s"
    assert content.count(record % (5, b"UTF-8")) == 1
    content = content.replace(record % (5, b"UTF-8"), record % (len(declared), declared))
    path.write_bytes(content if encoding == "utf-8" else padded(content, encoding, b" "))
    return path


def check(path, encoding, named=None):
    raw = read_table(path, None, named)
    answers = raw.answers("region")
    assert [answers.texts[place] for place in answers.index] == WORDS
    assert raw.labels["region"].strip() == "Región"
    assert raw.value_labels["k"][1].strip() == "Perú"
    assert raw.encoding.lower() == encoding


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("version", "encoding", "found"),
    [
        (118, "utf-8", ""),
        (118, "latin-1", "cp1252"),
        (114, "latin-1", ""),
        (117, "latin-1", ""),
        (117, "utf-8", "utf-8"),
    ],
)
def test_stata(tmp_path, version, encoding, found):
    check(stata(tmp_path, version, encoding), found)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("encoding", "declared", "found"),
    [
        ("utf-8", b"UTF-8", "utf-8"),
        ("latin-1", b"windows-1252", "windows-1252"),
        ("latin-1", b"UTF-8", "cp1252"),
        ("utf-8", b"windows-1252", "utf-8"),
        ("latin-1", b"nonsense", "cp1252"),
    ],
)
def test_spss(tmp_path, encoding, declared, found):
    check(spss(tmp_path, encoding, declared), found)


@pytest.mark.usefixtures("in_process")
def test_a_column_with_letters_of_its_own_can_be_wanted(tmp_path):
    path = spss(tmp_path, "utf-8", b"windows-1252")
    path.write_bytes(path.read_bytes().replace(b"region", "regiñ".encode()))
    assert read_table(path, ["regiñ"]).columns == ("regiñ",)


@pytest.mark.usefixtures("in_process")
def test_the_encoding_named_is_taken(tmp_path):
    check(stata(tmp_path, 118, "latin-1"), "latin-1", named="latin-1")
    raw = read_table(stata(tmp_path, 118, "latin-1"), None, encoding="cp1250")
    assert raw.labels["region"] == "Región"
    path = stata(tmp_path, 118, "latin-1")
    for name, found in (("ascii", "the text is not ascii"), ("nix", "no encoding is called nix")):
        with pytest.raises(SurveyError, match=found):
            read_table(path, None, encoding=name)


def test_text_of_no_known_encoding_is_refused(tmp_path):
    path = stata(tmp_path, 118, "latin-1")
    # Not a character of cp1252.
    path.write_bytes(path.read_bytes().replace("Perú".encode("latin-1"), b"Per\x81"))
    with pytest.raises(SurveyError, match="neither UTF-8 nor cp1252"):
        read_table(path, None)


@pytest.mark.parametrize(
    ("text", "encoding", "western"),
    [
        ("Años", "latin-1", True),
        ("¿Cuánto?", "cp1252", True),
        ("niñas – l’été à Óbidos", "cp1252", True),
        ("Łódź", "cp1250", False),
        ("Łomża", "cp1250", False),
        ("Привет", "cp1251", False),
        ("Αθήνα", "cp1253", False),
        ("東京", "shift_jis", False),
    ],
)
def test_a_few_words_are_western_only_where_they_read_so(text, encoding, western):
    assert _looks_western(text.encode(encoding)) is western


def test_option_and_key(tmp_path, capsys):
    path = tmp_path / "survey.csv"
    rows = [f"{i % 2},{'Łódź' if i % 3 else 'Poznań'},{i % 5 > 1:d}" for i in range(60)]
    path.write_bytes("\n".join(["member,place,yes", *rows]).encode("cp1250"))
    (tmp_path / "yes.toml").write_text(
        'outcome = "yes"\ncovariates = ["place"]\n[matching]\non = ["place"]\n'
    )
    study = """title = "t"
survey = "survey.csv"
{key}
[group]
column = "member"
member = 1
comparison = 0
[headline]
yes = "yes"
[variables.yes]
type = "binary"
yes = [1]
no = [0]
[variables.place]
type = "nominal"
levels = ["Łódź", "Poznań"]
"""
    file = tmp_path / "study.toml"
    file.write_text(study.format(key=""), encoding="utf-8")
    assert fit.main([str(tmp_path), "--dry-run"]) == 2
    assert "neither UTF-8 nor cp1252; name its encoding" in capsys.readouterr().err
    assert fit.main([str(tmp_path), "--dry-run", "--encoding", "cp1250"]) == 0
    assert make_plan(tmp_path, encoding="cp1250").survey.encoding == "cp1250"
    file.write_text(study.format(key='encoding = "windows-1250"'), encoding="utf-8")
    assert make_plan(tmp_path).survey.encoding == "cp1250"
    file.write_text(study.format(key='encoding = "utf-99"'), encoding="utf-8")
    assert fit.main([str(tmp_path), "--dry-run"]) == 2
    assert 'study.toml: encoding: is "utf-99"; allowed: an enc' in capsys.readouterr().err
    assert cli.run("describe", [str(path), "--encoding", "cp1250"]) == 0
    draft = tomllib.loads(capsys.readouterr().out)
    assert draft["variables"]["place"]["levels"] == ["Poznań", "Łódź"]
