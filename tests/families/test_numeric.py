"""A covariate as a number: glm, clm and splines::ns (tests/r/numeric.R), and by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.app.plan import make_plan
from coopgap.core.vocabulary import Family, Population, Quantity
from coopgap.families.cells import fit_form
from coopgap.families.cumulative import estimate_adjusted, estimate_doubly_robust
from coopgap.families.dispatch import headline_estimate
from coopgap.families.plan import sample_for
from coopgap.families.sets import estimate_conditional
from coopgap.study.spec import Fitting, Matching, ModelSpec
from coopgap.survey.numeric import natural_spline, numeric

from ..studies import model, of_example, write_study
from .against_r import COEFFICIENT, STD_ERROR, check_gaps

R = Path(__file__).parents[1] / "r"
EXPECTED = json.loads((R / "fixtures" / "numeric.json").read_text("utf-8"))
KNOTS = (20.0, 35.0, 50.0, 70.0)
AGE = {"linear": {}, "spline": {"knots": [int(knot) for knot in KNOTS]}}
VARIABLES = of_example("ses_class", "sex", "region")
VARIABLES["trusted_person"] = {"type": "binary", "yes": [1], "no": [2]}
OUTCOMES = {"ses": "ses_class", "trusted": "trusted_person"}


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """By form of age and model, exact strata of region and sex."""
    data, found = pd.read_csv(R / "data" / "example.csv"), {}
    models = {
        name: model(outcome, "age", "sex", "region", on=("region", "sex"))
        for name, outcome in OUTCOMES.items()
    }
    for form, age in AGE.items():
        variables = VARIABLES | {"age": {"type": "numeric", **age}}
        design = {"region": "region", "zone": "zone"}
        folder = write_study(tmp_path_factory.mktemp(form), variables, models, design=design)
        plan = make_plan(folder, data=data)
        found |= {(form, one.spec.name): one.sample for one in plan.models}
    return found


def test_the_spline_spans_what_ns_does():
    at, columns = (np.array(EXPECTED["basis"][key]) for key in ("at", "columns"))
    mine = natural_spline(at, KNOTS)
    onto = np.linalg.lstsq(columns, mine, rcond=None)[0]
    assert columns @ onto == pytest.approx(mine, abs=1e-12)
    assert np.linalg.matrix_rank(mine) == 3
    assert natural_spline(np.array(KNOTS), KNOTS) == pytest.approx(np.eye(4)[:, 1:], abs=1e-15)


def test_it_is_straight_beyond_the_outer_knots_and_smooth_within():
    h = 1e-3
    for knot, sign in ((20.0, -1), (70.0, 1)):
        out = natural_spline(knot + sign * np.array([0.0, 10.0, 20.0]), KNOTS)
        assert out[2] - out[1] == pytest.approx(out[1] - out[0], abs=1e-12)
    for knot in KNOTS:
        at = natural_spline(knot + h * np.arange(-2, 3), KNOTS)
        left, right = at[2] - at[1], at[3] - at[2]
        assert left / h == pytest.approx(right / h, abs=1e-4)


def estimates(sample):
    """The adjusted, the matched and the doubly robust estimate, by family and population."""
    everybody = (Population.ALL_MEMBERS,)
    found = (
        *estimate_adjusted(sample, everybody),
        headline_estimate(sample),
        estimate_doubly_robust(sample),
    )
    return {(one.family, one.population): one for one in found}


@pytest.mark.parametrize("form", AGE)
@pytest.mark.parametrize("matched", [False, True])
def test_clm_with_nominal_membership_and_rs_margins(samples, form, matched):
    sample = samples[form, "ses"]
    weight = sample.weight if matched else sample.rows.weight
    found = fit_form(sample, weight, "free", matched=matched).fit
    expected = EXPECTED["matched" if matched else "adjusted"][form]
    assert found.fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    cov = found.covariance
    assert cov.n_clusters == expected["n_clusters"] == 100
    scale = np.append(np.delete(found.on.scale, 0), np.ones(8))
    params, errors = found.fit.params / scale, np.sqrt(np.diag(cov.cov)) / scale
    at = slice(0 if form == "linear" else 3, None)
    assert params[at] == pytest.approx(expected["params"][at], **COEFFICIENT)
    assert errors[at] == pytest.approx(expected["cluster_std_errors"][at], **STD_ERROR)
    if form == "spline":
        assert found.on.terms[1:4] == ("age[35]", "age[50]", "age[70]")
        assert params[:3] == pytest.approx(expected["heights"]["values"], **COEFFICIENT)
        errors = found.fit.std_errors[:3]
        assert errors == pytest.approx(expected["heights"]["std_errors"], **STD_ERROR)
    family = Family.MATCHED_ORDINAL if matched else Family.ADJUSTED_ORDINAL
    population = Population.MEMBERS if matched else Population.ALL_MEMBERS
    r = expected["standardised"]["members"]
    one = estimates(sample)[family, population]
    check_gaps(one, [r["member"], r["comparison"]], r["cov"])


@pytest.mark.parametrize("form", AGE)
@pytest.mark.parametrize("matched", [False, True])
def test_glm_with_clusters(samples, form, matched):
    """The rows of coefficients.csv: slopes of the number itself."""
    sample = samples[form, "trusted"]
    family = Family.MATCHED_LOGIT if matched else Family.ADJUSTED_LOGIT
    population = Population.MEMBERS if matched else Population.ALL_MEMBERS
    one = estimates(sample)[family, population]
    expected = EXPECTED["matched_logit" if matched else "adjusted_logit"][form]
    mine = {coefficient.term.replace("=", ""): coefficient for coefficient in one.coefficients}
    names = [name for name in expected["terms"] if name in mine]
    assert len(names) >= len(expected["terms"]) - 1 - (3 if form == "spline" else 0)
    for name, value, error in zip(
        expected["terms"], expected["coefficients"], expected["cluster_std_errors"], strict=True
    ):
        if name in mine:
            assert mine[name].interval.estimate == pytest.approx(value, **COEFFICIENT)
            assert mine[name].interval.std_error == pytest.approx(error, **STD_ERROR)
    shares = [
        interval.estimate
        for contrast, interval in one.intervals.items()
        if contrast.quantity is Quantity.SHARE
    ]
    assert shares == pytest.approx(expected["shares"], **COEFFICIENT)


def with_age(sample, values, knots=()):
    """The sample with another number in the place of age, matched and covariates as they are."""
    distinct, codes = np.unique(values, return_inverse=True)
    rows = replace(
        sample.rows,
        factors={**sample.rows.factors, "age": codes},
        numeric={"age": numeric("age", distinct, knots)},
    )
    return replace(sample, rows=rows)


def ages(sample):
    return sample.rows.numeric["age"].values[sample.rows.factors["age"]]


def gaps(sample):
    """Every estimate and its error by what it is of."""
    return {
        (*key, contrast): (interval.estimate, interval.std_error)
        for key, one in estimates(sample).items()
        for contrast, interval in one.intervals.items()
        if interval is not None and np.isfinite(interval.std_error)
    }


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("ses", Fitting()),
        ("ses", Fitting(form="proportional", free=("age",))),
        ("ses", Fitting(form="shares")),
        ("trusted", Fitting(std_errors="HC3")),
    ],
)
def test_a_number_of_two_values_is_the_binary_covariate(samples, name, fitting):
    sample = replace(samples["linear", name], fitting=fitting)
    old = (ages(sample) >= 45).astype(np.int64)
    number = with_age(sample, np.where(old, 7.5, 2.0))
    factor = replace(
        sample,
        rows=replace(
            sample.rows,
            factors={**sample.rows.factors, "age": old},
            factor_levels={**sample.rows.factor_levels, "age": ("young", "old")},
            numeric={},
        ),
    )
    mine, theirs = gaps(number), gaps(factor)
    assert mine.keys() == theirs.keys()
    assert len(mine) >= 18
    for key, value in mine.items():
        assert value == pytest.approx(theirs[key], rel=1e-7, abs=1e-10)


@pytest.mark.parametrize("knots", [(), KNOTS])
@pytest.mark.parametrize(("factor", "shift"), [(1000.0, 0.0), (1.0, 1900.0), (-1e-4, 3.0)])
def test_the_unit_and_the_origin_of_a_number_leave_every_gap(samples, knots, factor, shift):
    sample = samples["linear", "ses"]
    own = with_age(sample, ages(sample), knots)
    moved = tuple(sorted(shift + factor * knot for knot in knots))
    other = with_age(sample, shift + factor * ages(sample), moved)
    mine, theirs = gaps(own), gaps(other)
    for key, value in mine.items():
        assert theirs[key] == pytest.approx(value, rel=1e-6, abs=1e-9)


def slope_of(found):
    return next(one.interval for one in found.coefficients if one.term == "age")


def test_a_slope_is_one_of_the_unit_of_the_number(samples):
    sample = samples["linear", "trusted"]
    rows = sample.rows.take(np.arange(0, sample.rows.n, 6))
    matching = Matching(method="nearest", on=("region",), covariates=("sex",))
    spec = ModelSpec(name="m", outcome="y", covariates=("age",), matching=matching)
    # Of everybody, and within sets.
    for own, estimate in (
        (sample, headline_estimate),
        (sample_for(rows, spec), estimate_conditional),
    ):
        years, others = (
            slope_of(estimate(with_age(own, unit * ages(own)))) for unit in (1.0, 12.0)
        )
        same = (12 * others.estimate, 12 * others.lower)
        assert (years.estimate, years.lower) == pytest.approx(same, rel=1e-7)
    # Profile limits are in the unit too.
    asked = replace(sample, fitting=Fitting(intervals="profile"))
    (found,) = estimate_adjusted(asked, (Population.ALL_MEMBERS,))
    wald, profile = (one.interval for one in found.coefficients if one.term == "age")
    assert profile.estimate == pytest.approx(wald.estimate, rel=1e-9)
    assert profile.lower < profile.estimate < profile.upper
    assert profile.upper - profile.lower == pytest.approx(wald.upper - wald.lower, rel=0.3)


def test_where_thresholds_cross_no_ones_number_is_told(samples):
    """The young stand at either end and the old in the middle: straight lines cross."""
    sample = samples["linear", "ses"]
    rng, rows = np.random.default_rng(8), sample.rows
    ends, middle = 4 * rng.integers(0, 2, rows.n), rng.integers(1, 4, rows.n)
    outcome = np.where(rng.random(rows.n) < (ages(sample) - 18) / 25, middle, ends)
    crossing = replace(sample, rows=replace(rows, outcome=outcome), fitting=Fitting(free=("age",)))
    found = headline_estimate(crossing)
    assert "thresholds cross" in found.fell_back
    assert "some age" in found.fell_back
    assert "age=" not in found.fell_back


def test_a_number_that_does_not_vary_leaves_the_design(samples):
    sample = samples["linear", "trusted"]
    alone = sample.take(ages(sample) == 30)
    without = replace(alone, covariates=("sex", "region"))
    one, other = (fit_form(each, each.rows.weight, "proportional").fit for each in (alone, without))
    assert one.on.terms == other.on.terms
    assert one.fit.params == pytest.approx(other.fit.params)


METHODS = {
    "nearest": {"caliper": 0.1},
    "optimal": {"caliper": 0.1},
    "full": {},
    "overlap": {},
    "entropy": {"on": ("region", "age", "sex"), "covariates": ()},
}


@pytest.mark.parametrize("method", METHODS)
def test_distances_and_weights_balance_it(samples, method):
    sample = samples["spline", "trusted"]
    choices = {"on": ("region",), "covariates": ("age", "sex"), **METHODS[method]}
    spec = ModelSpec(
        name="m",
        outcome="y",
        covariates=("age", "sex", "region"),
        matching=Matching(method=method, **choices),
    )
    found = sample_for(sample.rows.take(np.arange(0, sample.rows.n, 3)), spec)
    assert not found.matched.reason
    columns = found.rows.numeric["age"].columns[found.rows.factors["age"]]
    member = found.rows.member

    def apart(weight):
        return np.average(columns[member], axis=0, weights=weight[member]) - np.average(
            columns[~member], axis=0, weights=weight[~member]
        )

    before, after = (np.abs(apart(one)).max() for one in (found.rows.weight, found.weight))
    # Entropy and overlap weights balance the means of every column, spline and all.
    assert after < (1e-6 if method in ("entropy", "overlap") else 0.5 * before)
