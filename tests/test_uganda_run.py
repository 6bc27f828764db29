"""A whole run on a real survey against R: `clm`, `glm` and `clogit` on the same people.

The survey is public (repository bjvca/PIMDVC, wave_2021/farmers.csv) and not shipped; its place
is given by the environment variable COOPGAP_UGANDA. The fixture is made by tests/r/uganda.R.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import coopgap
from coopgap.fit import main

ROOT = Path(__file__).parents[1]
FIXTURE = ROOT / "tests" / "r" / "fixtures" / "uganda.json"
SURVEY = os.environ.get("COOPGAP_UGANDA", "")

pytestmark = pytest.mark.skipif(not Path(SURVEY).is_file(), reason="COOPGAP_UGANDA names no file")


@pytest.fixture(scope="module")
def expected():
    return json.loads(FIXTURE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The shipped study without its hierarchical models, which R's fixture does not hold."""
    folder = tmp_path_factory.mktemp("study")
    for path in (ROOT / "models" / "uganda_dairy").glob("*.toml"):
        text = path.read_text(encoding="utf-8").partition("[hierarchical]")[0]
        (folder / path.name).write_text(text, encoding="utf-8")
    return coopgap.run(folder, data=SURVEY)


def pick(frame, **keys):
    for column, value in keys.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


ORDINAL = ["adjusted_ordinal", "adjusted_proportional", "matched_ordinal", "matched_proportional"]


@pytest.mark.parametrize("family", ORDINAL)
def test_ordinal_coefficients_equal_clm(run, expected, family):
    """Membership free by threshold (clm's nominal), and with one odds ratio."""
    fixture = expected[family]
    rows = run.coefficients[
        (run.coefficients["family"] == family) & (run.coefficients["model"] == "income")
    ]
    values = fixture.get("params") or [*fixture["slopes"], *fixture["thresholds"]]
    assert rows["estimate"].to_numpy() == pytest.approx(np.array(values), abs=1e-8)
    # 18 sub-counties: a run has CR2; tests/regression/test_uganda.py holds our CR1 to R's.
    assert set(rows["std_error_kind"]) == {"cluster CR2"}
    ratio = rows["std_error"].to_numpy() / np.array(fixture["cluster_std_errors"])
    assert 0.9 < ratio.min() < ratio.max() < 1.35
    assert set(rows["n_obs"]) == {fixture["n"]}
    assert set(rows["n_clusters"]) == {fixture["n_clusters"]}


@pytest.mark.parametrize("family", ["adjusted_logit", "matched_logit"])
def test_logit_coefficients_equal_glm(run, expected, family):
    fixture = expected[family]
    row = pick(run.coefficients, family=family, model="food_insecurity", term="member")
    place = fixture["terms"].index("member")
    assert row["estimate"] == pytest.approx(fixture["coefficients"][place], abs=1e-8)
    # 18 sub-counties: CR2 is wider than R's CR1.
    assert 1.0 < row["std_error"] / fixture["cluster_std_errors"][place] < 1.15


@pytest.mark.parametrize(
    ("family", "model"),
    [("conditional_ordinal", "income"), ("conditional_logit", "food_insecurity")],
)
def test_conditional_slopes_equal_clogit(run, expected, family, model):
    row = pick(run.coefficients, family=family, model=model, term="member")
    assert row["estimate"] == pytest.approx(expected[family]["slope"], abs=1e-8)


@pytest.mark.parametrize(
    ("family", "population"),
    [
        *((family, "members") for family in ORDINAL),
        ("adjusted_ordinal", "all_members"),
        ("adjusted_proportional", "all_members"),
    ],
)
def test_standardised_gaps_and_their_errors_equal_r(run, expected, family, population):
    fixture = expected[family]["standardised"][population]
    member, comparison = np.array(fixture["member"]), np.array(fixture["comparison"])
    cov = np.array(fixture["cov"])
    levels = ["much lower", "lower", "the same", "higher", "much higher"]
    for j in range(1, 5):
        keys = {"family": family, "population": population, "group": "all", "model": "income"}
        keys |= {"quantity": "risk_difference", "category": f">={levels[j]}"}
        row = pick(run.gaps, **keys, interval_kind="confidence")
        above = (np.arange(5) >= j).astype(float)
        gradient = np.concatenate([above, -above])
        assert row["estimate"] == pytest.approx(float(above @ (member - comparison)), abs=1e-8)
        assert row["form"] == ("free" if family.endswith("ordinal") else "proportional")
        # 18 sub-counties: a run has CR2, which is wider than R's CR1; tests/regression holds
        # our CR1 to R's.
        ratio = row["std_error"] / float(gradient @ cov @ gradient) ** 0.5
        assert 1.0 < ratio < 1.15


def test_linear_rows_equal_weighted_lm_within_sets(run, expected):
    levels = ["lower", "the same", "higher"]
    for level, fixture in zip(levels, expected["linear_income"], strict=False):
        keys = {"family": "linear", "model": "income", "quantity": "risk_difference"}
        row = pick(run.gaps, **keys, category=f">={level}")
        assert row["estimate"] == pytest.approx(fixture["estimate"], abs=1e-8)
        # 18 sub-counties: CR2 is wider than R's CR1.
        assert 1.0 < row["std_error"] / fixture["std_error"] < 1.2
    row = pick(run.gaps, family="linear", model="food_insecurity", quantity="risk_difference")
    assert row["estimate"] == pytest.approx(expected["linear_insecure"]["estimate"], abs=1e-8)


