"""Power prior and robust mixture: truth values, R, brute force, invariants, conflict, rows."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

from coopgap.checks.by_mode import LIMITS
from coopgap.checks.phone.borrow import (
    DISCOUNTS,
    VAGUE,
    WEIGHTS,
    averaged_gap,
    discount_posterior,
    measured_at,
    measures,
    power_gap,
    robust_mixture,
    weigh_discounts,
)
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import threshold_gaps
from coopgap.core.vocabulary import Check, IntervalKind, Verdict, Version

from ..conftest import KEYS, by_r, phone_rows, pick

R = by_r("borrow")
BORROW = (Check.PHONE_POWER_PRIOR, Check.PHONE_ROBUST_MIXTURE)
SHARED = np.array([[4, 1, 0.5], [1, 4, 0.8], [0.5, 0.8, 9]]) * 1e-4
INFORMED = [(0.8, 11.0, 32.0), (0.2, 1.0, 1.0)]


# The exact form on counts of independent people, for the normal one to be held against.


def powered_beta(phone, in_person, discount):
    """Beta parameters of the share at each discount of the phone counts (yes, n): prior, after."""
    (yes, n), (own_yes, own_n) = phone, in_person
    prior = 1.0 + discount[:, None] * np.array([yes, n - yes])
    return prior, prior + np.array([own_yes, own_n - own_yes])


def beta_discount(phone, in_person):
    """Duan, Ye & Smith (2006): normalised power prior, uniform on the discount and the share."""

    def log_marginal(discount):
        prior, after = powered_beta(phone, in_person, discount)
        return special.betaln(*after.T) - special.betaln(*prior.T)

    return weigh_discounts(log_marginal)


def beta_mixture(prior, in_person):
    """Schmidli et al. (2014): posterior weights and mean of the share."""
    weight, params = np.array(prior)[:, 0], np.array(prior)[:, 1:]
    after = params + np.array([in_person[0], in_person[1] - in_person[0]])
    log_marginal = special.betaln(*after.T) - special.betaln(*params.T)
    weight = special.softmax(np.log(weight) + log_marginal)
    return weight, float(weight @ (after[:, 0] / after.sum(axis=1)))


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
    weights, share = beta_mixture(INFORMED, (yes, 20))
    assert share == pytest.approx(mean, abs=5e-4)
    assert weights[0] == pytest.approx(weight, abs=5e-5)


def test_exact_form_against_r():
    for case in R["mixture"]:
        weights, share = beta_mixture(INFORMED, case["in_person"])
        assert share == pytest.approx(case["mean"], rel=1e-9)
        assert weights[0] == pytest.approx(case["weight"], rel=1e-9)
    for case in R["beta"]:
        close_to(beta_discount(case["phone"], case["in_person"]), case["discount"])


def close_to(found, expected):
    # Simpson's rule at 401 points against adaptive quadrature.
    assert found.interval.estimate == pytest.approx(expected["mean"], abs=2e-6)
    assert found.interval.lower == pytest.approx(expected["lower"], abs=2e-5)
    assert found.interval.upper == pytest.approx(expected["upper"], abs=2e-5)
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
    assert found.interval.estimate == pytest.approx(weight @ grid, abs=2e-5)
    assert averaged_gap(of, found).estimate == pytest.approx(weight @ gap, abs=2e-6)
    assert found.tenths == pytest.approx(weight.reshape(10, 100).sum(axis=1), abs=2e-5)
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
    means = np.array([one.interval.estimate for one in discounts])
    assert np.all(np.diff(means) < 0)
    assert np.all(np.diff([one.interval.upper for one in discounts]) < 0)
    assert means[-1] < 0.02
    for weight in (0.8, 0.5, 0.2):
        for vague in ((1.0, 1.0), (0.5, 0.5)):
            kept = np.array([robust_mixture(at(phone), weight, vague)[0] for phone in phones])
            assert np.all(np.diff(kept) < 0)
            assert kept[0] > weight
            assert kept[-1] < 1e-12


def test_full_agreement_does_not_bring_the_discount_to_one():
    # Known of normalised power priors: with p = c the marginal is 1 / sqrt(s2 + v/a) but for the
    # truncation, hence between sqrt(a) and flat; its mean lies between 1/2 and 3/5.
    found = discount_posterior(at(0.45))
    assert 0.5 < found.interval.estimate < 0.6


@pytest.mark.parametrize("phone", [0.45, 0.49, 0.55])
def test_the_two_forms_agree_on_large_counts_of_independent_people(phone):
    cov = np.diag([0.24 / 4000, 0.45 * 0.55 / 4000, phone * (1 - phone) / 1000])
    of = at(phone, cov=cov)
    own, called = (1800.0, 4000.0), (1000.0 * phone, 1000.0)
    normal, exact = discount_posterior(of), beta_discount(called, own)
    # A normal of fixed variance stands for a beta density: they differ by the order of 1/n, and
    # by the prior's own observation at small discounts.
    assert normal.interval.estimate == pytest.approx(exact.interval.estimate, abs=0.006)
    params = powered_beta(called, own, exact.grid)[1]
    share = exact.mass @ (params[:, 0] / params.sum(axis=1))
    assert averaged_gap(of, normal).estimate == pytest.approx(0.6 - share, abs=2e-4)
    yes, n = called
    for weight in (0.8, 0.5, 0.2):
        prior = [(weight, 1 + yes, 1 + n - yes), (1 - weight, 1.0, 1.0)]
        weights, share = beta_mixture(prior, own)
        kept, gap = robust_mixture(of, weight, (1.0, 1.0))
        # Far in the tail of 6 standard errors a normal and a beta density differ by a factor.
        assert kept == pytest.approx(weights[0], abs=0.003)
        assert gap.estimate == pytest.approx(0.6 - share, abs=3e-4)


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


CURVE = {f"phone counts {discount:.1f}" for discount in DISCOUNTS}


def found(rows, check=Check.PHONE_POWER_PRIOR, quantity="risk_difference", category=""):
    return {
        row.variant: row
        for row in rows
        if (row.check, row.quantity, row.category) == (check, quantity, category)
    }


def test_rows_are_unique_and_complete(make_phone):
    keys = replace(KEYS, source="EXAMPLE DATA")
    rows = phone_rows(BORROW, make_phone(np.random.default_rng(0), zones=30), keys)
    keys = [(row.check, row.variant, row.quantity, row.category, row.comparator) for row in rows]
    assert len(keys) == len(set(keys))
    assert set(found(rows)) == {Version.IN_PERSON, Version.AVERAGED, *CURVE}
    assert set(found(rows, quantity="discount")) == {
        Version.PRIOR,
        Version.POSTERIOR,
        Version.AGREED,
    }
    tenths = found(rows, quantity="discount_probability")
    assert [row.setting for row in tenths.values()] == list(DISCOUNTS[:-1])
    assert next(iter(tenths)) == "discount 0.0 to 0.1"
    assert sum(row.estimate for row in tenths.values()) == pytest.approx(1)
    kinds = [(weight, vague) for weight in WEIGHTS for vague in VAGUE]
    for quantity in ("phone_weight", "risk_difference"):
        mixed = found(rows, Check.PHONE_ROBUST_MIXTURE, quantity)
        assert [(row.setting, row.choice) for row in mixed.values()] == kinds
        assert set(mixed) == {f"weight {weight:g}, vague {vague}" for weight, vague in kinds}
    assert {row.source for row in rows} == {"EXAMPLE DATA"}
    assert {row.interval_kind for row in rows if row.lower is not None} == {
        IntervalKind.CREDIBLE,
        IntervalKind.CONFIDENCE,
    }
    assert LIMITS in found(rows)[Version.AVERAGED].note


def test_nothing_of_the_phone_is_the_gap_in_person_interval_and_all(make_phone):
    # Eight zones: t with 7 degrees of freedom, far from normal.
    data = make_phone(np.random.default_rng(1), zones=8)
    rows = found(phone_rows(BORROW, data))
    beside = pick(phone_rows(Check.PHONE_REPLACES, data), variant="in person")
    for row in (rows[Version.IN_PERSON], rows["phone counts 0.0"]):
        assert row.estimate == pytest.approx(beside.estimate, abs=1e-9)
        assert row.lower == pytest.approx(beside.lower, abs=1e-6)
        assert row.upper == pytest.approx(beside.upper, abs=1e-6)
    assert rows["phone counts 0.0"].verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("n", "shift", "verdicts"),
    [
        # Phone answers nine points higher count more and more: the gap moves by over 2.5 points.
        ((1500, 1500, 1500), 0.09, {Verdict.HOLDS, Verdict.CHANGES}),
        # A hundred people in person: what the phone makes of them is not known to five points.
        ((600, 100, 600), 0.0, {Verdict.HOLDS, Verdict.UNDECIDED}),
    ],
)
def test_the_gap_moves_by_a_part_of_what_the_answers_lie_apart(
    make_phone, by_rule, n, shift, verdicts
):
    # Without covariates and zones the three shares are independent. A discount of a weights the
    # phone share by w = a / v_p over 1 / v_c + a / v_p, so the gap moves by w (c - p), which has
    # the variance w^2 (v_c + v_p). Shares lie far from 0 and 1.
    data = make_phone(np.random.default_rng(6), n=n, gap=0.06, shift=shift)
    rows = found(phone_rows(BORROW, replace(data, covariates=())))
    c, p = data.comparison.outcome.mean(), data.called.outcome.mean()
    v_c, v_p = c * (1 - c) / n[1], p * (1 - p) / n[2]
    here = rows[Version.IN_PERSON]
    assert here.verdict is here.difference is here.reference is None
    seen = set()
    curve = [row for row in rows.values() if row.setting is not None]
    assert [row.setting for row in curve] == list(DISCOUNTS)
    for row in curve:
        a = row.setting
        part = a / v_p / (1 / v_c + a / v_p)
        half = stats.norm.ppf(0.975) * part * (v_c + v_p) ** 0.5
        assert row.reference == here.estimate
        assert row.difference == pytest.approx(part * (c - p), abs=1e-6)
        assert row.difference_lower == pytest.approx(part * (c - p) - half, abs=1e-5)
        assert row.difference_upper == pytest.approx(part * (c - p) + half, abs=1e-5)
        assert row.verdict is by_rule(row, here)
        seen.add(row.verdict)
    assert rows["phone counts 0.0"].verdict is Verdict.HOLDS
    assert seen == verdicts


@pytest.mark.parametrize("smallest_gap", [0.005, 0.05, 0.2])
def test_every_gap_is_judged_by_its_difference(make_phone, by_rule, smallest_gap):
    # In full the phone share counts as in generalised least squares on all three shares: the gap
    # then moves by a contrast of them, with the variance that their covariance gives it.
    data = make_phone(np.random.default_rng(8), gap=0.06, shift=0.05)
    rows = phone_rows(BORROW, data, smallest_gap=smallest_gap)
    here = found(rows)[Version.IN_PERSON]
    judged = [row for row in rows if row.difference is not None]
    names = {f"weight {weight:g}, vague {vague}" for weight in WEIGHTS for vague in VAGUE}
    assert {row.variant for row in judged} == {Version.AVERAGED, *CURVE, *names}
    for row in judged:
        assert row.difference == pytest.approx(row.estimate - here.estimate, abs=1e-12)
        assert row.verdict is by_rule(row, here, smallest_gap)
    shares, cov = data.joint.at_least(1)
    design, precision = np.array([[1.0, 0], [0, 1], [0, 1]]), np.linalg.inv(cov)
    pooled = np.linalg.solve(design.T @ precision @ design, design.T @ precision)
    moved = np.array([1.0, -1.0]) @ pooled - np.array([1.0, -1.0, 0.0])
    half = stats.norm.ppf(0.975) * (moved @ cov @ moved) ** 0.5
    whole = found(rows)["phone counts 1.0"]
    assert whole.difference == pytest.approx(moved @ shares, abs=1e-6)
    assert whole.difference_upper - whole.difference == pytest.approx(half, abs=1e-5)
    assert whole.difference - whole.difference_lower == pytest.approx(half, abs=1e-5)


def test_ordinal_outcomes_have_a_curve_at_the_middle_only(make_phone):
    rows = phone_rows(BORROW, make_phone(np.random.default_rng(2), n_levels=5, zones=30))
    curves = {row.category for row in rows if row.variant in CURVE}
    assert len(curves) == 1
    for category in (">=A", ">=B", ">=C", ">=D"):
        assert {Version.IN_PERSON, Version.AVERAGED} <= set(found(rows, category=category))
    assert {row.category for row in rows if row.variant == Version.AVERAGED} == {
        ">=A",
        ">=B",
        ">=C",
        ">=D",
    }


def test_a_declared_threshold_has_the_curve(make_phone):
    data = make_phone(np.random.default_rng(2), n_levels=5, zones=30)
    for at in (">=B", ">=D", ">=A"):
        rows = phone_rows(BORROW, data, replace(KEYS, at=at))
        assert {row.category for row in rows if row.variant in CURVE} == {at}


def test_without_phone_interviews_it_does_not_apply(make_phone):
    data = make_phone(np.random.default_rng(4))
    none = replace(data, phone=data.phone.take(data.phone.outcome < 0))
    rows = phone_rows(BORROW, none)
    assert [row.check for row in rows] == list(BORROW)
    assert {row.verdict for row in rows} == {Verdict.NOT_APPLICABLE}
    few = phone_rows(BORROW, make_phone(np.random.default_rng(4), zones=4))
    assert {row.verdict for row in few} == {Verdict.NOT_ASSESSED}
    assert all("4 zones" in row.note for row in few)


def test_the_same_people_by_phone_add_nothing(make_phone):
    data = make_phone(np.random.default_rng(5), zones=25)
    same = replace(data, phone=data.comparison)
    rows = phone_rows(BORROW, same)
    assert {row.verdict for row in rows} == {Verdict.NOT_ASSESSED}
    assert all("add nothing" in row.note for row in rows)


def test_members_left_out_are_told(make_phone):
    data = make_phone(np.random.default_rng(7))
    young = replace(data, phone=data.phone.take(data.phone.factors["age"] < 2))
    rows = found(phone_rows(BORROW, young))
    lost = int((data.members.factors["age"] == 2).sum())
    assert (rows[Version.AVERAGED].n, rows[Version.AVERAGED].of) == (lost, data.members.n)
    assert f"Members left out: {lost} of {data.members.n}." in rows[Version.AVERAGED].note
    kept = data.members.outcome[data.members.factors["age"] < 2].mean()
    others = data.comparison
    share = np.bincount(data.members.factors["age"], minlength=3)[:2]
    means = [others.outcome[others.factors["age"] == age].mean() for age in (0, 1)]
    expected = kept - share @ means / share.sum()
    assert rows[Version.IN_PERSON].estimate == pytest.approx(expected)


def simulated(make_phone, shift, replicates, seed):
    """Per replicate: in-person, averaged and mixture interval, and the two measures."""
    rng = np.random.default_rng(seed)
    (contrast,) = threshold_gaps(("E", "D"))
    for _ in range(replicates):
        data = make_phone(rng, shift=shift, zones=40)
        here = measured_at(data.joint, contrast, 0.05)
        discount = discount_posterior(here.measures)
        mixture = robust_mixture(here.measures, 0.5, (1.0, 1.0))[1]
        yield here, averaged_gap(here.measures, discount), mixture


def test_without_a_mode_shift_borrowing_covers_and_is_narrower(make_phone):
    runs = list(simulated(make_phone, 0.0, 400, seed=11))
    truth = 0.15
    for way in (1, 2):
        intervals = [run[way] for run in runs]
        covered = np.mean([one.lower <= truth <= one.upper for one in intervals])
        # Monte Carlo error of a rate of 95 % over 400 replicates is 1.1 points: three of them.
        assert covered == pytest.approx(0.95, abs=0.033)
        width = np.array([one.upper - one.lower for one in intervals])
        alone = np.array([here.in_person.upper - here.in_person.lower for here, *_ in runs])
        assert width.mean() < alone.mean()
        # Single intervals are wider where the phone happens to disagree; most are narrower.
        assert np.mean(width < alone) > 0.8


def test_with_a_large_shift_the_gap_stays_near_the_one_in_person(make_phone):
    for here, averaged, mixture in simulated(make_phone, 0.35, 60, seed=12):
        of = here.measures
        # In strong conflict the discount is near a gamma of mean 3v/d2, which pulls the share by
        # 3s2/d: the remainder is of next order in v/d2.
        pull = 3 * of.in_person_var / abs(of.phone - of.in_person)
        assert abs(averaged.estimate - of.gap) < 1.2 * pull * abs(of.slope)
        # That is 3s/d standard errors: less than half of one where d is above 6s.
        assert abs(averaged.estimate - of.gap) < 0.5 * here.in_person.std_error
        # The shift is 6 or more standard errors: e^-18 of the informed component is left.
        assert mixture.estimate == pytest.approx(of.gap, abs=1e-3)
