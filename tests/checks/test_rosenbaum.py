"""Rosenbaum bounds: by R, by closed form, by every covariate there could be; and their rows."""

import csv
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.rosenbaum_bounds import (
    ALPHAS,
    GAMMAS,
    SetScores,
    _cuts,
    _moments,
    binary_bound,
    gamma_at,
    mirrored,
    score_bound,
    set_scores,
)
from coopgap.core.vocabulary import Direction, Verdict
from coopgap.families.dispatch import headline_estimate

from .conftest import R, build_rows, by_r, context_of, gap_of, rows_of, sample_of, with_outcome

KNOWN = by_r("rosenbaum")


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


def two_answers(above, member, sets):
    return set_scores(np.asarray(above, dtype=np.int64), member, sets)


@pytest.fixture(scope="module")
def example():
    """Class, membership and set of everybody in the example survey."""
    _, member, sets = of_example()
    return np.array(["EDCBA".index(p["ses_class"]) for p in read("example")]), member, sets


def of_infert():
    people = read("infert")
    sets = numbered([int(p["stratum"]) for p in people])
    case = np.array([p["case"] == "1" for p in people])
    return np.array([int(p["spontaneous"]) > 0 for p in people]), case, sets


@pytest.mark.parametrize(("data", "name"), [(of_example, "trusted"), (of_infert, "one_to_two")])
def test_bounds_are_those_of_r(data, name):
    (kinds, excess), expected = two_answers(*data()), KNOWN[name]
    observed = excess + sum(k.sets * k.members * k.upper / k.scores.size for k in kinds)
    assert sum(kind.sets for kind in kinds) == expected["n_sets"]
    assert observed == pytest.approx(expected["observed"], rel=1e-12)
    found = [binary_bound(kinds, excess, gamma) for gamma in GAMMAS]
    assert found == pytest.approx(expected["p"], rel=1e-9)
    found = gamma_at(lambda gamma: binary_bound(kinds, excess, gamma), 0.025)
    assert found == pytest.approx(expected["gamma"], rel=1e-7)


@pytest.mark.parametrize(
    ("data", "name"), [(of_example, "mantel_haenszel"), (of_infert, "one_to_two_mantel_haenszel")]
)
def test_without_bias_it_is_the_exact_mantel_haenszel_test(data, name):
    # R's exact p-value sums a density known to about 1e-13.
    assert binary_bound(*two_answers(*data()), 1.0) == pytest.approx(KNOWN[name], rel=1e-10)


def pairs(member_only, comparison_only):
    """Pairs in which one of the two has the upper answer, and 139 in which both or none have."""
    discordant = member_only + comparison_only
    set_id = np.repeat(np.arange(discordant + 139), 2)
    member = np.tile([True, False], discordant + 139)
    above = np.zeros(member.size, bool)
    above[: 2 * member_only : 2] = True
    above[2 * member_only + 1 : 2 * discordant : 2] = True
    above[2 * discordant : 2 * discordant + 2 * 59] = True
    return two_answers(above, member, set_id)


def test_pairs_are_mcnemar_and_the_binomial_of_gamma():
    counts = pairs(16, 6)
    assert sum(kind.sets for kind in counts[0]) == 22
    # Twice the one-sided p-value: exact McNemar of 59, 6 / 16, 80.
    assert 2 * binary_bound(*counts, 1.0) == pytest.approx(0.052479, abs=5e-7)
    for gamma in GAMMAS:
        expected = stats.binom.sf(15, 22, gamma / (1 + gamma))
        assert binary_bound(*counts, gamma) == pytest.approx(expected, rel=1e-12)


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
    kinds = [
        SetScores(scores=y - y.mean(), members=m, sets=1)
        for y, m in zip(answers, members, strict=True)
    ]
    excess = observed - sum(m * y.mean() for y, m in zip(answers, members, strict=True))
    corners = product(*(list(product((0.0, 1.0), repeat=y.size)) for y in answers))
    rng = np.random.default_rng(1)
    inside = ([rng.random(y.size) for y in answers] for _ in range(100))
    worst = max(
        tail(answers, members, observed, gamma, [np.array(u) for u in covariate])
        for covariate in (*corners, *inside)
    )
    assert binary_bound(kinds, excess, gamma) == pytest.approx(worst, rel=1e-12)


