"""A column named like a formula is only a name: nothing of it is read, split or run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import coopgap

STUDY = """\
title = "Names"
[group]
column = "member"
member = 1
comparison = 0
[design]
zone = "zone"
[headline]
trust = "trust"
[variables.trust]
type = "ordinal"
levels = ["1", "2", "3"]
[variables.NAME]
column = COLUMN
type = "nominal"
levels = ["a", "b"]
"""
MODEL = """\
outcome = "trust"
covariates = [NAME]
[matching]
method = "exact"
on = [NAME]
"""


def survey(column):
    rng = np.random.default_rng(2)
    n = 800
    member, kind = rng.integers(0, 2, (2, n))
    latent = 0.5 * member + 0.4 * kind + rng.logistic(size=n)
    return pd.DataFrame(
        {
            "member": member,
            "zone": rng.integers(0, 60, n),
            "trust": np.digitize(latent, [-0.3, 1.2]) + 1,
            column: np.where(kind == 1, "b", "a"),
        }
    )


def run(folder, name, column):
    folder.mkdir()
    quoted = {"NAME": f"'''{name}'''", "COLUMN": f"'''{column}'''"}
    for file, text in (("study.toml", STUDY), ("trust.toml", MODEL)):
        key = text.replace("[variables.NAME]", f'[variables."{name}"]')
        for word, value in quoted.items():
            key = key.replace(word, value)
        (folder / file).write_text(key, encoding="utf-8")
    return coopgap.run(folder, data=survey(column), jobs=1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("plain") / "study", "kind", "kind")


@pytest.mark.parametrize(
    "template",
    [
        "kind * member + I(kind ** 2)",
        "C(kind, Treatment(1)) - 1",
        "I(__import__('pathlib').Path(r'PATH').write_text('x'))",
        "{__import__('pathlib').Path(r'PATH').touch()}",
        "`kind`:zone | log(kind)",
        "~ .",
    ],
)
def test_names_like_formulas_change_no_number_and_run_nothing(template, plain, tmp_path):
    trace = tmp_path / "trace"
    name = template.replace("PATH", str(trace))
    found = run(tmp_path / "study", name, name)
    assert not trace.exists()
    numbers = ["estimate", "std_error", "lower", "upper", "p_value"]
    for table in ("gaps", "coefficients"):
        ours, theirs = getattr(found, table), getattr(plain, table)
        assert len(ours) == len(theirs)
        assert ours[numbers].to_numpy() == pytest.approx(theirs[numbers].to_numpy(), nan_ok=True)
    terms = found.coefficients["term"]
    assert (terms == f"{name}=b").sum() == (plain.coefficients["term"] == "kind=b").sum() > 0
