"""A column named like a formula is only a name: nothing of it is read, split or run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import coopgap

from .studies import model, nominal, ordinal, write_study

NUMBERS = ["estimate", "std_error", "lower", "upper", "p_value"]


def run(folder, name):
    rng = np.random.default_rng(2)
    n = 800
    member, kind = rng.integers(0, 2, (2, n))
    latent = 0.5 * member + 0.4 * kind + rng.logistic(size=n)
    people = {"member": member, "zone": rng.integers(0, 60, n)}
    people |= {"trust": np.digitize(latent, [-0.3, 1.2]) + 1, name: np.array(["a", "b"])[kind]}
    variables = {"trust": ordinal(*"123"), name: nominal("a", "b")}
    models = {"trust": model("trust", name, on=(name,))}
    write_study(folder, variables, models, design={"zone": "zone"})
    return coopgap.run(folder, data=pd.DataFrame(people), jobs=1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("plain") / "study", "kind")


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
    found = run(tmp_path / "study", name)
    assert not trace.exists()
    for table in ("gaps", "coefficients"):
        ours, theirs = (one.frames[table][NUMBERS].to_numpy() for one in (found, plain))
        assert ours == pytest.approx(theirs, nan_ok=True)
    terms = found.coefficients["term"]
    assert (terms == f"{name}=b").sum() == (plain.coefficients["term"] == "kind=b").sum() > 0
