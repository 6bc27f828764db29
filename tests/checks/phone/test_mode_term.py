"""The matched gap with a mode term: R (tests/r/phone.R), by hand, invariants, simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.by_mode import LIMITS, PhoneStudy
from coopgap.checks.phone.gaps import joined_sample
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict, Version
from coopgap.families.cells import fit_cells
from coopgap.families.cumulative import estimate_matched
from coopgap.study.spec import Fitting

from ..conftest import by_r, context_of, phone_rows, sample_of
from ..conftest import rows_of as check_rows

EXPECTED = by_r("phone")
# Two programs at convergence; the phone weights of both stop at 1e-10 on the margins.
COEFFICIENT = {"rel": 1e-7, "abs": 1e-8}
STD_ERROR = {"rel": 1e-6}


def rows_of(data, sample, smallest_gap=0.05):
    context = context_of(sample, phone=data, smallest_gap=smallest_gap)
    return check_rows(Check.PHONE_JOINS_MODE, context)


def pick(rows, variant, quantity="risk_difference"):
    return {row.category: row for row in rows if (row.variant, row.quantity) == (variant, quantity)}


# Against R


@pytest.mark.parametrize(("model", "key"), [("ses", "ordinal"), ("trusted_person", "binary")])
def test_clm_with_a_mode_term(example_phone, model, key):
    data, sample = example_phone(model)
    joined = joined_sample(sample, data)
    called = joined.sample.weight[data.in_person.n :]
    # The file's people stand in another order.
    assert np.sort(called) == pytest.approx(np.sort(EXPECTED["phone_weights"]), rel=1e-7)
    assert int(joined.sample.kept.sum()) == EXPECTED["n_joined"]
    found = fit_cells(joined.sample, joined.sample.weight, matched=True)
    expected = EXPECTED["mode_term"][key]
    ours = dict(zip(found.on.terms, found.fit.slopes, strict=True))
    errors = dict(zip(found.on.terms, np.sqrt(np.diag(found.covariance.cov)), strict=False))
    theirs = dict(zip(expected["terms"], expected["slopes"], strict=True))
    their_errors = dict(zip(expected["terms"], expected["cluster_std_errors"], strict=False))
    names = {"mode=phone": "mode"}
    for term, value in ours.items():
        name = names.get(term, term.replace("=", ""))
        assert value == pytest.approx(theirs[name], **COEFFICIENT)
        assert errors[term] == pytest.approx(their_errors[name], **STD_ERROR)
    assert found.fit.thresholds == pytest.approx(expected["thresholds"], **COEFFICIENT)


@pytest.mark.parametrize(("model", "key"), [("ses", "ordinal"), ("trusted_person", "binary")])
def test_the_gap_with_a_mode_term_is_that_of_r(example_phone, model, key):
    data, sample = example_phone(model)
    sample = proportional(sample)
    expected = EXPECTED["mode_term"][key]["standardised"]
    margins = np.array([*expected["member"], *expected["comparison"]])
    shown = check_gaps(data, sample, Version.MODE_TERM, margins, np.array(expected["cov"]))
    assert shown == {"ses": [">=D", ">=C", ">=B", ">=A"], "trusted_person": [""]}[model]


def test_the_gap_with_thresholds_of_the_phone_is_that_of_r(example_phone):
    data, sample = example_phone("ses")
    expected = EXPECTED["own_thresholds"]
    again = estimate_matched(freed(joined_sample(sample, data)))
    shares = [
        again.intervals[one]
        for of_member in (True, False)
        for one in sorted(again.intervals, key=lambda one: one.level)
        if one.quantity is Quantity.SHARE and one.of_member is of_member
    ]
    assert [one.estimate for one in shares] == pytest.approx(expected["margins"], **COEFFICIENT)
    # R differentiates numerically, twice over.
    assert [one.std_error for one in shares] == pytest.approx(expected["std_errors"], rel=1e-5)


def freed(joined):
    return replace(joined.sample, fitting=Fitting(form="proportional", free=(joined.mode,)))


def proportional(sample):
    """One odds ratio of membership for all thresholds, as R's clm has it."""
    return replace(sample, fitting=Fitting(form="proportional"))


