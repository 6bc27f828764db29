"""Bounds with two answers: by R, by closed form, and by every covariate there could be."""

from __future__ import annotations

import csv
import json
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.hidden_bias import SetCounts, binary_bound, gamma_at, set_counts

R = Path(__file__).parents[2] / "r"
GAMMAS = (1, 1.1, 1.25, 1.5, 2, 3)


@pytest.fixture(scope="module")
def by_r():
    return json.loads((R / "fixtures" / "rosenbaum.json").read_text(encoding="utf-8"))


def read(name):
    with (R / "data" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbered(keys):
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def of_example():
    people = read("example")
    sets = numbered([f"{p['region']} {p['sex']} {min(int(p['age']) // 10, 7)}" for p in people])
    member = np.array([p["member"] == "1" for p in people])
    return np.array([p["trusted_person"] == "1" for p in people]), member, sets


def of_infert():
    people = read("infert")
    sets = numbered([int(p["stratum"]) for p in people])
    case = np.array([p["case"] == "1" for p in people])
    return np.array([int(p["spontaneous"]) > 0 for p in people]), case, sets


@pytest.mark.parametrize(("data", "name"), [(of_example, "trusted"), (of_infert, "one_to_two")])
def test_bounds_are_those_of_r(data, name, by_r):
    counts, expected = set_counts(*data()), by_r[name]
    assert (counts.n_sets, counts.observed) == (expected["n_sets"], expected["observed"])
    found = [binary_bound(counts, gamma) for gamma in GAMMAS]
    assert found == pytest.approx(expected["p"], rel=1e-9)
    found = gamma_at(lambda gamma: binary_bound(counts, gamma), 0.025)
    assert found == pytest.approx(expected["gamma"], rel=1e-7)


@pytest.mark.parametrize(
    ("data", "name"), [(of_example, "mantel_haenszel"), (of_infert, "one_to_two_mantel_haenszel")]
)
def test_without_bias_it_is_the_exact_mantel_haenszel_test(data, name, by_r):
    # R's exact p-value sums a density known to about 1e-13.
    assert binary_bound(set_counts(*data()), 1.0) == pytest.approx(by_r[name], rel=1e-10)


def pairs(member_only, comparison_only):
    """Pairs in which one of the two has the upper answer, and 139 in which both or none have."""
    discordant = member_only + comparison_only
    set_id = np.repeat(np.arange(discordant + 139), 2)
    member = np.tile([True, False], discordant + 139)
    above = np.zeros(member.size, bool)
    above[: 2 * member_only : 2] = True
    above[2 * member_only + 1 : 2 * discordant : 2] = True
    above[2 * discordant : 2 * discordant + 2 * 59] = True
    return set_counts(above, member, set_id)


def test_pairs_are_mcnemar_and_the_binomial_of_gamma():
    counts = pairs(16, 6)
    assert counts.n_sets == 22
    # Twice the one-sided p-value: exact McNemar of 59, 6 / 16, 80.
    assert 2 * binary_bound(counts, 1.0) == pytest.approx(0.052479, abs=5e-7)
    for gamma in GAMMAS:
        expected = stats.binom.sf(15, 22, gamma / (1 + gamma))
        assert binary_bound(counts, gamma) == pytest.approx(expected, rel=1e-12)


def every_assignment(members, people):
    return [np.isin(np.arange(people), chosen) for chosen in combinations(range(people), members)]


def tail(answers, members, observed, gamma, covariate):
    """P(T >= observed) over assignments of each set, weighted by the covariate."""
    whole = {0: 1.0}
    for y, m, u in zip(answers, members, covariate, strict=True):
        assignments = every_assignment(m, y.size)
        weight = np.array([gamma ** (z @ u) for z in assignments])
        longer: dict[int, float] = {}
        for total, p in whole.items():
            for z, w in zip(assignments, weight / weight.sum(), strict=True):
                longer[total + int(z @ y)] = longer.get(total + int(z @ y), 0.0) + p * w
        whole = longer
    return sum(p for total, p in whole.items() if total >= observed)


@pytest.mark.parametrize("gamma", [1.3, 2.5])
@pytest.mark.parametrize("observed", [2, 4])
def test_no_covariate_is_worse_than_the_bound(gamma, observed):
    answers = [np.array([1, 1, 0, 0]), np.array([1, 1, 1, 0]), np.array([1, 0])]
    members = (2, 2, 1)
    counts = SetCounts(
        people=np.array([4, 4, 2]),
        members=np.array(members),
        upper=np.array([2, 3, 1]),
        sets=np.ones(3, dtype=np.int64),
        observed=observed,
    )
    corners = product(*(list(product((0.0, 1.0), repeat=y.size)) for y in answers))
    rng = np.random.default_rng(1)
    inside = ([rng.random(y.size) for y in answers] for _ in range(100))
    worst = max(
        tail(answers, members, observed, gamma, [np.array(u) for u in covariate])
        for covariate in (*corners, *inside)
    )
    assert binary_bound(counts, gamma) == pytest.approx(worst, rel=1e-12)


def test_the_count_of_a_set_has_fishers_noncentral_moments_and_the_normal_bound_is_near():
    counts = set_counts(*of_example())
    for gamma in (1.2, 1.4):
        laws = [
            stats.nchypergeom_fisher(n, a, m, gamma)
            for n, m, a in zip(counts.people, counts.members, counts.upper, strict=True)
        ]
        mean = sum(k * law.mean() for k, law in zip(counts.sets, laws, strict=True))
        variance = sum(k * law.var() for k, law in zip(counts.sets, laws, strict=True))
        by_hand = stats.norm.sf((counts.observed - 0.5 - mean) / variance**0.5)
        normal = binary_bound(counts, gamma, exact=False)
        assert normal == pytest.approx(by_hand, rel=1e-9)
        # The normal tail is 6 % off where p is .0005, and nearer where p is larger.
        assert normal == pytest.approx(binary_bound(counts, gamma), rel=0.07)


def test_sets_without_two_groups_or_two_answers_carry_nothing():
    above = np.array([1, 1, 1, 0, 1, 0, 1, 0], dtype=bool)
    member = np.array([1, 0, 1, 1, 1, 0, 0, 1], dtype=bool)
    sets = np.array([0, 0, 1, 1, 2, 2, -1, -1])
    counts = set_counts(above, member, sets)
    assert counts.n_sets == 1
    assert (counts.observed, counts.expected) == (1, 0.5)
    nothing = set_counts(above, member, np.full(8, -1))
    assert (nothing.n_sets, binary_bound(nothing, 2.0)) == (0, 1.0)


def test_exchanging_the_answers_bounds_the_other_side():
    counts = set_counts(*of_example())
    above, member, sets = of_example()
    other = set_counts(~above, member, sets)
    assert binary_bound(counts.mirrored, 1.5) == pytest.approx(binary_bound(other, 1.5))
    # At one the two tails overlap in the observed value alone.
    both = binary_bound(counts, 1.0) + binary_bound(counts.mirrored, 1.0)
    assert 1 < both < 1.1


def test_gamma_is_where_the_bound_reaches_the_level():
    counts = pairs(40, 10)

    def bound(gamma):
        return binary_bound(counts, gamma)

    found = gamma_at(bound, 0.05)
    assert bound(found) == pytest.approx(0.05, rel=1e-6)
    assert gamma_at(lambda gamma: binary_bound(pairs(10, 10), gamma), 0.05) == 1.0
    assert gamma_at(lambda _: 0.01, 0.05) == float("inf")
