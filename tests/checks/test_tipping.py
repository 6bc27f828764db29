"""Tipping points: answers moved by hand, one at a time, in R and in closed form."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from coopgap.app.plan import make_plan
from coopgap.checks.moved import movable, moved_margins, shift_moves
from coopgap.checks.tipping import Course, tipping_rows
from coopgap.core.gap import Interval
from coopgap.core.vocabulary import Verdict, Version
from coopgap.families import headline as families
from coopgap.families.dispatch import headline_estimate
from coopgap.study.spec import Fitting
from coopgap.survey.cells import group_codes
from coopgap.survey.example import make_example

from .conftest import answered, build_rows, by_r, context_of, gap_of, keys_of, pick, with_outcome
from .conftest import sample_of as matched

LEVELS = {2: ("no", "yes"), 3: tuple("CBA"), 4: tuple("DCBA")}


def sample_of(outcome, member, *, n_levels=2, zone=None, age=None, link="logit"):
    factors = {"age": np.zeros(len(outcome)) if age is None else age}
    rows = build_rows(factors, member, outcome, levels=LEVELS[n_levels], zone=zone)
    errors = "HC0" if zone is None else "CR1"
    return matched(rows, () if age is None else ("age",), link=link, std_errors=errors)


def simulated(rng, *, n=1600, n_levels=2, gap=0.6, zones=80, **more):
    age, member, zone = rng.integers(0, 3, n), rng.random(n) < 0.5, rng.integers(0, zones, n)
    eta = 0.3 * age + gap * member + rng.normal(0, 0.3, zones)[zone]
    cuts = np.linspace(0.2, 1.8, n_levels - 1)
    outcome = (cuts < (eta + rng.logistic(size=n))[:, None]).sum(axis=1)
    return sample_of(outcome, member, n_levels=n_levels, zone=zone, age=age, **more)


def rows_of(sample, shifts=None, at=""):
    def rows(context):
        context.estimated()
        return tipping_rows(context, shifts or {})

    return answered(rows, context_of(sample, keys=keys_of(sample.rows, at)))


def headline_contrast(n_levels):
    return families.headline_contrast(LEVELS[n_levels])


def headline_of(sample):
    """The headline's interval, fitted."""
    return headline_estimate(sample).intervals[headline_contrast(len(sample.rows.levels))]


def limit_of(sample, sign):
    """Distance of the interval's nearer limit from no gap, on the microdata."""
    interval = headline_of(sample)
    null = 0.0 if len(sample.rows.levels) == 2 else 0.5
    return sign * ((interval.lower if sign > 0 else interval.upper) - null)


def person_moves(sample, shift):
    """Each person's chance to change from their level to each, shape (n, J)."""
    at, rows, kept = movable(sample), sample.rows, sample.kept
    none = np.zeros(rows.n, dtype=np.int64)
    zone = none if rows.zone is None else rows.zone
    columns = [rows.member.astype(np.int64), kept.astype(np.int64), zone, none]
    columns += [rows.factors[name] for name in sample.covariates]
    index = group_codes([column[kept] for column in columns])[1]
    chances = np.eye(len(rows.levels))[rows.outcome]
    chances[kept] = shift_moves(at, shift)[index, rows.outcome[kept]]
    return chances


def moved_by_hand(sample, shift, rng):
    """Whole answers moved: spread over people of like weight by systematic sampling.

    Returns the moved sample and the number of answers that are off.
    """
    rows = sample.rows
    chances = person_moves(sample, shift)
    leaves = 1 - chances[np.arange(rows.n), rows.outcome]
    order = np.lexsort((rng.random(rows.n), *rows.factors.values(), sample.weight))
    total = np.cumsum(leaves[order])
    hit = np.diff(np.floor(total + 0.5), prepend=0.0) > 0
    outcome = rows.outcome.copy()
    for person in order[hit]:
        other = chances[person].copy()
        other[rows.outcome[person]] = 0.0
        outcome[person] = rng.choice(other.size, p=other / other.sum())
    return with_outcome(sample, outcome), int(hit.sum())


