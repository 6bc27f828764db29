"""Shuffled gaps are those of a fit by itself, by R and one by one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from coopgap.app.plan import make_plan
from coopgap.checks.multiverse.run import common_contrast, fit_specifications, make_scheme, rows_for
from coopgap.checks.multiverse.shuffled import cell_design, shuffled_gaps
from coopgap.checks.multiverse.specifications import specifications
from coopgap.core.errors import NotEstimable
from coopgap.families.cumulative import estimate_adjusted
from coopgap.families.dispatch import headline_estimate
from coopgap.families.plan import sample_for
from coopgap.study.spec import Coding, Fitting, Multiverse

from ..conftest import R, by_r

# The same sums in another order: only rounding is between the two.
SAME = {"rel": 1e-9, "abs": 1e-12}
# Where membership says nothing odds are proportional: the shuffles' statistic takes them so.
TIED = "proportional"


def whole_way(one, rows, contrast):
    sample = sample_for(rows, one.spec)
    if one.population is None:
        return headline_estimate(sample, TIED).intervals[contrast]
    return next(estimate_adjusted(sample, (one.population,), form=TIED)).intervals[contrast]


def compare(study, spec, survey, n_shuffles=2):
    """Every specification, as it is and under shuffles, both ways; returns how many."""
    listed = specifications(study, spec).listed
    rows = [rows_for(survey, study, one) for one in listed]
    contrast = common_contrast([own.levels for own in rows])
    scheme = make_scheme(survey, study, spec, 5, n_shuffles)
    for one, own in zip(listed, rows, strict=True):
        members = [member[own.index] for member in scheme.shuffles()]
        found = shuffled_gaps(cell_design(own, one.spec, one.population), iter(members), contrast)
        for at, member in enumerate(members):
            expected = whole_way(one, replace(own, member=member), contrast)
            assert found.estimate[at] == pytest.approx(expected.estimate, **SAME), one.id
            assert found.std_error[at] == pytest.approx(expected.std_error, **SAME), one.id
    return len(listed)


# Standard errors of the regressions are CR1 from 50 zones on.
@pytest.mark.parametrize(("zones", "weighted"), [(60, False), (60, True), (None, False)])
def test_shuffles_are_fitted_as_the_survey_is(make_study, make_survey, wide, zones, weighted):
    study, spec = make_study(replace(wide, link=("logit", "cloglog")))
    survey = make_survey(np.random.default_rng(3), n=900, zones=zones, weighted=weighted)
    assert compare(study, spec, survey, n_shuffles=1) == 108


def test_populations_and_phone_interviews_too(make_study, make_survey):
    axes = Multiverse(
        population=("members", "all_members", "pooled", "overlap"),
        mode=("in_person", "phone_joins"),
        link=("logit", "probit"),
    )
    study, spec = make_study(axes)
    survey = make_survey(np.random.default_rng(4), n=900, zones=60, n_phone=100)
    assert compare(study, spec, survey) == 16


def test_with_few_zones_the_estimate_is_the_same(make_study, make_survey, wide):
    study, spec = make_study(wide)
    survey = make_survey(np.random.default_rng(8), zones=12)
    one = specifications(study, spec).listed[0]
    rows = rows_for(survey, study, one)
    contrast = common_contrast([rows.levels])
    found = shuffled_gaps(cell_design(rows, one.spec, None), iter([rows.member]), contrast)
    expected = whole_way(one, rows, contrast)
    assert found.estimate[0] == pytest.approx(expected.estimate, **SAME)
    # CR2 of the regression is wider than the CR1 that shuffles are compared by.
    assert 0.85 < found.std_error[0] / expected.std_error < 1


def test_a_shuffle_without_a_fit_has_no_number(make_study, make_survey):
    study, spec = make_study(Multiverse(link=("logit", "probit")))
    survey = make_survey(np.random.default_rng(5), zones=60)
    one = specifications(study, spec).listed[0]
    rows = rows_for(survey, study, one)
    contrast = common_contrast([rows.levels])
    apart = rows.factors["age"] == 0  # members only where no comparison person is
    found = shuffled_gaps(cell_design(rows, one.spec, None), iter([rows.member, apart]), contrast)
    assert np.isfinite(found.estimate[0])
    assert np.isnan(found.estimate[1])
    with pytest.raises(NotEstimable, match="nobody is left"):
        shuffled_gaps(cell_design(rows, one.spec, None), iter([apart]), contrast)


def test_many_shuffles_are_those_of_single_batches(make_study, make_survey):
    study, spec = make_study(Multiverse(method=("exact", "entropy")))
    survey = make_survey(np.random.default_rng(6), zones=60)
    for one in specifications(study, spec).listed:
        rows = rows_for(survey, study, one)
        contrast = common_contrast([rows.levels])
        members = [m[rows.index] for m in make_scheme(survey, study, spec, 1, 60).shuffles()]
        design = cell_design(rows, one.spec, None)
        together = shuffled_gaps(design, iter(members), contrast)
        alone = [shuffled_gaps(design, iter([members[0], m]), contrast) for m in members[50:55]]
        assert together.estimate.shape == (61,)
        assert together.estimate[50:55] == pytest.approx([a.estimate[1] for a in alone], **SAME)
        assert together.std_error[50:55] == pytest.approx([a.std_error[1] for a in alone], **SAME)


EXPECTED = by_r("multiverse")
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
