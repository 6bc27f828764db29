"""Posteriors of brms and of a Stan program (tests/r/hierarchical.R) on the example they read.

Both write the model again, from people and with other parameters; Stan samples both. The fixture
says with which versions, when, and with what Monte Carlo errors.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import arviz as az
import numpy as np
import pytest

from coopgap.app.plan import make_plan
from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.draws import draw_margins, reported_parameters
from coopgap.bayes.layout import COVARIATE, Form, Priors, SdPrior
from coopgap.bayes.sample import make_density, sample
from coopgap.checks.hierarchical import hierarchical_request

from .conftest import example_people

R = Path(__file__).parents[1] / "r"
LEVELS = ("E", "D", "C", "B", "A")
FORMS = {"proportional": Form(shifts=False, zones=False), "full": Form()}


@functools.cache
def fixture():
    return json.loads((R / "fixtures" / "hierarchical.json").read_text(encoding="utf-8"))


@functools.cache
def cells_of(*, zones):
    """Cells of the file that R reads."""
    covariates = ("age_band", "sex", "region")
    return hierarchical_cells(example_people(), covariates, "region", zones=zones)


@functools.cache
def posterior(which, draws, priors=None):
    """Draws of what the fixture has, by its names."""
    form, cells = FORMS[which], cells_of(zones=FORMS[which].zones)
    density = make_density(cells, priors or Priors(), form)
    found = sample(density, draws=draws, seed=21, target_accept=0.99, cores=2)
    assert found.stats.divergences == 0
    result = reported_parameters(found.draws, cells)
    # R's program has the plain mean of the regions' gaps under this name.
    result["member:superpopulation"] = found.draws["beta"]
    result |= {f"sd_{name}": found.draws[f"{COVARIATE}{name}_sd"] for name in cells.terms}
    result["sd_region"] = found.draws["region_sd"]
    member, comparison = draw_margins(found.draws, cells, form.link)
    gap = (comparison - member)[0].cumsum(axis=-1)
    result |= {f"risk_difference >={LEVELS[j + 1]}": gap[..., j] for j in range(len(LEVELS) - 1)}
    return result


def distances(which, ours):
    """By quantity, how many Monte Carlo errors of both programs lie between them."""
    found = {}
    for name, theirs in fixture()[which]["quantities"].items():
        for method, value in (("mean", np.mean), ("sd", functools.partial(np.std, ddof=1))):
            own = float(az.mcse(ours[name], chain_axis=0, draw_axis=1, method=method))
            error = np.hypot(own, theirs[f"mcse_{method}"])
            found[name, method] = float((value(ours[name]) - theirs[method]) / error)
    return found


def test_the_file_of_r_makes_the_cells_of_the_study():
    plan = make_plan("peru", only=["ses"])
    asked = hierarchical_request(plan, plan.models[0])
    assert asked.form == FORMS["full"]
    assert asked.priors == Priors()
    made = cells_of(zones=True)
    assert (made.levels, made.regions, dict(made.terms)) == (
        asked.cells.levels,
        asked.cells.regions,
        dict(asked.cells.terms),
    )
    for name in ("counts", "member", "row", "zone", "region", "covariates"):
        assert np.array_equal(getattr(made, name), getattr(asked.cells, name)), name


@pytest.mark.parametrize("which", FORMS)
def test_the_chains_of_r_are_sound_and_long_enough(which):
    run = fixture()[which]
    assert (run["chains"], run["adapt_delta"]) == (4, 0.99)
    assert (run["divergences"], run["deepest"]) == (0, 0)
    for name, one in run["quantities"].items():
        assert one["r_hat"] < 1.01, name
        # A Monte Carlo error of 1.6 % of a posterior SD, or less.
        assert min(one["ess_bulk"], one["ess_tail"]) > 3900, name


@pytest.mark.parametrize(
    ("which", "draws"),
    [
        ("proportional", 1500),
        ("full", 700),
        pytest.param("proportional", 8000, marks=pytest.mark.slow),
        pytest.param("full", 5000, marks=pytest.mark.slow),
    ],
)
def test_means_and_sds_are_those_of_stan(which, draws):
    ours = posterior(which, draws)
    names = set(fixture()[which]["quantities"])
    assert names <= set(ours)
    # The finite SD is a function of the regions' gaps, which are all compared.
    assert set(ours) - names == {"sd_finite"}
    apart = distances(which, ours)
    # About eighty distances, each within four Monte Carlo errors of the two programs together.
    assert {key: value for key, value in apart.items() if not abs(value) < 4} == {}


def test_another_prior_would_be_seen():
    """What the distances can tell: a scale of 0.7 in place of 0.5 on the SDs of levels."""
    priors = dataclasses.replace(Priors(), covariate_sd=SdPrior(scale=0.7))
    apart = distances("proportional", posterior("proportional", 1500, priors))
    assert abs(apart["sd_sex", "mean"]) > 4