def answers_off_by_hand(sample, sign, rng):
    """Answers moved when the interval, fitted anew each time, first holds no gap."""
    seed = rng.integers(2**31)

    def at(shift):
        return moved_by_hand(sample, sign * shift, np.random.default_rng(seed))

    low, high = 0.0, 4.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        moved, _ = at(middle)
        low, high = (middle, high) if limit_of(moved, sign) > 0 else (low, middle)
    return at(high)[1]


def peru(name):
    plan = make_plan("peru", data=make_example().data, only=[name])
    return plan.models[0].sample


@pytest.mark.parametrize("sign", [1, -1])
def test_flips_one_answer_at_a_time_by_hand(sign):
    # One stratum, people independent: which answer is flipped makes no difference, so the first
    # number of flips at which the interval holds zero is the tipping share rounded up.
    outcome = np.concatenate([np.repeat([1, 0], [240, 360]), np.repeat([1, 0], [180, 420])])
    outcome = outcome if sign > 0 else 1 - outcome
    member = np.arange(1200) < 600
    sample = sample_of(outcome, member)

    def after(flips):
        answers = outcome.copy()
        answers[780 : 780 + flips] = 1 - answers[780 : 780 + flips]
        return limit_of(with_outcome(sample, answers), sign)

    flips = next(k for k in range(200) if after(k) <= 0)
    share = pick(rows_of(sample), variant=Version.INTERVAL_AT_ZERO, quantity="share_off").estimate
    assert flips - 1 < share * 600 <= flips
    least = pick(
        rows_of(sample), variant=Version.INTERVAL_AT_ZERO, quantity="least_share_off"
    ).estimate
    assert least == pytest.approx(share, abs=1e-5)


@pytest.mark.parametrize("n_levels", [2, 4])
def test_tipping_share_is_that_of_answers_moved_by_hand_in_a_simulated_survey(n_levels):
    sample = simulated(np.random.default_rng(11), n_levels=n_levels)
    share = pick(
        rows_of(sample), variant=Version.INTERVAL_AT_ZERO, quantity="share_off", category=""
    ).estimate
    number = share * (~sample.rows.member).sum()
    rng = np.random.default_rng(1)
    by_hand = [answers_off_by_hand(sample, 1, rng) for _ in range(8)]
    # Which answers of a stratum are moved is left to chance: over choices within one person.
    error = np.std(by_hand, ddof=1) / 8**0.5
    assert error < 1
    assert abs(np.mean(by_hand) - number) < 1 + 2 * error


@pytest.mark.parametrize("name", ["trust_agree", "trusted_person"])
def test_tipping_share_is_that_of_answers_moved_by_hand_in_the_example_survey(name):
    sample = peru(name)
    share = pick(rows_of(sample), variant=Version.INTERVAL_AT_ZERO, quantity="share_off").estimate
    number = share * (sample.kept & ~sample.rows.member).sum()
    rng = np.random.default_rng(2)
    by_hand = [answers_off_by_hand(sample, 1, rng) for _ in range(6)]
    error = np.std(by_hand, ddof=1) / 6**0.5
    assert error < 1
    assert abs(np.mean(by_hand) - number) < 1 + 2 * error


def test_least_share_is_that_of_the_weightiest_answers_flipped_by_hand():
    # Flip the answers of the heaviest people below the threshold, whole people, one by one.
    sample = peru("trusted_person")
    rows, weight = sample.rows, sample.weight
    below = np.flatnonzero(~rows.member & (rows.outcome == 0) & sample.kept)
    order = below[np.argsort(-weight[below], kind="stable")]

    def after(flips):
        answers = rows.outcome.copy()
        answers[order[:flips]] = 1
        return limit_of(with_outcome(sample, answers), 1)

    flips = next(k for k in range(200) if after(k) <= 0)
    found = rows_of(sample)
    least = pick(found, variant=Version.INTERVAL_AT_ZERO, quantity="least_share_off").estimate
    spread = pick(found, variant=Version.INTERVAL_AT_ZERO, quantity="share_off").estimate
    number = least * (sample.kept & ~rows.member).sum()
    # By influence rather than by weight, and the last stratum evenly: never more than by hand.
    assert flips - 2 < number <= flips
    assert least < spread / 2


