"""Leave-one-out, predictive draws and power-scaling: each by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from arviz_stats import psense
from scipy.special import expit, logsumexp

from coopgap.bayes.criticism import (
    elpd_difference,
    log_likelihood,
    log_priors,
    loo,
    pointwise,
    power_scaling,
    predictive_shares,
    prior_gaps,
)
from coopgap.bayes.draws import thresholds_at
from coopgap.bayes.fit import Request, fit_hierarchical
from coopgap.bayes.layout import Form, Priors, SdPrior, constrain, make_layout, prior_draws

from .conftest import answered, make_cells, make_draws, make_rows, shares_by_hand


def test_pointwise_is_each_persons_own():
    rows, cells = make_rows(n_zones=9), make_cells(n_zones=9)
    draws = make_draws(cells)
    total = log_likelihood(draws, cells, "logit")
    for at in ((0, 0), (2, 7)):
        each = answered(shares_by_hand(draws, rows, at=at), rows)
        assert total[at] == pytest.approx(each.sum(), abs=1e-8)
        found = pointwise(draws, cells, "logit", slice(None))[at]
        found = np.repeat(found, cells.counts[np.nonzero(cells.counts)])
        assert np.sort(found) == pytest.approx(np.sort(each), abs=1e-10)


@pytest.fixture(scope="module")
def fitted():
    cells = make_cells(3, 500, 4, n_zones=12)
    request = Request(cells=cells, draws=1000, target_accept=0.95, seed=4)
    return request, fit_hierarchical(request)


def test_leaving_one_out_is_what_a_refit_without_the_person_says(fitted):
    """The definition: log of the mean predictive probability under the others' posterior."""
    request, fit = fitted
    cells = request.cells
    found = loo(fit.draws, cells, "logit")
    assert found.n_high_k == 0
    entries = np.argwhere(cells.counts > 0)
    entry = len(entries) // 2
    one = np.zeros_like(cells.counts)
    one[*entries[entry]] = 1
    without = dataclasses.replace(cells, counts=cells.counts - one)
    others = fit_hierarchical(dataclasses.replace(request, cells=without))
    alone = dataclasses.replace(cells, counts=one)
    log_lik = pointwise(others.draws, alone, "logit", slice(None)).ravel()
    refit = logsumexp(log_lik) - np.log(log_lik.size)
    # Two independent samples of about 4,000 draws.
    assert found.elpd[entry] == pytest.approx(refit, abs=0.02)


def test_the_difference_of_two_models_is_summed_over_people(fitted):
    request, fit = fitted
    found = loo(fit.draws, request.cells, "logit")
    worse = dataclasses.replace(found, elpd=found.elpd - np.linspace(0, 1, found.elpd.size))
    value, error = elpd_difference(found, worse)
    each = np.repeat(np.linspace(0, 1, found.elpd.size), found.people)
    assert value == pytest.approx(each.sum())
    assert error == pytest.approx(np.sqrt(each.size) * each.std(ddof=1))
    assert found.total == pytest.approx(np.repeat(found.elpd, found.people).sum())


def test_predictive_draws_keep_people_hold_the_answers_and_show_what_does_not_fit(fitted):
    request, fit = fitted
    cells = request.cells
    found = predictive_shares(fit.draws, cells, "logit", 1)
    for side in (0, 1):
        for r in range(3):
            here = (cells.member == side) & (cells.cell_region == r)
            assert (found.observed[side, r] == cells.counts[here].sum(axis=0)).all()
            assert (found.drawn[:, side, r].sum(axis=1) == cells.counts[here].sum()).all()
    low, high = np.quantile(found.drawn, [0.005, 0.995], axis=0)
    inside = (found.observed >= low) & (found.observed <= high)
    # 24 shares, each in its own 99 % interval; the model is the one that made the answers.
    assert inside.mean() > 0.9
    # In region A members answer the other way round.
    counts = cells.counts.copy()
    here = cells.member & (cells.cell_region == 0)
    counts[here] = counts[here][:, ::-1]
    found = predictive_shares(fit.draws, dataclasses.replace(cells, counts=counts), "logit", 1)
    low, high = np.quantile(found.drawn[:, 1, 0], [0.025, 0.975], axis=0)
    assert ((found.observed[1, 0] < low) | (found.observed[1, 0] > high)).any()


