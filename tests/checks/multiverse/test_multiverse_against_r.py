"""Specifications of the class gap in R (tests/r/multiverse.R: clm, sandwich) and here."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.app.plan import make_plan
from coopgap.checks.multiverse.run import common_contrast, fit_specifications, make_scheme
from coopgap.checks.multiverse.specifications import specifications
from coopgap.study.spec import Coding, Fitting, Multiverse

R = Path(__file__).parents[2] / "r"
EXPECTED = json.loads((R / "fixtures" / "multiverse.json").read_text("utf-8"))
AXES = Multiverse(
    link=("logit", "probit", "cloglog"),
    coding=(Coding(outcome="ses_class"), Coding(outcome="ses_class", at="D")),
    region=("strata", "covariate", "left_out"),
    population=("members", "pooled"),
)
NAMES = {
    "region_covariate_probit": "link: probit; coding: ses_class; region: covariate; "
    "population: members",
    "no_region_cloglog": "link: cloglog; coding: ses_class; region: left_out; population: members",
    "cut_at_d": "link: logit; coding: >=D; region: strata; population: members",
    "pooled": "link: logit; coding: ses_class; region: covariate; population: pooled",
}


def named(one):
    """A specification's choices in a line."""
    return "; ".join(f"{axis}: {value}" for axis, value in one.choices.items())


@pytest.fixture(scope="module")
def plan():
    """The file that R read, with columns that the study declares and no specification here has."""
    data = pd.read_csv(R / "data" / "example.csv")
    at = np.arange(len(data))
    kinds = np.array(["agrarian", "SACCO", "special or multi-service", "housing", "other"])
    data = data.assign(
        id=at,
        mode="in person",
        education=np.array(["none or primary", "secondary", "technical", "university"])[at % 4],
        trust=1 + at % 5,
        neighbours=1 + at % 2,
        coop_type=np.where(data["member"] == 1, kinds[at % 5], ""),
    )
    return make_plan("peru", data=data, only=["ses"])


def test_estimates_and_standard_errors(plan):
    # R's fits, and the shuffles' statistic, have one odds ratio for all thresholds.
    tied = Fitting(form="proportional")
    spec = replace(plan.models[0].spec, multiverse=AXES, fitting=tied)
    listed = specifications(plan.study, spec)
    chosen = tuple(one for one in listed.listed if named(one) in NAMES.values())
    scheme = make_scheme(plan.survey, plan.study, spec, 1, 1)
    fitted = fit_specifications(
        plan.survey, plan.study, replace(listed, listed=chosen), scheme, jobs=1
    )
    found = {named(one.specification): one for one in fitted}
    contrast = common_contrast([("E", "D", "C", "B", "A"), ("below", "above")])
    for name, expected in EXPECTED.items():
        one = found[NAMES[name]]
        interval = one.estimate.intervals[contrast]
        assert one.estimate.people.sum() == expected["n"]
        # clm converges further than either prints; R's derivatives are by differences (1e-8).
        assert interval.estimate == pytest.approx(expected["estimate"], rel=1e-8)
        assert interval.std_error == pytest.approx(expected["std_error"], rel=1e-6)
        studentised = (expected["estimate"] - 0.5) / expected["std_error"]
        assert one.studentised[0] == pytest.approx(studentised, rel=1e-6)