def check_gaps(data, sample, variant, margins, cov):
    """Hold every gap that is shown to margins and covariance; the categories that were held."""
    shown = []
    found = pick(rows_of(data, sample), variant)
    levels = sample.rows.levels
    n = len(levels)
    for j in range(1, n):
        category = f">={levels[j]}" if n > 2 else ""
        row = found[category]
        above = (np.arange(n) >= j).astype(float)
        contrast = np.concatenate([above, -above])
        assert row.estimate == pytest.approx(contrast @ margins, **COEFFICIENT)
        assert row.std_error == pytest.approx(np.sqrt(contrast @ cov @ contrast), **STD_ERROR)
        shown.append(category)
    return shown


# What is borrowed


@pytest.mark.parametrize("zones", [None, 20, 80])  # HC0, CR2, CR1
@pytest.mark.parametrize("n_levels", [2, 4])
def test_without_covariates_nothing_is_borrowed(make_phone, zones, n_levels):
    data = make_phone(np.random.default_rng(0), n_levels=n_levels, zones=zones, shift=0.2)
    sample = sample_of(data.in_person, (), on=("age",))
    rows = rows_of(data, sample)
    variant = Version.MODE_TERM if n_levels == 2 else Version.MODE_THRESHOLDS
    here, there = pick(rows, "in person"), pick(rows, variant)
    for category, row in there.items():
        assert row.estimate == pytest.approx(here[category].estimate, abs=1e-9)
        assert row.std_error == pytest.approx(here[category].std_error, rel=1e-7)
        assert row.lower == pytest.approx(here[category].lower, abs=1e-8)
    if n_levels > 2:
        # One shift for all thresholds ties the distances between them together.
        tied = pick(rows, Version.MODE_TERM)
        moved = [abs(tied[c].estimate - here[c].estimate) for c in tied]
        assert max(moved) > 1e-4


@pytest.mark.parametrize("n_levels", [2, 3])
def test_nothing_is_borrowed_when_each_mode_has_slopes_of_its_own(make_phone, n_levels):
    data = crossed(make_phone(np.random.default_rng(1), n_levels=n_levels, zones=25, shift=0.2))
    alone = sample_of(data.in_person, ("age",), on=("other",))
    # Ages by mode, six levels of which three belong to the phone: the mode interacts with age.
    by_mode = replace(joined_sample(alone, data).sample, covariates=("age by mode", "mode"))
    rows = by_mode.rows
    code = rows.factors["age"] + 3 * rows.factors["mode"]
    rows = replace(
        rows,
        factors={**rows.factors, "age by mode": code},
        factor_levels={**rows.factor_levels, "age by mode": tuple("012345")},
    )
    free = ("age by mode",) if n_levels > 2 else ()
    by_mode = replace(by_mode, rows=rows, covariates=("age by mode",), fitting=Fitting(free=free))
    alone = replace(alone, fitting=Fitting(free=("age",) if free else ()))
    here, there = estimate_matched(alone), estimate_matched(by_mode)
    shared = estimate_matched(joined_sample(alone, data).sample)
    moved = 0.0
    for contrast, interval in here.intervals.items():
        other = there.intervals[contrast]
        assert other.estimate == pytest.approx(interval.estimate, abs=1e-8)
        assert other.std_error == pytest.approx(interval.std_error, rel=1e-6)
        moved = max(moved, abs(shared.intervals[contrast].estimate - interval.estimate))
    # With slopes in common the gap of the same people does move.
    assert moved > 1e-4


def crossed(data):
    """The people with a second factor that says nothing, to be matched on."""

    def add(rows):
        return replace(
            rows,
            factors={**rows.factors, "other": rows.index % 2},
            factor_levels={**rows.factor_levels, "other": ("0", "1")},
        )

    return replace(data, in_person=add(data.in_person), phone=add(data.phone))


