"""Numeric covariates in the model by region: columns, slopes on their own scale, recovered."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import coopgap.bayes.draws
from coopgap.bayes.cells import hierarchical_cells, members_by_row
from coopgap.bayes.criticism import log_likelihood, log_priors
from coopgap.bayes.draws import cell_levels, draw_margins, reported_parameters
from coopgap.bayes.fit import Request, fit_hierarchical
from coopgap.bayes.gate import diagnose
from coopgap.bayes.layout import (
    Form,
    Priors,
    SdPrior,
    constrain,
    make_layout,
    prior_draws,
    zero_sum,
)
from coopgap.bayes.sample import make_density, sample
from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Scale
from coopgap.families.hierarchical import coefficient_rows
from coopgap.survey.numeric import numeric

from .conftest import (
    KNOTS,
    LEVELS,
    answered,
    columns_of,
    example_file,
    example_people,
    make_draws,
    make_number_cells,
    make_rows,
    shares_by_hand,
    with_modes,
    with_numbers,
)

R = Path(__file__).parents[1] / "r"
TERMS = ("age", "income[100]", "income[200]", "income[400]")
NAMES = ("age", "region", "sex", "income")


def test_columns_are_those_of_the_people_standardised():
    rows = with_numbers(make_rows())
    region = rows.factors["region"].copy()
    # Who has no region is in no model: the outlier moves no mean.
    region[:30] = -1
    rows = dataclasses.replace(rows, factors={**rows.factors, "region": region})
    cells = hierarchical_cells(rows, NAMES, "region", zones=False)
    assert tuple(cells.columns) == TERMS
    assert list(cells.terms) == ["sex"]
    assert cells.counts.sum() == 270
    assert np.array_equal(
        members_by_row(rows, NAMES, "region", np.ones(rows.n, dtype=bool)), cells.members_by_row
    )
    people = np.bincount(cells.row, weights=cells.counts.sum(axis=1)).astype(int)
    own = columns_of(rows, standardised=False)[30:]
    for k, column in enumerate(cells.columns.values()):
        assert people @ column.values / 270 == pytest.approx(0.0, abs=1e-12)
        assert people @ column.values**2 / 270 == pytest.approx(1.0)
        assert column.scale == pytest.approx(own[:, k].std())
        back = np.repeat(column.values, people) * column.scale + own[:, k].mean()
        assert np.sort(back) == pytest.approx(np.sort(own[:, k]))


def test_the_order_of_people_moves_no_digit():
    rows = with_numbers(make_rows())
    order = np.random.default_rng(3).permutation(rows.n)
    cells, again = (
        hierarchical_cells(one, NAMES, "region", zones=False) for one in (rows, rows.take(order))
    )
    assert cells.digest == again.digest


def test_a_number_that_does_not_vary_has_no_slope():
    rows = with_numbers(make_rows())
    # Everybody is at one of two knots: the curves of the other knots are zero at both.
    values = np.array([50.0, 200.0])
    two = {"income": numeric("income", values, KNOTS)}
    codes = {**rows.factors, "income": np.arange(rows.n) % 2, "age": np.full(rows.n, 7)}
    rows = dataclasses.replace(rows, factors=codes, numeric={**rows.numeric, **two})
    cells = hierarchical_cells(rows, NAMES, "region", zones=False)
    assert tuple(cells.columns) == ("income[200]",)


def test_the_digest_names_the_columns_and_their_prior():
    cells = make_number_cells()
    plain = Request(cells=cells)
    age = cells.columns["age"]
    for other in (age._replace(values=age.values + 0.1), age._replace(scale=1.0)):
        changed = dataclasses.replace(cells, columns={**cells.columns, "age": other})
        assert dataclasses.replace(plain, cells=changed).digest != plain.digest
    wide = dataclasses.replace(Priors(), slope_sd=1.0)
    assert dataclasses.replace(plain, priors=wide).digest != plain.digest


@pytest.mark.parametrize("form", [Form(), Form(mode="mode", link="probit")], ids=str)
def test_slopes_of_nothing_are_the_model_without_them(form):
    rows = make_rows(n_zones=9)
    rows = with_numbers(rows if form.mode is None else with_modes(rows))
    names = ("region", "sex", *((form.mode,) if form.mode else ()))
    cells = [
        hierarchical_cells(rows, (*names, *more), "region", zones=True)
        for more in ((), ("age", "income"))
    ]
    plain, sloped = (make_density(one, Priors(), form) for one in cells)
    at = sloped.layout.slopes
    assert sloped.layout.size == plain.layout.size + 4
    rng = np.random.default_rng(0)
    for _ in range(4):
        x = rng.normal(0, 0.5, sloped.layout.size)
        x[at] = 0.0
        rest = np.delete(x, at)
        value, gradient = plain(rest)
        found, slope = sloped(x)
        assert found == pytest.approx(value, abs=1e-8)
        assert np.delete(slope, at) == pytest.approx(gradient, abs=1e-7)


def test_the_unit_of_a_number_moves_its_slope_alone():
    rows = with_numbers(make_rows())
    months = numeric("age", rows.numeric["age"].values * 12)
    other = dataclasses.replace(rows, numeric={**rows.numeric, "age": months})
    years, in_months = (
        hierarchical_cells(one, NAMES, "region", zones=False) for one in (rows, other)
    )
    x = np.random.default_rng(0).normal(0, 0.5, make_layout(years, Form()).size)
    values = [make_density(one, Priors(), Form())(x)[0] for one in (years, in_months)]
    assert values[0] == pytest.approx(values[1], abs=1e-9)
    draws = make_draws(years)
    found = [reported_parameters(draws, one) for one in (years, in_months)]
    assert found[0]["age"] == pytest.approx(12 * found[1]["age"])
    assert found[0]["income[100]"] == pytest.approx(found[1]["income[100]"])


def test_answers_and_margins_are_those_of_people():
    rows, cells = with_numbers(make_rows()), make_number_cells()
    draws = make_draws(cells)
    own = answered(shares_by_hand(draws, rows), rows).sum()
    assert log_likelihood(draws, cells, "logit")[0, 7] == pytest.approx(own)
    # Some cells at a time are the same as all.
    some = cell_levels(draws, cells, "logit", slice(40, 90))
    assert some == pytest.approx(cell_levels(draws, cells, "logit", slice(None))[..., 40:90, :])
    for member, found in zip((1, 0), draw_margins(draws, cells, "logit"), strict=True):
        expected = shares_by_hand(draws, rows, member=member)[rows.member]
        assert found[0, 0, 7] == pytest.approx(expected.mean(axis=0))
        here = rows.factors["region"][rows.member] == 1
        assert found[2, 0, 7] == pytest.approx(expected[here].mean(axis=0))


def test_margins_of_many_rows_are_made_some_draws_at_a_time(monkeypatch):
    cells = make_number_cells(n_zones=9)
    draws = make_draws(cells)
    whole = draw_margins(draws, cells, "logit")
    monkeypatch.setattr(coopgap.bayes.draws, "_ALL_ROWS", 4 * 7 * 150)
    monkeypatch.setattr(coopgap.bayes.draws, "_BLOCK", 400)
    for one, again in zip(whole, draw_margins(draws, cells, "logit"), strict=True):
        assert one == pytest.approx(again, abs=1e-14)


def test_coefficients_are_of_the_variable_whatever_its_name():
    cells = make_number_cells()
    # A variable may be named as a spread is.
    cells = dataclasses.replace(
        cells, columns={f"sd_{term}": one for term, one in cells.columns.items()}
    )
    draws = make_draws(cells)
    found = reported_parameters(draws, cells)
    spreads = columns_of(with_numbers(make_rows()), standardised=False).std(axis=0)
    for k, term in enumerate(cells.columns):
        assert found[term] == pytest.approx(draws["slopes"][..., k] / spreads[k])
    labels = Keys(model="m", outcome="y", levels=LEVELS, source="EXAMPLE DATA")

    class Passed:
        passed, parameters, convergence, correction = True, found, diagnose(found), None

    scales = {row.term: row.scale for row in coefficient_rows(Passed, cells, Form(), labels)}
    assert {scales[term] for term in cells.columns} == {Scale.LOG_ODDS}
    assert scales["sd_finite"] == Scale.SD


def test_slopes_have_their_prior():
    cells, priors = make_number_cells(), Priors.with_scales({"slope_sd": 2.0})
    layout = make_layout(cells, Form())
    x = prior_draws(layout, priors, "logit", 40_000, np.random.default_rng(2))
    slopes = constrain(x, layout)["slopes"][0]
    # Errors of 40,000: of the mean .01, of the SD .007.
    assert slopes.mean(axis=0) == pytest.approx(np.zeros(4), abs=0.04)
    assert slopes.std(axis=0) == pytest.approx(np.full(4, 2.0), abs=0.03)
    draws = make_draws(cells)
    none = {**draws, "slopes": np.zeros_like(draws["slopes"])}
    moved = log_priors(draws, layout, priors, "logit") - log_priors(none, layout, priors, "logit")
    assert moved == pytest.approx(-0.5 * np.square(draws["slopes"] / 2.0).sum(axis=-1))


@pytest.mark.slow  # half a minute; slopes are held to clm's below
def test_slopes_that_made_the_answers_are_found():
    rows = with_numbers(make_rows(0, 1200))
    true = np.array([0.04, 0.5, 1.2, 1.6])
    rng = np.random.default_rng(5)
    eta = columns_of(rows, standardised=False) @ true
    latent = rng.logistic(size=rows.n) + 0.6 * rows.member + eta - eta.mean()
    rows = dataclasses.replace(rows, outcome=np.searchsorted([-1.0, 0.5, 2.0], latent))
    cells = hierarchical_cells(rows, NAMES, "region", zones=False)
    fit = fit_hierarchical(
        Request(cells=cells, form=Form(zones=False), draws=600, target_accept=0.9, seed=1), 2
    )
    assert fit.passed
    found = np.array([fit.parameters[term].ravel() for term in TERMS])
    assert (np.abs(found.mean(axis=1) - true) < 3 * found.std(axis=1)).all()
    # A person's age says something of the answer, and so 1,200 do of the slope.
    assert found.std(axis=1).max() < 0.45
    assert found[0].std() < 0.004


def example_rows(knots):
    """The example survey that R reads, with age as a number."""
    rows = example_people()
    values, codes = np.unique(example_file()["age"].to_numpy(float), return_inverse=True)
    names = ("region", "sex")
    return dataclasses.replace(
        rows,
        factors={name: rows.factors[name] for name in names} | {"age": codes},
        factor_levels={name: rows.factor_levels[name] for name in names} | {"age": ()},
        zone=None,
        numeric={"age": numeric("age", values, knots)},
    )


CURVE = (20.0, 35.0, 50.0, 70.0)


@pytest.mark.parametrize(
    "form", [pytest.param("linear", marks=pytest.mark.slow), pytest.param("spline")]
)
def test_under_flat_priors_slopes_are_those_of_clm(form):
    """2,007 people; thresholds free by membership as `nominal = ~ member` (tests/r/numeric.R)."""
    record = json.loads((R / "fixtures" / "numeric.json").read_text("utf-8"))["adjusted"][form]
    if form == "linear":
        expected = [(record["params"][0], record["std_errors"][0])]
    else:
        expected = list(zip(*record["heights"].values(), strict=True))
    rows = example_rows(CURVE if form == "spline" else ())
    cells = hierarchical_cells(rows, ("age", "sex", "region"), "region", zones=False)
    wide = SdPrior(scale=10.0)
    priors = Priors(
        beta_sd=100.0, region_sd=wide, covariate_sd=wide, threshold_shift_sd=10.0, slope_sd=100.0
    )
    flat = Form(region_gaps=False, zones=False)
    found = sample(make_density(cells, priors, flat), draws=600, seed=3, target_accept=0.9, cores=2)
    parameters = reported_parameters(found.draws, cells)
    assert len(expected) == len(cells.columns)
    for term, (estimate, error) in zip(cells.columns, expected, strict=True):
        draws = parameters[term]
        # Skewness of order 1/n, and a Monte Carlo error of 3 % of an SD.
        assert draws.mean() == pytest.approx(estimate, abs=0.12 * error), term
        assert draws.std() == pytest.approx(error, rel=0.08), term


def from_stan(u, basis, layout):
    """Our free values at Stan's, their slopes in Stan's, and the log of their volume's.

    The last two are of shape (p, p) and, with its own slopes, (1 + p,).
    """
    # Both have beta, thresholds, shifts, region and gap with log SD and raw values, slopes; Stan
    # has the lowest threshold where we have their mean, another basis of the same levels, and
    # none of them centred.
    x, slopes, volume = u.copy(), np.eye(u.size), np.zeros(1 + u.size)
    sizes = np.exp(u[2:5])
    x[1] = u[1] + np.cumsum([0.0, *sizes]).mean()
    slopes[1, 2:5] = sizes * [3 / 4, 2 / 4, 1 / 4]
    turn = zero_sum(np.eye(4)) @ basis
    for block in layout.blocks:
        raw, at, scale = block.free, block.start - 1, np.exp(block.centred * u[block.start - 1])
        x[raw] = scale * (turn @ u[raw])
        slopes[raw, raw] = scale * turn
        slopes[raw, at] = block.centred * x[raw]
        volume[[0, 1 + at]] += block.n_free * block.centred * np.array([u[at], 1.0])
    return x, slopes, volume


@pytest.mark.parametrize(("form", "knots"), [("linear", ()), ("spline", CURVE)])
def test_density_and_gradient_are_those_of_stan(form, knots):
    """Another program, person by person, other parameters (tests/r/hierarchical_numeric.R)."""
    text = (R / "fixtures" / "hierarchical_numeric.json").read_text("utf-8")
    basis = np.array(json.loads(text)["region_basis"])
    expected = {name: np.array(value) for name, value in json.loads(text)[form].items()}
    cells = hierarchical_cells(example_rows(knots), ("age", "region"), "region", zones=False)
    scales = [column.scale for column in cells.columns.values()]
    assert scales == pytest.approx(np.atleast_1d(expected["spread"]))
    density = make_density(cells, Priors(), Form(zones=False))
    values = []
    for u, gradient in zip(expected["at"], expected["gradients"], strict=True):
        x, slopes, volume = from_stan(u, basis, density.layout)
        value, found = density(x)
        values.append(value + volume[0])
        assert found @ slopes + volume[1:] == pytest.approx(gradient, rel=1e-8, abs=1e-7)
    # Stan's density has constants that ours has not.
    apart = values - expected["log_densities"]
    assert apart == pytest.approx(np.full(apart.size, apart[0]), abs=1e-7)