def points(value):
    """As the book writes points: one digit, two where one would hide the sign."""
    text = f"{100 * value:.1f}"
    return (f"{100 * value:.2f}" if float(text) == 0 else text).replace("-", "−")


def test_the_books_sentences_on_income(run, page):
    """Numbers of the book's real study, in the words that stand there."""
    keys = {"model": "income", "group": "all"}
    matched = keys | {"family": "matched_ordinal"}
    above = pick(run.gaps, **matched, quantity="superiority")
    wald = pick(run.diagnostics, model="income", about="member", test="wald")
    higher = {"quantity": "risk_difference", "category": ">=higher"}
    tied = pick(run.sensitivity, **keys, **higher, check="variant", family="matched_proportional")
    said = [
        f"superiority is {100 * above['estimate']:.0f} % "
        f"({100 * above['lower']:.0f} to {100 * above['upper']:.0f})",
        f"(p = {wald['value']:.2f}, 18 sub-counties)".replace("0.", "."),
        f"{points(tied['estimate'])} points in place of +{points(tied['reference'])}",
        f"difference of {points(tied['difference'])} "
        f"({points(tied['difference_lower'])} to {points(tied['difference_upper'])})",
    ]
    text = " ".join(page("uganda.md").split())
    assert [part for part in said if part not in text] == []


@pytest.mark.slow
def test_the_books_sentences_on_a_district(page):
    """What the book says of one district beside all: alone and pooled."""
    run = coopgap.run("uganda_dairy", data=SURVEY, only=["income"])

    def said(row):
        limits = f"{points(row['lower'])} to {points(row['upper'])}"
        return f"{points(row['estimate'])} ({limits})"

    at = {"model": "income", "quantity": "risk_difference", "category": ">=the same"}
    here = at | {"group": "region=MASINDI"}
    pooled = {"family": "hierarchical", "population": "all_members"}
    alone = pick(run.gaps, **here, family="matched_ordinal", interval_kind="confidence")
    drawn, whole = (pick(run.gaps, **one, **pooled) for one in (here, at | {"group": "all"}))
    rank = pick(run.gaps, **here | {"quantity": "expected_rank", "category": ""}, **pooled)
    above = pick(run.gaps, **here | {"quantity": "prob_above_zero"}, **pooled)
    spread = pick(run.coefficients, model="income", family="hierarchical", term="sd_finite")
    words = [
        f"Masindi alone is {said(alone).replace(' (', ' points (')}",
        f"pooled {said(drawn)}, all districts {said(whole)}",
        f"{100 * above['estimate']:.1f} % above zero",
        f"{rank['estimate']:.1f} of 6 ({rank['lower']:.0f} to {rank['upper']:.0f})",
        f"{spread['estimate']:.2f} ({spread['lower']:.2f} to {spread['upper']:.2f})".replace(
            "0.", "."
        ),
    ]
    text = " ".join(page("uganda.md").split())
    assert [part for part in words if part not in text] == []


def test_members_kept_are_those_r_keeps(run, expected):
    for model, count in (
        ("income", expected["n_members_kept"]["income"]),
        ("food_insecurity", expected["n_members_kept"]["insecure"]),
    ):
        rows = run.gaps[(run.gaps["model"] == model) & (run.gaps["family"] == "linear")]
        assert set(rows["n_member"]) == {count}


def test_the_command_says_what_it_left_out(capsys):
    assert main(["uganda_dairy", "--data", SURVEY, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "311 members, 602 non-members" in said
    assert "107" in said


def declared_methods():
    """Rows of the book's table of designs, as numbers."""
    text = (ROOT / "docs" / "howto" / "matching.md").read_text(encoding="utf-8")
    start = text.index("| method | gap, points |")
    for line in text[start:].splitlines()[2:8]:
        name, *cells = (cell.strip(" `") for cell in line.strip("|").split("|"))
        gap, interval, *sizes = (cell.replace("−", "-") for cell in cells)
        yield pytest.param(name, [gap, *interval.split(" to "), *sizes], id=name)


@pytest.mark.parametrize(("method", "expected"), [*declared_methods()])
def test_the_books_table_of_designs(method, expected, tmp_path):
    folder = tmp_path / "uganda"
    shutil.copytree(ROOT / "models" / "uganda_dairy", folder)
    path = folder / "food_insecurity.toml"
    text = path.read_text(encoding="utf-8").partition("[hierarchical]")[0]
    path.write_text(text, encoding="utf-8")
    if method != "exact":
        head = text.partition("[matching]")[0]
        further = {"nearest": "caliper = 0.2", "cardinality": "limit = 0.05"}.get(method, "")
        path.write_text(
            f'{head}[matching]\nmethod = "{method}"\non = ["district"]\n'
            f'covariates = ["age_band", "sex", "education"]\n{further}\n',
            encoding="utf-8",
        )
    run = coopgap.run(folder, data=SURVEY, only=["food_insecurity"], jobs=1)
    rows = run.gaps[(run.gaps["family"] == "matched_logit") & (run.gaps["group"] == "all")]
    (row,) = rows[rows["quantity"] == "risk_difference"].to_dict("records")
    balance = run.balance[run.balance["group"] == "all"]
    found = [f"{100 * row[name]:.1f}" for name in ("estimate", "lower", "upper")]
    found += [f"{row[name]:.0f}" for name in ("n_member", "n_comparison", "ess_comparison")]
    assert [*found, f"{balance['smd_after'].abs().max():.2f}"] == expected
