"""A whole run on a real survey against R: `clm`, `glm`, `clogit` and `lm` on the same people.

The survey is public (repository bjvca/PIMDVC, wave_2021/farmers.csv) and not shipped; its place
is given by the environment variable COOPGAP_UGANDA. The fixture is made by tests/r/uganda.R,
which applies the codebook again in R.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import coopgap
from coopgap.app.plan import make_plan
from coopgap.core.vocabulary import Population
from coopgap.families.dispatch import family_estimates
from coopgap.fit import main
from coopgap.regression.linear import fit_linear

from .families.against_r import (
    FORMS,
    STD_ERROR,
    check_fit,
    check_gaps,
    check_sets,
    fitted,
    in_our_order,
)
from .families.conftest import gaps
from .studies import ROOT, copy_of, where

SURVEY = os.environ.get("COOPGAP_UGANDA", "")
LEVELS = ["much lower", "lower", "the same", "higher", "much higher"]
pytestmark = pytest.mark.skipif(not Path(SURVEY).is_file(), reason="COOPGAP_UGANDA names no file")


@pytest.fixture(scope="module")
def expected():
    path = ROOT / "tests" / "r" / "fixtures" / "uganda.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The shipped study without its hierarchical models, which R's fixture does not hold."""
    names = ("income", "food_insecurity")
    cut = dict.fromkeys(names, lambda text: text.partition("[hierarchical]")[0])
    return copy_of(tmp_path_factory.mktemp("study"), "uganda_dairy", **cut)


@pytest.fixture(scope="module")
def run(folder):
    return coopgap.run(folder, data=SURVEY)


@pytest.fixture(scope="module")
def samples(folder):
    """By model, with R's standard errors: of 18 sub-counties a run has CR2, which is wider."""
    plan = make_plan(folder, SURVEY)
    fitting = plan.models[0].sample.fitting
    chosen = replace(fitting, std_errors="CR1")
    return {model.spec.name: replace(model.sample, fitting=chosen) for model in plan.models}


@pytest.fixture(scope="module")
def estimates(samples):
    return {
        (name, one.family, one.population): one
        for name, sample in samples.items()
        for one in family_estimates(sample)
    }


def pick(frame, **keys):
    found = where(frame, **keys)
    assert len(found) == 1
    return found.iloc[0]


def model_of(family):
    return "food_insecurity" if family.endswith("logit") or "insecure" in family else "income"


@pytest.mark.parametrize("family", [*FORMS, "adjusted_logit", "matched_logit"])
def test_fits_equal_clm_and_glm_with_clusters(run, samples, expected, family):
    """Membership free by threshold (clm's nominal), with one odds ratio, and of two levels."""
    r, model = expected[family], model_of(family)
    check_fit(fitted(samples[model], family), r)
    params, _, clustered = in_our_order(r)
    rows = where(run.coefficients, family=family, model=model)
    assert rows["estimate"].to_numpy() == pytest.approx(np.array(params), abs=1e-8)
    assert set(rows["std_error_kind"]) == {"cluster CR2"}
    ratio = rows["std_error"].to_numpy() / clustered
    assert 0.9 < ratio.min() < ratio.max() < 1.4
    assert set(rows["n_obs"]) == {r["n"]}


@pytest.mark.parametrize("family", ["conditional_ordinal", "conditional_logit"])
def test_conditional_slopes_equal_clogit(run, samples, estimates, expected, family):
    r, model = expected[family], model_of(family)
    check_sets(samples[model], estimates[model, family, Population.MEMBERS], r)
    row = pick(run.coefficients, family=family, model=model, term="member")
    assert row["estimate"] == pytest.approx(r["slope"], abs=1e-8)


@pytest.mark.parametrize(
    ("family", "population"),
    [
        *((family, Population.MEMBERS) for family in FORMS),
        ("adjusted_ordinal", Population.ALL_MEMBERS),
        ("adjusted_proportional", Population.ALL_MEMBERS),
    ],
)
def test_standardised_gaps_and_their_errors_equal_r(run, estimates, expected, family, population):
    r = expected[family]["standardised"][population]
    one = estimates["income", family, population]
    check_gaps(one, [r["member"], r["comparison"]], r["cov"])
    for category, interval in gaps(one).items():
        keys = {"family": family, "population": population, "group": "all", "model": "income"}
        keys |= {"quantity": "risk_difference", "category": category}
        row = pick(run.gaps, **keys, interval_kind="confidence")
        assert row["estimate"] == pytest.approx(interval.estimate, abs=1e-12)
        assert row["form"] == FORMS[family]
        assert 1.0 < row["std_error"] / interval.std_error < 1.15


def test_one_odds_ratio_hid_the_gap_at_higher(estimates):
    """Half a point up where proportional odds say two and a half down; shares say the same."""
    keys = ("matched_ordinal", "matched_proportional", "shares")
    found = [estimates["income", key, Population.MEMBERS].at(">=higher").estimate for key in keys]
    assert [round(100 * gap, 1) for gap in found[:2]] == [0.6, -2.5]
    assert found[0] == pytest.approx(found[2], abs=0.01)


def test_linear_rows_equal_weighted_lm_within_sets(run, samples, expected):
    cuts = [("income", cut, f">={LEVELS[cut]}") for cut in range(1, 5)]
    cuts += [("food_insecurity", 1, "")]
    fits = [*expected["linear_income"], expected["linear_insecure"]]
    for (model, cut, category), r in zip(cuts, fits, strict=True):
        inside = samples[model].take(samples[model].matched.set_id >= 0)
        rows, sets = inside.rows, inside.matched.set_id
        above = (rows.outcome >= cut).astype(float)
        at = fit_linear(above, rows.member, inside.weight, sets, rows.zone)
        assert at.estimate == pytest.approx(r["estimate"], rel=1e-8, abs=1e-10)
        assert at.std_error == pytest.approx(r["std_error"], **STD_ERROR)
        keys = {"family": "linear", "model": model, "quantity": "risk_difference"}
        row = pick(run.gaps, **keys, category=category)
        assert row["estimate"] == pytest.approx(at.estimate, abs=1e-12)
        assert 1.0 < row["std_error"] / r["std_error"] < 1.2
        kept = expected["n_members_kept"]["income" if model == "income" else "insecure"]
        assert row["n_member"] == kept


def test_the_command_says_what_it_left_out(capsys):
    assert main(["uganda_dairy", "--data", SURVEY, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "311 members, 602 non-members" in said
    assert "107" in said


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
    def matched(text):
        text = text.partition("[hierarchical]")[0]
        if method == "exact":
            return text
        further = {"nearest": "caliper = 0.2", "cardinality": "limit = 0.05"}.get(method, "")
        return (
            f'{text.partition("[matching]")[0]}[matching]\nmethod = "{method}"\n'
            f'on = ["district"]\ncovariates = ["age_band", "sex", "education"]\n{further}\n'
        )

    folder = copy_of(tmp_path / "uganda", "uganda_dairy", food_insecurity=matched)
    run = coopgap.run(folder, data=SURVEY, only=["food_insecurity"], jobs=1)
    keys = {"family": "matched_logit", "group": "all", "quantity": "risk_difference"}
    row = pick(run.gaps, **keys)
    smd = where(run.balance, group="all")["smd_after"].abs().max()
    found = [f"{100 * row[name]:.1f}" for name in ("estimate", "lower", "upper")]
    found += [f"{row[name]:.0f}" for name in ("n_member", "n_comparison", "ess_comparison")]
    assert [*found, f"{smd:.2f}"] == expected
