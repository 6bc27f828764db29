"""The headline gap under design effects, against variances worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from coopgap.checks.design_effect import SCENARIOS
from coopgap.core.vocabulary import Quantity, Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.matching.dispatch import match
from coopgap.study.spec import Matching

from .conftest import build_rows, context_of, keys_of, rows_of, sample_of, with_outcome


def make_sample(*, zone_sd=0.0, size=20, zones=60, seed=3, gap=0.15):
    """People of one stratum, so that the matched gap is the plain difference of two shares."""
    rng = np.random.default_rng(seed)
    zone = np.repeat(np.arange(zones), size)
    member = np.tile([True, False], zones * size // 2)
    level = 0.45 + zone_sd * rng.standard_normal(zones)[zone]
    outcome = rng.random(zone.size) < np.clip(level + gap * member * (zone % 2), 0.02, 0.98)
    rows = build_rows({"one": np.zeros(zone.size)}, member, outcome, zone=zone, sizes={"one": 1})
    return sample_of(rows, ())


def effects_of(sample, at=""):
    return rows_of("design_effect", context_of(sample, keys=keys_of(sample.rows, at)))


def simple_error(rows):
    """Of the difference of two shares of independent people."""
    people = rows.people_by_level()
    shares = people[:, 1] / people.sum(axis=1)
    return float(np.sum(shares * (1 - shares) / people.sum(axis=1)) ** 0.5)


def test_the_independent_variance_is_that_of_two_binomial_shares():
    sample = make_sample(zone_sd=0.1)
    simple = simple_error(sample.rows)
    scenarios = effects_of(sample)[1:]
    assert [row.variant for row in scenarios] == [f"design effect {f:g}" for f in SCENARIOS]
    assert [row.setting for row in scenarios] == list(SCENARIOS)
    for row, factor in zip(scenarios, SCENARIOS, strict=True):
        assert row.std_error == pytest.approx(simple * factor**0.5, rel=1e-9)
        assert row.upper - row.lower == pytest.approx(2 * 1.959964 * row.std_error, rel=1e-6)


def test_gaps_that_differ_between_zones_raise_it_and_shared_levels_lower_it():
    """Levels that both groups of a zone share cancel in the gap; gaps of zones do not."""
    shared = effects_of(make_sample(zone_sd=0.25, gap=0.0))[0].estimate
    differing = effects_of(make_sample(gap=0.5))[0].estimate
    assert shared < 0.9
    assert differing > 1.3


def test_of_more_levels_the_declared_threshold_has_the_scenarios():
    sample = make_sample()
    rng = np.random.default_rng(1)
    outcome = sample.rows.outcome + (rng.random(sample.rows.n) < 0.4)
    levels = ("E", "D", "C")
    sample = with_outcome(sample, outcome, levels=levels)
    matched = headline_estimate(sample)
    for at, quantity in ((">=C", Quantity.RISK_DIFFERENCE), ("", Quantity.SUPERIORITY)):
        rows = effects_of(sample, at)
        assert {row.category for row in rows} == {at}
        assert {row.quantity for row in rows[1:]} == {quantity}
        assert {row.estimate for row in rows[1:]} == {matched.at(at, quantity).estimate}


def test_a_stated_design_effect_widens_and_concludes_nothing():
    """The estimate stays, so that there is no other one to compare."""
    found = effects_of(make_sample(gap=0.16))
    assert {row.verdict for row in found} == {None}
    assert found[1].quantity is Quantity.RISK_DIFFERENCE
    widths = [row.upper - row.lower for row in found[1:]]
    assert np.array(widths) / widths[0] == pytest.approx(np.sqrt(SCENARIOS))


def test_without_zones_it_does_not_apply():
    sample = make_sample()
    sample = replace(sample, rows=replace(sample.rows, zone=None))
    (row,) = effects_of(sample)
    assert row.verdict is Verdict.NOT_APPLICABLE


def test_people_of_chosen_pairs_are_independent_too():
    # Nearest pairs across zones with answers alike within pairs: clustered on the sets the
    # variance would not be that of two binomial shares.
    sample = make_sample(zone_sd=0.3)
    paired = replace(sample, matched=match(sample.rows, Matching(method="nearest", on=("one",))))
    simple = simple_error(paired.rows.take(paired.kept))
    assert paired.matched.n_sets > 100
    alone = effects_of(paired)[1]
    assert alone.variant == "design effect 1"
    assert alone.std_error == pytest.approx(simple, rel=1e-9)