def test_odds_multiple_and_halving_from_a_table():
    outcome = np.concatenate([np.repeat([1, 0], [240, 360]), np.repeat([1, 0], [162, 438])])
    found = rows_of(sample_of(outcome, np.arange(1200) < 600))
    half = pick(found, variant=Version.GAP_HALVES, quantity="share_off")
    assert half.estimate == pytest.approx(0.065, abs=1e-6)
    odds = pick(found, variant=Version.GAP_HALVES, quantity="odds_multiple")
    assert odds.estimate == pytest.approx(0.335 / 0.665 * 0.73 / 0.27, rel=1e-5)
    zero = pick(found, variant=Version.INTERVAL_AT_ZERO, quantity="share_off")
    error = np.sqrt(0.4 * 0.6 / 600 + (m := 0.27 + zero.estimate) * (1 - m) / 600)
    assert 0.4 - m == pytest.approx(1.959964 * error, abs=1e-6)
    # Of two answers the share is close to the gap's lower limit.
    lower = 0.13 - 1.959964 * np.sqrt(0.4 * 0.6 / 600 + 0.27 * 0.73 / 600)
    assert zero.threshold == pytest.approx(lower, abs=1e-6)
    assert zero.estimate == pytest.approx(lower, abs=0.004)


@pytest.mark.parametrize(("name", "n_levels"), [("binary", 2), ("ordinal", 3)])
def test_answers_moved_in_r(name, n_levels):
    # glm and clm refitted on the moved table, influences by numerical derivatives, uniroot.
    known = by_r("tipping")[name]
    table = {key: np.repeat(values, known["table"]["n"]) for key, values in known["table"].items()}
    sample = sample_of(
        table["level"] - 1,
        table["member"] == 1,
        n_levels=n_levels,
        zone=table["cluster"],
        age=table["stratum"],
    )
    sample = replace(sample, fitting=replace(sample.fitting, form="proportional"))
    at, interval = movable(sample), headline_of(sample)
    null = 0.0 if n_levels == 2 else 0.5
    assert interval.estimate - null == pytest.approx(known["start"]["gap"], rel=1e-8)
    assert interval.std_error == pytest.approx(known["start"]["std_error"], rel=1e-6)
    found = rows_of(sample)
    for variant, there in (
        (Version.INTERVAL_AT_ZERO, known["zero"]),
        (Version.GAP_HALVES, known["half"]),
    ):
        moved = moved_margins(at, shift_moves(at, there["shift"]))
        one = headline_contrast(n_levels)
        assert moved.value(one) - null == pytest.approx(there["gap"], rel=1e-7)
        assert moved.variance(one) ** 0.5 == pytest.approx(there["std_error"], rel=1e-6)
        odds = pick(found, variant=variant, quantity="odds_multiple", category="")
        # The root is found to 1e-6 here and 1e-9 there.
        assert np.log(odds.estimate) == pytest.approx(there["shift"], abs=2e-6)
        share = pick(found, variant=variant, quantity="share_off", category="")
        assert share.estimate == pytest.approx(there["share_off"], abs=2e-6)


def test_odds_multiple_in_every_cell_restandardised_by_hand():
    # Strata with shares of their own: the moved gap is the members' mean over strata, each odds
    # of the comparison group multiplied by what halves it.
    rng = np.random.default_rng(4)
    sample = simulated(rng, n=6000, gap=0.5)
    rows, fit = sample.rows, movable(sample).fit
    age = np.concatenate([[0.0], fit.slopes[1:]])
    eta = age[rows.factors["age"][rows.member]] - fit.thresholds[0]
    gap = np.mean(expit(eta + fit.slopes[0]) - expit(eta))

    def left(shift):
        return np.mean(expit(eta + fit.slopes[0]) - expit(eta + shift)) - gap / 2

    odds = pick(rows_of(sample), variant=Version.GAP_HALVES, quantity="odds_multiple").estimate
    # Moving answers and fitting anew moves the shared coefficients of age a little too.
    assert np.log(odds) == pytest.approx(brentq(left, 0, 1), abs=2e-3)


