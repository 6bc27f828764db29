"""Power prior and robust mixture: truth values, R, brute force, invariants, conflict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.sensitivity.phone.borrow import (
    averaged_gap,
    discount_posterior,
    measures,
    power_gap,
    robust_mixture,
)
from coopgap.sensitivity.phone.borrow_beta import (
    Counts,
    beta_discount,
    beta_mixture,
    effective_counts,
    powered_beta,
)

R = json.loads(
    (Path(__file__).parents[2] / "r" / "fixtures" / "borrow.json").read_text(encoding="utf-8")
)
SHARED = np.array([[4, 1, 0.5], [1, 4, 0.8], [0.5, 0.8, 9]]) * 1e-4
INFORMED = [(0.8, 11.0, 32.0), (0.2, 1.0, 1.0)]


def of_case(case):
    return measures(np.array(case["shares"]), np.array(case["cov"]))


def at(phone, *, in_person=0.45, cov=SHARED):
    return measures(np.array([0.6, in_person, phone]), cov)


def random_case(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(3, 3)) * 0.02
    return rng.uniform(0.35, 0.65, 3), root @ root.T + 1e-5 * np.eye(3)


@pytest.mark.parametrize(("yes", "mean", "weight"), [(5, 0.255, 0.9334), (15, 0.724, 0.0111)])
def test_the_published_mixture(yes, mean, weight):
    found = beta_mixture(INFORMED, Counts(yes, 20))
    assert found.mean == pytest.approx(mean, abs=5e-4)
    assert found.weight[0] == pytest.approx(weight, abs=5e-5)


def test_exact_form_against_r():
    for case in R["mixture"]:
        found = beta_mixture(INFORMED, Counts(*case["in_person"]))
        assert found.mean == pytest.approx(case["mean"], rel=1e-9)
        assert found.weight[0] == pytest.approx(case["weight"], rel=1e-9)
    for case in R["beta"]:
        found = beta_discount(Counts(*case["phone"]), Counts(*case["in_person"]))
        close_to(found, case["discount"])


def close_to(found, expected):
    # Simpson's rule at 401 points against adaptive quadrature.
    assert found.mean == pytest.approx(expected["mean"], abs=2e-6)
    assert found.lower == pytest.approx(expected["lower"], abs=2e-5)
    assert found.upper == pytest.approx(expected["upper"], abs=2e-5)
    assert found.tenths == pytest.approx(expected["tenths"], abs=2e-5)


@pytest.mark.parametrize("case", R["normal"], ids=lambda case: f"{case['shares'][2]:g}")
def test_normal_form_against_r(case):
    of = of_case(case)
    found = discount_posterior(of)
    close_to(found, case["discount"])
    gaps = [(averaged_gap(of, found), case["averaged"])]
    gaps += [
        (power_gap(of, discount), fixed)
        for discount, fixed in zip((0.0, 0.3, 1.0), case["fixed"], strict=True)
    ]
    for one in case["mixtures"]:
        weight, gap = robust_mixture(of, one["weight"], tuple(one["vague"]))
        assert weight == pytest.approx(one["phone_weight"], abs=1e-6)
        gaps.append((gap, one))
    for gap, expected in gaps:
        # R sums over 721 gaps and 2,000 shares; its quantiles come from a spline.
        for name in ("estimate", "std_error", "lower", "upper"):
            assert getattr(gap, name) == pytest.approx(expected[name], abs=1e-6), name


def test_normal_form_by_brute_force():
    # The three shares themselves: members' share flat, comparison share uniform on [0, 1], the
    # density of (m, c) times that of p given (m, c) to the power a, over the prior's integral. The
    # members' and the phone share are independent here, so that the power prior is about the
    # comparison share alone; m and c are correlated.
    cov = np.array([[5, 1, 0], [1, 3, 0], [0, 0, 8]]) * 1e-4
    m, c, p = 0.5, 0.3, 0.36
    members, shares = np.meshgrid(np.linspace(0.38, 0.62, 301), np.linspace(0.2, 0.4, 301))
    away = np.stack([members - m, shares - c])
    data = np.exp(-0.5 * np.einsum("iab,ij,jab->ab", away, np.linalg.inv(cov[:2, :2]), away))
    grid = (np.arange(1000) + 0.5) / 1000
    everywhere = (np.arange(20000) + 0.5) / 20000
    marginal, gap = np.empty(grid.size), np.empty(grid.size)
    for place, a in enumerate(grid):
        prior = np.exp(-a * (everywhere - p) ** 2 / (2 * cov[2, 2])).mean()
        density = data * np.exp(-a * (shares - p) ** 2 / (2 * cov[2, 2]))
        marginal[place] = density.sum() / prior
        gap[place] = (density * (members - shares)).sum() / density.sum()
    weight = marginal / marginal.sum()
    of = measures(np.array([m, c, p]), cov)
    found = discount_posterior(of)
    # 1,000 midpoints of the discount, whose density starts like a root: error of order 1e-5.
    assert found.mean == pytest.approx(weight @ grid, abs=2e-5)
    assert averaged_gap(of, found).estimate == pytest.approx(weight @ gap, abs=2e-6)
    # Where the density bends most, near 0, it is read between points of the grid.
    density = np.interp(grid, found.grid, found.density)
    assert density == pytest.approx(marginal / marginal.mean(), abs=2e-3)
    assert of.slope == pytest.approx((cov[0, 1] - cov[1, 1]) / cov[1, 1])


@pytest.mark.parametrize("discount", [0.1, 0.4, 0.9])
def test_shared_errors_by_brute_force(discount):
    # Density of all three shares over that of two is what the phone interviews add: raised to the
    # power, over a grid of the members' and the comparison group's shares.
    shares = np.array([0.5, 0.3, 0.36])
    own, whole = np.linalg.inv(SHARED[:2, :2]), np.linalg.inv(SHARED)
    members, others = np.meshgrid(np.linspace(0.38, 0.62, 301), np.linspace(0.18, 0.42, 301))
    away = np.stack([members - shares[0], others - shares[1], others - shares[2]])
    two = -0.5 * np.einsum("iab,ij,jab->ab", away[:2], own, away[:2])
    three = -0.5 * np.einsum("iab,ij,jab->ab", away, whole, away)
    density = np.exp(two + discount * (three - two))
    density = density / density.sum()
    gap = members - others
    mean = (density * gap).sum()
    found = power_gap(measures(shares, SHARED), discount)
    assert found.estimate == pytest.approx(mean, abs=1e-8)
    assert found.std_error == pytest.approx(((density * (gap - mean) ** 2).sum()) ** 0.5, abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_power_0_is_in_person_and_power_1_is_pooled_by_precision(seed):
    shares, cov = random_case(seed)
    of = measures(shares, cov)
    contrast = np.array([1.0, -1.0])
    design, precision = np.array([[1.0, 0], [0, 1], [0, 1]]), np.linalg.inv(cov)
    pooled_cov = np.linalg.inv(design.T @ precision @ design)
    pooled = pooled_cov @ design.T @ precision @ shares
    for discount, estimate, variance in (
        (0.0, shares[0] - shares[1], contrast @ cov[:2, :2] @ contrast),
        (1.0, contrast @ pooled, contrast @ pooled_cov @ contrast),
    ):
        found = power_gap(of, discount)
        error = variance**0.5
        # Shares lie 7 or more standard errors from 0 and 1.
        assert found.estimate == pytest.approx(estimate, abs=1e-9)
        assert found.std_error == pytest.approx(error, rel=1e-6)
        assert found.lower == pytest.approx(estimate - 1.959964 * error, abs=1e-6)
        assert found.upper == pytest.approx(estimate + 1.959964 * error, abs=1e-6)


def test_two_measures_hold_what_three_shares_do():
    # Whatever the errors have in common, the difference between the measures is p - c with its
    # variance.
    for seed in range(5):
        shares, cov = random_case(seed)
        of = measures(shares, cov)
        sign = np.array([0.0, -1.0, 1.0])
        assert of.in_person_var + of.phone_var == pytest.approx(sign @ cov @ sign)
        assert of.phone - of.in_person == pytest.approx(sign @ shares)


def test_the_more_they_disagree_the_less_the_phone_counts():
    phones = np.linspace(0.45, 0.95, 26)
    discounts = [discount_posterior(at(phone)) for phone in phones]
    means = np.array([one.mean for one in discounts])
    assert np.all(np.diff(means) < 0)
    assert np.all(np.diff([one.upper for one in discounts]) < 0)
    assert means[-1] < 0.02
    for weight in (0.8, 0.5, 0.2):
        for vague in ((1.0, 1.0), (0.5, 0.5)):
            kept = np.array([robust_mixture(at(phone), weight, vague)[0] for phone in phones])
            assert np.all(np.diff(kept) < 0)
            assert kept[0] > weight
            assert kept[-1] < 1e-12


def test_exact_form_discounts_conflict_too():
    means = [beta_discount(Counts(yes, 250), Counts(300, 600)).mean for yes in range(125, 225, 10)]
    assert np.all(np.diff(means) < 0)
    assert means[-1] < 0.03
    weights = [
        beta_mixture([(0.5, 1 + yes, 251 - yes), (0.5, 1, 1)], Counts(300, 600)).weight[0]
        for yes in range(125, 225, 10)
    ]
    assert np.all(np.diff(weights) < 0)


def test_full_agreement_does_not_bring_the_discount_to_one():
    # Known of normalised power priors: with p = c the marginal is 1 / sqrt(s2 + v/a) but for the
    # truncation, hence between sqrt(a) and flat; its mean lies between 1/2 and 3/5.
    found = discount_posterior(at(0.45))
    assert 0.5 < found.mean < 0.6


@pytest.mark.parametrize("phone", [0.45, 0.49, 0.55])
def test_the_two_forms_agree_on_large_counts_of_independent_people(phone):
    cov = np.diag([0.24 / 4000, 0.45 * 0.55 / 4000, phone * (1 - phone) / 1000])
    of = at(phone, cov=cov)
    counts = effective_counts(0.45, cov[1, 1]), effective_counts(phone, cov[2, 2])
    assert counts[0] == pytest.approx((1800, 4000))
    normal, exact = discount_posterior(of), beta_discount(counts[1], counts[0])
    # A normal of fixed variance stands for a beta density: they differ by the order of 1/n, and
    # by the prior's own observation at small discounts.
    assert normal.mean == pytest.approx(exact.mean, abs=0.006)
    params = powered_beta(counts[1], counts[0], exact.grid)
    share = exact.mass @ (params[:, 0] / params.sum(axis=1))
    assert averaged_gap(of, normal).estimate == pytest.approx(0.6 - share, abs=2e-4)
    yes, n = counts[1]
    for weight in (0.8, 0.5, 0.2):
        prior = [(weight, 1 + yes, 1 + n - yes), (1 - weight, 1.0, 1.0)]
        mixture = beta_mixture(prior, counts[0])
        kept, gap = robust_mixture(of, weight, (1.0, 1.0))
        # Far in the tail of 6 standard errors a normal and a beta density differ by a factor.
        assert kept == pytest.approx(mixture.weight[0], abs=0.003)
        assert gap.estimate == pytest.approx(0.6 - mixture.mean, abs=3e-4)


def test_a_share_near_zero_stays_above_it():
    of = measures(np.array([0.05, 0.02, 0.03]), np.diag([0.4, 0.6, 1.4]) * 1e-4)
    found = averaged_gap(of, discount_posterior(of))
    # The comparison share is known to be positive: at most the members' share plus its error.
    assert found.upper < 0.05 + 1.96 * 0.4e-4**0.5
    assert found.std_error < (1.0e-4) ** 0.5


def test_interviews_that_add_nothing_are_refused():
    same = np.array([[4, 1, 1], [1, 4, 4], [1, 4, 4]]) * 1e-4
    with pytest.raises(NotEstimable, match="add nothing"):
        measures(np.array([0.5, 0.3, 0.3]), same)
    with pytest.raises(NotEstimable, match="no error"):
        measures(np.array([1.0, 0.3, 0.3]), np.diag([0.0, 4e-4, 9e-4]))


def test_averaging_lies_between_the_ends():
    of = at(0.49)
    ends = [power_gap(of, discount).estimate for discount in (1.0, 0.0)]
    found = averaged_gap(of, discount_posterior(of)).estimate
    assert ends[0] < found < ends[1]
    curve = [power_gap(of, tenth / 10).estimate for tenth in range(11)]
    assert np.all(np.diff(curve) < 0)
    alike = replace(of, phone=of.in_person)
    assert averaged_gap(alike, discount_posterior(alike)).estimate == pytest.approx(of.gap)
