"""Thresholds that the mode moves: off, at nothing, by hand, as asked in person, recovered."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.criticism import log_priors, pointwise
from coopgap.bayes.draws import cell_levels, draw_margins, in_person, mode_of, reported_parameters
from coopgap.bayes.fit import Request, fit_hierarchical
from coopgap.bayes.layout import Form, Priors, constrain, make_layout, prior_draws
from coopgap.bayes.sample import make_density, sample
from coopgap.calibration.replicate import simulate
from coopgap.core.gap import contrast_values, threshold_gaps

from .conftest import (
    LEVELS,
    answered,
    ladder_of,
    make_cells,
    make_draws,
    make_mode_cells,
    make_rows,
    shares_by_hand,
    with_modes,
)

MODE = Form(mode="mode")


def test_without_a_mode_nothing_is_added():
    cells = make_cells(n_zones=9)
    draws = make_draws(cells)
    assert in_person(draws, cells)[0] is draws
    assert "sd_mode_shift" not in reported_parameters(draws, cells)


def test_the_mode_is_part_of_the_digest():
    cells = make_mode_cells()
    plain, moved = (Request(cells=cells, form=form) for form in (Form(), MODE))
    assert plain.digest != moved.digest
    assert dataclasses.replace(moved, form=Form(mode="mode")).digest == moved.digest


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_shifts_of_nothing_are_the_model_without_them(link):
    cells = make_mode_cells(n_zones=9)
    plain = make_density(cells, Priors(), Form(link=link))
    moved = make_density(cells, Priors(), Form(link=link, mode="mode"))
    n = plain.layout.size
    assert moved.layout.size == n + 2
    rng = np.random.default_rng(0)
    for _ in range(4):
        x, at = rng.normal(0, 0.5, n), moved.layout.shifts["shift_by_mode"]
        value, gradient = plain(x)
        found, slope = moved(np.insert(x, at, [0.0, 0.0]))
        assert found == pytest.approx(value, abs=1e-9)
        assert np.delete(slope, [at, at + 1]) == pytest.approx(gradient, abs=1e-8)


def test_two_levels_or_one_mode_have_no_shifts():
    two, alike = make_mode_cells(n_levels=2), make_cells()
    assert make_layout(two, MODE) == make_layout(two, Form())
    assert "mode" not in alike.terms
    assert make_layout(alike, MODE) == make_layout(alike, Form())


def test_a_mode_of_three_levels_is_refused():
    rows = with_modes(make_rows())
    three = dataclasses.replace(
        rows,
        factors={**rows.factors, "mode": np.arange(rows.n) % 3},
        factor_levels={**rows.factor_levels, "mode": ("in person", "phone", "web")},
    )
    cells = hierarchical_cells(three, ("sex", "mode"), "region", zones=False)
    with pytest.raises(ValueError, match="mode has 3 levels; a mode has two"):
        make_layout(cells, MODE)


def test_cells_have_the_thresholds_of_their_mode():
    rows, cells = with_modes(make_rows(n_zones=9)), make_mode_cells(n_zones=9)
    draws = make_draws(cells, MODE)
    assert mode_of(draws, cells) == "mode"
    shares = cell_levels(draws, cells, "logit", slice(None))[0, 7]
    by_hand = answered(shares_by_hand(draws, rows), rows).sum()
    assert np.sum(cells.counts * np.log(shares)) == pytest.approx(by_hand, abs=1e-8)
    entries = pointwise(draws, cells, "logit", slice(None))[0, 7]
    assert entries @ cells.counts[np.nonzero(cells.counts)] == pytest.approx(by_hand, abs=1e-8)


def test_margins_are_those_of_members_asked_in_person():
    rows, cells = with_modes(make_rows()), make_mode_cells()
    assert rows.factors["mode"][rows.member].any()
    draws = make_draws(cells, MODE)
    for member, found in zip((1, 0), draw_margins(draws, cells, "logit"), strict=True):
        expected = shares_by_hand(draws, rows, member=member, mode=0)[rows.member]
        assert found[0, 0, 7] == pytest.approx(expected.mean(axis=0))
    found = reported_parameters(draws, cells)
    for name, key in (("sd_mode_shift", "shift_by_mode"), ("sd_threshold_shift", "shift")):
        spread = np.hypot(draws[key][..., 0], draws[key][..., 1]) / 2**0.5
        assert found[name] == pytest.approx(spread)
    sizes = np.exp(draws["increments"] - draws["shift_by_mode"] / 2)
    assert found["mid|high"] - found["low|mid"] == pytest.approx(sizes[..., 0])


def test_the_shifts_prior_is_that_of_membership():
    cells, wide = make_mode_cells(), Priors(threshold_shift_sd=3.0)
    layout = make_layout(cells, MODE)
    x = prior_draws(layout, wide, "logit", 40_000, np.random.default_rng(2))[0]
    assert list(layout.shifts) == ["shift", "shift_by_mode"]
    found = constrain(x[None], layout)
    for values in (found[name][0].T for name in layout.shifts):
        # Errors of 40,000: of the mean .015, of the SD .011.
        assert values.mean(axis=1) == pytest.approx(np.zeros(2), abs=0.06)
        assert values.std(axis=1) == pytest.approx(np.full(2, 3.0), abs=0.045)
    draws = make_draws(cells, MODE)
    without = {name: v for name, v in draws.items() if not name.startswith("shift_by")}
    plain = make_layout(cells, Form())
    added = log_priors(draws, layout, wide, "logit") - log_priors(without, plain, wide, "logit")
    assert added == pytest.approx(-0.5 * np.square(draws["shift_by_mode"] / 3.0).sum(axis=-1))


def told(draws, cells):
    """What is ranked, shape (chains, draws) each."""
    member, comparison = draw_margins(draws, cells, "logit")
    gap = (comparison - member)[0].cumsum(axis=-1)
    found = {f"gap {j}": gap[..., j] for j in range(3)}
    found |= {f"shift {k}": draws["shift_by_mode"][..., k] for k in range(2)}
    level = draws["covariate_mode"]
    return found | {"level": level[..., 1] - level[..., 0]}


@pytest.mark.slow
def test_truths_from_the_prior_have_uniform_ranks():
    form, sims = Form(zones=False, mode="mode"), 100
    cells = make_mode_cells(n=500)
    layout = make_layout(cells, form)
    wide = Priors(threshold_shift_sd=1.0)
    ranks = {}
    for number in range(sims):
        rng = np.random.default_rng([3, number])
        truth = constrain(prior_draws(layout, wide, "logit", 1, rng), layout)
        counts = simulate(truth, cells, form, rng)
        density = make_density(dataclasses.replace(cells, counts=counts), wide, form)
        found = sample(density, draws=400, tune=300, seed=number, target_accept=0.9)
        true = told(truth, cells)
        for name, values in told(found.draws, cells).items():
            ranks.setdefault(name, []).append((values < true[name][0, 0]).mean())
    p_values = {name: stats.kstest(found, "uniform").pvalue for name, found in ranks.items()}
    # Six looks: each may be this far from uniform in one run of 1,000.
    assert len(p_values) == 6
    assert min(p_values.values()) > 0.001, p_values


T = np.array([0.6, -0.6])
"""How much the phone moves the log increments."""


def moved_survey(seed, n=(1500, 1500, 3000)):
    """Members and others in person, others by phone: thresholds that membership and mode move.

    Log odds are 0.6 for members and 0.4 by phone.
    """
    rng = np.random.default_rng(seed)
    member = np.repeat([True, False, False], n)
    mode = np.repeat([0, 0, 1], n)
    size = member.size
    region, sex = rng.integers(0, 3, size), rng.integers(0, 2, size)
    cuts = cuts_of(member, mode)
    eta = 0.6 * (member - 0.5) + 0.4 * (mode - 0.5) + 0.3 * (sex - 0.5)
    latent = eta + rng.logistic(size=size)
    return dataclasses.replace(
        make_rows(0, size),
        outcome=(latent[:, None] > cuts).sum(axis=1).astype(np.int64),
        member=member,
        factors={"region": region, "sex": sex, "mode": mode},
        factor_levels={
            "region": ("A", "B", "C"),
            "sex": ("male", "female"),
            "mode": ("in person", "phone"),
        },
    )


def cuts_of(member, mode):
    shifts = np.array([0.2, -0.2]) * (np.asarray(member)[..., None] - 0.5)
    shifts = shifts + T * (np.asarray(mode)[..., None] - 0.5)
    return ladder_of(np.log([1.4, 1.2]) + shifts, 0.1)


def true_gaps(rows):
    """P(Y >= j) of members less the same as comparison people, both in person; highest first."""
    women = rows.factors["sex"][rows.member].mean()
    above = [
        (expit(0.6 * (m - 0.5) - 0.2 + 0.3 * (s - 0.5) - cuts_of(m, 0)), share)
        for m in (1, 0)
        for s, share in ((0, 1 - women), (1, women))
    ]
    member, comparison = (sum(p * w for p, w in above[k : k + 2]) for k in (0, 2))
    return (member - comparison)[::-1]


def fit_moved(rows, form, seed, draws=500):
    cells = hierarchical_cells(rows, ("region", "sex", "mode"), "region", zones=False)
    asked = Request(cells=cells, form=form, draws=draws, target_accept=0.95, seed=seed)
    return fit_hierarchical(asked, 2)


def gap_draws(fit):
    wanted = threshold_gaps(LEVELS)
    return np.array([contrast_values(one, fit.member[0], fit.comparison[0]) for one in wanted])


def test_shifts_by_mode_are_recovered():
    rows = moved_survey(1)
    fit = fit_moved(rows, Form(zones=False, mode="mode"), 1, draws=1000)
    assert fit.passed
    found = fit.draws["shift_by_mode"].reshape(-1, 2)
    assert (np.abs(found.mean(axis=0) - T) < 3 * found.std(axis=0)).all()
    assert found.std(axis=0).max() < 0.12
    level = (fit.parameters["mode=phone"] - fit.parameters["mode=in person"]).ravel()
    assert abs(level.mean() - 0.4) < 3 * level.std()
    # Membership's own shifts are no larger than they are, though the mode's are.
    assert np.abs(fit.draws["shift"].mean(axis=(0, 1)) - [0.2, -0.2]).max() < 0.2


def raw_gaps(rows):
    """P(Y >= j) of members less comparison people, as they answered in person; highest first."""
    here = rows.factors["mode"] == 0
    above = rows.outcome[:, None] >= np.array([3, 2, 1])
    return above[here & rows.member].mean(axis=0) - above[here & ~rows.member].mean(axis=0)


@pytest.mark.slow
def test_the_gap_is_unbiased_where_a_mode_term_alone_is_not():
    surveys = 12
    errors = {form: [] for form in (Form(zones=False), Form(zones=False, mode="mode"))}
    from_raw, inside = [], []
    for seed in range(surveys):
        rows = moved_survey(seed)
        true = true_gaps(rows)
        for form, found in errors.items():
            draws = gap_draws(fit_moved(rows, form, seed)).reshape(3, -1)
            found.append(draws.mean(axis=1) - true)
            if form.mode is not None:
                low, high = np.quantile(draws, [0.025, 0.975], axis=1)
                inside.append((low <= true) & (true <= high))
                from_raw.append(draws.mean(axis=1) - raw_gaps(rows))
    term, moved = (np.array(found) for found in errors.values())
    mean, error = moved.mean(axis=0), moved.std(axis=0, ddof=1) / np.sqrt(surveys)
    assert (np.abs(mean) < 3 * error).all()
    assert error.max() < 0.01
    # Neither sex nor region is in membership: in each survey the answers in person are a second
    # estimate of the same gap. The shifts' prior draws them in a little: half a point is left.
    assert np.abs(np.mean(from_raw, axis=0)).max() < 0.006
    # Thresholds common to both modes bend the comparison group's answers towards those by phone.
    at_least = np.array([0.02, 0.04, 0.03])
    assert (np.abs(term.mean(axis=0)) > at_least).all()
    assert (np.sign(term.mean(axis=0)) == [-1, 1, -1]).all()
    # 36 intervals, 12 of them independent.
    assert np.mean(inside) > 0.8
