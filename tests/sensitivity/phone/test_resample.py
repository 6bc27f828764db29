import numpy as np
import pytest
from scipy import stats

from coopgap.sensitivity.phone.resample import (
    Placed,
    differences,
    places,
    two_sided,
    zone_components,
)


def clustered(rng, n_zones, size, zone_sd, columns=1):
    """Scores of `size` people a zone: normal zones and people of standard deviation one."""
    zone = np.repeat(np.arange(n_zones), size)
    pull = rng.normal(0, zone_sd, (n_zones, columns))[zone]
    return zone, pull + rng.normal(size=(zone.size, columns))


def equal(zone, stratum=None):
    none = np.zeros(zone.size, dtype=np.int64)
    weight = np.full(zone.size, 1 / zone.size)
    return Placed(zone=zone, stratum=none if stratum is None else stratum, weight=weight)


def test_components_have_the_variances_of_zones_and_people():
    rng = np.random.default_rng(0)
    zone, scores = clustered(rng, 4000, 5, 0.7)
    found = zone_components(scores, equal(zone))
    # 4,000 zones: the variance between has a standard error of 2 %.
    assert found.between.var() == pytest.approx(0.49, rel=0.06)
    assert found.within.var() == pytest.approx(1.0, rel=0.03)
    assert np.add.reduceat(found.within, found.start) == pytest.approx(0, abs=1e-10)
    assert np.array_equal(found.size, np.full(4000, 5))


def test_zones_that_are_alike_have_no_variance_between_them():
    scores = np.tile([0.0, 1.0], 20)[:, None]
    found = zone_components(scores, equal(np.repeat(np.arange(10), 4)))
    assert np.array_equal(found.between, np.zeros((10, 1)))


def test_components_by_hand():
    # Zone means 0, 1, 5, 6 in two strata; people one above and one below theirs.
    zone, stratum = np.repeat(np.arange(4), 2), np.repeat([0, 1], 4)
    scores = np.array([0.0, 1.0, 5.0, 6.0])[zone] + np.tile([-0.25, 0.25], 4)
    found = zone_components(scores[:, None], equal(zone, stratum))
    within, between = 8 * 0.25**2 / 4, (4 * 0.25) / 2
    left = between - within / 2
    expected = np.array([-0.5, 0.5, -0.5, 0.5]) * np.sqrt(left / between) * np.sqrt(2)
    assert found.between[:, 0] == pytest.approx(expected)
    assert np.abs(found.within[:, 0]) == pytest.approx(np.full(8, 0.25 * np.sqrt(2)))


@pytest.mark.parametrize(
    ("zones", "shared"),
    [("spread", 0.0), ("clustered", 1 / 20 - 1 / 60), ("elsewhere", 1 / 20 + 1 / 60)],
)
def test_the_variance_of_the_difference_is_the_true_one(zones, shared):
    """Zones that both modes share alike cancel; the rest of the variance is that of people."""
    own_zone, _ = clustered(np.random.default_rng(0), 60, 8, 0.6)
    phone_zone = {
        "spread": np.repeat(np.arange(60), 2),
        "clustered": np.repeat(np.arange(20), 6),
        "elsewhere": np.repeat(np.arange(60, 80), 6),
    }[zones]
    true = 0.36 * shared + 1 / 120 + 1 / 480
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        _, scores = clustered(rng, 60, 8, 0.6)
        placed = places((own_zone, phone_zone), None, (np.ones(480), np.ones(120)))
        found.append(differences(scores, *placed, draws=400, rng=rng).var())
    # 60 surveys of 60 zones: zones' variance is known to 3 %, 400 draws to 7 % each.
    assert np.mean(found) == pytest.approx(true, rel=0.06)


def test_weights_of_phone_people_count_by_their_squares():
    rng = np.random.default_rng(1)
    zone, scores = clustered(rng, 50, 10, 0.0)
    called = rng.integers(0, 50, 200)
    weight = rng.exponential(size=200)
    share = weight / weight.sum()
    placed = places((zone, called), None, (np.ones(500), weight))
    off = differences(scores, *placed, draws=4000, rng=rng)
    expected = scores.var() * (share @ share + 1 / 500)
    # 4,000 draws know a variance to 2.2 %; zones add what chance makes them differ by.
    assert off.var() == pytest.approx(expected, rel=0.12)


