"""Departments against a Stan program (tests/r/hierarchical_departments.R), written from people."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest

from coopgap.bayes.cells import Departments, hierarchical_cells
from coopgap.bayes.draws import draw_margins, place_gaps, reported_parameters
from coopgap.bayes.layout import Form, Priors
from coopgap.bayes.sample import make_density, sample
from coopgap.survey.records import ModelRows

R = Path(__file__).parents[1] / "r"
REGIONS = ("A", "B", "C", "D")
LEVELS = ("low", "mid", "high")


@functools.cache
def fixture():
    text = (R / "fixtures" / "hierarchical_departments.json").read_text(encoding="utf-8")
    return json.loads(text)


def survey_of_r():
    people, names = pd.read_csv(R / "data" / "departments.csv"), tuple(fixture()["departments"])
    place = people["department"].map(names.index).to_numpy()
    region = np.array(fixture()["region_of"], dtype=np.int64) - 1
    rows = ModelRows(
        index=np.arange(len(people)),
        outcome=people["answer"].map(LEVELS.index).to_numpy(np.int64),
        levels=LEVELS,
        member=people["member"].to_numpy() == 1,
        factors={
            "region": people["region"].map(REGIONS.index).to_numpy(),
            "department": place,
            "sex": people["sex"].map(("male", "female").index).to_numpy(),
        },
        factor_levels={"region": REGIONS, "department": names, "sex": ("male", "female")},
        zone=None,
        weight=np.ones(len(people)),
        dropped=(),
    )
    known = {"poverty": np.array(fixture()["poverty"], dtype=np.float64)}
    return hierarchical_cells(
        rows,
        ("sex",),
        "region",
        zones=False,
        departments=Departments(variable="department", region=region, area=known),
    )


@functools.cache
def posterior(draws):
    cells = survey_of_r()
    density = make_density(cells, Priors(), Form(zones=False))
    found = sample(density, draws=draws, seed=22, target_accept=0.99)
    assert found.stats.divergences == 0
    parameters = reported_parameters(found.draws, cells)
    result = {"area": parameters["poverty"], "area_gap": parameters["member:poverty"]}
    result |= {name: parameters[name] for name in ("sd_department", "sd_department_gap")}
    member, comparison = draw_margins(found.draws, cells, "logit")
    gaps = place_gaps(found.draws, cells)
    for g, (name, _, department) in enumerate(cells.groups):
        own = name.partition("=")[2] or "all"
        result[f"risk_difference {own}"] = (member - comparison)[g, ..., 2]
        if department is not None:
            result[f"latent {own}"] = gaps[..., department]
    return result


def test_the_chains_of_r_are_sound():
    run = fixture()
    assert (run["divergences"], run["deepest"]) == (0, 0)
    for name, one in run["quantities"].items():
        assert one["r_hat"] < 1.01, name
        assert min(one["ess_bulk"], one["ess_tail"]) > 2000, name


@pytest.mark.parametrize("draws", [2000, pytest.param(8000, marks=pytest.mark.slow)])
def test_means_and_sds_are_those_of_stan(draws):
    ours, theirs = posterior(draws), fixture()["quantities"]
    assert ours.keys() == theirs.keys()
    distances = {}
    for name, their in theirs.items():
        for method, value in (("mean", np.mean), ("sd", functools.partial(np.std, ddof=1))):
            own = float(az.mcse(ours[name], chain_axis=0, draw_axis=1, method=method))
            error = np.hypot(own, their[f"mcse_{method}"])
            distances[name, method] = float((value(ours[name]) - their[method]) / error)
    # 66 distances, near standard normals if both sample the same posterior: the largest of them
    # exceeds 4 once in 240 runs.
    assert max(map(abs, distances.values())) < 4, distances
    assert np.sqrt(np.mean(np.square([*distances.values()]))) < 1.6
