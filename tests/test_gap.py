"""Contrasts of two outcome distributions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopgap.gap import Margins, contrast_values, contrasts, estimate_contrasts, share_margins
from coopgap.vocabulary import Quantity

CLASSES = ("E", "D", "C", "B", "A")
# WDDCM Peru, Figure 1: members and the national column, lowest class first.
MEMBERS = np.array([10, 22, 40, 26, 2]) / 100
NATIONAL = np.array([34, 27, 27, 9, 3]) / 100


def _values(levels, member, comparison):
    return {
        (c.quantity, c.category, c.of_member): float(contrast_values(c, member, comparison))
        for c in contrasts(levels)
    }


def test_printed_classes_give_the_printed_cumulative_odds_ratios():
    values = _values(CLASSES, MEMBERS, NATIONAL)
    # Recomputed from the printed percentages of Figure 1, by hand: p(1-q) / (q(1-p)).
    for category, expected in {">=A": 0.660, ">=B": 2.852, ">=C": 3.324, ">=D": 4.636}.items():
        found = values[Quantity.CUMULATIVE_ODDS_RATIO, category, False]
        assert found == pytest.approx(expected, abs=5e-4)  # printed to three decimals


def test_whole_people_give_their_own_cumulative_odds_ratios():
    # The same figure as whole people, lowest class first; by hand: a (n - b) / (b (m - a)).
    member, national = np.array([100, 221, 402, 261, 20]), np.array([341, 271, 271, 90, 30])
    values = _values(CLASSES, member / member.sum(), national / national.sum())
    expected = {">=A": 0.659, ">=B": 2.860, ">=C": 3.330, ">=D": 4.657}
    for start, category in enumerate((">=D", ">=C", ">=B", ">=A"), start=1):
        a, b = member[start:].sum(), national[start:].sum()
        by_hand = a * (1003 - b) / (b * (1004 - a))
        found = values[Quantity.CUMULATIVE_ODDS_RATIO, category, False]
        assert found == pytest.approx(by_hand, rel=1e-12)
        assert found == pytest.approx(expected[category], abs=5e-4)


def test_superiority_of_agrestis_table():
    # Agresti, ICDA 2e, Table 6.7: Republican against Democrat; recomputed two ways as .645735.
    democrat = np.array([80, 81, 171, 41, 55])
    republican = np.array([30, 46, 148, 84, 99])
    values = _values(tuple("abcde"), republican / republican.sum(), democrat / democrat.sum())
    assert values[Quantity.SUPERIORITY, "", False] == pytest.approx(0.645735, abs=5e-7)


def test_gaps_at_thresholds_are_told_from_gaps_of_levels():
    chosen = [one.category for one in contrasts("abc") if one.is_threshold_gap]
    assert chosen == [">=c", ">=b"]
    assert [one.category for one in contrasts("ab") if one.is_threshold_gap] == [""]


def test_two_levels_have_no_category_and_superiority_follows_the_difference():
    values = _values(("no", "yes"), np.array([0.6, 0.4]), np.array([0.73, 0.27]))
    assert values[Quantity.RISK_DIFFERENCE, "", False] == pytest.approx(0.13)
    assert values[Quantity.RISK_RATIO, "", False] == pytest.approx(0.4 / 0.27)
    assert values[Quantity.ODDS_RATIO, "", False] == pytest.approx(0.4 * 0.73 / (0.27 * 0.6))
    assert values[Quantity.SUPERIORITY, "", False] == pytest.approx(0.5 + 0.13 / 2)
    assert values[Quantity.SHARE, "yes", True] == pytest.approx(0.4)
    assert values[Quantity.SHARE, "yes", False] == pytest.approx(0.27)


@given(
    st.integers(2, 6).flatmap(
        lambda j: st.tuples(
            st.lists(st.integers(5, 50), min_size=j, max_size=j),
            st.lists(st.integers(5, 50), min_size=j, max_size=j),
        )
    )
)
def test_delta_method_gradients_equal_finite_differences(tables):
    sides = [np.array(table, float) / sum(table) for table in tables]
    levels = tuple("abcdef"[: sides[0].size])
    n = sides[0].size
    point = np.concatenate(sides)
    rng = np.random.default_rng(n)
    root = rng.normal(size=(2 * n, 2 * n)) * 0.01
    margins = Margins(member=sides[0], comparison=sides[1], cov=root @ root.T)
    log = {Quantity.RISK_RATIO, Quantity.ODDS_RATIO, Quantity.CUMULATIVE_ODDS_RATIO}
    for contrast, interval in estimate_contrasts(margins, levels).items():

        def value(at, contrast=contrast):
            found = contrast_values(contrast, at[:n], at[n:])
            return np.log(found) if contrast.quantity in log else found

        step = 1e-6
        gradient = [
            (value(point + step * e) - value(point - step * e)) / (2 * step) for e in np.eye(2 * n)
        ]
        expected = float(np.linalg.norm(np.array(gradient) @ root))
        # Central differences with this step are good to about nine digits of the gradient.
        assert interval.std_error == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_reversed_levels_flip_every_difference():
    forward = _values(CLASSES, MEMBERS, NATIONAL)
    backward = _values(CLASSES[::-1], MEMBERS[::-1], NATIONAL[::-1])
    assert forward[Quantity.RISK_DIFFERENCE, ">=B", False] == pytest.approx(
        -backward[Quantity.RISK_DIFFERENCE, ">=C", False]
    )
    assert forward[Quantity.SUPERIORITY, "", False] == pytest.approx(
        1 - backward[Quantity.SUPERIORITY, "", False]
    )


def test_swapped_groups_flip_the_gap():
    forward = _values(CLASSES, MEMBERS, NATIONAL)
    backward = _values(CLASSES, NATIONAL, MEMBERS)
    for category in (">=A", ">=B", ">=C", ">=D"):
        key = (Quantity.RISK_DIFFERENCE, category, False)
        assert forward[key] == pytest.approx(-backward[key])


def test_a_share_of_zero_has_no_ratio():
    margins = Margins(
        member=np.array([0.5, 0.5]), comparison=np.array([1.0, 0.0]), cov=np.eye(4) * 1e-4
    )
    found = {c.quantity: i for c, i in estimate_contrasts(margins, ("no", "yes")).items()}
    assert found[Quantity.RISK_RATIO] is None
    assert found[Quantity.ODDS_RATIO] is None
    assert found[Quantity.RISK_DIFFERENCE].estimate == pytest.approx(0.5)


def _people(rng, n=400, n_zones=20):
    outcome = rng.integers(0, 3, n)
    member = rng.random(n) < 0.5
    return outcome, member, rng.uniform(0.5, 2, n), rng.integers(0, n_zones, n)


def test_unweighted_unclustered_shares_have_binomial_variance():
    rng = np.random.default_rng(1)
    outcome, member, _, _ = _people(rng)
    margins = share_margins(outcome, member, np.ones(outcome.size), 3)
    share = np.mean(outcome[member] == 2)
    assert margins.member[2] == pytest.approx(share)
    assert margins.cov[2, 2] == pytest.approx(share * (1 - share) / member.sum())
    assert margins.cov[2, 5] == pytest.approx(0)
    assert margins.df == np.inf


def test_clustered_shares_equal_the_sum_over_zones_by_hand():
    rng = np.random.default_rng(2)
    outcome, member, weight, zone = _people(rng)
    margins = share_margins(outcome, member, weight, 3, zone)
    totals = []
    for z in np.unique(zone):
        parts = []
        for side in (member, ~member):
            here = side & (zone == z)
            share = np.average(outcome[side] == 1, weights=weight[side])
            parts.append(((weight * ((outcome == 1) - share))[here]).sum() / weight[side].sum())
        totals.append(parts)
    totals = np.array(totals)
    expected = totals.T @ totals * 20 / 19
    found = margins.cov[np.ix_([1, 4], [1, 4])]
    assert found == pytest.approx(expected)
    assert margins.df == 19


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_rescaled_weights_and_reordered_people_change_nothing(seed, scale):
    rng = np.random.default_rng(seed)
    outcome, member, weight, zone = _people(rng, 60, 8)
    member[:2] = True, False
    order = rng.permutation(60)
    first = share_margins(outcome, member, weight, 3, zone)
    second = share_margins(
        outcome[order], member[order], scale * weight[order], 3, zone[order] * 7 + 3
    )
    assert second.member == pytest.approx(first.member)
    # Sums in another order differ in the last digits, relative to the largest entry.
    assert second.cov == pytest.approx(first.cov, abs=1e-12)