def test_the_prior_says_the_same_from_both_ends():
    cells = make_cells(n_zones=9)
    form = Form()
    gaps = prior_gaps(cells, make_layout(cells, form), Priors(), "logit", 3)
    assert gaps.shape == (4000, 3)
    low, high = np.quantile(gaps, [0.025, 0.975], axis=0)
    # Mirrored limits within Monte Carlo error of a 2.5 % quantile of 4,000 draws (SD about .01).
    assert high == pytest.approx(-low, abs=0.04)
    assert high == pytest.approx(high[::-1], abs=0.04)
    narrow = dataclasses.replace(Priors(), beta_sd=0.1)
    less = prior_gaps(cells, make_layout(cells, form), narrow, "logit", 3)
    assert less.std() < 0.6 * gaps.std()


def test_prior_draws_have_the_priors_that_are_declared():
    cells = make_cells(n_zones=9)
    layout = make_layout(cells, Form())
    priors = dataclasses.replace(Priors(), gap_sd=SdPrior(scale=2.5, df=3.0))
    rng = np.random.default_rng(0)
    draws = constrain(prior_draws(layout, priors, "logit", 100_000, rng), layout)
    # Medians of half-normal and half-t: scale times the 75 % quantile.
    assert np.median(draws["region_sd"]) == pytest.approx(0.5 * 0.6745, rel=0.02)
    assert np.median(draws["gap_sd"]) == pytest.approx(2.5 * 0.7649, rel=0.02)
    assert draws["shift"].std(axis=1) == pytest.approx(np.full((1, 2), 0.5), rel=0.02)
    shares = np.diff(
        np.concatenate(
            [np.zeros((100_000, 1)), expit(thresholds_at(draws, 4, 0.0)[0]), np.ones((100_000, 1))],
            axis=1,
        ),
        axis=1,
    )
    # A uniform Dirichlet on four levels: mean 1/4, variance 3/80.
    assert shares.mean(axis=0) == pytest.approx(np.full(4, 0.25), abs=0.005)
    assert shares.var(axis=0) == pytest.approx(np.full(4, 3 / 80), rel=0.03)


def test_log_priors_are_the_top_level_densities(fitted):
    request, fit = fitted
    layout = make_layout(request.cells, request.form)
    found = log_priors(fit.draws, layout, request.priors, "logit")
    cuts = thresholds_at(fit.draws, 4, 0.0)
    expected = -0.5 * fit.draws["beta"] ** 2
    for name, scale in (
        ("region", 0.5),
        ("gap", 0.5),
        ("covariate_sex", 0.5),
        ("zone", 0.5),
        ("zone_gap", 0.5),
    ):
        expected = expected - 0.5 * (fit.draws[f"{name}_sd"] / scale) ** 2
    expected = expected - 0.5 * np.square(fit.draws["shift"] / 0.5).sum(axis=-1)
    expected = expected + (np.log(expit(cuts)) + np.log(expit(-cuts))).sum(axis=-1)
    assert found - found[0, 0] == pytest.approx(expected - expected[0, 0], abs=1e-9)


def test_power_scaling_is_arvizs_of_a_dataset():
    rng = np.random.default_rng(8)
    theta, prior, answers = 0.3 * np.cumsum(rng.normal(size=(3, 4, 300)), axis=2)
    parts = {"posterior": theta, "log_prior": prior - theta**2, "log_likelihood": answers}
    tree = xr.DataTree.from_dict(
        {group: xr.Dataset({"t": (("chain", "draw"), one)}) for group, one in parts.items()}
    )
    expected = [float(psense(tree, group=group)["t"]) for group in ("prior", "likelihood")]
    found = power_scaling({"t": theta}, parts["log_prior"], answers)["t"]
    assert found == pytest.approx(expected, rel=1e-12)


def test_power_scaling_of_a_normal_mean_is_as_the_algebra_says():
    """Prior and likelihood of equal weight move the posterior as fast; a vague prior does not."""
    rng = np.random.default_rng(0)
    theta = rng.normal(0.5, np.sqrt(0.5), (4, 5000))
    strong = power_scaling({"t": theta}, -0.5 * theta**2, -0.5 * (theta - 1) ** 2)["t"]
    assert strong[0] == pytest.approx(strong[1], rel=0.15)
    assert strong[0] > 0.05
    theta = rng.normal(1.0, 1.0, (4, 5000))
    weak = power_scaling({"t": theta}, -0.5 * (theta / 100) ** 2, -0.5 * (theta - 1) ** 2)["t"]
    assert weak[0] < 0.01 < weak[1]
