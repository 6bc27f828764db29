"""Contrasts of two outcome distributions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from coopgap.core.gap import Margins, contrast_values, contrasts, estimate_contrasts, wald_interval
from coopgap.core.vocabulary import Quantity
from coopgap.regression.shares import share_margins

R = Path(__file__).parent / "r"

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
    # Recomputed from the printed percentages of Figure 1, by hand: p(1-q) / (q(1-p)); and of the
    # same figure as whole people, lowest class first: a (n - b) / (b (m - a)).
    printed = {">=D": 4.636, ">=C": 3.324, ">=B": 2.852, ">=A": 0.660}
    whole = {">=D": 4.657, ">=C": 3.330, ">=B": 2.860, ">=A": 0.659}
    member, national = np.array([100, 221, 402, 261, 20]), np.array([341, 271, 271, 90, 30])
    of_people = _values(CLASSES, member / 1004, national / 1003)
    for start, category in enumerate(printed, start=1):
        key = (Quantity.CUMULATIVE_ODDS_RATIO, category, False)
        assert values[key] == pytest.approx(printed[category], abs=5e-4)
        a, b = member[start:].sum(), national[start:].sum()
        assert of_people[key] == pytest.approx(a * (1003 - b) / (b * (1004 - a)), rel=1e-12)
        assert of_people[key] == pytest.approx(whole[category], abs=5e-4)


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


def test_reversed_levels_and_swapped_groups_flip_every_difference():
    forward = _values(CLASSES, MEMBERS, NATIONAL)
    backward = _values(CLASSES[::-1], MEMBERS[::-1], NATIONAL[::-1])
    swapped = _values(CLASSES, NATIONAL, MEMBERS)
    # At or above a level is not at or above the one below it the other way round.
    for category in (">=A", ">=B", ">=C", ">=D"):
        gap = forward[Quantity.RISK_DIFFERENCE, category, False]
        assert gap == pytest.approx(-swapped[Quantity.RISK_DIFFERENCE, category, False])
        below = ">=" + CLASSES[CLASSES.index(category[2:]) - 1]
        assert gap == pytest.approx(-backward[Quantity.RISK_DIFFERENCE, below, False])
    higher = (Quantity.SUPERIORITY, "", False)
    assert forward[higher] == pytest.approx(1 - backward[higher])


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


def test_intervals_of_shares_equal_svyciprop():
    known = json.loads((R / "fixtures" / "shares.json").read_text(encoding="utf-8"))
    people = pd.read_csv(R / "data" / "example.csv").query("region == 'South'")
    outcome = people["ses_class"].map(known["levels"].index).to_numpy()
    weight = 0.5 + np.arange(outcome.size) % 7 / 4
    margins = share_margins(
        outcome, people["member"].to_numpy() == 1, weight, 5, people["zone"].to_numpy()
    )
    assert margins.df == known["df"]
    found = estimate_contrasts(margins, tuple(known["levels"]))
    for contrast, interval in found.items():
        if contrast.quantity is Quantity.SHARE:
            side = known["member" if contrast.of_member else "comparison"]
            share, lower, upper, std_error = side[contrast.level]
            assert interval.std_error == pytest.approx(std_error, rel=1e-10)
            # svyciprop iterates its logit with the tolerance of glm.
            assert interval.estimate == pytest.approx(share, rel=1e-8)
            assert (interval.lower, interval.upper) == pytest.approx((lower, upper), rel=1e-6)


def share_interval(estimate, std_error, df=np.inf):
    return wald_interval(Quantity.SHARE, estimate, std_error, df=df, prob=0.95)


def test_an_interval_of_a_share_by_hand():
    # 63 of 100, standard error .22: log odds ln(63/37) with 1.96 x .22 / (.63 x .37) on each side.
    found = share_interval(0.63, 0.22)
    odds = 63 / 37 * np.exp(np.array([-1, 1]) * stats.norm.ppf(0.975) * 0.22 / (0.63 * 0.37))
    assert (found.lower, found.upper) == pytest.approx(tuple(odds / (1 + odds)))
    assert 0.63 + 1.96 * 0.22 > 1 > found.upper
    assert np.isnan(found.p_value)


@given(st.floats(1e-9, 1 - 1e-9), st.floats(1e-6, 2.0), st.sampled_from([3.0, 20.0, np.inf]))
def test_a_share_lies_in_an_interval_within_0_and_1_and_its_complement_in_the_mirror(p, error, df):
    found, mirror = share_interval(p, error, df), share_interval(1 - p, error, df)
    assert 0 <= found.lower <= p <= found.upper <= 1
    # 1 - p has lost digits that p had.
    assert 1 - mirror.upper == pytest.approx(found.lower, rel=1e-6, abs=1e-6)
    assert 1 - mirror.lower == pytest.approx(found.upper, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("estimate", [-0.002, 0.0, 1.0, 1.003])
def test_a_share_of_nobody_or_everybody_has_no_limits(estimate):
    # Beyond 0 and 1 as weighting and modelling at once may give.
    found = share_interval(estimate, 0.004)
    assert found.estimate == round(estimate)
    assert np.isnan([found.lower, found.upper]).all()


@pytest.mark.parametrize(("share", "n"), [(0.04, 150), (0.15, 60), (0.5, 60)])
def test_the_interval_of_a_share_covers_it(share, n):
    yes = np.arange(n + 1)
    chance = stats.binom.pmf(yes, n, share)
    ends = [share_interval(k / n, (k / n * (1 - k / n) / n) ** 0.5) for k in yes]
    covered = np.array([one.lower <= share <= one.upper for one in ends])
    plain = np.abs(yes / n - share) <= stats.norm.ppf(0.975) * np.sqrt(yes * (n - yes) / n**3)
    assert chance[covered].sum() >= max(0.94, chance[plain].sum())


def test_differences_and_superiority_are_cut_at_what_they_can_be():
    high = wald_interval(Quantity.RISK_DIFFERENCE, 0.9, 0.1, df=np.inf, prob=0.95)
    assert (high.lower, high.upper) == (pytest.approx(0.9 - 0.196, abs=1e-4), 1.0)
    low = wald_interval(Quantity.SUPERIORITY, 0.05, 0.05, df=np.inf, prob=0.95)
    assert (low.lower, low.upper) == (0.0, pytest.approx(0.05 + 0.098, abs=1e-4))
    # The p-value is that of the interval as it was.
    assert low.p_value == pytest.approx(2 * stats.norm.sf(9.0))


def test_of_two_levels_superiority_is_one_half_plus_half_the_difference_limits_too():
    step = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])
    margins = Margins(
        member=np.array([0.02, 0.98]), comparison=np.array([0.97, 0.03]), cov=4e-4 * step @ step.T
    )
    found = {one.quantity: two for one, two in estimate_contrasts(margins, ("no", "yes")).items()}
    gap, higher = found[Quantity.RISK_DIFFERENCE], found[Quantity.SUPERIORITY]
    for name in ("estimate", "lower", "upper"):
        assert getattr(higher, name) == pytest.approx(0.5 + getattr(gap, name) / 2)
    assert gap.upper == 1.0


@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_the_complement_is_the_margins_of_the_reversed_answers(n_levels, seed):
    rng = np.random.default_rng(seed)
    _, member, weight, zone = _people(rng, 120, 9)
    outcome = rng.integers(0, n_levels, 120)
    outcome[: 2 * n_levels] = np.repeat(np.arange(n_levels), 2)  # every level in both groups
    member[: 2 * n_levels] = np.tile([True, False], n_levels)
    asked = (member, weight, n_levels, zone)
    found = share_margins(outcome, *asked).complement()
    expected = share_margins(n_levels - 1 - outcome, *asked)
    for name in ("member", "comparison", "cov"):
        # Sums in another order differ in the last digits, relative to the largest entry.
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12)
    assert found.df == expected.df
    assert np.array_equal(found.complement().cov, share_margins(outcome, *asked).cov)


def test_the_complement_has_the_degrees_of_freedom_of_what_it_turns():
    rng = np.random.default_rng(3)
    outcome, member, weight, zone = _people(rng, 300, 12)
    margins = share_margins(outcome, member, weight, 3, zone, kind="CR2")
    found = estimate_contrasts(margins, "abc")
    turned = estimate_contrasts(margins.complement(), "cba")
    gaps, below = (
        {at.level: one for at, one in every.items() if at.is_threshold_gap}
        for every in (found, turned)
    )
    for level, gap in gaps.items():
        other = below[3 - level]
        assert other.df == pytest.approx(gap.df)
        assert (other.estimate, other.lower) == pytest.approx((-gap.estimate, -gap.upper))


def test_shares_by_hand_and_what_changes_nothing():
    """Binomial variance without weights and zones; else sums over zones of residuals."""
    outcome, member, weight, zone = _people(np.random.default_rng(1))
    plain = share_margins(outcome, member, np.ones(outcome.size), 3)
    share = np.mean(outcome[member] == 2)
    assert plain.member[2] == pytest.approx(share)
    assert plain.cov[2, 2] == pytest.approx(share * (1 - share) / member.sum())
    assert (plain.cov[2, 5], plain.df) == (pytest.approx(0), np.inf)
    margins = share_margins(outcome, member, weight, 3, zone)
    totals = []
    for side in (member, ~member):
        centred = (outcome == 1) - np.average(outcome[side] == 1, weights=weight[side])
        totals.append(np.bincount(zone, weight * centred * side) / weight[side].sum())
    expected = np.array(totals) @ np.transpose(totals) * 20 / 19
    assert margins.cov[np.ix_([1, 4], [1, 4])] == pytest.approx(expected)
    assert margins.df == 19
    order = np.random.default_rng(0).permutation(outcome.size)
    data = (outcome[order], member[order], 40 * weight[order])
    again = share_margins(*data, 3, zone[order] * 7 + 3)
    assert again.member == pytest.approx(margins.member)
    # Sums in another order differ in the last digits, relative to the largest entry.
    assert again.cov == pytest.approx(margins.cov, abs=1e-12)