def test_weights_that_balance_the_covariates_leave_the_estimate_where_it_is(make_phone):
    data = crossed(make_phone(np.random.default_rng(2), zones=30, shift=0.2))
    balanced = rows_of(data, sample_of(data.in_person, ("age",)))
    here, there = (pick(balanced, name)[""] for name in ("in person", Version.MODE_TERM))
    assert there.estimate == pytest.approx(here.estimate, abs=1e-10)
    assert "in-person one and only its interval can move" in there.note
    unbalanced = rows_of(data, sample_of(data.in_person, ("age",), on=("other",)))
    here, there = (pick(unbalanced, name)[""] for name in ("in person", Version.MODE_TERM))
    assert abs(there.estimate - here.estimate) > 1e-5
    assert "in-person one" not in there.note


# Simulation

THRESHOLDS, AGE, MEMBER, PHONE = np.array([0.0, 1.2]), 0.7, 0.6, 0.9


def logistic_people(make_rows, rng):
    """Members, in-person and phone comparison people of a proportional-odds model."""
    ages = [rng.choice(3, n, p=p) for n, p in ((500, [0.2, 0.3, 0.5]), (500, [0.4, 0.35, 0.25]))]
    in_person_age = np.concatenate(ages)
    member = np.arange(1000) < 500
    phone_age = rng.choice(3, 250, p=[0.5, 0.3, 0.2])

    def answers(age, shift):
        latent = AGE * age + shift + rng.logistic(size=age.size)
        return np.searchsorted(THRESHOLDS, latent)

    def rows(age, member, outcome):
        factors = {"age": age, "other": np.arange(age.size) % 2}
        return make_rows(factors, member, outcome, n_levels=3, sizes={"age": 3, "other": 2})

    return PhoneStudy(
        covariates=("age",),
        in_person=rows(in_person_age, member, answers(in_person_age, MEMBER * member)),
        phone=rows(phone_age, np.zeros(250, bool), answers(phone_age, PHONE)),
    )


def true_gap():
    """At each threshold, over the members' ages."""
    age, share = np.arange(3), np.array([0.2, 0.3, 0.5])

    def above(shift):
        return share @ (1 / (1 + np.exp(THRESHOLDS[None] - (AGE * age + shift)[:, None])))

    return above(MEMBER) - above(0.0)


def test_a_mode_shift_is_recovered_and_kept_out_of_the_gap(make_rows):
    rng = np.random.default_rng(3)
    found = {"shift": [], "mode term": [], "own thresholds": [], "joins": []}
    for _ in range(60):
        data = logistic_people(make_rows, rng)
        # Matched on what says nothing, so that age is left to the regression.
        sample = sample_of(data.in_person, ("age",), on=("other",))
        joined = joined_sample(sample, data)
        fit = fit_cells(joined.sample, joined.sample.weight, matched=True)
        found["shift"].append(fit.fit.slopes[fit.on.columns[joined.mode][0]])
        rows = rows_of(data, sample)
        for name, variant in (
            ("mode term", Version.MODE_TERM),
            ("own thresholds", Version.MODE_THRESHOLDS),
        ):
            gaps = pick(rows, variant)
            found[name].append([gaps[c].estimate for c in (">=D", ">=C")])
        gaps = pick(phone_rows(Check.PHONE_JOINS, data), "phone and in person")
        found["joins"].append([gaps[c].estimate for c in (">=D", ">=C")])
    mean = {name: np.mean(values, axis=0) for name, values in found.items()}
    # Standard errors of one replicate are about .15 (log odds) and .03: over the root of 60.
    assert mean["shift"] == pytest.approx(PHONE, abs=0.06)
    for name in ("mode term", "own thresholds"):
        assert mean[name] == pytest.approx(true_gap(), abs=0.012)
    # A third of the joined comparison people stand .9 higher: the gap shrinks by some six points.
    assert (mean["joins"] < true_gap() - 0.04).all()


# Rows


def test_two_levels_say_that_thresholds_are_the_mode_term(make_phone, by_rule):
    data = make_phone(np.random.default_rng(4), zones=30)
    rows = rows_of(data, sample_of(data.in_person, ("age",)))
    (row,) = [row for row in rows if row.variant == Version.MODE_THRESHOLDS]
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "one threshold" in row.note
    keys = [(row.variant, row.quantity, row.category) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row.check for row in rows} == {Check.PHONE_JOINS_MODE}
    gap = pick(rows, Version.MODE_TERM)[""]
    assert gap.comparator == Comparator.PHONE
    assert gap.verdict is by_rule(gap, pick(rows, "in person")[""])
    assert "covariates' slopes only" in gap.note
    assert LIMITS in gap.note


