"""Questions that one group alone answered: no numbers, said before and after, and no traceback."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from coopgap.fit import main

ORDINAL = """
[variables.trust]
type = "ordinal"
levels = ["a", "b", "c"]
codes = { 1 = "a", 2 = "b", 3 = "c" }
"""
MODEL = """\
outcome = "trust"
covariates = ["age"]
[matching]
on = ["region", "sex"]
[hierarchical]
"""


WHO_ANSWERS = {
    "covariate of members": {"age": 1},
    "covariate of others": {"age": 0},
    "outcome of members": {"trust": 1},
    "outcome of others": {"trust": 0},
    "nobody complete": {"trust": 1, "age": 0},
}
"""The group that alone answers a question."""


@pytest.mark.parametrize("answers", WHO_ANSWERS.values(), ids=WHO_ANSWERS)
def test_one_group_alone_has_no_numbers_and_both_commands_say_so(
    tmp_path, people, make_folder, capsys, answers
):
    study = make_folder(tables=ORDINAL, model=MODEL)
    text = (study / "study.toml").read_text().replace('yes = "model"', 'trust = "model"')
    (study / "study.toml").write_text(text)
    data = people.assign(trust=np.random.default_rng(4).integers(1, 4, len(people)) * 1.0)
    for column, group in answers.items():
        data[column] = data[column].where(people.member == group)
    data.to_csv(tmp_path / "survey.csv", index=False)
    complete = data.dropna(subset=["age", "trust"]).member
    counts = f"{int(complete.sum())} members and {int((1 - complete).sum())} comparison people"
    given = [str(study), "--data", str(tmp_path / "survey.csv"), "--out", str(tmp_path / "out")]
    assert main([*given, "--dry-run"]) == 3
    assert f"not estimable  model, every family, all: {counts} are left" in capsys.readouterr().out
    assert main([*given, "--quiet", "--formats", "csv"]) == 3
    assert f"model, adjusted_ordinal, all, members: not_estimable: {counts}" in (
        capsys.readouterr().err
    )
    gaps = pd.read_csv(tmp_path / "out" / "gaps.csv")
    whole = gaps[(gaps.group == "all") & (gaps.comparator == "comparison")]
    assert set(whole.family) >= {"unadjusted", "matched_ordinal", "hierarchical"}
    assert set(whole.status) == {"not_estimable"}
    assert whole.estimate.isna().all()


@pytest.mark.parametrize("method", ["exact", "entropy"])
def test_the_dry_run_foresees_what_the_run_finds(tmp_path, people, make_folder, capsys, method):
    """A region without members, and a matching without sets."""
    model = (
        f'outcome = "yes"\ncovariates = ["age"]\n[matching]\nmethod = "{method}"\non = ["sex"]\n'
    )
    study = make_folder(model=model)
    data = people[~((people.region == "East") & (people.member == 1))]
    data.to_csv(tmp_path / "survey.csv", index=False)
    given = [str(study), "--data", str(tmp_path / "survey.csv"), "--out", str(tmp_path / "out")]
    assert main([*given, "--dry-run"]) == 3
    plan = capsys.readouterr().out
    assert main([*given, "--quiet", "--formats", "csv"]) == 3
    told = capsys.readouterr().err
    for line, word in (
        ("not estimable  model, every family, region=East: 0 members", "unadjusted, region=East"),
        ("not estimable  model, conditional and linear families, all", "linear, all, members"),
    ):
        assert (line in plan) == (word in told)
    assert "region=East" in told
    assert ("linear, all" in told) == (method == "entropy")