def test_ordinal_shift_until_superiority_is_a_half_by_hand():
    sample = simulated(np.random.default_rng(6), n_levels=4, gap=0.7)
    sample = replace(sample, fitting=replace(sample.fitting, form="proportional"))
    found = rows_of(sample)
    zero = pick(
        found, variant=Version.INTERVAL_AT_ZERO, quantity="odds_multiple", category=""
    ).estimate
    half = pick(found, variant=Version.GAP_HALVES, quantity="odds_multiple", category="").estimate
    assert half > 1
    # One shift for all thresholds: moved that far, every threshold's odds are multiplied by it.
    rows, fit = sample.rows, movable(sample).fit
    moved = moved_margins(movable(sample), shift_moves(movable(sample), np.log(half)))
    age = np.concatenate([[0.0], fit.slopes[1:]])[rows.factors["age"][rows.member]]
    above = expit(age[:, None] - fit.thresholds + np.log(half)).mean(axis=0)
    by_hand = -np.diff(np.concatenate([[1.0], above, [0.0]]))
    np.testing.assert_allclose(moved.margins.comparison, by_hand, atol=2e-3)
    superiority = headline_of(sample)
    value = moved.value(headline_contrast(4))
    assert value - 0.5 == pytest.approx((superiority.estimate - 0.5) / 2, abs=1e-6)
    assert zero > half


@pytest.mark.parametrize("form", ["free", "shares"])
def test_a_gap_free_of_proportional_odds_is_halved_where_it_says(form):
    """The moved gap is that of the family itself on the moved answers."""
    sample = simulated(np.random.default_rng(6), n_levels=4, gap=0.7)
    sample = replace(sample, fitting=Fitting(form=form))
    at, declared = movable(sample), headline_estimate(sample)
    start = moved_margins(at, at.nothing())
    for contrast, interval in declared.intervals.items():
        if contrast.is_threshold_gap:
            assert start.value(contrast) == pytest.approx(interval.estimate, abs=1e-9)
    for category in (">=A", ">=B", ">=C"):
        odds = pick(
            rows_of(sample), variant=Version.GAP_HALVES, quantity="odds_multiple", category=category
        )
        moved = moved_margins(at, shift_moves(at, np.log(odds.estimate)))
        contrast, whole = gap_of(declared, category)
        assert moved.value(contrast) == pytest.approx(whole.estimate / 2, abs=1e-5)


def test_thresholds_have_rows_of_their_own():
    sample = simulated(np.random.default_rng(6), n_levels=4, gap=0.7)
    found = rows_of(replace(sample, fitting=replace(sample.fitting, form="proportional")))
    assert list(dict.fromkeys(row.category for row in found)) == ["", ">=A", ">=B", ">=C"]
    shares = [
        pick(found, variant=Version.INTERVAL_AT_ZERO, quantity="share_off", category=c).estimate
        for c in ("", ">=A", ">=B", ">=C")
    ]
    # At so small a shift an answer that moves goes one level, and crosses one threshold; each row
    # has its own shift, hence the tolerance.
    assert shares[0] == pytest.approx(sum(shares[1:]), rel=0.02)
    assert max(shares[1:]) < shares[0]


def test_a_declared_threshold_comes_first_with_the_same_numbers():
    sample = simulated(np.random.default_rng(6), n_levels=4, gap=0.7)
    plain, found = rows_of(sample), rows_of(sample, at=">=B")
    assert list(dict.fromkeys(row.category for row in found)) == [">=B", "", ">=A", ">=C"]
    (least,) = [row for row in found if row.quantity == "least_share_off"]
    assert least.category == ">=B"
    others = {"least_share_off"}
    assert sorted(
        (row.category, row.variant, row.quantity, row.estimate)
        for row in found
        if row.quantity not in others
    ) == sorted(
        (row.category, row.variant, row.quantity, row.estimate)
        for row in plain
        if row.quantity not in others
    )
    evenly = pick(
        found, variant=Version.INTERVAL_AT_ZERO, quantity="share_off", category=">=B"
    ).estimate
    assert 0 < least.estimate < evenly