def without_zone(sample, zone):
    """The sample without a zone's people; the others keep their matching weights."""
    keep = sample.rows.zone != zone
    matched = replace(
        sample.matched, weight=sample.matched.weight[keep], set_id=sample.matched.set_id[keep]
    )
    return replace(sample, rows=sample.rows.take(keep), matched=matched)


@pytest.fixture(scope="module")
def moved_by_zone():
    """By variant, contrast and zone left out: how far the phone people move an estimate."""

    def of(data, sample):
        joined = joined_sample(sample, data)
        versions = {
            Version.MODE_TERM: joined.sample,
            Version.MODE_THRESHOLDS: replace(joined.sample, fitting=Fitting(free=(joined.mode,))),
        }
        found = {}
        for zone in np.unique(data.in_person.zone):
            here = estimate_matched(without_zone(sample, zone)).intervals
            for name, version in versions.items():
                again = estimate_matched(without_zone(version, zone)).intervals
                for one, interval in again.items():
                    key = (name, one.quantity, one.category)
                    found.setdefault(key, []).append(interval.estimate - here[one].estimate)
        return found

    return of


def test_the_difference_varies_as_with_zones_left_out(make_phone, moved_by_zone):
    data = crossed(make_phone(np.random.default_rng(5), n_levels=3, zones=80, shift=0.2))
    sample = sample_of(data.in_person, ("age",), on=("other",))
    rows = rows_of(data, sample)
    moved = moved_by_zone(data, sample)
    judged = [row for row in rows if row.difference is not None and row.variant != "in person"]
    keys = [(row.variant, row.quantity, row.category) for row in judged]
    assert set(keys) == {
        (variant, *what)
        for variant in (Version.MODE_TERM, Version.MODE_THRESHOLDS)
        for what in (("risk_difference", ">=D"), ("risk_difference", ">=C"), ("superiority", ""))
    }
    for row, key in zip(judged, keys, strict=True):
        here = pick(rows, "in person", row.quantity)[row.category]
        assert row.reference == here.estimate
        assert row.difference == pytest.approx(row.estimate - here.estimate)
        away = moved[key] - np.mean(moved[key])
        error = np.sqrt(79 / 80 * np.sum(away**2))
        for half in (row.difference_upper - row.difference, row.difference - row.difference_lower):
            # Both are first-order; they differ at the second with 80 zones.
            assert half == pytest.approx(stats.t.ppf(0.975, 79) * error, rel=0.1)
        # The same people in person stand on both sides: most of their error cancels.
        assert row.difference_upper - row.difference < 0.5 * (here.upper - here.estimate)


def test_members_whom_no_phone_person_resembles_stay(make_phone):
    data = make_phone(np.random.default_rng(6))
    young = replace(data, phone=data.phone.take(data.phone.factors["age"] < 2))
    sample = sample_of(data.in_person, ("age",))
    rows = rows_of(young, sample)
    (lost,) = pick(rows, Version.MODE_TERM, "members_lost_share").values()
    assert lost.estimate == lost.n == 0
    assert lost.of == int(data.members.n)
    assert "No phone person is at age=2" in lost.note
    called = joined_sample(sample, young).sample.weight[data.in_person.n :]
    member_ages = data.members.factors["age"]
    share = np.mean(member_ages[member_ages < 2])
    assert np.average(young.called.factors["age"], weights=called) == pytest.approx(share)
    (size,) = pick(rows, Version.MODE_TERM, "ess").values()
    assert size.estimate == pytest.approx(called.sum() ** 2 / (called**2).sum())


