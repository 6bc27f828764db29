"""The hierarchical model: its density by hand, its mirror, its draws, its rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from coopgap.bayes.draws import draw_margins, region_gaps, reported_parameters, thresholds_at
from coopgap.bayes.records import GateItem, HierarchicalFit, Priors, RegionCells, region_cells
from coopgap.bayes.rows import coefficient_rows, gap_rows, gate_rows
from coopgap.errors import NotEstimable
from coopgap.families.rows import Labels
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import Quantity, Status

LEVELS = ("low", "mid", "high", "top")


def make_rows(seed=0, n=300, n_levels=4, n_regions=3):
    rng = np.random.default_rng(seed)
    region, sex, member = rng.integers(0, n_regions, n), rng.integers(0, 2, n), rng.random(n) < 0.5
    latent = rng.logistic(size=n) + 0.7 * member + 0.3 * sex
    cuts = np.linspace(-1, 2.2, n_levels - 1)
    return ModelRows(
        index=np.arange(n),
        outcome=np.searchsorted(cuts, latent).astype(np.int64),
        levels=LEVELS[:n_levels],
        member=member,
        factors={"region": region, "sex": sex},
        factor_levels={"region": ("A", "B", "C")[:n_regions], "sex": ("male", "female")},
        zone=None,
        weight=np.ones(n),
        dropped=(),
    )


def make_draws(cells, seed=1, shape=(4, 50)):
    rng = np.random.default_rng(seed)

    def zero_sum(n):
        values = rng.normal(size=(*shape, n))
        return values - values.mean(axis=-1, keepdims=True)

    draws = {
        "beta": rng.normal(0.5, 0.2, shape),
        "region_sd": rng.uniform(0.1, 0.5, shape),
        "region_raw": zero_sum(len(cells.regions)),
        "gap_sd": rng.uniform(0.1, 0.5, shape),
        "gap_raw": zero_sum(len(cells.regions)),
        "location": rng.normal(0, 0.3, shape),
    }
    for name, levels in cells.terms.items():
        draws[f"covariate_{name}_sd"] = rng.uniform(0.1, 0.5, shape)
        draws[f"covariate_{name}_raw"] = zero_sum(len(levels))
    if len(cells.levels) > 2:
        inner = len(cells.levels) - 2
        draws["increments"] = rng.normal(0, 0.3, (*shape, inner))
        draws["shift_sd"] = rng.uniform(0.05, 0.3, shape)
        draws["shift_raw"] = rng.normal(size=(*shape, inner))
    return draws


def log_density(cells, priors=None):
    """The model's log density as a function of a mapping of constrained values."""
    pytest.importorskip("pymc")
    from pytensor.tensor import as_tensor_variable

    from coopgap.bayes.model import build_model

    model = build_model(cells, priors or Priors())
    function = model.compile_logp(jacobian=False)
    transforms = model.rvs_to_values, model.rvs_to_transforms

    def evaluate(draws):
        values = {}
        for variable, value in transforms[0].items():
            transform = transforms[1][variable]
            point = np.asarray(draws[variable.name])
            if transform is not None:
                tensor = as_tensor_variable(point)
                point = transform.forward(tensor, *variable.owner.inputs).eval()
            values[value.name] = point
        return float(function(values))

    return evaluate