def test_reported_interval_anchors_the_course():
    # With CR2 the standard error after a move is the reported one times what the move makes of
    # the sandwich: without a move the limit is the reported limit.
    sample = simulated(np.random.default_rng(9), zones=20)
    sample = replace(sample, fitting=Fitting())
    interval = headline_of(sample)
    at = movable(sample)
    start = moved_margins(at, at.nothing())
    course = Course(
        at=at, contrast=headline_contrast(2), interval=interval, start=start, shifted=None
    )
    assert start.variance(course.contrast) != pytest.approx(interval.std_error**2, rel=1e-4)
    assert course.limit(start) == pytest.approx(interval.lower, abs=1e-12)


def test_interval_that_holds_no_gap_has_no_tipping_share():
    found = rows_of(simulated(np.random.default_rng(3), gap=0.0))
    row = pick(found, variant=Version.INTERVAL_AT_ZERO)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert row.estimate is None
    assert pick(found, variant=Version.GAP_HALVES, quantity="share_off").estimate > 0


@pytest.mark.parametrize("n_levels", [2, 4])
def test_negative_gap_moves_the_other_way(n_levels):
    up = simulated(np.random.default_rng(5), n_levels=n_levels)
    down = with_outcome(up, n_levels - 1 - up.rows.outcome)
    for variant in (Version.INTERVAL_AT_ZERO, Version.GAP_HALVES):
        for quantity, turn in (("share_off", lambda v: v), ("odds_multiple", lambda v: 1 / v)):
            one, other = (
                pick(rows_of(sample), variant=variant, quantity=quantity, category="").estimate
                for sample in (up, down)
            )
            assert other == pytest.approx(turn(one), rel=1e-5)


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.1, 0.1), Verdict.HOLDS),
        ((0.1, 0.8), Verdict.INCONCLUSIVE),
        ((1.2, 1.8), Verdict.CHANGES),
        ((-1.8, -1.2), Verdict.HOLDS),
    ],
)
def test_verdict_against_the_phone_interval(interval, verdict):
    phone = Interval(np.mean(interval), 0.1, *interval, np.nan)
    found = rows_of(simulated(np.random.default_rng(0)), {"": phone})
    row = pick(found, variant=Version.INTERVAL_AT_ZERO, quantity="odds_multiple")
    assert 0.1 < np.log(row.estimate) < 0.8
    assert row.verdict is verdict
    beside = pick(found, variant=Version.PHONE_SHIFT)
    assert (beside.lower, beside.upper) == pytest.approx(tuple(np.exp(interval)))
    assert beside.threshold == row.estimate


def test_reason_stands_where_the_phone_says_nothing():
    found = rows_of(simulated(np.random.default_rng(0)), {"": "two zones are too few"})
    row = pick(found, variant=Version.PHONE_SHIFT)
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "two zones are too few" in row.note
    assert pick(found, variant=Version.INTERVAL_AT_ZERO, quantity="odds_multiple").verdict is None


def test_other_links_have_a_latent_shift():
    found = rows_of(simulated(np.random.default_rng(0), link="probit"))
    assert {row.quantity for row in found} == {"share_off", "latent_shift", "least_share_off"}
    shift = pick(found, variant=Version.GAP_HALVES, quantity="latent_shift").estimate
    odds = pick(
        rows_of(simulated(np.random.default_rng(0))),
        variant=Version.GAP_HALVES,
        quantity="odds_multiple",
    ).estimate
    # A logistic latent answer has about 1.6 times the spread of a normal one.
    assert np.log(odds) / shift == pytest.approx(1.6, abs=0.15)


def test_small_counts_have_a_tipping_point():
    rows = rows_of(sample_of([0] * 35 + [1] * 5, np.arange(40) < 20))
    assert any(row.estimate is not None for row in rows)


def test_no_estimate_no_tipping_point():
    sample = simulated(np.random.default_rng(0), zones=3)
    (row,) = rows_of(sample)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "3 zones" in row.note