def by_fisher(kinds, gamma):
    """Mean and variance of the members at the upper answer, less what chance has there."""
    laws = [stats.nchypergeom_fisher(k.scores.size, k.upper, k.members, gamma) for k in kinds]
    mean = sum(
        k.sets * (law.mean() - k.members * k.upper / k.scores.size)
        for k, law in zip(kinds, laws, strict=True)
    )
    return mean, sum(k.sets * law.var() for k, law in zip(kinds, laws, strict=True))


@pytest.mark.parametrize("gamma", [1.0, 1.2, 1.4])
def test_the_count_of_a_set_has_fishers_noncentral_moments_and_the_normal_bound_is_near(gamma):
    kinds, excess = two_answers(*of_example())
    mean, variance = by_fisher(kinds, gamma)
    by_hand = stats.norm.sf((excess - 0.5 - mean) / variance**0.5)
    normal = binary_bound(kinds, excess, gamma, exact=False)
    assert normal == pytest.approx(by_hand, rel=1e-6)
    # The normal tail is 6 % off where p is .0005, and nearer where p is larger.
    assert normal == pytest.approx(binary_bound(kinds, excess, gamma), rel=0.07 if gamma > 1 else 1)
    # The bound of several answers is that of two, without the continuity correction.
    plain = stats.norm.sf((excess - mean) / variance**0.5)
    assert score_bound(kinds, excess, gamma) == pytest.approx(plain, rel=1e-6)


def test_sets_without_two_groups_or_two_answers_carry_nothing():
    above = np.array([1, 1, 1, 0, 1, 0, 1, 0])
    member = np.array([1, 0, 1, 1, 1, 0, 0, 1], dtype=bool)
    kinds, excess = two_answers(above, member, np.array([0, 0, 1, 1, 2, 2, -1, -1]))
    assert (len(kinds), kinds[0].sets, excess) == (1, 1, 0.5)
    nothing = two_answers(above, member, np.full(8, -1))
    assert nothing == ((), 0.0)
    assert binary_bound(*nothing, 2.0) == score_bound(*nothing, 2.0) == 1.0
    outcome, member = np.array([1, 1, 2, 0, 2, 1]), np.array([1, 0, 1, 1, 1, 0], dtype=bool)
    kinds, observed = set_scores(outcome, member, np.array([0, 0, 1, 1, 2, 2]))
    assert (len(kinds), observed) == (1, pytest.approx(0.5))


def test_exchanging_the_answers_bounds_the_other_side():
    above, member, sets = of_example()
    counts, other = two_answers(above, member, sets), two_answers(~above, member, sets)
    turned = mirrored(*counts)
    assert binary_bound(*turned, 1.5) == pytest.approx(binary_bound(*other, 1.5))
    # At one the two tails overlap in the observed value alone.
    both = binary_bound(*counts, 1.0) + binary_bound(*turned, 1.0)
    assert 1 < both < 1.1


def test_gamma_is_where_the_bound_reaches_the_level():
    counts = pairs(40, 10)

    def bound(gamma):
        return binary_bound(*counts, gamma)

    found = gamma_at(bound, 0.05)
    assert bound(found) == pytest.approx(0.05, rel=1e-6)
    assert gamma_at(lambda gamma: binary_bound(*pairs(10, 10), gamma), 0.05) == 1.0
    assert gamma_at(lambda _: 0.01, 0.05) == float("inf")


def test_without_bias_it_is_the_stratified_rank_test_of_r(example):
    kinds, observed = set_scores(*example)
    assert observed == pytest.approx(KNOWN["stratified"]["statistic"], rel=1e-12)
    assert score_bound(kinds, observed, 1.0) == pytest.approx(KNOWN["stratified"]["p"], rel=1e-8)


def test_one_set_without_bias_is_wilcoxons_test(example):
    outcome, member, sets = example
    found = score_bound(*set_scores(outcome, member, np.zeros_like(sets)), 1.0)
    assert found == pytest.approx(KNOWN["wilcoxon"], rel=1e-8)


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
    monkeypatch.setattr("coopgap.checks.rosenbaum_bounds._EVERY", n)
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


UP, DOWN = Direction.MEMBERS_HIGHER, Direction.MEMBERS_LOWER


