"""Joint statistics by hand, shuffles that keep their cells, and p-values that are uniform."""

from dataclasses import replace

import numpy as np
import pytest

from coopgap.checks.multiverse.rows import Joint, joint_p_values, joint_statistics
from coopgap.checks.multiverse.run import fit_specifications, make_scheme, shuffle_members
from coopgap.checks.multiverse.specifications import specifications
from coopgap.study.spec import Coding, Multiverse

NORMAL = np.full(4, np.inf)


def test_statistics_by_hand():
    values = np.array(
        [[2.5, 1.0, 0.5, 3.0], [-2.5, -1.0, -2.2, 0.1], [2.0, 2.1, -1.0, -3.0], [np.nan, 1, 1, 2]]
    )
    found = joint_statistics(values, NORMAL)
    assert found.median == pytest.approx([1.75, 1.6, 0.5, 1.0])
    assert found.same_sign == pytest.approx([1.0, 0.75, 0.5, 0.75])
    # Two signs as often: the side with more significant specifications counts.
    assert found.significant == pytest.approx([0.5, 0.5, 0.5, 0.25])


def test_significance_is_by_the_t_distribution():
    values = np.array([2.1, 2.1])
    few, many = (joint_statistics(values, np.full(2, df)).significant for df in (9.0, 99.0))
    assert (few, many) == (0.0, 1.0)  # quantiles 2.262 and 1.984


def test_p_values_count_the_survey_itself():
    shuffled = Joint(np.array([0.1, 0.5, 2.0]), np.ones(3), np.array([0.0, 0.2, 0.4]))
    found = joint_p_values(Joint(np.array(1.0), np.array(0.9), np.array(0.2 + 1e-12)), shuffled)
    assert found == pytest.approx((2 / 4, 4 / 4, 3 / 4))


def test_shuffles_keep_the_members_of_every_cell():
    rng = np.random.default_rng(2)
    member, cell = rng.random(500) < 0.4, rng.integers(0, 40, 500)
    shuffled = shuffle_members(member, cell, rng)
    assert np.array_equal(np.bincount(cell, weights=member), np.bincount(cell, weights=shuffled))
    assert not np.array_equal(member, shuffled)


def test_every_order_of_a_cell_is_as_likely():
    rng = np.random.default_rng(3)
    member, cell = np.array([True, False, True, False, True]), np.array([0, 0, 1, 0, 1])
    drawn = np.mean([shuffle_members(member, cell, rng) for _ in range(6000)], axis=0)
    assert drawn[[2, 4]] == pytest.approx([1, 1])
    # One member among three: standard error of a share .006.
    assert drawn[[0, 1, 3]] == pytest.approx([1 / 3] * 3, abs=0.025)


def test_people_who_can_change_places_are_counted(make_study, make_survey):
    study, spec = make_study(Multiverse(link=("logit", "probit")))
    survey = make_survey(np.random.default_rng(1), n_phone=60)
    scheme = make_scheme(survey, study, spec, 1)
    by_hand = 0
    for cell in np.unique(scheme.cell):
        here = scheme.cell == cell
        by_hand += here.sum() if 0 < survey.member[here].sum() < here.sum() else 0
    assert scheme.free_share == pytest.approx(by_hand / survey.n)
    assert not any(member[survey.phone].any() for member in scheme.shuffles())
    assert scheme.within == ("region", "age", "sex")


AXES = Multiverse(
    method=("exact", "entropy"),
    coding=(Coding(outcome="y"), Coding(outcome="y_high")),
    covariates={"all": ("age", "sex", "region"), "sex": ("sex",)},
)
"""The set of sex alone is off where age moves both membership and the outcome."""


def p_values(study, spec, survey, seed, n_shuffles):
    listed = specifications(study, spec)
    scheme = make_scheme(survey, study, spec, seed, n_shuffles)
    fitted = fit_specifications(survey, study, listed, scheme, jobs=1)
    inside = [one for one in fitted if one.studentised is not None]
    values = np.array([one.studentised for one in inside]).T
    df = np.array([one.df for one in inside])
    own, others = joint_statistics(values[0], df), joint_statistics(values[1:], df)
    return [float(p) for p in joint_p_values(own, others)]


@pytest.mark.slow
def test_without_a_gap_the_p_values_are_uniform(make_study, make_survey):
    study, spec = make_study(AXES)
    rng = np.random.default_rng(20)
    found = []
    for seed in range(120):
        survey = make_survey(rng, n=240)
        cell = make_scheme(survey, study, spec, 0, 0).cell
        survey = replace(survey, member=shuffle_members(survey.member, cell, rng))
        found.append(p_values(study, spec, survey, seed, 19))
    median, same_sign, significant = np.array(found).T
    # Ranks among 20 are exactly uniform: mean .525, standard deviation .288, over 120 surveys.
    assert median.mean() == pytest.approx(0.525, abs=4 * 0.288 / 120**0.5)
    expected = np.full(4, 30.0)
    counts = np.histogram(median, [0, 0.251, 0.501, 0.751, 1.01])[0]
    assert ((counts - expected) ** 2 / expected).sum() < 16.3  # .999 quantile on 3 df
    # Ties only raise the other two; 5 % and four standard errors.
    for p in (same_sign, significant):
        assert (p <= 0.0501).mean() <= 0.05 + 4 * (0.05 * 0.95 / 120) ** 0.5


def test_a_gap_is_found(make_study, make_survey):
    study, spec = make_study(AXES)
    survey = make_survey(np.random.default_rng(9), n=900, gap=1.2)
    median, same_sign, significant = p_values(study, spec, survey, 1, 99)
    assert median == 0.01
    # All specifications agree in many shuffles as well: they share their people.
    assert significant <= 0.05 < same_sign


def test_what_the_shuffles_hold_is_no_gap(make_study, make_survey):
    """Age moves membership and the outcome: sex alone does not adjust for it."""
    study, spec = make_study(AXES)
    survey = make_survey(np.random.default_rng(31), n=3000)
    listed = specifications(study, spec)
    scheme = make_scheme(survey, study, spec, 1, 99)
    fitted = fit_specifications(survey, study, listed, scheme, jobs=1)
    bare = [one for one in fitted if one.specification.choices["covariates"] == "sex"]
    shuffled = np.array([one.studentised[1:] for one in bare if one.studentised is not None])
    assert shuffled.size
    assert shuffled.mean() > 2
    whole = [one for one in fitted if one.specification.choices["covariates"] == "all"]
    assert abs(np.array([one.studentised[1:] for one in whole]).mean()) < 0.5
