"""The command for printed numbers: what it writes, what it reads, what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pandas as pd
import pytest

from coopgap.__main__ import main as coopgap
from coopgap.errors import StudyError
from coopgap.estimate import TABLES, columns
from coopgap.printed.__main__ import main
from coopgap.printed.rows import printed_rows
from coopgap.printed.run import find_registry
from coopgap.study.load import load_study

HEAD = "id,source,group,item,category,stat,value,base_n,note\n"
OWN = HEAD + (
    "A1,Figure 1,member,thing,yes,percent,40,100,\n"
    "A2,Figure 1,non-member,thing,yes,percent,30,90,\n"
)
STUDY = """
title = "A small study"
printed = "own.csv"
[group]
column = "member"
member = 1
comparison = 0
[headline]
thing = "thing"
[variables.thing]
type = "binary"
yes = [1]
no = [0]
[variables.sex]
type = "nominal"
levels = ["male", "female"]
"""
MODEL = 'outcome = "thing"\n[matching]\nmethod = "exact"\non = ["sex"]\n'


@pytest.fixture(scope="module")
def peru(tmp_path_factory):
    out = tmp_path_factory.mktemp("printed") / "peru"
    code = main(["--out", str(out), "--formats", "csv,html,md,xlsx,tex,docx", "--quiet"])
    assert code == 0
    return out


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "study.toml").write_text(STUDY, "utf-8")
    (folder / "thing.toml").write_text(MODEL, "utf-8")
    (folder / "own.csv").write_text(OWN, "utf-8")
    return folder


def test_everything_is_written(peru):
    tables = {f"{name}.csv" for name in (*TABLES, "registry")}
    names = {path.name for path in peru.iterdir()}
    documents = {"report.html", "report.md", "run.json", "tables.xlsx", "tables.tex", "tables.docx"}
    assert names == tables | documents | {"figures"}
    for name in TABLES:
        frame = pd.read_csv(peru / f"{name}.csv")
        assert list(frame.columns) == list(columns(name))
        assert set(frame["source"]) == {"printed"}
    meta = json.loads((peru / "run.json").read_text("utf-8"))
    assert (meta["program"], meta["printed"], meta["n_numbers"]) == ("coopgap", "peru", 137)


def test_every_number_stands_in_the_registry_that_is_written(peru):
    frame = pd.read_csv(peru / "registry.csv", keep_default_na=False)
    assert len(frame) == 137
    text = (peru / "registry.csv").read_text("utf-8")
    assert (",count,2007,," in text, ",mean,3.75,," in text, "2007.0" in text) == (
        True,
        True,
        False,
    )
    assert ((frame["models"] != "") | (frame["reason"] != "")).all()
    assert set(frame["stat"]) == {"percent", "count", "mean", "points", "not printed"}


def test_every_figure_of_the_report_with_numbers_is_drawn_again(peru):
    drawn = {path.stem for path in (peru / "figures").glob("printed_figure_*.png")}
    assert drawn == {f"printed_figure_{number}" for number in (1, 2, 3, 4, 5, 6, 7, 10)}
    others = {path.stem for path in (peru / "figures").glob("*.png")} - drawn
    assert {"printed_gaps", "surface_trust_age"} <= others
    page = (peru / "report.html").read_text("utf-8")
    assert page.count("<figure>") == len(drawn | others)
    assert page.index("Figure 7") < page.index("Figure 10.")


def test_the_page_says_what_the_numbers_say(peru):
    page = re.sub(r"\s+", " ", (peru / "report.html").read_text("utf-8"))
    page = page.replace("\N{NO-BREAK SPACE}", " ")
    for piece in (
        "40.0 % of members, 27.0 % of non-members: +13.0 points (95 % confidence interval 8.9 to",
        "13.9 to 46.8 %",
        "chi-square 41.2 on 3 degrees of freedom",
        "60 in Key Finding 2, 73 in Figure 4",
        "The chart&#39;s numbers are not in the text",
        "prints the same as P049",
        "all whole-number counts that print the same",
        "for exactly the printed percentages",
        "What an association would need to be more",
        "Age: not alike (standardised difference 0.53)",
        "Region: alike (standardised difference 0.00); education: not printed of both groups, unkn",
        "As printed: quotas based on national statistics and random intervals; non-members door t",
        "As printed: November 2019 to January 2020",
        # exp(1.2185 ± 1.96 · 0.0845) of truth by ordinal::clm.
        "One odds ratio for every cut, from whole people, would be 3.38 (95 % confidence interval",
        "At the cuts themselves it runs from 0.66 to 4.64",
        "Brant: chi-square 41.2 on 3 degrees of freedom, p &lt; 0.001, one odds ratio does not fit",
        "higher than a person drawn from the national average with probability 68.0 %",
        "How many had left: unknown",
        "Taken as a simple random sample of 1,508 people. By region: taken as simple random",
        # benchmark_ses_by_region_2024: 1.8, 12.5, 29.3, 27.9, 28.5 less Figure 1: 3, 9, 27, 27, 34.
        "Less the printed national average: A −1.2, B +3.5, C +2.3, D +0.9, E −5.5 points.",
    ):
        assert piece in page, piece
    # Not the national column less itself.
    assert page.count("Less the printed national average") == 1
    assert page.count("would be 3.38 (95 % confidence interval 2.87 to 3.99)") == 1
    assert page.count("A design effect of 2 halves the people asked") == 1
    short = (peru / "report.md").read_text("utf-8")
    # What is printed twice of one item stands together, in every table.
    for part in re.split(r"\n\n+", short):
        items = [line.split("|")[1].strip() for line in part.splitlines() if line[:2] == "| "]
        twice = [at for at, item in enumerate(items) if item.startswith("Has someone of trust")]
        assert twice == list(range(twice[0], twice[0] + len(twice))) if twice else True
    for caption in (
        "The same gaps as ratios",
        "Gaps under design effects: 95 % limits in points",
        "What the telephone interviews could confirm",
    ):
        assert f"**printed numbers** {caption}\n" in short
    assert "EXAMPLE DATA" not in page


def test_a_file_of_ones_own(tmp_path, capsys):
    path = tmp_path / "own.csv"
    path.write_text(OWN, "utf-8")
    out = tmp_path / "out"
    assert coopgap(["printed", str(path), "--out", str(out), "--formats", "csv,md"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert str(out / "registry.csv") in lines
    gaps = pd.read_csv(out / "gaps.csv")
    row = gaps[(gaps["model"] == "printed_thing") & (gaps["quantity"] == "risk_difference")]
    assert row["estimate"].tolist() == pytest.approx([0.1])
    assert "printed_figure_1.png" in (out / "report.md").read_text("utf-8")
    # A second run replaces the first.
    assert main([str(path), "--out", str(out), "--formats", "csv", "--quiet"]) == 0
    assert not (out / "report.md").exists()


def test_a_study_folder_that_names_its_registry(study, tmp_path):
    loaded = load_study(study)
    assert [row.estimate for row in printed_rows(loaded.printed).gaps[:2]] == [0.4, 0.3]
    registry, title, _ = find_registry(str(study))
    assert (registry.name, title) == ("own", "A small study: the printed numbers")
    assert main([str(study), "--out", str(tmp_path / "out"), "--quiet", "--formats", "csv"]) == 0
    before = loaded.sha256
    (study / "own.csv").write_text(OWN.replace("40", "41"), "utf-8")
    assert load_study(study).sha256 != before


def test_a_report_without_a_survey_needs_a_title_and_its_numbers_alone(study, tmp_path):
    for path in study.glob("*.toml"):
        path.unlink()
    file = study / "study.toml"
    file.write_text('title = "A report"\nprinted = "own.csv"\n', "utf-8")
    registry, title, benchmarks = find_registry(str(study))
    assert (registry.name, title, benchmarks) == ("own", "A report: the printed numbers", ())
    assert main([str(study), "--out", str(tmp_path / "out"), "--quiet", "--formats", "csv"]) == 0
    file.write_text('printed = "own.csv"\n', "utf-8")
    with pytest.raises(StudyError, match=r"study\.toml: title: is absent; give a text"):
        find_registry(str(study))
    file.write_text('title = "A report"\nprinted = "other.csv"\n', "utf-8")
    with pytest.raises(StudyError, match=r"other\.csv: cannot be read"):
        find_registry(str(study))
    file.write_text('title = "A report"\nprinted = "own.csv"\nsurvey = "x.csv"\n', "utf-8")
    with pytest.raises(StudyError, match=r"study\.toml: group"):
        find_registry(str(study))


def test_a_damaged_registry_is_found_before_anything_is_fitted(study):
    (study / "own.csv").write_text(OWN.replace("percent", "per cent", 1), "utf-8")
    with pytest.raises(
        StudyError, match=r'own\.csv: line 2: stat: is "per cent"; allowed: percent'
    ):
        load_study(study)


@pytest.mark.parametrize("named", ["../own.csv", "sub/own.csv", "own.xlsx"])
def test_a_registry_stands_in_the_study_folder(study, named):
    text = STUDY.replace('"own.csv"', f'"{named}"')
    (study / "study.toml").write_text(text, "utf-8")
    with pytest.raises(StudyError, match=r"study\.toml: printed: is .*in the study folder"):
        load_study(study)


def test_a_study_without_printed_numbers_says_so(study):
    (study / "study.toml").write_text(STUDY.replace('printed = "own.csv"\n', ""), "utf-8")
    with pytest.raises(StudyError, match=r"printed: is absent in study\.toml"):
        find_registry(str(study))


@pytest.mark.parametrize("name", ["kenya", "philippines", "poland"])
def test_registries_without_bases_have_a_page_too(name, tmp_path):
    out = tmp_path / name
    assert main([name, "--out", str(out), "--quiet"]) == 0
    page = (out / "report.html").read_text("utf-8")
    assert "Printed as a difference alone" in page
    flat = re.sub(r"\s+", " ", page)
    assert "What an association would need to be more" in flat
    assert "that its sample sizes imply" not in flat
    assert "quoted elsewhere from a report that is not at hand" in flat
    assert "What the groups were matched on: unknown." in flat
    assert "How people were chosen: unknown." in flat
    assert "When and how people were asked: unknown." in flat
    assert "quota sample" not in flat
    assert (name == "poland") == ("without an interval: no base is printed" not in page)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["chile"], "chile: no such registry, file or folder; shipped registries: kenya, peru"),
        (["peru", "--out", "{file}"], "is not a folder"),
        ([""], "registry: is empty; shipped registries: kenya, peru, philippines, poland"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_2(arguments, expected, tmp_path, capsys):
    path = tmp_path / "file"
    path.write_text("x", "utf-8")
    assert main([one.replace("{file}", str(path)) for one in arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_a_format_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--formats", "pdf"])
    assert caught.value.code == 2
    assert "allowed: csv, html" in capsys.readouterr().err


def test_labels_that_mean_harm_stay_text(tmp_path, hostile_labels):
    lines = [HEAD]
    for number, label in enumerate(hostile_labels):
        for side, group in enumerate(("member", "non-member")):
            cells = (f"A{number}{side}", f"Figure {label}", group, label, label, "percent", "40")
            quoted = ['"' + cell.replace('"', '""') + '"' for cell in (*cells, "100", label)]
            lines.append(",".join(quoted) + "\n")
    path = tmp_path / "own.csv"
    path.write_text("".join(lines), "utf-8")
    out = tmp_path / "out"
    assert main([str(path), "--out", str(out), "--quiet"]) == 0
    page = (out / "report.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "[y](http" not in (out / "report.md").read_text("utf-8").replace("\\", "~")
    assert '"=1+1' not in (out / "registry.csv").read_text("utf-8")


@pytest.fixture
def hostile_labels():
    return (
        "<script>alert(1)</script>",
        "100% $x_$ ^{2}",
        "=1+1",
        "| a | b |",
        "R&D & <b>",
        "\\input{x} ~ # [y](http://z)",
        "very long " * 30,
        "control \x07 \x1b[31m and 字",
    )


def test_the_module_can_be_run_by_itself():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "coopgap.printed", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("coopgap ")
    assert done.stderr == ""


def test_ratios_that_do_not_exist_are_named_and_end_with_3(tmp_path, capsys):
    path = tmp_path / "own.csv"
    path.write_text(OWN.replace("percent,30", "percent,0"), "utf-8")
    arguments = [str(path), "--out", str(tmp_path / "out"), "--quiet", "--formats", "csv"]
    assert main(arguments) == 3
    error = capsys.readouterr().err
    (line,) = [one for one in error.splitlines() if one.startswith("coopgap:")]
    gaps = pd.read_csv(tmp_path / "out" / "gaps.csv")
    blank = int((gaps["status"] == "not_estimable").sum())
    assert blank > 1
    assert line == (
        f"coopgap: {blank} rows not_estimable: a share is 0 or 1; first printed_thing, risk_ratio"
    )
    assert (tmp_path / "out" / "gaps.csv").exists()