def by_hand(rows, cells, draws, priors):
    """Person by person, from the formulas of the documentation, up to constants."""
    shift = draws["shift_sd"] * draws["shift_raw"]

    def cuts(m):
        ladder = np.concatenate([[0.0], np.cumsum(np.exp(draws["increments"] + shift * m))])
        return ladder - ladder.mean() + draws["location"]

    total = 0.0
    level = {k: draws[f"{k}_sd"] * draws[f"{k}_raw"] for k in ("region", "gap", "covariate_sex")}
    for y, member, r, s in zip(
        rows.outcome, rows.member, rows.factors["region"], rows.factors["sex"], strict=True
    ):
        m = 0.5 if member else -0.5
        eta = level["covariate_sex"][s] + level["region"][r] + (draws["beta"] + level["gap"][r]) * m
        edges = np.concatenate([[0.0], expit(cuts(m) - eta), [1.0]])
        total += np.log(edges[y + 1] - edges[y])
    # The uniform Dirichlet's density on thresholds is the product of logistic densities; the
    # increments' Jacobian is the sum of their logarithms.
    total += stats.logistic.logpdf(_base(draws)).sum() + draws["increments"].sum()
    total += stats.norm.logpdf(draws["beta"], 0, priors.beta_sd)
    for name, scale in (
        ("region", priors.region_sd),
        ("gap", priors.gap_sd),
        ("covariate_sex", priors.covariate_sd),
    ):
        total += stats.halfnorm.logpdf(draws[f"{name}_sd"], scale=scale)
        total += -0.5 * np.square(draws[f"{name}_raw"]).sum()
    total += stats.halfnorm.logpdf(draws["shift_sd"], scale=priors.threshold_shift_sd)
    return total + stats.norm.logpdf(draws["shift_raw"]).sum()


def _base(draws):
    ladder = np.concatenate([[0.0], np.cumsum(np.exp(draws["increments"]))])
    return ladder - ladder.mean() + draws["location"]


