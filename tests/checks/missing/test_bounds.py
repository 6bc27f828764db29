"""Bounds over missing answers: every filling tried, Imbens and Manski's interval, R."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from coopgap.checks.missing.bounds import Bounds, imbens_manski, imbens_manski_factor, worst_case
from coopgap.core.gap import Interval, contrast_values
from coopgap.core.vocabulary import Check, Family, Verdict, Version
from coopgap.families.dispatch import family_estimates
from coopgap.families.shares import estimate_shares
from coopgap.regression.shares import share_margins
from coopgap.study.spec import Matching

from ..conftest import R, by_r, gap_of, survey_context
from ..conftest import rows_of as check_rows
from .conftest import estimate, sample

KNOWN = by_r("missing")


@pytest.mark.parametrize("seed", range(6))
def test_bounds_are_the_least_and_the_most_over_every_filling(seed):
    rng = np.random.default_rng(seed)
    n, levels = 14, ("low", "middle", "high")
    member = np.arange(n) % 2 == 0
    outcome = rng.integers(0, 3, n)
    outcome[rng.choice(n, 5, replace=False)] = -1
    weight = rng.uniform(0.5, 2, n)
    found = worst_case(outcome, member, weight, levels)
    assert len(found) == 3  # two thresholds and superiority
    lacking = np.flatnonzero(outcome < 0)
    values = {contrast: [] for contrast in found}
    for filling in itertools.product(range(3), repeat=lacking.size):
        filled = outcome.copy()
        filled[lacking] = filling
        margins = share_margins(filled, member, weight, 3)
        for contrast, seen in values.items():
            seen.append(float(contrast_values(contrast, margins.member, margins.comparison)))
    for contrast, bounds in found.items():
        assert bounds.low.estimate == pytest.approx(min(values[contrast]), abs=1e-12)
        assert bounds.high.estimate == pytest.approx(max(values[contrast]), abs=1e-12)


def test_ends_and_their_standard_errors_are_those_of_weighted_regressions_in_r():
    data = pd.read_csv(R / "data" / "example.csv")
    member = data["member"].to_numpy() == 1
    number = np.arange(1, len(data) + 1)
    lacks = (number % 13 == 0) | (member & (number % 17 == 0))
    outcome = np.where(lacks, -1, data["trusted_person"].to_numpy() == 1).astype(np.int64)
    weight = 1 + (number % 5) / 4
    zone = data["zone"].to_numpy()
    ((low, high),) = worst_case(outcome, member, weight, ("no", "yes"), zone).values()
    expected = KNOWN["bounds"]
    assert lacks.sum() == expected["n_missing"]
    for end, name in ((low, "lower"), (high, "upper")):
        assert end.estimate == pytest.approx(expected[name]["estimate"], abs=1e-12)
        assert end.std_error == pytest.approx(expected[name]["std_error"], rel=1e-10)
        assert end.df == np.unique(zone).size - 1


def test_the_factor_solves_its_equation_and_equals_r():
    factors = KNOWN["factors"]
    for ratio, df, expected in zip(factors["ratio"], factors["df"], factors["factor"], strict=True):
        df = np.inf if df < 0 else df
        c = imbens_manski_factor(ratio, 0.95, df)
        assert stats.t.cdf(c + ratio, df) - stats.t.cdf(-c, df) == pytest.approx(0.95, abs=1e-11)
        assert c == pytest.approx(expected, abs=1e-9)


def test_a_point_has_the_two_sided_factor_and_a_wide_set_the_one_sided():
    assert imbens_manski_factor(0.0, 0.95) == pytest.approx(1.959964, abs=1e-6)
    assert imbens_manski_factor(1e3, 0.95) == pytest.approx(1.644854, abs=1e-6)
    sure = Bounds(*(Interval(at, 0.0, at, at, np.nan) for at in (-0.1, 0.2)))
    assert imbens_manski(sure) == (-0.1, 0.2)


@pytest.mark.parametrize("missing", [0.0, 0.02, 0.25])
def test_the_interval_covers_a_gap_at_the_end_of_the_set(missing):
    """At an end coverage is nominal: a wider set would not be needed, a narrower one would fail."""
    rng = np.random.default_rng(11)
    n, hits, replicates = 400, 0, 1500
    member = np.arange(2 * n) < n
    for _ in range(replicates):
        answers = rng.random(2 * n) < np.where(member, 0.6, 0.45)
        # Members who keep silent are all "no" and comparison people all "yes".
        silent = (rng.random(2 * n) < missing) & (answers ^ member)
        outcome = np.where(silent, -1, answers).astype(np.int64)
        found = worst_case(outcome, member, np.ones(2 * n), ("no", "yes"))
        low, high = imbens_manski(next(iter(found.values())))
        hits += low <= 0.15 <= high
    # The Monte Carlo error is 0.6 points.
    assert hits / replicates == pytest.approx(0.95, abs=0.018)


def test_few_clusters_have_cr2_and_its_degrees_of_freedom():
    rng = np.random.default_rng(2)
    n = 300
    zone, member = rng.integers(0, 12, n), rng.random(n) < 0.5
    outcome = rng.integers(-1, 2, n)
    many, few = (
        next(iter(worst_case(outcome, member, np.ones(n), ("no", "yes"), zone, few=few).values()))
        for few in (False, True)
    )
    for one, other in zip(many, few, strict=True):
        assert one.estimate == pytest.approx(other.estimate, abs=1e-12)
        assert other.df < one.df == 11
        # CR1's factor G/(G − 1) stands for CR2's, cluster by cluster: a few percent apart.
        assert other.std_error == pytest.approx(one.std_error, rel=0.05)


def shares(survey, study, spec):
    return estimate_shares(sample(survey, study, spec))


def rows_of(survey, study, spec):
    matched = sample(survey, study, spec)
    own = tuple(family_estimates(matched)) if matched.is_matched else ()
    context = survey_context(survey, study, spec, estimates=own)
    return check_rows(Check.MISSING_BOUNDS, context)


def test_bounds_are_compared_with_the_gap_they_are_of(make_survey):
    survey, study, spec = make_survey(1500, missing={"y": 0.002}, levels=2, slope=0.8)
    survey.member[:] = np.random.default_rng(1).random(survey.n) < 0.2 + 0.15 * survey.codes["x"]
    spec = replace(spec, matching=Matching(method="exact", on=("w",)))
    (_, own), (_, headline) = (gap_of(of(survey, study, spec)) for of in (shares, estimate))
    sure, wide = rows_of(survey, study, spec)
    assert (sure.family, wide.family) == (Family.SHARES, Family.SHARES)
    assert wide.reference == own.estimate
    assert sure.lower <= wide.reference <= sure.upper
    assert not sure.lower <= headline.estimate <= sure.upper


def test_weights_are_made_on_everybody_whose_covariates_are_known(make_survey):
    survey, study, spec = make_survey(1500, missing={"y": 0.2}, levels=2)
    found = rows_of(survey, study, spec)
    codes = {**survey.codes, "y": np.zeros(survey.n, dtype=np.int64)}
    everybody = sample(replace(survey, codes=codes), study, spec)
    share = {}
    for side in (True, False):
        mine = survey.member == side
        weight = everybody.weight[mine]
        yes = np.average(survey.codes["y"][mine] == 1, weights=weight)
        unknown = np.average(survey.codes["y"][mine] < 0, weights=weight)
        share[side] = (yes, yes + unknown)
    assert [row.variant for row in found] == [Version.BOUNDS, Version.BOUNDS_WITH_ERROR]
    assert found[0].lower == pytest.approx(share[True][0] - share[False][1], abs=1e-12)
    assert found[0].upper == pytest.approx(share[True][1] - share[False][0], abs=1e-12)
    assert (found[0].interval_prob, found[1].interval_prob) == (None, 0.95)
    assert found[1].lower < found[0].lower < found[0].upper < found[1].upper


@pytest.mark.parametrize(
    ("missing", "smallest_gap", "verdict"),
    [(0.4, 0.05, Verdict.UNDECIDED), (0.02, 0.05, Verdict.HOLDS), (0.02, 0.01, Verdict.UNDECIDED)],
)
def test_a_gap_holds_where_no_filling_moves_it_by_the_smallest_that_matters(
    make_survey, missing, smallest_gap, verdict
):
    survey, study, spec = make_survey(1500, missing={"y": missing}, levels=2, gap=1.0)
    study = replace(study, smallest_gap=smallest_gap)
    gap = gap_of(shares(survey, study, spec))[1].estimate
    sure, wide = rows_of(survey, study, spec)
    assert (sure.verdict, sure.difference) == (None, None)
    assert wide.verdict is verdict
    assert wide.reference == pytest.approx(gap, abs=1e-12)
    ends = (sure.lower - gap, sure.upper - gap)
    assert (wide.difference_lower, wide.difference_upper) == pytest.approx(ends, abs=1e-12)
    assert (max(map(abs, ends)) < study.smallest_gap) == (verdict is Verdict.HOLDS)


def test_a_gap_not_clear_of_zero_is_undecided_where_a_filling_makes_it_clear(make_survey):
    survey, study, spec = make_survey(1500, missing={"y": 0.2}, levels=2, gap=0.0)
    _, first = gap_of(estimate(survey, study, spec))
    assert first.lower < 0 < first.upper
    wide = rows_of(survey, study, spec)[1]
    assert wide.lower < 0 < wide.upper
    # The very filling of the lower end: silent members say no, silent comparison people yes.
    silent = survey.codes["y"] < 0
    filled = np.where(silent, np.where(survey.member, 0, 1), survey.codes["y"])
    worst = replace(survey, codes={**survey.codes, "y": filled})
    assert gap_of(estimate(worst, study, spec))[1].upper < 0
    # The truth may as well be the gap as it stands: bounds can leave it open, not change it.
    assert wide.verdict is Verdict.UNDECIDED


def test_counts_are_of_those_whose_covariates_are_known(make_survey):
    survey, study, spec = make_survey(1500, missing={"y": 0.2, "x": 0.1}, levels=3)
    found = rows_of(survey, study, spec)
    known = survey.codes["x"] >= 0
    for side, name in ((survey.member, "members"), (~survey.member, "comparison people")):
        silent, everybody = (int((side & known & one).sum()) for one in (survey.codes["y"] < 0, 1))
        assert f"{silent} of {everybody} {name}" in found[0].note
        assert f"{int((side & ~known).sum())} of {int(side.sum())} {name}" in found[0].note
    silent = int((known & (survey.codes["y"] < 0)).sum())
    # Two thresholds and superiority, two rows each.
    assert [(row.n, row.of) for row in found] == [(silent, int(known.sum()))] * 6


@pytest.mark.parametrize("group", ["members", "comparison people"])
@pytest.mark.parametrize("silent", [0, 1, 9])
def test_few_silent_people_have_bounds_as_wide_as_they_are_many(make_survey, group, silent):
    survey, study, spec = make_survey(1500, levels=2)
    mine = survey.member if group == "members" else ~survey.member
    survey.codes["y"][np.flatnonzero(mine)[:silent]] = -1
    survey.codes["y"][np.flatnonzero(~mine)[:40]] = -1
    rows = {row.variant: row for row in rows_of(survey, study, spec)}
    width = rows["bounds"].upper - rows["bounds"].lower
    assert width >= 40 / (~mine).sum() * 0.5
    assert rows["bounds with sampling error"].lower < rows["bounds"].lower


def test_without_missing_outcomes_one_row_says_so(make_survey):
    (row,) = rows_of(*make_survey(400, missing={"x": 0.2}, levels=2))
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "No answer to the outcome is missing." in row.note
    assert row.quantity == ""


def test_too_few_zones_are_not_assessed(make_survey):
    (row,) = rows_of(*make_survey(400, missing={"y": 0.2}, levels=2, zones=4))
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "zones are too few" in row.note
