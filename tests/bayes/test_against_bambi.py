"""Real microdata by bambi, where it is installed: needs the path of farmers.csv in COOPGAP_UGANDA.

Bambi writes the model from a formula, on people, and PyMC compiles it: the density shares nothing
with the compiled one. Bambi has no thresholds that membership shifts: that part is left to Stan.
"""

from __future__ import annotations

import os

import arviz as az
import numpy as np
import pandas as pd
import pytest

from coopgap.app.plan import make_plan
from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.draws import reported_parameters
from coopgap.bayes.layout import Form, Priors
from coopgap.bayes.sample import make_density, sample

bmb = pytest.importorskip("bambi", exc_type=ImportError)
pm = pytest.importorskip("pymc")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("COOPGAP_UGANDA" not in os.environ, reason="needs COOPGAP_UGANDA"),
    # Of bambi, formulae and PyMC: nothing that this test could answer for.
    pytest.mark.filterwarnings("ignore"),
]

COVARIATES = ("district", "age_band", "sex", "education")
FORM = Form(zones=False, shifts=False)


def zero_sum(name, sigma, dims):
    """Levels that sum to zero, from PyMC's own distribution."""
    raw = pm.ZeroSumNormal(f"{name}_raw", dims=dims)
    return pm.Deterministic(name, sigma * raw, dims=dims)


def ordered_logistic(name, dims):
    """What a uniform Dirichlet on the levels' shares makes of the thresholds."""
    n = len(pm.modelcontext(None).coords[dims])
    transform = pm.distributions.transforms.ordered
    return pm.Logistic(name, 0.0, 1.0, dims=dims, transform=transform, initval=np.arange(n) - n / 2)


def own_sd():
    sd = bmb.Prior("HalfNormal", sigma=0.5)
    return bmb.Prior("ZeroSum", dist=zero_sum, noncentered=False, sigma=sd)


def by_bambi(rows):
    """Draws named as `reported_parameters` names them."""
    binary = len(rows.levels) == 2
    frame = pd.DataFrame(
        {name: np.array(rows.factor_levels[name])[rows.factors[name]] for name in COVARIATES}
    )
    frame["m"] = rows.member - 0.5
    ordered = pd.Categorical.from_codes(rows.outcome, rows.levels, ordered=True)
    frame["y"] = rows.outcome if binary else ordered
    terms = ["m", "(0 + m|district)", *(f"(1|{name})" for name in COVARIATES)]
    priors = {"m": bmb.Prior("Normal", mu=0, sigma=1), "m|district": own_sd()}
    priors |= {f"1|{name}": own_sd() for name in COVARIATES}
    if binary:
        priors["Intercept"] = bmb.Prior("Logistic", mu=0, s=1)
    else:
        priors["threshold"] = bmb.Prior("Ordered", dist=ordered_logistic)
    model = bmb.Model(
        f"y ~ {1 if binary else 0} + {' + '.join(terms)}",
        frame,
        family="bernoulli" if binary else "cumulative",
        priors=priors,
        center_predictors=False,
        noncentered=False,
    )
    tree = model.fit(
        draws=1000,
        tune=600,
        chains=4,
        cores=2,
        target_accept=0.95,
        random_seed=11,
        progressbar=False,
        inference_method="nutpie",
    )
    return named(tree["posterior"], rows, binary)


def named(posterior, rows, binary):
    beta, own = posterior["m"], posterior["m|district"]
    found = {"member:superpopulation": beta, "sd_superpopulation": posterior["m|district_sigma"]}
    for name in COVARIATES:
        prefix = "region" if name == "district" else name
        for level in posterior[f"1|{name}"][f"{name}__factor_dim"].values:
            values = posterior[f"1|{name}"].sel({f"{name}__factor_dim": level})
            found[f"{prefix}={level}"] = values
    for level in own["district__factor_dim"].values:
        found[f"member:region={level}"] = beta + own.sel(district__factor_dim=level)
    if binary:
        found[f"{rows.levels[0]}|{rows.levels[1]}"] = -posterior["Intercept"]
    else:
        for j, (low, high) in enumerate(zip(rows.levels[:-1], rows.levels[1:], strict=True)):
            found[f"{low}|{high}"] = posterior["threshold"][..., j]
    draws = {name: np.asarray(values) for name, values in found.items()}
    districts = rows.factors["district"][rows.member]
    gaps = [draws[f"member:region={name}"] for name in rows.factor_levels["district"]]
    counts = np.bincount(districts, minlength=len(gaps)) / districts.size
    return draws | {"member": np.tensordot(counts, gaps, axes=1)}


@pytest.mark.parametrize("model", ["food_insecurity", "income"])
def test_bambi_has_the_same_posterior(model):
    plan = make_plan("uganda_dairy", os.environ["COOPGAP_UGANDA"], only=[model])
    rows = plan.models[0].rows
    theirs = by_bambi(rows)
    cells = hierarchical_cells(rows, COVARIATES, "district", zones=False)
    found = sample(
        make_density(cells, Priors(), FORM), draws=4000, seed=4, target_accept=0.99, cores=2
    )
    assert found.stats.divergences == 0
    ours = reported_parameters(found.draws, cells)
    assert set(ours) - set(theirs) == {"sd_finite"}
    assert set(theirs) <= set(ours)
    for name, draws in theirs.items():
        for method, value in (("mean", np.mean), ("sd", np.std)):
            errors = [
                float(az.mcse(x, chain_axis=0, draw_axis=1, method=method))
                for x in (ours[name], draws)
            ]
            # Four Monte Carlo errors of the difference of the two programs.
            assert value(ours[name]) == pytest.approx(value(draws), abs=4 * np.hypot(*errors)), (
                name,
                method,
            )