def test_draws_are_joint_over_scores():
    rng = np.random.default_rng(2)
    zone, scores = clustered(rng, 50, 10, 0.5)
    both = np.hstack([scores, -scores])
    placed = places((zone, zone[::4]), None, (np.ones(500), np.ones(125)))
    off = differences(both, *placed, draws=100, rng=rng)
    assert off[:, 0] == pytest.approx(-off[:, 1])


def test_without_zones_draws_are_of_independent_people():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(300, 1))
    region, called = np.repeat([0, 1], 150), np.repeat([0, 1], [80, 20])
    placed = places(None, (region, called), (np.ones(300), np.ones(100)))
    off = differences(scores, *placed, draws=4000, rng=rng)
    parts = [scores[region == h].var(ddof=1) for h in (0, 1)]
    mix = (0.8, 0.2)
    expected = sum(m / 100 * v + m**2 / 150 * v for m, v in zip(mix, parts, strict=True))
    # 4,000 draws know a variance to 2.2 %.
    assert off.var() == pytest.approx(expected, rel=0.08)


def test_in_person_weights_have_the_phone_mix():
    zones = np.repeat(np.arange(8), 5), np.array([0, 0, 0, 5])
    regions = np.repeat([0, 1], 20), np.array([0, 0, 0, 1])
    own, phone = places(zones, regions, (np.ones(40), np.ones(4)))
    assert np.bincount(own.stratum, own.weight) == pytest.approx([0.75, 0.25])
    assert phone.weight == pytest.approx(np.full(4, 0.25))


@pytest.mark.parametrize(
    ("zones", "regions"),
    [
        # A zone crosses regions; a region without people in person; regions that are zones.
        ((np.repeat(np.arange(4), 5), [0, 1]), (np.repeat([0, 1], [7, 13]), [0, 1])),
        ((np.repeat(np.arange(4), 5), [0, 9]), (np.repeat([0, 1], [10, 10]), [0, 2])),
        ((np.repeat(np.arange(4), 5), [0, 1]), (np.repeat(np.arange(4), 5), [0, 1])),
    ],
)
def test_regions_that_cannot_hold_draws_are_left_out(zones, regions):
    zones, regions = (tuple(map(np.asarray, pair)) for pair in (zones, regions))
    own, phone = places(zones, regions, (np.ones(20), np.ones(2)))
    assert set(own.stratum) == set(phone.stratum) == {0}
    assert np.unique(own.zone).size == 4
    assert own.weight.sum() == pytest.approx(1)


def test_one_person_a_zone_counts_as_no_zones():
    zones = np.arange(20), np.arange(5)
    own, _ = places(zones, None, (np.ones(20), np.ones(5)))
    assert set(own.zone) == {0}


def test_a_region_of_one_zone_borrows_the_others():
    rng = np.random.default_rng(4)
    zone, scores = clustered(rng, 40, 10, 1.0)
    region = np.minimum(zone // 13, 3)
    assert np.unique(zone[region == 3]).size == 1
    called = np.full(30, 39)
    placed = places((zone, called), (region, np.full(30, 3)), (np.ones(400), np.ones(30)))
    # All is in one zone, whether by phone or in person: it cancels, people do not.
    off = differences(scores, *placed, draws=2000, rng=rng)
    own = ((scores[zone == 39] - scores[zone == 39].mean()) ** 2).sum() / 10**2 * 400 / 360
    assert off.var() == pytest.approx(1 / 30 + own, rel=0.1)
    elsewhere = places((zone, called + 1), (region, np.full(30, 3)), (np.ones(400), np.ones(30)))
    again = differences(scores, *elsewhere, draws=2000, rng=rng)
    assert again.var() == pytest.approx(off.var() + 2.0, rel=0.35)


def test_p_values_count_draws_and_the_value_itself():
    draws = np.arange(1.0, 1001.0)[:, None]
    for value, expected in ((0.0, 2 / 1001), (24.5, 50 / 1001), (25.5, 52 / 1001), (500.5, 1.0)):
        assert two_sided(np.array([value]), draws)[0] == pytest.approx(min(expected, 1.0))
    values = np.random.default_rng(0).normal(size=(2000, 3))
    found = two_sided(values[0], values)
    exact = 2 * np.minimum(stats.norm.cdf(values[0]), stats.norm.sf(values[0]))
    # 2,000 draws.
    assert found == pytest.approx(exact, abs=0.05)
