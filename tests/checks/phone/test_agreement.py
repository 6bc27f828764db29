import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import SquareTable
from statsmodels.stats.inter_rater import cohens_kappa

from coopgap.checks.phone.agreement import (
    agreement_weights,
    bhapkar,
    clustered_homogeneity,
    kappa,
    mcnemar,
    stuart_maxwell,
    variance_of,
)

from ..conftest import by_r

R = by_r("linked")
FIRST, SECOND, ZONE = (np.array(R[name]) for name in ("first", "second", "zone"))
WEIGHT, TABLE = np.array(R["weight"]), np.array(R["table"])
KINDS = ("unweighted", "linear", "quadratic")


def error(unit, cluster=None):
    return np.sqrt(variance_of(unit[:, None], cluster)[0][0, 0])


def people(table):
    """First and second answer of everybody in a table."""
    first, second = np.indices(table.shape)
    return np.repeat(first.ravel(), table.ravel()), np.repeat(second.ravel(), table.ravel())


def test_the_table_is_that_of_the_answers():
    assert np.array_equal(TABLE, np.histogram2d(FIRST, SECOND, bins=5)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_kappa_and_its_error_are_those_of_r_and_statsmodels(kind):
    value, unit = kappa(FIRST, SECOND, np.ones(FIRST.size), agreement_weights(5, kind))
    assert value == pytest.approx(R["kappa"][kind]["estimate"], rel=1e-12)
    assert error(unit) == pytest.approx(R["kappa"][kind]["std_error"], rel=1e-10)
    other = cohens_kappa(TABLE, wt=None if kind == "unweighted" else kind)
    assert value == pytest.approx(other.kappa, rel=1e-10)
    assert error(unit) == pytest.approx(other.std_kappa, rel=1e-10)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_weighted_and_clustered_kappa_is_that_of_r(kind):
    value, unit = kappa(FIRST, SECOND, WEIGHT, agreement_weights(5, kind))
    found = R["clustered"]["kappa"][kind]
    assert value == pytest.approx(found["estimate"], rel=1e-12)
    # R's gradients are numerical.
    assert error(unit, ZONE) == pytest.approx(found["std_error"], rel=1e-7)


def test_kappa_of_two_levels_by_hand():
    table = np.array(R["pairs"]["table"])
    first, second = people(table)
    value, unit = kappa(first, second, np.ones(161), agreement_weights(2, "unweighted"))
    chance = (65 * 75 + 96 * 86) / 161**2
    assert value == pytest.approx((139 / 161 - chance) / (1 - chance), rel=1e-12)
    assert error(unit) == pytest.approx(R["pairs"]["kappa"]["std_error"], rel=1e-10)
    for kind in KINDS[1:]:
        again, _ = kappa(first, second, np.ones(161), agreement_weights(2, kind))
        assert again == pytest.approx(value, rel=1e-12)


def test_kappa_knows_full_and_no_agreement():
    levels = np.array([0, 1, 2, 2])
    for kind in KINDS:
        assert kappa(levels, levels, np.ones(4), agreement_weights(3, kind))[0] == 1
    alike = np.zeros(4, dtype=int)
    assert np.isnan(kappa(alike, alike, np.ones(4), agreement_weights(3, "linear"))[0])
    crossed = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert kappa(*crossed, np.ones(4), agreement_weights(2, "unweighted"))[0] == 0


def test_rescaled_weights_and_swapped_answers_change_nothing():
    credit = agreement_weights(5, "linear")
    value, unit = kappa(FIRST, SECOND, WEIGHT, credit)
    for first, second, weight in ((FIRST, SECOND, 7 * WEIGHT), (SECOND, FIRST, WEIGHT)):
        again, units = kappa(first, second, weight, credit)
        assert again == pytest.approx(value, rel=1e-12)
        assert error(units, ZONE) == pytest.approx(error(unit, ZONE), rel=1e-12)


@pytest.mark.parametrize(
    ("test", "name"), [(stuart_maxwell, "stuart_maxwell"), (bhapkar, "bhapkar")]
)
def test_equal_margins_are_tested_as_in_r_and_statsmodels(test, name):
    found = test(TABLE)
    assert found.df == 4
    assert found.statistic == pytest.approx(R[name]["statistic"], rel=1e-10)
    assert found.p_value == pytest.approx(R[name]["p_value"], rel=1e-9)
    other = SquareTable(TABLE, shift_zeros=False).homogeneity(method=name)
    assert found.statistic == pytest.approx(other.statistic, rel=1e-10)


def test_bhapkar_follows_from_stuart_and_maxwell():
    statistic = stuart_maxwell(TABLE).statistic
    expected = statistic / (1 - statistic / TABLE.sum())
    assert bhapkar(TABLE).statistic == pytest.approx(expected, rel=1e-10)


def test_a_level_that_nobody_gives_costs_a_degree_of_freedom():
    wider = np.insert(np.insert(TABLE, 2, 0, axis=0), 2, 0, axis=1)
    for test in (stuart_maxwell, bhapkar):
        found, before = test(wider), test(TABLE)
        assert found.df == before.df
        assert found.statistic == pytest.approx(before.statistic, rel=1e-9)
    assert np.isnan(stuart_maxwell(np.diag([3, 4, 5])).p_value)


def test_clustered_test_is_that_of_r():
    found = clustered_homogeneity(FIRST, SECOND, WEIGHT, 5, ZONE)
    assert (found.df, found.df_denominator) == (4, 20)
    # R's gradients are numerical.
    assert found.statistic == pytest.approx(R["clustered"]["homogeneity"]["statistic"], rel=1e-7)
    assert found.p_value == pytest.approx(R["clustered"]["homogeneity"]["p_value"], rel=1e-6)


def test_clusters_of_one_give_bhapkar():
    n = FIRST.size
    found = clustered_homogeneity(FIRST, SECOND, np.ones(n), 5, np.arange(n))
    wald = found.statistic * (n - 1) * 4 / (n - 4)
    assert wald * n / (n - 1) == pytest.approx(bhapkar(TABLE).statistic, rel=1e-10)


def test_too_few_clusters_for_the_levels_have_no_test():
    n = FIRST.size
    found = clustered_homogeneity(FIRST, SECOND, np.ones(n), 5, np.arange(n) % 4)
    assert np.isnan(found.p_value)


def test_mcnemar_of_a_published_table():
    pairs = R["pairs"]
    assert np.array_equal(pairs["table"], [[59, 6], [16, 80]])
    found = mcnemar(6, 16)
    # Fagerland, Lydersen & Laake: z −2.132, p .033006, exact .052479, mid-P .034690.
    assert tuple(found) == pytest.approx((-2.132, 0.033006, 0.052479, 0.034690), abs=5e-4)
    assert tuple(found) == pytest.approx(
        [pairs[name] for name in ("z", "p_value", "p_exact", "p_mid")], rel=1e-9
    )
    assert found.statistic**2 == pytest.approx(pairs["stuart_maxwell"], rel=1e-12)
    assert found.statistic**2 == pytest.approx(
        stuart_maxwell(np.array(pairs["table"])).statistic, rel=1e-12
    )


def test_mcnemar_where_as_many_move_up_as_down():
    found = mcnemar(5, 5)
    assert found.statistic == 0
    assert (found.p_value, found.p_exact) == (1, 1)
    assert found.p_mid == pytest.approx(1 - stats.binom.pmf(5, 10, 0.5) / 2)
    assert np.isnan(mcnemar(0, 0).p_value)
    up, down = mcnemar(16, 6), mcnemar(6, 16)
    assert up.statistic == -down.statistic
    assert up[1:] == down[1:]


def test_intervals_of_kappa_cover_the_one_that_is_true():
    """A known share of answers moves a level up; zones differ, and so does who moves in them."""
    rng = np.random.default_rng(3)
    levels, credit = 4, agreement_weights(4, "linear")
    zones, size, moves = 40, 6, 0.3

    def draw(n_zones):
        zone = np.repeat(np.arange(n_zones), size)
        pull = rng.normal(0, 0.6, n_zones)[zone]
        chance = np.clip(moves + rng.uniform(-0.25, 0.25, n_zones), 0, 1)[zone]
        first = np.digitize(pull + rng.logistic(size=zone.size), [-1, 0, 1])
        second = np.minimum(first + (rng.random(zone.size) < chance), levels - 1)
        return first, second, zone

    first, second, _ = draw(200_000)
    truth, _ = kappa(first, second, np.ones(first.size), credit)
    agree = np.mean(first == second)
    assert agree == pytest.approx(1 - moves * np.mean(first < levels - 1), abs=0.002)
    covered = 0
    for _ in range(1000):
        first, second, zone = draw(zones)
        value, unit = kappa(first, second, np.ones(first.size), credit)
        covered += abs(value - truth) <= stats.t.ppf(0.975, zones - 1) * error(unit, zone)
    # 1,000 replicates have a Monte Carlo error of .7 points; 40 clusters cost up to one.
    assert 0.925 <= covered / 1000 <= 0.97


def test_a_difference_that_nobody_speaks_against_is_infinitely_far():
    # 20 people go from E to D, 20 from D to C and nobody stays: S = n = 40.
    table = np.zeros((3, 3), dtype=np.int64)
    table[0, 1] = table[1, 2] = 20
    simple = stuart_maxwell(table)
    assert simple.statistic == pytest.approx(40)
    found = bhapkar(table)
    assert (found.statistic, found.df, found.p_value) == (np.inf, 2, 0)
    first, second = people(table)
    zone = np.arange(40) % 10
    alike = clustered_homogeneity(first, second, np.ones(40), 3, zone)
    assert (alike.statistic, alike.p_value) == (np.inf, 0)
    # One person who stays makes it finite again: S / (1 - S / n).
    table[2, 2] = 1
    finite = bhapkar(table)
    assert finite.statistic == pytest.approx(40 / (1 - 40 / 41))


def test_nobody_who_moves_has_no_test():
    table = np.diag([10, 20, 30])
    assert np.isnan(bhapkar(table).statistic)
    same = people(table)[0]
    assert np.isnan(clustered_homogeneity(same, same, np.ones(60), 3, np.arange(60) % 6).statistic)