def make_sample(n_levels=3, method="exact", gap=0.15, seed=2, rare=False):
    rng = np.random.default_rng(seed)
    n = 900
    age, member = rng.integers(0, 5, n), rng.random(n) < 0.5
    steps = 0.4 + gap * member[:, None] + 0.03 * age[:, None] - 0.2 * np.arange(n_levels - 1)
    outcome = (rng.random(n)[:, None] < steps).sum(axis=1)
    if rare:
        outcome = np.where(np.arange(n) < 8, n_levels - 1, np.minimum(outcome, n_levels - 2))
    rows = build_rows({"age": age}, member, outcome, n_levels=n_levels, zone=np.arange(n) // 30)
    return sample_of(rows, method=method)


def bounds_of(sample):
    return rows_of("rosenbaum", context_of(sample))


def test_every_threshold_and_the_whole_distribution_have_the_grid_and_both_levels():
    sample = make_sample()
    rows = bounds_of(sample)
    for category in ("", ">=C", ">=D"):
        mine = [row for row in rows if row.category == category]
        assert [row.threshold for row in mine if row.quantity == "p_bound"] == list(GAMMAS)
        assert [row.threshold for row in mine if row.quantity == "gamma"] == list(ALPHAS)
        p = [row.p_value for row in mine if row.quantity == "p_bound"]
        assert p == sorted(p)
        low, high = (row.estimate for row in mine if row.quantity == "gamma")
        assert 1 < low < high
    above = (sample.rows.outcome >= 1).astype(np.int64)
    counts = set_scores(above, sample.rows.member, sample.matched.set_id)
    found = [r.p_value for r in rows if r.category == ">=D" and r.threshold == 1.5]
    assert found == [binary_bound(*counts, 1.5)]
    assert [r.estimate for r in rows if r.quantity == "n_sets"] == [5.0] * 3


def test_the_direction_is_the_one_observed():
    sample = make_sample(n_levels=2)
    turned = with_outcome(sample, 1 - sample.rows.outcome)
    pairs = zip(bounds_of(sample), bounds_of(turned), strict=True)
    assert all(a.p_value == b.p_value and a.estimate == b.estimate for a, b in pairs)


def told(sample):
    """By threshold which way its sets point and whether the gap does not; the same in each row."""
    found = {}
    for row in bounds_of(sample):
        pointing = (row.direction, row.opposed)
        assert found.setdefault(row.category, pointing) == pointing
        assert (" The gap is the other way." in row.note) == (
            row.opposed and row.quantity == "n_sets"
        )
        assert row.setting == row.threshold
    return found


def test_the_direction_is_named():
    sample = make_sample(n_levels=2)
    turned = with_outcome(sample, 1 - sample.rows.outcome)
    assert (told(sample), told(turned)) == ({"": (UP, False)}, {"": (DOWN, False)})
    whole = make_sample()
    turned = with_outcome(whole, 2 - whole.rows.outcome)
    assert set(told(whole).values()) == {(UP, False)}
    assert set(told(turned).values()) == {(DOWN, False)}


def test_a_direction_that_is_not_the_gaps_is_said():
    """Most members are of one age and lower there; sets of the other age count for more."""
    ages, members = [0] * 930 + [1] * 450, [True] * 900 + [False] * 30
    members += [True] * 150 + [False] * 300
    shares = {(0, True): 0.4, (0, False): 0.6, (1, True): 0.6, (1, False): 0.35}
    outcome = []
    for key, share in shares.items():
        n = sum((age, member) == key for age, member in zip(ages, members, strict=True))
        outcome += [1] * round(n * share) + [0] * (n - round(n * share))
    rows = build_rows({"age": ages}, members, outcome, zone=np.arange(1380) % 80)
    sample = sample_of(rows)
    _, gap = gap_of(headline_estimate(sample))
    # (900 x -.2 + 150 x .25) / 1050
    assert gap.estimate == pytest.approx(-0.1357, abs=5e-4)
    # By hand: members' yes 360 + 90 beside 1050 expected by set: 900 x 378/930 + 150 x 195/450.
    assert 360 + 90 > 900 * 378 / 930 + 150 * 195 / 450
    assert told(sample) == {"": (UP, True)}


def test_two_levels_have_one_line():
    assert {row.category for row in bounds_of(make_sample(n_levels=2))} == {""}


def test_a_method_without_sets_says_so():
    (row,) = bounds_of(make_sample(method="entropy"))
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert row.note == "This matching makes no sets."


def test_small_counts_have_their_numbers():
    rows = bounds_of(make_sample(rare=True))
    found = [row for row in rows if row.category == ">=C"]
    assert {row.quantity for row in found} >= {"n_sets", "p_bound", "gamma"}
