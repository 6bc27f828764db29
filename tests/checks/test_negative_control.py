"""A gap beside its negative control, and less a share of it."""

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from coopgap.checks.context import RunContext
from coopgap.checks.negative_control import SHARES, negative_control
from coopgap.core.vocabulary import Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.families.sample import Sample
from coopgap.matching.sample import MatchedSample
from coopgap.study.spec import NegativeControl

from .conftest import KEYS, R, build_rows, by_r, context_of, gap_of, sample_of

EVERY = (0.0, *SHARES)


def netted(gap, control, category="", shares=EVERY):
    """A gap less shares of another, as the check has them."""
    at = gap_of(gap, category)[0], gap_of(control)[0]
    return [gap.difference(control, *at, share=share) for share in shares]


def test_two_gaps_less_one_another_are_those_of_r():
    with (R / "data" / "example.csv").open(encoding="utf-8") as file:
        people = list(csv.DictReader(file))
    expected = by_r("control")
    n = len(people)
    columns = {
        "trusted": [int(p["trusted_person"] == "1") for p in people],
        "top": [int(p["ses_class"] in "AB") for p in people],
    }

    def estimate(name, keep):
        member, zone = [p["member"] == "1" for p in people], [int(p["zone"]) for p in people]
        rows = build_rows({}, member, columns[name], zone=zone)
        weight = 0.5 + (np.arange(n) % 7) / 4
        none = np.full(n, -1, dtype=np.int64)
        matched = MatchedSample(method="entropy", weight=weight, set_id=none, n_sets=0)
        sample = Sample(rows=rows, matched=matched, covariates=(), link="logit", strata=())
        return headline_estimate(sample.take(keep))

    every, some = np.ones(n, bool), np.arange(1, n + 1) % 11 != 0
    less = netted(estimate("trusted", every), estimate("top", some))
    assert [one.estimate for one in less] == pytest.approx(expected["estimate"], rel=1e-9)
    assert [one.std_error for one in less] == pytest.approx(expected["std_error"], rel=1e-9)


def draw(*, n=1500, zones=60, seed=0, n_levels=2, method="exact"):
    """Two answers that share zones, age and something unmeasured; the second lacks some people."""
    rng = np.random.default_rng(seed)
    zone, age = np.arange(n) % zones, rng.integers(0, 4, n)
    place = rng.normal(0, 0.6, zones)[zone] * (rng.random(n) < 0.5)
    hidden = rng.normal(size=n)
    member = rng.random(n) < 1 / (1 + np.exp(-(0.2 * age - 0.3 + 0.5 * hidden)))
    slopes = rng.normal(0, 0.8, zones)[zone] * member

    def answer(gap):
        latent = gap * member + 0.2 * age + place + slopes + 1.5 * hidden + rng.logistic(size=n)
        return (latent[:, None] > np.linspace(0.2, 2, n_levels - 1)).sum(axis=1)

    zone = None if zones == n else zone
    answers = (
        (answer(0.6), n_levels, np.ones(n, bool)),
        ((answer(0.0) > 0).astype(int), 2, rng.random(n) < 0.9),
    )
    return [
        sample_of(
            build_rows({"age": age}, member, outcome, n_levels=levels, zone=zone).take(keep),
            method=method,
        )
        for outcome, levels, keep in answers
    ]


@pytest.mark.parametrize("zones", [12, 60, 1500], ids=["CR2", "CR1", "no zones"])
def test_without_a_share_it_is_the_gap_as_it_stands(zones):
    both = [headline_estimate(sample) for sample in draw(zones=zones, n_levels=4)]
    for category in (">=D", ">=C", ">=B"):
        own = gap_of(both[0], category)[1]
        assert netted(*both, category)[0] == pytest.approx(own, rel=1e-9)


def test_a_gap_less_itself_leaves_nothing():
    part = headline_estimate(draw()[0])
    less = netted(part, part)
    assert less[-1].estimate == less[-1].std_error == 0
    assert less[2].std_error == pytest.approx(less[0].std_error / 2)


@pytest.mark.slow
def test_joint_uncertainty_is_that_of_zones_drawn_again():
    samples = draw(zones=100, n=2000)
    parts = [headline_estimate(sample) for sample in samples]
    rng = np.random.default_rng(11)
    draws = []
    for _ in range(400):
        times = np.bincount(rng.integers(0, 100, 100), minlength=100)
        gaps = []
        for sample in samples:
            zone = sample.rows.zone
            again = np.repeat(np.arange(zone.size), times[zone])
            drawn = replace(
                sample,
                rows=sample.rows.take(again),
                matched=sample.matched.take(again, sample.rows.member),
            )
            gaps.append(gap_of(headline_estimate(drawn))[1].estimate)
        draws.append(gaps)
    first, second = np.array(draws).T
    apart = [gap_of(part)[1].std_error for part in parts]
    less = netted(*parts)
    for share, one in zip(EVERY, less, strict=True):
        # A standard deviation of 400 draws is known to 3.5 %; three of its standard errors.
        assert one.std_error == pytest.approx(np.std(first - share * second), rel=0.11)
    # The gaps covary so much that taking them as independent would fail.
    assert np.hypot(*apart) > 1.2 * less[-1].std_error


