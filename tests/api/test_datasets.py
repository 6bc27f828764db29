"""Data that come with the package, and surveys from files."""

import pandas as pd
import pytest

import coopgap as cg
from coopgap.core.estimate import GAP_KEY
from coopgap.survey.example import make_example, write_example


def test_the_example_is_the_surveys(tmp_path):
    df = cg.datasets.peru_example()
    assert df["member"].value_counts().to_dict() == {1: 1004, 0: 1003}
    assert (df["provenance"] == "EXAMPLE DATA").all()
    assert df["ses_class"].cat.categories.tolist() == list("EDCBA")
    assert df["ses_class"].cat.ordered
    assert (df["age_band"].astype(str) == "25-34").equals(df["age"].between(25, 34))
    assert (df["ses_top"] == 1).equals(df["ses_class"] >= "B")
    assert (df["trust_agree"] == 1).equals(df["trust"] >= 4)
    whole = cg.datasets.peru_example(phone=True)
    assert whole["mode"].value_counts()["phone"] == 250
    own = make_example().data
    ordered = ["ses_class", "neighbours", "trusted_person"]
    pd.testing.assert_frame_equal(
        whole[own.columns].drop(columns=ordered), own.drop(columns=ordered)
    )
    for name in ordered[1:]:
        assert (whole[name].astype("int64") == own[name]).all()
        assert whole[name].cat.categories.tolist() == [2, 1]
        assert whole[name].cat.ordered


def test_a_run_takes_it_as_the_shipped_survey():
    """Every headline number of the frame is that of the survey; phone rows are no part of one."""
    chosen = {"only": ["neighbours", "trusted_person"], "draws": 100}
    of_frame = cg.run("peru", data=cg.datasets.peru_example(), **chosen).gaps
    shipped = cg.run("peru", **chosen).gaps
    keys = [*GAP_KEY]
    kept = shipped["family"] != "hierarchical"
    first = of_frame[of_frame["family"] != "hierarchical"].set_index(keys)["estimate"]
    second = shipped[kept].set_index(keys)["estimate"]
    assert len(first) > 50
    pd.testing.assert_series_equal(first, second.loc[first.index])


@pytest.mark.parametrize("name", ["kenya", "peru", "philippines", "poland"])
def test_published_numbers(name):
    found = cg.datasets.published(name)
    assert found["id"].is_unique
    assert found["value"].notna().any()
    shares = found[found["stat"] == "percent"]
    assert shares["value"].between(0, 100).all()


def test_an_unknown_registry():
    with pytest.raises(cg.InputError, match="name: is 'chile'; shipped: kenya, peru"):
        cg.datasets.published("chile")


def test_the_population_of_peru():
    found = cg.datasets.peru_population()
    assert list(found) == ["age_band", "sex", "population"]
    assert len(found) == 12
    assert {*found["age_band"]} == {*cg.datasets.peru_example()["age_band"]}


@pytest.mark.parametrize("ending", [".csv", ".sav", ".dta", ".parquet"])
def test_reading_a_file(tmp_path, ending):
    whole = make_example().data
    path = tmp_path / f"survey{ending}"
    write_example(whole, path)
    found = cg.read_survey(path)
    assert list(found) == list(whole)
    assert found["age"].astype(int).tolist() == whole["age"].tolist()
    assert found["coop_type"].isna().sum() == whole["coop_type"].isna().sum()
    fit = cg.logit("member ~ age", found)
    pd.testing.assert_frame_equal(fit.tidy(), cg.logit("member ~ age", whole).tidy())


def test_codes_that_a_file_declares_missing_are_empty(tmp_path):
    import pyreadstat

    path = tmp_path / "survey.sav"
    frame = pd.DataFrame({"q": [1, 2, 99, 2], "member": [0, 1, 1, 0]})
    pyreadstat.write_sav(
        frame,
        str(path),
        missing_ranges={"q": [99]},
        column_labels={"q": "A question"},
        variable_value_labels={"q": {1: "yes", 2: "no"}},
    )
    found = cg.read_survey(path)
    assert found["q"].isna().tolist() == [False, False, True, False]
    assert found.attrs["labels"]["q"] == "A question"
    assert {*found.attrs["value_labels"]["q"].values()} == {"yes", "no"}


def test_numbers_of_a_text_file(tmp_path):
    path = tmp_path / "survey.csv"
    path.write_text("a;b;c;d\n1,5;1.1;x;1\n2,25; ;y;2\n3,5;1.10;;3\n", encoding="utf-8")
    found = cg.read_survey(path)
    assert found["a"].tolist() == [1.5, 2.25, 3.5]
    assert found["b"].tolist() == ["1.1", pd.NA, "1.10"]  # two texts of one number
    assert found["c"].isna().tolist() == [False, False, True]
    assert found["d"].dtype == "Int64"


def test_no_file(tmp_path):
    with pytest.raises(cg.SurveyError, match=r"none\.sav"):
        cg.read_survey(tmp_path / "none.sav")


def test_a_draft_of_a_study(tmp_path):
    df = cg.datasets.peru_example()
    text = cg.describe(df)
    assert "[group]" in text
    assert "# EDIT" in text
    path = tmp_path / "survey.csv"
    write_example(make_example().data, path)
    assert str(path.resolve()) in cg.describe(path)
    assert cg.describe(str(path)) == cg.describe(path)
    assert 'encoding = "latin-1"' in cg.describe(path, encoding="latin-1")
