"""What gaps.csv shows of raw shares, read by somebody who subtracts."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from itertools import permutations, product

import numpy as np
import pytest

from coopgap.disclosure import SMALLEST_COUNT, is_few
from coopgap.domains import domains
from coopgap.families.benchmark import benchmark_estimates
from coopgap.families.cumulative import estimate_adjusted, estimate_matched
from coopgap.families.dispatch import domain_estimates
from coopgap.families.doubly import estimate_doubly_robust
from coopgap.families.linear import estimate_linear
from coopgap.families.records import Sample
from coopgap.families.rows import Labels, coefficient_rows, gap_rows, suppressed_row
from coopgap.families.suppression import gives_count, smallest_count
from coopgap.families.unadjusted import estimate_unadjusted
from coopgap.gap import contrasts
from coopgap.matching.sample import MatchedSample
from coopgap.plan import make_plan
from coopgap.study.spec import Benchmark, OutsideShares
from coopgap.survey.records import ModelRows
from coopgap.tables import model_labels
from coopgap.vocabulary import Family, Population, Quantity, Status

LEVELS = ("a", "b", "c", "d")
LABELS = Labels(model="m", outcome="y", levels=LEVELS, source="test.csv")


def sample_of(people, levels=LEVELS):
    """A sample with these people by group and level, one set, no covariates."""
    people = np.array(people)
    outcome = np.concatenate([np.repeat(np.arange(people.shape[1]), side) for side in people])
    n = outcome.size
    member = np.repeat([False, True], people.sum(axis=1))
    rows = ModelRows(
        index=np.arange(n),
        outcome=outcome.astype(np.int64),
        levels=tuple(levels),
        member=member,
        factors={},
        factor_levels={},
        zone=np.arange(n) % 20,
        weight=np.ones(n),
        dropped=(),
    )
    matched = MatchedSample(
        method="exact",
        weight=np.ones(n),
        set_id=np.zeros(n, dtype=np.int64),
        n_sets=1,
        reason="",
    )
    return Sample(rows=rows, matched=matched, covariates=(), link="logit", strata=())


def read(rows, group, names=LEVELS):
    """What a reader has of a group by the levels it is about: shares, and differences with ratios.

    Of a difference and a ratio of two shares both can be worked out.
    """
    shown = {(r.quantity, r.category, r.comparator == ""): r.estimate for r in rows}
    found = {(1,) * len(names): 1.0}
    for (quantity, category, own), value in shown.items():
        at = names.index(category.removeprefix(">=")) if category else 0
        reached = category.startswith(">=")
        levels = tuple(int(j == at or (reached and j > at)) for j in range(len(names)))
        ratio = shown.get((Quantity.RISK_RATIO, category, False))
        if value is None:
            continue
        if quantity is Quantity.SHARE and own == group:
            found[levels] = value
        elif quantity is Quantity.RISK_DIFFERENCE and ratio is not None and ratio != 1:
            other = value / (ratio - 1)
            found[levels] = other + value if group else other
    return found


def small_differences(people, rows):
    """Sets of levels with one to nine people that are a number shown, or a difference of two."""
    rows = list(rows)
    found = []
    for group, n in enumerate(np.sum(people, axis=1)):
        numbers = {**read(rows, group), (0,) * len(LEVELS): 0.0}
        for (one, first), (two, second) in permutations(numbers.items(), 2):
            left = np.subtract(one, two)
            count = round((first - second) * int(n))
            if left.min() >= 0 and is_few(count):
                assert count == left @ people[group]
                found.append((group, tuple(left)))
    return found


def small_sums(people, numbers):
    """Sets of levels with one to nine people whose share is a linear combination of those shown."""
    known = np.array(list(numbers))
    rank = np.linalg.matrix_rank(known)
    found = []
    for levels in product((0, 1), repeat=people.size):
        few = is_few(int(people @ levels)) and not all(levels)
        if few and np.linalg.matrix_rank([*known, levels]) == rank:
            found.append(levels)
    return found


def ungated(estimate, labels=LABELS):
    """The rows as they were with the first rule alone."""
    rows = list(gap_rows(estimate, labels))
    found = []
    written = [c for c in contrasts(labels.levels) if estimate.own_shares or not c.of_member]
    for row, contrast in zip(rows, written, strict=True):
        few = smallest_count(estimate.people, contrast, raw=True) < SMALLEST_COUNT
        interval = estimate.intervals[contrast]
        value = None if few or interval is None else interval.estimate
        found.append(dataclasses.replace(row, estimate=value))
    return found


def test_raw_shares_give_no_small_count_away_by_subtraction():
    rng = np.random.default_rng(3)
    before = 0
    for _ in range(150):
        people = rng.choice([0, 3, 8, 12, 45, 110], size=(2, 4))
        if people.sum(axis=1).min() < 2 * SMALLEST_COUNT:
            continue
        estimate = estimate_unadjusted(sample_of(people))
        assert not small_differences(people, gap_rows(estimate, LABELS)), people
        before += bool(small_differences(people, ungated(estimate)))
    assert before > 40


@pytest.fixture(scope="module")
def example():
    return make_plan("peru", only=["ses", "trust"])


@pytest.mark.parametrize(("name", "leaks"), [("ses", 15), ("trust", 3)])
def test_the_example_gives_no_small_count_away(example, name, leaks):
    """Everybody and each domain, raw and beside outside shares, with every linear combination."""
    (model,) = (one for one in example.models if one.spec.name == name)
    region = example.study.design.region
    labels = model_labels(example, model)
    outside = [one for one in example.study.benchmarks if one.outcome == model.spec.outcome]
    raw = [estimate_unadjusted(model.sample)]
    raw += [next(iter(domain_estimates(one))) for _, one in domains(example.study, model)]
    raw += [one for _, one in benchmark_estimates(model.sample, outside, region, None)]
    now, then = defaultdict(dict), defaultdict(dict)
    for estimate in raw:
        # Beside outside shares both sides of `people` are the group in the members' place.
        for group in (0, 1) if estimate.family is Family.UNADJUSTED else (1,):
            people = tuple(estimate.people[group].tolist())
            if estimate.intervals and any(people):
                now[people] |= read(gap_rows(estimate, labels), group, labels.levels)
                then[people] |= read(ungated(estimate, labels), group, labels.levels)
    assert [one for one, numbers in now.items() if small_sums(np.array(one), numbers)] == []
    assert sum(bool(small_sums(np.array(one), numbers)) for one, numbers in then.items()) >= leaks


def test_the_least_threshold_around_a_small_level_is_suppressed():
    people = [[100, 3, 147, 90], [90, 80, 70, 60]]
    rows = list(gap_rows(estimate_unadjusted(sample_of(people)), LABELS))
    hidden = {(r.quantity, r.category, r.comparator) for r in rows if r.estimate is None}
    ratios = (Quantity.RISK_DIFFERENCE, Quantity.RISK_RATIO, Quantity.CUMULATIVE_ODDS_RATIO)
    assert hidden == {
        *((quantity, ">=b", "comparison") for quantity in ratios),
        *((Quantity.RISK_DIFFERENCE, level, "comparison") for level in ("a", "b")),
        *((Quantity.SHARE, level, "comparison") for level in ("a", "b")),
        (Quantity.SUPERIORITY, "", "comparison"),
    }
    assert {r.status for r in rows if r.estimate is None} == {Status.SUPPRESSED}


def test_tables_about_the_same_people_make_the_same_choice():
    """Members beside outside shares show of the members what the raw gap may show of them."""
    people = np.array([[60, 60, 60, 60], [100, 3, 147, 90]])
    whole = OutsideShares(shares=dict.fromkeys(LEVELS, 25.0), n=None)
    outside = Benchmark(outcome="y", source="a census", whole=whole)
    found = dict(benchmark_estimates(sample_of(people), [outside], None, None))["all"]
    raw = estimate_unadjusted(sample_of(people))
    for contrast in contrasts(LEVELS):
        if contrast.quantity is not Quantity.SHARE or contrast.of_member:
            hidden = gives_count(raw.people, contrast, raw=True)
            assert gives_count(found.people, contrast, raw=True) == hidden, contrast
    rows = [*gap_rows(raw, LABELS), *gap_rows(found, LABELS)]
    members = [row for row in rows if row.quantity is Quantity.SHARE and row.comparator == ""]
    assert {row.category for row in members if row.estimate is None} == {"a", "b"}


@pytest.mark.parametrize("free", [False, True])
def test_a_regression_without_a_parameter_for_each_share_shows_what_it_did(free):
    people = [[100, 3, 147, 90], [90, 80, 70, 60]]
    estimate = estimate_matched(sample_of(people), member_free=free)
    assert estimate.raw is free
    rows = [row for row in gap_rows(estimate, LABELS) if row.category == ">=b"]
    assert {row.status for row in rows} == {Status.SUPPRESSED if free else Status.OK}
    if free:
        # What is hidden is the people's own share.
        shares = [estimate.intervals[c].estimate for c in contrasts(LEVELS) if c.category == "b"]
        assert shares[1:] == pytest.approx([80 / 300, 3 / 340], abs=1e-8)


def with_covariate(sample):
    """The same people, with a covariate in the regressions that says nothing."""
    half = np.arange(sample.rows.n) % 2
    factors, levels = {"x": half}, {"x": ("x0", "x1")}
    rows = dataclasses.replace(sample.rows, factors=factors, factor_levels=levels)
    return dataclasses.replace(sample, rows=rows, covariates=("x",))


def test_a_regression_with_a_covariate_shows_no_raw_shares():
    people = [[100, 3, 147, 90], [90, 80, 70, 60]]
    freed = estimate_matched(with_covariate(sample_of(people)), member_free=True)
    assert not freed.raw
    rows = [row for row in gap_rows(freed, LABELS) if row.category == ">=b"]
    assert {row.status for row in rows} == {Status.OK}
    sample = sample_of([[60, 40], [50, 70]], ("no", "yes"))
    (estimate,) = estimate_adjusted(with_covariate(sample), (Population.ALL_MEMBERS,))
    assert not estimate.raw


def test_weighting_and_modelling_by_membership_alone_gives_raw_shares():
    """The weighted residuals make up for what proportional odds miss of the shares."""
    people = np.array([[100, 3, 147, 90], [90, 80, 70, 60]])
    estimate = estimate_doubly_robust(sample_of(people))
    shares = [
        estimate.intervals[one].estimate
        for one in contrasts(LEVELS)
        if one.quantity is Quantity.SHARE
    ]
    raw = (people / people.sum(axis=1, keepdims=True))[::-1, ::-1]
    assert shares == pytest.approx(raw.ravel(), abs=1e-9)
    rows = [row for row in gap_rows(estimate, LABELS) if row.category == ">=b"]
    assert {row.status for row in rows} == {Status.SUPPRESSED}
    other = estimate_doubly_robust(with_covariate(sample_of(people)))
    rows = [row for row in gap_rows(other, LABELS) if row.category == ">=b"]
    assert {row.status for row in rows} == {Status.OK}


def test_membership_s_coefficient_is_its_suppressed_gap_again():
    labels = dataclasses.replace(LABELS, levels=("no", "yes"))
    sample = sample_of([[60, 40], [70, 4]], labels.levels)
    for one, blank in ((sample, {"no|yes", "member"}), (with_covariate(sample), set())):
        (estimate,) = estimate_adjusted(one, (Population.ALL_MEMBERS,))
        rows = list(coefficient_rows(estimate, labels))
        assert {row.term for row in rows} >= {"no|yes", "member"}
        assert {row.term for row in rows if row.estimate is None} == blank
        gaps = gap_rows(estimate, labels)
        assert {row.status for row in gaps if row.comparator and row.quantity != "share"} == {
            Status.SUPPRESSED
        }


def test_two_levels_with_membership_alone_are_raw_shares():
    sample = sample_of([[60, 40], [50, 70]], ("no", "yes"))
    (estimate,) = estimate_adjusted(sample, (Population.ALL_MEMBERS,))
    assert estimate.raw
    assert estimate.family is Family.ADJUSTED_LOGIT


def test_coefficients_that_are_suppressed_gaps_have_no_numbers():
    people = [[100, 3, 147, 90], [90, 80, 70, 60]]
    for estimate, hidden in (
        (estimate_linear(sample_of(people)), {"member:>=b"}),
        (estimate_matched(sample_of(people), member_free=True), {"member:>=b", "a|b"}),
        (estimate_matched(sample_of(people)), set()),
    ):
        rows = list(coefficient_rows(estimate, LABELS))
        blank = {row.term for row in rows if row.estimate is None}
        assert blank == hidden
        for row in rows:
            numbers = (row.std_error, row.statistic, row.lower, row.upper, row.interval_prob)
            assert all((one is None) == (row.term in hidden) for one in numbers)
        told = suppressed_row(estimate, LABELS)
        assert (told is not None) == bool(hidden)
        if told is not None:
            assert told.value == len(hidden)
            assert all(term in told.note for term in hidden)