def one(draws, k):
    return {name: values[k // 50, k % 50] for name, values in draws.items()}


def test_density_on_cells_equals_people_by_hand():
    rows = make_rows()
    cells = region_cells(rows, ("region", "sex"), "region")
    density, draws = log_density(cells), make_draws(cells)
    found = np.array([density(one(draws, k)) for k in range(4)])
    expected = np.array([by_hand(rows, cells, one(draws, k), Priors()) for k in range(4)])
    # Constants of the densities differ: every difference between two points must agree.
    assert found - found[0] == pytest.approx(expected - expected[0], abs=1e-8)


def test_a_reversed_outcome_with_swapped_groups_is_the_mirror_image():
    cells = region_cells(make_rows(), ("region", "sex"), "region")
    mirrored = dataclasses.replace(cells, counts=cells.counts[:, ::-1], member=~cells.member)
    draws = make_draws(cells)
    density, mirror = log_density(cells), log_density(mirrored)
    for k in range(4):
        here = one(draws, k)
        there = dict(here)
        for name in ("location", "region_raw", "covariate_sex_raw"):
            there[name] = -here[name]
        there["increments"] = here["increments"][::-1]
        there["shift_raw"] = -here["shift_raw"][::-1]
        # beta and the regional gaps change sign twice: by the scale and by the groups.
        assert mirror(there) == pytest.approx(density(here), abs=1e-9)


def test_margins_of_draws_are_weighted_means_over_members():
    rows = make_rows()
    cells = region_cells(rows, ("region", "sex"), "region")
    draws = make_draws(cells)
    member, comparison = draw_margins(draws, cells)
    here = one(draws, 7)
    shift = here["shift_sd"] * here["shift_raw"]
    for m, found in ((0.5, member), (-0.5, comparison)):
        ladder = np.concatenate([[0.0], np.cumsum(np.exp(here["increments"] + shift * m))])
        cuts = ladder - ladder.mean() + here["location"]
        who = rows.member
        r, s = rows.factors["region"][who], rows.factors["sex"][who]
        eta = (here["covariate_sex_sd"] * here["covariate_sex_raw"])[s]
        eta = eta + (here["region_sd"] * here["region_raw"])[r]
        eta = eta + (here["beta"] + (here["gap_sd"] * here["gap_raw"])[r]) * m
        edges = np.column_stack(
            [np.zeros(eta.size), expit(cuts[None] - eta[:, None]), np.ones(eta.size)]
        )
        shares = np.diff(edges, axis=1)
        assert found[0, 0, 7] == pytest.approx(shares.mean(axis=0))
        assert found[2, 0, 7] == pytest.approx(shares[r == 1].mean(axis=0))
    assert member.shape == (4, 4, 50, 4)
    assert member.sum(axis=-1) == pytest.approx(np.ones((4, 4, 50)))


def test_beta_is_the_mean_log_odds_ratio_over_the_cuts():
    cells = region_cells(make_rows(), ("region",), "region")
    draws = make_draws(cells)
    members, others = (thresholds_at(draws, 4, m) for m in (0.5, -0.5))
    assert (members - others).mean(axis=-1) == pytest.approx(np.zeros((4, 50)), abs=1e-12)


def test_finite_sd_is_the_spread_of_these_regions():
    cells = region_cells(make_rows(), ("region",), "region")
    draws = make_draws(cells)
    found = reported_parameters(draws, cells)["sd_finite"]
    gaps = region_gaps(draws)
    members = np.array([cells.people(r)[1] for r in range(3)])
    expected = np.sqrt(np.cov(gaps[2, 3], aweights=members, ddof=0))
    assert found[2, 3] == pytest.approx(float(expected))


def test_differing_sampling_weights_are_refused():
    rows = dataclasses.replace(make_rows(), weight=np.linspace(1, 2, 300))
    with pytest.raises(NotEstimable, match="weights"):
        region_cells(rows, ("sex",), "region")
    even = dataclasses.replace(make_rows(), weight=np.full(300, 2.0))
    assert region_cells(even, ("sex",), "region").counts.sum() == 300


def make_fit(cells, *, passed=True, seed=1):
    draws = make_draws(cells, seed, (4, 200))
    member, comparison = draw_margins(draws, cells)
    return HierarchicalFit(
        member=member,
        comparison=comparison,
        parameters=reported_parameters(draws, cells),
        region_gap=np.moveaxis(region_gaps(draws), -1, 0),
        gate=(GateItem(name="chains", value=4.0, bar=4.0, passed=passed),),
        seconds={"compile": 1.0, "sample": 2.0},
        retried=False,
    )


LABELS = Labels(model="m", outcome="y", levels=LEVELS, source="EXAMPLE DATA")


def test_rows_are_posterior_means_with_equal_tailed_intervals():
    cells = region_cells(make_rows(), ("region", "sex"), "region")
    fit = make_fit(cells)
    rows = list(gap_rows(fit, cells, LABELS, 0.05))
    gap = (fit.member[2, ..., 2:].sum(-1) - fit.comparison[2, ..., 2:].sum(-1)).ravel()
    found = [
        r
        for r in rows
        if (r.group, r.quantity, r.category) == ("region=B", Quantity.RISK_DIFFERENCE, ">=high")
    ]
    assert len(found) == 1
    assert found[0].estimate == pytest.approx(gap.mean())
    assert (found[0].lower, found[0].upper) == pytest.approx(
        tuple(np.quantile(gap, [0.025, 0.975]))
    )
    above = next(
        r
        for r in rows
        if (r.group, r.quantity, r.category) == ("region=B", Quantity.PROB_ABOVE_SMALLEST, ">=high")
    )
    assert above.estimate == pytest.approx((gap > 0.05).mean())
    assert above.lower is None
    ranks = [r.estimate for r in rows if r.quantity is Quantity.EXPECTED_RANK]
    assert sum(ranks) == pytest.approx(1 + 2 + 3)


def test_what_the_gate_withholds_stays_blank():
    cells = region_cells(make_rows(), ("region", "sex"), "region")
    fit = make_fit(cells, passed=False)
    rows = list(gap_rows(fit, cells, LABELS, 0.05))
    assert len(rows) == len(list(gap_rows(make_fit(cells), cells, LABELS, 0.05)))
    assert {r.status for r in rows} == {Status.WITHHELD}
    assert all(r.estimate is None and r.lower is None and r.std_error is None for r in rows)
    assert list(coefficient_rows(fit, cells, LABELS)) == []
    assert any(r.diagnostic == "withheld: hierarchical" for r in gate_rows(fit, LABELS))
    assert not dataclasses.replace(fit, gate=()).passed


def test_a_region_of_few_people_is_suppressed():
    rows = make_rows()
    rare = rows.factors["region"].copy()
    rare[rare == 2] = 0
    rare[:8] = 2
    cells = region_cells(
        dataclasses.replace(rows, factors={**rows.factors, "region": rare}), ("sex",), "region"
    )
    found = list(gap_rows(make_fit(cells), cells, LABELS, 0.05))
    assert {r.status for r in found if r.group == "region=C"} == {Status.SUPPRESSED}
    assert {r.status for r in found if r.group == "all"} == {Status.OK}


@pytest.fixture(scope="module")
def sampled():
    """A small two-level model, sampled in a process of its own, twice."""
    from coopgap.bayes.launch import Job, fit_all

    cells = region_cells(make_rows(3, 900, 2), ("region", "sex"), "region")
    request = {
        "draws": 700,
        "target_accept": 0.95,
        "seed": 5,
        "smallest_gap": 0.05,
        "priors": dataclasses.asdict(Priors()),
    }
    job = Job(name="small", cells=cells, request=request)
    return cells, fit_all([job, job], 2)


def test_the_same_seed_gives_the_same_draws(sampled):
    _, (first, second) = sampled
    assert np.array_equal(first.member, second.member)
    assert first.seconds.keys() == {"compile", "sample"}


def test_the_posterior_agrees_with_a_brute_force_grid(sampled):
    """Without regional gaps' spread to speak of, beta's posterior is close to the likelihood's."""
    cells, (fit, _) = sampled
    x = np.column_stack(
        [cells.member - 0.5, cells.covariates[:, 0] - 0.5, cells.region == 1, cells.region == 2]
    ).astype(float)
    from coopgap.regression.ordinal import fit_ordinal

    mle = fit_ordinal(x, cells.counts.astype(float))
    beta = fit.parameters["member"]
    # The priors on beta and on the regional gaps shift the mean by less than half a standard
    # error and widen it; an error of sign, coding or scale would be several.
    assert beta.mean() == pytest.approx(mle.slopes[0], abs=0.5 * float(mle.std_errors[0]))
    assert beta.std() > 0.9 * float(mle.std_errors[0])


def test_a_worker_that_fails_says_why():
    from coopgap.bayes.launch import Job, WorkerError, fit_all

    cells = region_cells(make_rows(3, 100, 2), ("region",), "region")
    job = Job(name="broken", cells=cells, request={"draws": 10, "priors": {}})
    with pytest.raises(WorkerError, match="broken"):
        fit_all([job])


def make_cells_from(draw, rng, n, regions, gap):
    """Cells drawn from the model itself."""
    member, sex = rng.random(n) < 0.5, rng.integers(0, 2, n)
    region = rng.integers(0, len(regions), n)
    eta = 0.3 * sex + np.asarray(gap)[region] * (member - 0.5) + draw[region]
    outcome = np.searchsorted([-1.0, 0.5, 2.0], eta + rng.logistic(size=n))
    rows = dataclasses.replace(
        make_rows(0, n),
        outcome=outcome.astype(np.int64),
        member=member,
        factors={"region": region, "sex": sex},
        factor_levels={"region": tuple(regions), "sex": ("male", "female")},
    )
    return region_cells(rows, ("region", "sex"), "region")


@pytest.mark.slow
def test_regional_gaps_are_recovered():
    from coopgap.bayes.launch import Job, fit_all

    rng = np.random.default_rng(11)
    truth = np.array([0.3, 0.5, 0.7, 0.9, 1.1])
    cells = make_cells_from(rng.normal(0, 0.3, 5), rng, 20_000, "ABCDE", truth)
    assert isinstance(cells, RegionCells)
    request = {
        "draws": 1000,
        "target_accept": 0.99,
        "seed": 6,
        "smallest_gap": 0.05,
        "priors": dataclasses.asdict(Priors()),
    }
    fit = fit_all([Job(name="big", cells=cells, request=request)])[0]
    assert fit.passed
    found = fit.region_gap.reshape(5, -1)
    # Five gaps, each within four posterior standard deviations.
    assert (np.abs(found.mean(axis=1) - truth) < 4 * found.std(axis=1)).all()
    assert found.std(axis=1).max() < 0.1