def test_no_phone_people_and_none_that_can_be_weighted(make_phone):
    data = make_phone(np.random.default_rng(8))
    sample = sample_of(data.in_person, ("age",))
    nobody = replace(data, phone=data.phone.take(np.zeros(data.phone.n, bool)))
    (row,) = rows_of(nobody, sample)
    assert (row.check, row.verdict) == (Check.PHONE_JOINS_MODE, Verdict.NOT_APPLICABLE)
    old = data.in_person.take(~data.in_person.member | (data.in_person.factors["age"] == 2))
    young = replace(data, in_person=old, phone=data.phone.take(data.phone.factors["age"] == 0))
    (row,) = rows_of(young, sample_of(old, ("age",)))
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "cannot be balanced" in row.note


def test_pairs_leave_phone_people_in_sets_of_their_own(make_phone):
    data = make_phone(np.random.default_rng(9), n=(150, 300, 60))
    sample = sample_of(data.in_person, ("age",), method="optimal")
    joined = joined_sample(sample, data).sample
    sampled = joined.sampled(matched=True)
    cluster = sampled.cluster
    assert sampled.second is None
    assert np.unique(cluster[data.in_person.n :]).size == 60
    assert not np.isin(cluster[data.in_person.n :], cluster[: data.in_person.n]).any()
    assert pick(rows_of(data, sample), Version.MODE_TERM)[""].std_error > 0


def test_a_factor_of_the_same_name_is_left_alone(make_phone):
    data = make_phone(np.random.default_rng(10))

    def renamed(rows):
        return replace(
            rows,
            factors={"mode": rows.factors["age"]},
            factor_levels={"mode": rows.factor_levels["age"]},
        )

    other = PhoneStudy(
        in_person=renamed(data.in_person), phone=renamed(data.phone), covariates=("mode",)
    )
    sample = sample_of(other.in_person, ("mode",))
    assert joined_sample(sample, other).mode == "mode of interview"
    plain = pick(rows_of(data, sample_of(data.in_person, ("age",))), Version.MODE_TERM)[""]
    assert pick(rows_of(other, sample), Version.MODE_TERM)[""].std_error == pytest.approx(
        plain.std_error
    )


def test_few_zones_are_not_assessed(make_phone):
    data = make_phone(np.random.default_rng(12), zones=4)
    (row,) = rows_of(data, sample_of(data.in_person, ("age",)))
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "4 zones" in row.note


def weighted(data, factor=1.0):
    """The people with sampling weights that differ."""
    parts = []
    for rows, seed in ((data.in_person, 0), (data.phone, 1)):
        weight = np.random.default_rng(seed).uniform(0.5, 2.0, rows.n)
        parts.append(replace(rows, weight=factor * weight))
    return replace(data, in_person=parts[0], phone=parts[1])


def test_rescaled_sampling_weights_change_nothing(make_phone):
    data = crossed(make_phone(np.random.default_rng(13), n_levels=3, zones=30, shift=0.1))
    once, again = (weighted(data, factor) for factor in (1.0, 7.0))
    first, second = (
        rows_of(one, sample_of(one.in_person, ("age",), on=("other",))) for one in (once, again)
    )
    for left, right in zip(first, second, strict=True):
        assert right.estimate == pytest.approx(left.estimate, rel=1e-7)
        if left.std_error is not None:
            assert right.std_error == pytest.approx(left.std_error, rel=1e-6)
    plain = rows_of(data, sample_of(data.in_person, ("age",), on=("other",)))
    assert (
        abs(
            pick(plain, Version.MODE_TERM)[">=D"].estimate
            - pick(first, Version.MODE_TERM)[">=D"].estimate
        )
        > 1e-4
    )


def test_phone_people_are_weighted_to_the_members_as_the_design_weights_them(make_phone):
    data = weighted(make_phone(np.random.default_rng(14)))
    sample = sample_of(data.in_person, ("age",), method="overlap")
    joined = joined_sample(sample, data).sample
    members = data.in_person.member
    called = slice(data.in_person.n, None)
    age = joined.rows.factors["age"]
    for level in range(3):
        share = np.average(data.members.factors["age"] == level, weights=sample.weight[members])
        found = np.average(age[called] == level, weights=joined.weight[called])
        assert found == pytest.approx(share, abs=1e-8)
    # Members count less the likelier they are members: the older ones here.
    assert np.average(age[: members.size][members], weights=sample.weight[members]) < np.average(
        data.members.factors["age"], weights=data.members.weight
    )