def test_pairs_that_cross_zones_are_a_second_way_of_clustering():
    both = [headline_estimate(sample) for sample in draw(n=240, method="nearest")]
    less, stands = netted(*both)[0], gap_of(both[0])[1]
    assert less.estimate == pytest.approx(stands.estimate, rel=1e-9)
    # The family's covariance of all levels has its negative eigenvalues set to zero.
    assert less.std_error == pytest.approx(stands.std_error, rel=0.05)
    alone = []
    for one in both:
        sampled = replace(one.influence.sampled, second=None)
        alone.append(replace(one, influence=replace(one.influence, sampled=sampled)))
    assert netted(*alone)[0].std_error != pytest.approx(less.std_error, rel=1e-3)


def models(**options):
    return [
        context_of(sample, keys=replace(KEYS, model=name, outcome=name, levels=sample.rows.levels))
        for name, sample in zip(("trust", "near"), draw(**options), strict=True)
    ]


def control_rows(models, controls, declared=None):
    """Rows of models in a study in which `controls` have the role."""
    variables = {
        one.keys.outcome: SimpleNamespace(
            role_for=lambda _, name=one.keys.outcome: "negative_control" * (name in controls)
        )
        for one in models
    }
    specs = [SimpleNamespace(name=model, outcome=name) for name, model in controls.items()]
    variables |= {name: SimpleNamespace(role_for=lambda _: "negative_control") for name in controls}
    study = SimpleNamespace(
        models=specs, headline={}, variables=variables, negative_control=declared, smallest_gap=0.05
    )
    contexts = [replace(one, study=study) for one in models]
    return list(negative_control(RunContext(study=study, models=contexts)))


DECLARED = NegativeControl(variable="near", outcomes=("trust",), exclusion="No way to it.")


def test_the_control_stands_beside_and_nothing_is_netted_by_itself():
    both = models()
    rows = control_rows(both, {"near": "near"})
    assert [(row.model, row.variant, row.about) for row in rows] == [
        ("trust", "gap", "near"),
        ("trust", "control", "near"),
        ("near", "", ""),
    ]
    assert rows[0].estimate == gap_of(both[0].headline)[1].estimate
    assert rows[1].estimate == gap_of(both[1].headline)[1].estimate
    assert all("does not show that nothing confounds" in row.note for row in rows[:2])
    assert rows[2].verdict is Verdict.NOT_APPLICABLE


def test_with_a_declared_exclusion_every_share_is_taken_off_at_every_threshold():
    both = models(n_levels=3)
    rows = control_rows(both, {"near": "near"}, DECLARED)
    parts = [one.headline for one in both]
    for category in (">=D", ">=C"):
        mine = [row for row in rows if row.category == category and row.variant.startswith("less")]
        assert [(row.variant, row.about, row.setting) for row in mine] == [
            (f"less {share:g} x control", "near", share) for share in SHARES
        ]
        expected = netted(*parts, category, SHARES)
        assert [row.estimate for row in mine] == [one.estimate for one in expected]
        assert [row.upper for row in mine] == [one.upper for one in expected]
        assert all("exclusion: No way to it. ρ is not known" in row.note for row in mine)
        # What is taken off is a share of the control's gap, with a share of its interval.
        control = gap_of(parts[1])[1]
        for share, row in zip(SHARES, mine, strict=True):
            assert row.difference == pytest.approx(-share * control.estimate)
            assert row.difference_lower == pytest.approx(-share * control.upper)
            clear = control.lower > 0 or control.upper < 0
            moved = clear and abs(row.difference) > 0.025
            small = row.difference_lower > -0.05 and row.difference_upper < 0.05
            flips = row.upper < 0 < gap_of(parts[0], category)[1].lower
            assert row.verdict is (
                Verdict.CHANGES if moved or flips else Verdict.HOLDS if small else Verdict.UNDECIDED
            )


def test_a_control_of_more_levels_says_at_which_threshold_it_is_taken():
    trust, near = models(n_levels=3)
    rows = control_rows([trust, near], {"trust": "trust"})
    (row,) = [row for row in rows if row.variant == "control"]
    assert (row.model, row.about, row.category) == ("near", "trust", "")
    assert row.choice in (">=C", ">=D")
    assert row.estimate == gap_of(trust.headline, row.choice)[1].estimate


def test_an_outcome_outside_the_exclusion_is_not_netted():
    other = replace(DECLARED, outcomes=("class",))
    rows = control_rows(models(), {"near": "near"}, other)
    assert not any(row.variant.startswith("less") for row in rows)


def test_what_is_missing_is_said_in_one_row():
    both = models()
    rows = control_rows(both, {})
    assert [row.verdict for row in rows] == [Verdict.NOT_APPLICABLE] * 2
    assert {row.note for row in rows} == {"The study declares no negative control."}
    (row,) = control_rows(both[:1], {"near": "near"}, DECLARED)
    assert row.verdict is Verdict.NOT_ASSESSED
    assert row.note == "The model of the control near is not part of this run."
