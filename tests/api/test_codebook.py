"""A file read by a study's codebook: the people and answers of its run."""

import numpy as np
import pandas as pd
import pytest

import coopgap as cg

STUDY = """
title = "The example with codes for no answer"
survey = "survey.csv"
[group]
column = "coop"
member = 1
comparison = 2
[design]
zone = ["region", "zone"]
weight = "w"
mode = { column = "how", in_person = "a", phone = "b" }
[headline]
trusts = "trusts"
[variables.trusts]
column = "trusted_person"
type = "binary"
yes = [1]
no = [2]
missing = [98]
[variables.age]
type = "numeric"
missing = [999]
[variables.age_band]
type = "banded"
column = "age"
cuts = [25, 35, 45, 55, 65]
missing = [999]
[variables.sex]
type = "nominal"
levels = ["male", "female"]
label = "Sex"
[variables.class]
column = "ses_class"
type = "ordinal"
levels = ["E", "D", "C", "B", "A"]
"""
MODEL = """
outcome = "trusts"
covariates = ["age", "sex", "class"]
[matching]
method = "exact"
on = ["age_band", "sex"]
"""


@pytest.fixture
def folder(tmp_path, table):
    """A study whose file codes yes as 1, no as 2, and no answer as 98 and 999."""
    frame = table("example")
    at = np.arange(len(frame))
    frame = frame.assign(
        coop=2 - frame["member"],
        trusted_person=frame["trusted_person"].where(at % 50 > 0, 98),
        age=frame["age"].where(at % 90 > 0, 999),
        w=1 + at % 3,
        how="a",
    )
    called = frame.loc[(frame["coop"] == 2) & (at % 5 == 0)].assign(how="b")
    whole = pd.concat([frame, called]).drop(columns="member")
    whole.to_csv(tmp_path / "survey.csv", index=False)
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "trusts.toml").write_text(MODEL, encoding="utf-8")
    return tmp_path


def test_its_columns_are_the_codebooks(folder, table):
    df = cg.read_survey(folder / "survey.csv", study=folder)
    raw = table("example")
    at = np.arange(len(raw))
    assert len(df) == len(raw)  # nobody called by phone
    assert df["coop"].tolist() == raw["member"].tolist()
    assert df["trusts"].cat.categories.tolist() == ["no", "yes"]
    assert df["trusts"].cat.ordered
    assert df["trusts"].isna().tolist() == (at % 50 == 0).tolist()
    yes = raw["trusted_person"][at % 50 > 0] == 1
    assert (df["trusts"].dropna() == "yes").tolist() == yes.tolist()
    assert df["age"].isna().tolist() == (at % 90 == 0).tolist()
    assert df["age"].dropna().tolist() == raw["age"][at % 90 > 0].tolist()
    assert not df["sex"].cat.ordered
    assert df["class"].cat.categories.tolist() == list("EDCBA")
    assert df["w"].tolist() == (1 + at % 3).tolist()
    assert df["zone"].tolist()[0] == f"{raw['region'][0]} / {raw['zone'][0]}"
    assert df["zone"].nunique() == len(raw[["region", "zone"]].drop_duplicates())
    assert df.attrs["labels"] == {"sex": "Sex"}
    assert (df["provenance"] == "EXAMPLE DATA").all()


def test_the_calls_in_order_give_the_runs_number(folder):
    """With the people without an answer left out before the match, as the run leaves them out."""
    df = cg.read_survey(folder / "survey.csv", study=folder)
    fields = {"weights": "w", "answered": ["trusts", "age", "class"]}
    m = cg.match(df, "coop ~ age_band + sex", method="exact", **fields)
    assert m.n_dropped > 50
    formula = "trusts ~ coop + age + sex + class"
    fit = cg.logit(formula, m.data, weights="match_weight", vcov={"CR1": "zone"})
    found = cg.gap(fit, "coop").at()
    gaps = cg.run(folder).gaps
    kept = (gaps["family"] == "matched_logit") & (gaps["quantity"] == "risk_difference")
    row = gaps[kept & (gaps["population"] == "members") & (gaps["group"] == "all")].iloc[0]
    assert found.estimate == pytest.approx(row["estimate"], abs=1e-9)
    assert found.std_error == pytest.approx(row["std_error"], rel=1e-6)


def test_what_the_codebook_does_not_know_is_refused(folder):
    path = folder / "survey.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",98,", ",97,"), encoding="utf-8")
    with pytest.raises(cg.SurveyError, match=r"survey\.csv: trusted_person"):
        cg.read_survey(path, study=folder)
