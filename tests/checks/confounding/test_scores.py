"""Bounds with several answers: by R, by every covariate and every choice of cuts."""

from __future__ import annotations

import csv
import json
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.hidden_bias import (
    SetScores,
    _cuts,
    _moments,
    binary_bound,
    mirrored,
    score_bound,
    set_counts,
    set_scores,
)

R = Path(__file__).parents[2] / "r"


@pytest.fixture(scope="module")
def by_r():
    return json.loads((R / "fixtures" / "rosenbaum.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def example():
    with (R / "data" / "example.csv").open(encoding="utf-8") as file:
        people = list(csv.DictReader(file))
    keys = [f"{p['region']} {p['sex']} {min(int(p['age']) // 10, 7)}" for p in people]
    return (
        np.array(["EDCBA".index(p["ses_class"]) for p in people]),
        np.array([p["member"] == "1" for p in people]),
        np.unique(keys, return_inverse=True)[1].astype(np.int64),
    )


def test_without_bias_it_is_the_stratified_rank_test_of_r(example, by_r):
    kinds, observed = set_scores(*example)
    assert observed == pytest.approx(by_r["stratified"]["statistic"], rel=1e-12)
    assert score_bound(kinds, observed, 1.0) == pytest.approx(by_r["stratified"]["p"], rel=1e-8)


def test_one_set_without_bias_is_wilcoxons_test(example, by_r):
    outcome, member, sets = example
    found = score_bound(*set_scores(outcome, member, np.zeros_like(sets)), 1.0)
    assert found == pytest.approx(by_r["wilcoxon"], rel=1e-8)


def by_hand(scores, members, weight):
    """Mean and variance of the members' sum over every assignment."""
    chosen = list(combinations(range(len(scores)), members))
    p = np.array([np.prod(weight[list(who)]) for who in chosen])
    p /= p.sum()
    total = np.array([scores[list(who)].sum() for who in chosen])
    return p @ total, p @ (total - p @ total) ** 2


SCORES = np.array([0.8, 0.4, 0.4, 0.4, -0.2, -0.8, -1.0])


@pytest.mark.parametrize("members", [1, 2, 3, 6])
@pytest.mark.parametrize("gamma", [1.0, 1.7, 4.0])
def test_moments_of_every_cut_and_no_covariate_has_a_larger_mean(members, gamma):
    means, variances = _moments(SetScores(scores=SCORES, members=members, sets=1), gamma)
    for k in range(1, 7):
        expected = by_hand(SCORES, members, np.where(np.arange(7) < k, gamma, 1.0))
        assert (means[k - 1], variances[k - 1]) == pytest.approx(expected, abs=1e-12)
    corners = product((1.0, gamma), repeat=7)
    worst = max(by_hand(SCORES, members, np.array(weight))[0] for weight in corners)
    assert means.max() == pytest.approx(worst, abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_no_choice_of_cuts_has_a_larger_p_value(seed):
    rng = np.random.default_rng(seed)
    outcome, member = rng.integers(0, 4, 24), np.tile([True, False, False], 8)
    sets = np.repeat(np.arange(4), 6)
    kinds, observed = set_scores(outcome, member, sets)
    observed = abs(observed) + 1.5
    moments = [_moments(kind, 1.8) for kind in kinds]
    times = np.array([kind.sets for kind in kinds])
    worst = min(
        (observed - times @ [mean[k] for k, (mean, _) in zip(cuts, moments, strict=True)])
        / np.sqrt(times @ [var[k] for k, (_, var) in zip(cuts, moments, strict=True)])
        for cuts in product(*(range(mean.size) for mean, _ in moments))
    )
    assert score_bound(kinds, observed, 1.8) == pytest.approx(stats.norm.sf(worst), rel=1e-9)


def test_with_two_answers_it_is_the_normal_bound_of_the_counts(example):
    outcome, member, sets = example
    above = outcome >= 2
    counts = set_counts(above, member, sets)
    kinds, observed = set_scores(above.astype(np.int64), member, sets)
    assert observed == pytest.approx(counts.observed - counts.expected)
    for gamma in (1.0, 1.5):
        parts = zip(counts.people, counts.members, counts.upper, counts.sets, strict=True)
        laws = [(stats.nchypergeom_fisher(n, a, m, gamma), k) for n, m, a, k in parts]
        mean = sum(k * law.mean() for law, k in laws)
        variance = sum(k * law.var() for law, k in laws)
        expected = stats.norm.sf((counts.observed - mean) / variance**0.5)
        assert score_bound(kinds, observed, gamma) == pytest.approx(expected, rel=1e-6)
    # Without the continuity correction; both far in the tail.
    assert score_bound(kinds, observed, 1.9) == pytest.approx(binary_bound(counts, 1.9), rel=0.15)


def test_turned_round_it_bounds_the_other_side(example):
    outcome, member, sets = example
    kinds, observed = set_scores(outcome, member, sets)
    other, negative = set_scores(4 - outcome, member, sets)
    assert negative == pytest.approx(-observed)
    assert score_bound(*mirrored(kinds, observed), 1.4) == pytest.approx(
        score_bound(other, negative, 1.4)
    )


@pytest.mark.parametrize("n", [300, 6000])
def test_a_large_set_loses_nothing_by_its_fewer_cuts(monkeypatch, n):
    rng = np.random.default_rng(3)
    outcome, member = rng.integers(0, 5, n), rng.random(n) < 0.4
    kinds, observed = set_scores(outcome, member, rng.integers(0, n // 300, n))
    mean = sum(kind.sets * _moments(kind, 1.5)[0].max() for kind in kinds)
    observed = mean + 0.6 * np.sqrt(n)
    few = score_bound(kinds, observed, 1.5)
    assert 1e-4 < few < 0.1
    monkeypatch.setattr("coopgap.checks.hidden_bias._EVERY", n)
    assert few == pytest.approx(score_bound(kinds, observed, 1.5), rel=1e-4)


@pytest.mark.parametrize("gamma", [1.0, 1.5, 6.0])
def test_moments_of_a_large_set_are_those_of_fishers_distribution(gamma):
    """Only values near the mean are added up."""
    n, m = 4000, 1500
    scores = np.where(np.arange(n) < 2500, 0.375, -0.625)
    means, variances = _moments(SetScores(scores=scores, members=m, sets=1), gamma)
    law = stats.nchypergeom_fisher(n, 2500, m, gamma)
    at = np.flatnonzero(_cuts(scores) == 2500)[0]
    # The sum is the count above the cut less 0.625 a member.
    assert means[at] == pytest.approx(law.mean() - 0.625 * m, rel=1e-9, abs=1e-8)
    assert variances[at] == pytest.approx(law.var(), rel=1e-7)


def test_sets_of_one_group_or_one_answer_carry_nothing():
    outcome, member = np.array([1, 1, 2, 0, 2, 1]), np.array([1, 0, 1, 1, 1, 0], dtype=bool)
    kinds, observed = set_scores(outcome, member, np.array([0, 0, 1, 1, 2, 2]))
    assert len(kinds) == 1
    assert observed == pytest.approx(0.5)
    assert score_bound((), 0.0, 2.0) == 1.0
