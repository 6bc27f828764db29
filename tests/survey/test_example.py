"""The example survey: printed totals, known truth, formats."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest

from coopgap.example import main
from coopgap.survey.example import DEFAULT, make_example, write_example
from coopgap.survey.read import read_parquet, read_table

PRINTED = {  # WDDCM Peru, Tables 1 and 2: members, non-members
    "age": {(16, 24): (80, 183), (25, 34): (142, 209), (35, 44): (183, 213)}
    | {(45, 54): (219, 216), (55, 64): (185, 113), (65, 90): (195, 69)},
    "sex": {"male": (432, 504), "female": (572, 499)},
}
REGION_PERCENT = {"Center": 4, "East": 7, "Lima": 40, "North": 13, "South": 36}


@pytest.fixture(scope="module")
def example():
    return make_example()


def in_person(data):
    return data[data["mode"] == "in person"]


@pytest.mark.parametrize("seed", [1, 2, 3, 20200131])
def test_calibrated_totals_are_the_printed_ones(seed):
    data = make_example(seed=seed).data
    assert len(data) == 2257
    assert (data["mode"] == "phone").sum() == 250
    assert (data.loc[data["mode"] == "phone", "member"] == 0).all()
    here = in_person(data)
    members, others = here[here["member"] == 1], here[here["member"] == 0]
    assert (len(members), len(others)) == (1004, 1003)
    for (low, high), counts in PRINTED["age"].items():
        assert (
            members["age"].between(low, high).sum(),
            others["age"].between(low, high).sum(),
        ) == counts
    for sex, counts in PRINTED["sex"].items():
        assert ((members["sex"] == sex).sum(), (others["sex"] == sex).sum()) == counts
    for region, percent in REGION_PERCENT.items():
        counts = [(side["region"] == region).sum() for side in (members, others)]
        assert abs(counts[0] - counts[1]) <= 5
        assert [
            round(100 * c / len(s)) for c, s in zip(counts, (members, others), strict=True)
        ] == [percent] * 2
    # Figure 1 in whole people, and the printed shares of the social items.
    assert [(members["ses_class"] == c).sum() for c in "ABCDE"] == [20, 261, 402, 221, 100]
    shares = {
        "trust": [(side["trust"] >= 4).sum() for side in (members, others)],
        "trusted_person": [(side["trusted_person"] == 1).sum() for side in (members, others)],
        "neighbours": [(side["neighbours"] == 1).sum() for side in (members, others)],
    }
    assert shares == {"trust": [402, 271], "trusted_person": [813, 732], "neighbours": [612, 622]}


def test_every_row_says_what_it_is(example):
    assert set(example.data["provenance"]) == {"EXAMPLE DATA"}


def test_places_nest_and_number_what_the_report_prints(example):
    data = example.data
    assert data["zone"].nunique() == 100
    assert data["department"].nunique() == 10
    assert (data.groupby("zone")["department"].nunique() == 1).all()
    assert (data.groupby("department")["region"].nunique() == 1).all()
    both = in_person(data).groupby("zone")["member"].nunique()
    assert (both == 2).all()


def test_only_members_have_a_cooperative(example):
    data = example.data
    assert data.loc[data["member"] == 0, ["coop_type", "years_member"]].isna().all(axis=None)
    members = data[data["member"] == 1]
    assert members[["coop_type", "years_member"]].notna().all(axis=None)
    assert (members["years_member"] <= members["age"] - 15).all()


def test_the_same_seed_is_the_same_survey(example):
    pd.testing.assert_frame_equal(example.data, make_example().data)
    assert not example.data.equals(make_example(seed=1).data)


def test_free_mode_recovers_the_truth():
    # Without zone spread, standardising by exact cells has the truth as its expectation.
    still = dataclasses.replace(DEFAULT, zone_sd=0.0, zone_gap_sd=0.0)
    example = make_example(300_000, seed=5, mode="free", model=still)
    data = in_person(example.data)
    truth = example.truth.set_index(["outcome", "group", "quantity", "category"])["estimate"]
    band = np.digitize(data["age"], [25, 35, 45, 55, 65])
    cell = [data["region"], data["sex"], band, data["education"]]
    for outcome, category, above in (
        ("ses_class", ">=B", data["ses_class"].isin(["A", "B"])),
        ("ses_class", ">=D", data["ses_class"] != "E"),
        ("trust", ">=agree", data["trust"] >= 4),
        ("trusted_person", "", data["trusted_person"] == 1),
        ("neighbours", "", data["neighbours"] == 1),
    ):
        table = above.groupby([*cell, data["member"]]).agg(["mean", "size"]).unstack()
        gap = table["mean", 1] - table["mean", 0]
        size = table["size", 1].where(gap.notna())
        found = (gap * size).sum() / size.sum()
        share = table["mean"]
        variance = (size**2 * (share * (1 - share) / table["size"]).sum(axis=1)).sum()
        bound = 4 * np.sqrt(variance) / size.sum()
        assert bound < 0.01
        assert found == pytest.approx(truth[outcome, "all", "risk_difference", category], abs=bound)


def test_zone_spread_is_the_declared_one():
    wide = dataclasses.replace(DEFAULT, zone_sd=0.8, zone_gap_sd=0.0)
    data = in_person(make_example(200_000, seed=6, mode="free", model=wide).data)
    lima = data[(data["region"] == "Lima") & (data["member"] == 0)]
    share = (lima["trusted_person"] == 1).groupby(lima["zone"]).mean()
    spread = np.log(share / (1 - share)).std()
    # 40 zones: the standard deviation of a standard deviation is about 0.8 / sqrt(78) = 0.09.
    assert spread == pytest.approx(0.8, abs=0.27)


def test_free_totals_vary_and_any_size_is_allowed():
    first, second = (make_example(500, seed=s, mode="free").data for s in (1, 2))
    assert len(first) == 500 + 62
    assert (first["sex"] == "male").sum() != (second["sex"] == "male").sum()
    with pytest.raises(ValueError, match="2007"):
        make_example(500)


def test_a_changed_bit_of_a_page_is_found(example, tmp_path):
    path = tmp_path / "example.parquet"
    write_example(example.data, path)
    content = path.read_bytes()
    whole = read_parquet(str(path), None, 1 << 30)
    place = random.Random(8)
    refused = 0
    # The footer, whose length stands before the last four bytes, has no checksum.
    end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for _ in range(150):
        changed = bytearray(content)
        changed[place.randrange(4, end)] ^= 1 << place.randrange(8)
        path.write_bytes(changed)
        try:
            table = read_parquet(str(path), None, 1 << 30)
        except (OSError, pa.ArrowException):
            refused += 1
        else:
            assert table.equals(whole)
    assert refused > 120


@pytest.mark.parametrize("suffix", [".csv", ".sav", ".dta", ".parquet"])
def test_every_format_reads_back(tmp_path, capsys, example, suffix):
    path = tmp_path / f"example{suffix}"
    assert main(["--out", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    raw = read_table(path, ["member", "trust", "ses_class"])
    assert raw.is_example
    assert raw.n_rows == 2257
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


def test_spss_labels_say_example_data(tmp_path):
    path = tmp_path / "example.sav"
    main(["--out", str(path)])
    _, meta = pyreadstat.read_sav(str(path))
    assert "EXAMPLE DATA" in meta.file_label
    assert all("EXAMPLE DATA" in label for label in meta.column_labels)
    assert meta.variable_value_labels["trust"][4] == "agree"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "x.docx"], [".csv"]),
        (["--out", "none/x.csv"], ["none/x.csv"]),
        (["--out", "x.csv", "--n", "5"], ["100"]),
        (["--out", "x.csv", "--n", "500", "--mode", "calibrated"], ["2007"]),
    ],
)
def test_bad_arguments_are_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert all(word in lines[0] for word in words)
    assert list(tmp_path.iterdir()) == []
