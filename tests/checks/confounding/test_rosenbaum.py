"""Rows of the Rosenbaum bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coopgap.checks.hidden_bias import binary_bound, set_counts
from coopgap.checks.rosenbaum_bounds import ALPHAS, GAMMAS
from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Direction, Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.families.sample import Sample
from coopgap.matching.dispatch import match
from coopgap.study.spec import Matching

from ..conftest import context_of, rows_of

UP, DOWN = Direction.MEMBERS_HIGHER, Direction.MEMBERS_LOWER


@pytest.fixture
def make_sample(make_rows):
    def make(n_levels=3, method="exact", gap=0.15, seed=2, rare=False):
        rng = np.random.default_rng(seed)
        n = 900
        age, member = rng.integers(0, 5, n), rng.random(n) < 0.5
        steps = 0.4 + gap * member[:, None] + 0.03 * age[:, None] - 0.2 * np.arange(n_levels - 1)
        outcome = (rng.random(n)[:, None] < steps).sum(axis=1)
        if rare:
            outcome = np.where(np.arange(n) < 8, n_levels - 1, np.minimum(outcome, n_levels - 2))
        rows = make_rows({"age": age}, member, outcome, n_levels=n_levels, zone=np.arange(n) // 30)
        return Sample(
            rows=rows,
            matched=match(rows, Matching(method=method, on=("age",))),
            covariates=("age",),
            link="logit",
            strata=("age",),
        )

    return make


def bounds_of(sample):
    levels = sample.rows.levels
    labels = Keys(model="m", outcome="y", levels=levels, source="s")
    return rows_of("rosenbaum", context_of(sample, keys=labels))


def test_every_threshold_and_the_whole_distribution_have_the_grid_and_both_levels(make_sample):
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
    counts = set_counts(sample.rows.outcome >= 1, sample.rows.member, sample.matched.set_id)
    found = [r.p_value for r in rows if r.category == ">=D" and r.threshold == 1.5]
    assert found == [binary_bound(counts, 1.5)]
    assert [r.estimate for r in rows if r.quantity == "n_sets"] == [5.0] * 3


def test_the_direction_is_the_one_observed(make_sample):
    sample = make_sample(n_levels=2)
    turned = replace(sample, rows=replace(sample.rows, outcome=1 - sample.rows.outcome))
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


def test_the_direction_is_named(make_sample):
    sample = make_sample(n_levels=2)
    turned = replace(sample, rows=replace(sample.rows, outcome=1 - sample.rows.outcome))
    assert (told(sample), told(turned)) == ({"": (UP, False)}, {"": (DOWN, False)})
    whole = make_sample()
    turned = replace(whole, rows=replace(whole.rows, outcome=2 - whole.rows.outcome))
    assert set(told(whole).values()) == {(UP, False)}
    assert set(told(turned).values()) == {(DOWN, False)}


def test_a_direction_that_is_not_the_gaps_is_said(make_rows):
    """Most members are of one age and lower there; sets of the other age count for more."""
    ages, members = [0] * 930 + [1] * 450, [True] * 900 + [False] * 30
    members += [True] * 150 + [False] * 300
    shares = {(0, True): 0.4, (0, False): 0.6, (1, True): 0.6, (1, False): 0.35}
    outcome = []
    for key, share in shares.items():
        n = sum((age, member) == key for age, member in zip(ages, members, strict=True))
        outcome += [1] * round(n * share) + [0] * (n - round(n * share))
    rows = make_rows({"age": ages}, members, outcome, zone=np.arange(1380) % 80)
    sample = Sample(
        rows=rows,
        matched=match(rows, Matching(on=("age",))),
        covariates=("age",),
        link="logit",
        strata=("age",),
    )
    (gap,) = (i for c, i in headline_estimate(sample).intervals.items() if c.is_threshold_gap)
    # (900 x -.2 + 150 x .25) / 1050
    assert gap.estimate == pytest.approx(-0.1357, abs=5e-4)
    # By hand: members' yes 360 + 90 beside 1050 expected by set: 900 x 378/930 + 150 x 195/450.
    assert 360 + 90 > 900 * 378 / 930 + 150 * 195 / 450
    assert told(sample) == {"": (UP, True)}


def test_two_levels_have_one_line(make_sample):
    assert {row.category for row in bounds_of(make_sample(n_levels=2))} == {""}


def test_a_method_without_sets_says_so(make_sample):
    (row,) = bounds_of(make_sample(method="entropy"))
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert row.note == "This matching makes no sets."


def test_small_counts_have_their_numbers(make_sample):
    rows = bounds_of(make_sample(rare=True))
    found = [row for row in rows if row.category == ">=C"]
    assert {row.quantity for row in found} >= {"n_sets", "p_bound", "gamma"}
