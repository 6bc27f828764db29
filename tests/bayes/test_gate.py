"""The gate fails closed: no pathological posterior passes, healthy ones seldom fail."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from coopgap.bayes.gate import BARS, check, diagnose, mean_size

from .posteriors import CHAINS, DRAWS, SAMPLERS, SICK, SOUND, passes, sick_passed, sound, withheld
from .posteriors import stats as sampler_stats


@pytest.mark.parametrize("kind", SICK)
def test_no_sick_posterior_passes(kind):
    passed = [seed for seed in range(8) if sick_passed(kind, seed)]
    assert not passed


@pytest.mark.parametrize("changes", SAMPLERS.values(), ids=SAMPLERS)
def test_what_the_sampler_says_of_itself_can_withhold(changes):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        assert not passes(sound(rng), sampler_stats(rng, **changes))


@pytest.mark.parametrize("n", [2000, 701, 50])
def test_r_hat_and_effective_sizes_are_those_of_arviz(n):
    rng = np.random.default_rng(n)
    draws = {f"{rho}": sound(rng, 1, rho, draws=n)["q0"] for rho in (-0.5, 0.0, 0.4, 0.9, 0.99)}
    draws |= {"ties": np.round(draws["0.4"]), "zeros and ones": (draws["0.0"] > 1).astype(float)}
    draws["apart"] = draws["0.0"] + np.arange(CHAINS)[:, None]
    found = diagnose(draws)
    axes = {"chain_axis": 0, "draw_axis": 1}
    for name, values in draws.items():
        expected = (
            array_stats.rhat(values, **axes),
            array_stats.ess(values, method="bulk", **axes),
            array_stats.ess(values, method="tail", prob=(0.05, 0.95), **axes),
            array_stats.ess(values, method="mean", **axes),
        )
        have = [*found[name], mean_size(values)]
        assert have == pytest.approx(np.array(expected), rel=1e-9), name


def test_what_never_moves_or_is_too_short_has_no_convergence():
    still, short = diagnose({"q": np.ones((4, 100))})["q"], diagnose({"q": np.eye(3)})["q"]
    assert np.isnan([*still, *short]).all()


def test_too_few_or_short_chains_and_nothing_to_look_at_are_withheld():
    rng = np.random.default_rng(0)
    for chains, draws in ((1, DRAWS), (2, DRAWS), (3, DRAWS), (CHAINS, 200)):
        made = sound(rng, chains=chains, draws=draws)
        assert not passes(made, sampler_stats(rng, chains, draws))
    assert not passes({}, sampler_stats(rng))


def test_an_uncertain_probability_is_withheld_and_a_certain_one_passes():
    rng = np.random.default_rng(1)
    quantities = sound(rng)
    sticky = np.repeat(rng.random((CHAINS, DRAWS // 10)) < 0.5, 10, axis=1).astype(float)
    assert not passes(quantities, sampler_stats(rng), {"p": sticky})
    assert passes(quantities, sampler_stats(rng), {"p": np.ones((CHAINS, DRAWS))})
    assert not passes(quantities, sampler_stats(rng), {"p": np.full((CHAINS, DRAWS), np.nan)})


@pytest.mark.parametrize("rho", SOUND.values(), ids=SOUND)
def test_sound_posteriors_are_seldom_withheld(rho, record_property):
    n = sum(withheld(rho, 3, seed) for seed in range(60))
    record_property("withheld_of_60", n)
    assert n <= 2


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("copies", "chains_alike"),
        ("later_copy", "chains_alike"),
        ("nearly_one_mean", "chains_agree"),
        ("stuck_at_the_end", "moving"),
        ("infinite_variance", "pareto_k"),
        ("another_length", "finite_draws"),
    ],
)
def test_the_item_that_refuses_names_the_quantity(kind, item):
    rng = np.random.default_rng(11)
    quantities = sound(rng)
    quantities["q1"] = SICK[kind](rng, quantities["q1"])
    items = {one.name: one for one in check(quantities, {}, sampler_stats(rng)).items}
    assert not items[item].passed
    assert "q1" in items[item].note
    assert items["r_hat"].passed


def test_the_error_of_a_mean_is_that_of_chains_by_hand():
    rng = np.random.default_rng(4)
    draws = sound(rng)["q0"]
    found = {one.name: one for one in check({"q": draws}, {}, sampler_stats(rng)).items}
    error = draws.mean(axis=1).std(ddof=1) / np.sqrt(CHAINS) / draws.std()
    assert found["mean_error"].value == pytest.approx(error, rel=1e-12)
    # Independent draws: the chains' means are a one-way analysis of variance.
    p = stats.f_oneway(*draws).pvalue
    assert found["chains_agree"].value == pytest.approx(p, abs=0.1)


def test_the_gate_does_not_round():
    rng = np.random.default_rng(3)
    quantities = sound(rng)
    quantities["q0"][0] += 0.35
    found = {item.name: item for item in check(quantities, {}, sampler_stats(rng)).items}
    # summary(round_to=None) prints 1.0 for an R-hat like this one.
    assert 1.01 < found["r_hat"].value < 1.05
    assert not found["r_hat"].passed
    assert found["r_hat"].note == "of q0"


def test_one_heavy_tail_among_many_quantities_is_found():
    rng = np.random.default_rng(4)
    quantities = sound(rng, n=60)
    quantities["q41"] = stats.t.rvs(1.5, size=(CHAINS, DRAWS), random_state=rng)
    (item,) = [i for i in check(quantities, {}, sampler_stats(rng)).items if i.name == "pareto_k"]
    assert not item.passed
    assert item.note == "of q41"


def test_bars_for_all_draws_are_those_of_a_fit_and_wider_for_fewer():
    assert BARS.of_share(1.0) == BARS
    fewer = BARS.of_share(0.25)
    assert (fewer.ess, fewer.mean_error, fewer.pareto_k) == pytest.approx((250.0, 0.12, 0.8))
    assert (fewer.moving, fewer.chains_alike) == pytest.approx((0.025, 0.6))
    assert BARS.of_share(0.01).chains_alike < 1
    assert (fewer.r_hat, fewer.false_alarm, fewer.e_bfmi) == (1.01, 0.01, 0.3)
