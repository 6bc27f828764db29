"""Weighted people: what the likelihood counts, and the sandwich that corrects the draws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from coopgap.bayes import correction, fit
from coopgap.bayes.cells import hierarchical_cells, members_by_row, population_weights
from coopgap.bayes.correction import Corrected, coordinates, correct, pseudo_likelihood, replaced
from coopgap.bayes.criticism import log_likelihood, loo, predictive_shares
from coopgap.bayes.draws import draw_margins
from coopgap.bayes.fit import Request, fit_hierarchical, summarise
from coopgap.bayes.gate import BARS, SamplerStats, check_correction
from coopgap.bayes.layout import Form, Priors, SdPrior, make_layout
from coopgap.bayes.sample import make_density, sample
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Diagnostic, Status
from coopgap.families.hierarchical import coefficient_rows, gap_rows, gate_rows
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.ordinal import fit_ordinal
from coopgap.study.spec import DeclaredPopulation, Margin
from coopgap.survey.cells import collapse

from .conftest import answered, make_draws, make_rows, shares_by_hand, with_numbers, with_weights

NAMES = ("region", "sex")


def cells_of(rows, *, zones=False, names=NAMES):
    return hierarchical_cells(rows, names, "region", zones=zones)


def weighing(rows, weight):
    return dataclasses.replace(rows, weight=weight)


@pytest.mark.parametrize("weights", ["2.5", "2.5 of members"])
def test_weights_alike_within_groups_change_no_bit(weights):
    rows = make_rows(3, 300, 3, n_zones=9)
    weight = np.full(rows.n, 2.5)
    if weights != "2.5":
        weight[~rows.member] = 0.7
    plain, weighted = cells_of(rows, zones=True), cells_of(weighing(rows, weight), zones=True)
    assert plain.digest == weighted.digest
    everybody = np.ones(rows.n, dtype=bool)
    assert np.array_equal(
        members_by_row(rows, NAMES, "region", everybody),
        members_by_row(weighing(rows, weight), NAMES, "region", everybody),
    )
    requests = (Request(cells=one, draws=30, target_accept=0.8) for one in (plain, weighted))
    one, other = map(fit_hierarchical, requests)
    assert other.correction is None
    assert all(np.array_equal(values, other.draws[name]) for name, values in one.draws.items())
    assert np.array_equal(one.member, other.member)


def test_weights_are_scaled_to_the_people_of_each_group():
    rows = with_weights(make_rows())
    cells = cells_of(rows)
    for group in (True, False):
        own = cells.weighted[cells.member == group].sum()
        assert own == pytest.approx((rows.member == group).sum())
        assert cells.counts[cells.member == group].sum() == (rows.member == group).sum()
    # The scale of all weights, and of one group's, is no information.
    for factor in (7.0, np.where(rows.member, 0.3, 11.0)):
        other = cells_of(weighing(rows, rows.weight * factor))
        assert other.weighted == pytest.approx(cells.weighted, rel=1e-12)


def test_the_order_of_people_moves_no_bit():
    rows = with_numbers(with_weights(make_rows(n_zones=9)))
    order = np.random.default_rng(0).permutation(rows.n)
    names = ("age", "sex", "income")
    one, other = (cells_of(r, names=names) for r in (rows, rows.take(order)))
    assert one.digest == other.digest
    moved = cells_of(weighing(rows, rows.weight[order]), names=names)
    assert moved.digest != one.digest


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("zones", [False, True])
def test_weighted_density_is_that_of_weighted_people_by_hand(link, zones):
    rows = with_weights(make_rows(n_zones=9))
    cells, form = cells_of(rows, zones=zones), Form(link=link, zones=zones)
    scale = np.array([rows.weight[rows.member == m].mean() for m in (False, True)])
    weight = rows.weight / scale[rows.member.astype(int)]
    draws = make_draws(cells, form, shape=(1, 4))
    found = log_likelihood(draws, cells, link)[0]
    expected = [
        weight @ answered(shares_by_hand(draws, rows, at=(0, k), link=link), rows) for k in range(4)
    ]
    assert found == pytest.approx(np.array(expected))
    # The kernel has the prior too, which weights do not enter.
    plain = cells_of(weighing(rows, np.ones(rows.n)), zones=zones)
    densities = [make_density(one, Priors(), form) for one in (cells, plain)]
    layout = densities[0].layout
    at = np.random.default_rng(1).normal(0, 0.5, (3, layout.size))
    from coopgap.bayes.layout import constrain

    for x in at:
        here = constrain(x[None, None], layout)
        apart = log_likelihood(here, cells, link) - log_likelihood(here, plain, link)
        assert densities[0](x)[0] - densities[1](x)[0] == pytest.approx(apart[0, 0], abs=1e-8)


@pytest.mark.parametrize("zones", [False, True])
def test_a_whole_weight_is_as_many_people(zones):
    rows = make_rows(n_zones=9)
    times = 1 + np.random.default_rng(2).integers(0, 7, rows.n)
    copies = rows.take(np.repeat(np.arange(rows.n), times))
    plain = cells_of(weighing(rows, times.astype(float)), zones=zones)
    many = cells_of(copies, zones=zones)
    # Scaled weights sum to people: here they are taken as they were.
    own = plain.sampling.weight
    members = plain.member[plain.sampling.cell]
    raw = own * np.where(members, times[rows.member].mean(), times[~rows.member].mean())
    whole = dataclasses.replace(
        plain, sampling=dataclasses.replace(plain.sampling, weight=np.round(raw))
    )
    assert raw == pytest.approx(np.round(raw))
    assert np.array_equal(whole.weighted, many.counts)
    form = Form(zones=zones)
    one, other = (make_density(c, Priors(), form) for c in (whole, many))
    draws = make_draws(whole, form, shape=(1, 5))
    assert np.array_equal(
        log_likelihood(draws, whole, "logit"), log_likelihood(draws, many, "logit")
    )
    for x in np.random.default_rng(3).normal(0, 0.5, (3, one.layout.size)):
        assert one(x)[0] == pytest.approx(other(x)[0], abs=1e-9)


def test_gaps_are_standardised_over_weighted_members():
    rows = with_weights(make_rows())
    cells = cells_of(rows)
    draws = make_draws(cells, Form(zones=False), shape=(1, 3))
    member, comparison = draw_margins(draws, cells, "logit")
    own, weight = rows.take(rows.member), rows.weight[rows.member]
    for k in range(3):
        for margins, as_member in ((member, True), (comparison, False)):
            shares = shares_by_hand(draws, own, member=as_member, at=(0, k))
            assert margins[0, 0, k] == pytest.approx(np.average(shares, axis=0, weights=weight))
            here = own.factors["region"] == 1
            expected = np.average(shares[here], axis=0, weights=weight[here])
            assert margins[2, 0, k] == pytest.approx(expected)
    everybody = np.ones(rows.n, dtype=bool)
    by_row = members_by_row(rows, NAMES, "region", everybody)
    assert by_row == pytest.approx(cells.members_by_row)


def test_the_declared_population_starts_from_weighted_people():
    cells = cells_of(with_weights(make_rows()))
    sexes = Margin(variables=("sex",), shares={("male",): 0.3, ("female",): 0.7})
    declared = DeclaredPopulation(file="people.csv", margins=(sexes,))
    raked = population_weights(cells, declared, "region")
    people = np.bincount(cells.row, cells.weighted.sum(axis=1))
    male = raked[cells.covariates[:, 0] == 0].sum()
    assert male / raked.sum() == pytest.approx(0.3)
    for sex in (0, 1):
        at = cells.covariates[:, 0] == sex
        assert raked[at] / people[at] == pytest.approx(
            np.full(at.sum(), raked[at][0] / people[at][0])
        )


FORMS = [
    (Form(zones=False), 4, "logit"),
    (Form(), 4, "logit"),
    (Form(link="probit"), 3, "probit"),
    (Form(), 2, "logit"),
]


def marginal(draws, rows, weight, link):
    """Log of each zone's pseudo-likelihood with its level and gap averaged over, one draw."""
    nodes, mass = np.polynomial.hermite_e.hermegauss(31)
    log_mass = np.log(mass / mass.sum())
    zones = np.unique(rows.zone).size
    if "zone" not in draws:
        every = weight * answered(shares_by_hand(draws, rows, at=(0, 0), link=link), rows)
        return np.bincount(rows.zone, every, zones)
    terms = []
    for u, log_u in zip(nodes, log_mass, strict=True):
        for v, log_v in zip(nodes, log_mass, strict=True):
            level = draws["zone_sd"][..., None] * np.full(zones, u)
            gap = draws["zone_gap_sd"][..., None] * np.full(zones, v)
            here = {**draws, "zone": level, "zone_gap": gap}
            every = weight * answered(shares_by_hand(here, rows, at=(0, 0), link=link), rows)
            terms.append(np.bincount(rows.zone, every, zones) + log_u + log_v)
    return logsumexp(terms, axis=0)


@pytest.mark.parametrize(("form", "n_levels", "link"), FORMS)
def test_scores_and_information_are_the_slopes_of_the_marginal_pseudo_likelihood(
    form, n_levels, link
):
    rows = with_weights(make_rows(n=150, n_levels=n_levels, n_zones=9))
    cells = cells_of(rows, zones=form.zones)
    layout = make_layout(cells, form)
    rng = np.random.default_rng(6)
    density = make_density(cells, Priors(), form)
    draws = sample(density, draws=200, seed=3, target_accept=0.8).draws
    found = pseudo_likelihood(draws, cells, form)
    mean = {name: values.mean(axis=(0, 1), keepdims=True) for name, values in draws.items()}
    centre = coordinates(mean, layout)
    scale = np.array([rows.weight[rows.member == m].mean() for m in (False, True)])
    weight = rows.weight / scale[rows.member.astype(int)]
    step = 1e-3
    for direction in rng.normal(size=(2, centre.size)) / np.sqrt(centre.size):
        low, middle, high = (
            marginal(replaced(mean, layout, centre + at * direction), rows, weight, link)
            for at in (-step, 0.0, step)
        )
        # Nine nodes a side about a few draws of a zone are right to three digits of a score.
        near = 4e-3 if form.zones else 2e-5
        assert found.scores @ direction == pytest.approx((high - low) / (2 * step), abs=near)
        bend = (high - 2 * middle + low).sum() / step**2
        assert direction @ found.information @ direction == pytest.approx(-bend, rel=2e-3)


def test_under_flat_priors_the_sandwich_is_that_of_the_weighted_regression():
    """Another implementation: CR1 of the weighted ordinal fit, 1,500 people in 60 zones."""
    rng = np.random.default_rng(8)
    rows = make_rows(4, 1500, 4, n_zones=60)
    up = rng.normal(0, 0.7, 60)[rows.zone]
    latent = rng.logistic(size=rows.n) + 0.7 * rows.member + up
    rows = with_weights(
        dataclasses.replace(rows, outcome=np.searchsorted([-1.0, 0.6, 2.2], latent))
    )
    cells, form = cells_of(rows), Form(zones=False, shifts=False, region_gaps=False)
    wide = SdPrior(scale=20.0)
    priors = Priors(beta_sd=100.0, region_sd=wide, covariate_sd=wide)
    density = make_density(cells, priors, form)
    draws = sample(density, draws=1000, seed=1, target_accept=0.9).draws
    result = correct(draws, cells, form)
    assert (result.n_clusters, result.df, result.by_zone) == (60, 59.0, True)

    scale = np.array([rows.weight[rows.member == m].mean() for m in (False, True)])
    weight = rows.weight / scale[rows.member.astype(int)]
    region, sex = rows.factors["region"], rows.factors["sex"]
    codes = [rows.member.astype(int), region, sex, rows.zone]
    own = collapse(codes, rows.outcome, 4, weight)
    m, r, s, zone = own.codes.T
    x = np.column_stack([m, r == 1, r == 2, s]).astype(float)
    fitted = fit_ordinal(x, own.counts, people=own.people)
    sandwich = cluster_covariance(
        fitted.cov, unit_scores(fitted, x), own.counts, own.squares, zone
    ).cov
    widened = stats.t.ppf(0.975, 59) / stats.norm.ppf(0.975)
    third, half = 1 / 3, 1 / 2
    # Slopes of member, two regions and sex, then thresholds. Levels of regions are left out: two
    # that sum to zero have a prior that is flat in their SD, not in themselves.
    quantities = {
        (1, 0, 0, 0, 0, 0, 0): lambda d: d["beta"],
        (0, 0, 0, 1, 0, 0, 0): lambda d: d["covariate_sex"][..., 1] - d["covariate_sex"][..., 0],
        (-half, -third, -third, -half, third, third, third): lambda d: d["location"],
    }
    ratios = []
    for contrast, of in quantities.items():
        c = np.array(contrast)
        naive, error = np.sqrt(c @ fitted.cov @ c), np.sqrt(c @ sandwich @ c) * widened
        # Monte Carlo error of an SD from 4,000 draws.
        assert of(draws).std() == pytest.approx(naive, rel=0.04)
        assert of(result.draws).std() == pytest.approx(error, rel=0.06)
        assert of(result.draws).mean() == pytest.approx(of(draws).mean(), abs=1e-9)
        ratios.append(error / naive)
    assert ratios[2] > 1.5


def test_scores_that_vary_as_the_model_says_leave_the_draws(monkeypatch):
    """J = I gives back the draws, prior and all."""
    cells, form = cells_of(with_weights(make_rows(n_zones=9)), zones=True), Form()
    draws = make_draws(cells, form, shape=(4, 200))
    q = coordinates(draws, make_layout(cells, form)).shape[-1]
    scores = np.random.default_rng(0).normal(size=(40, q))
    away = scores - scores.mean(axis=0)
    widened = stats.t.ppf(0.975, 39) / stats.norm.ppf(0.975)
    information = away.T @ away * 40 / 39 * widened**2
    monkeypatch.setattr(
        correction, "pseudo_likelihood", lambda *_: correction.Pseudo(scores, information)
    )
    result = correct(draws, cells, form)
    assert result.values == pytest.approx(np.ones(q), abs=1e-8)
    for name, values in draws.items():
        assert result.draws[name] == pytest.approx(values, abs=1e-8)


def test_without_zones_each_person_is_a_draw():
    rows = dataclasses.replace(with_weights(make_rows(n=200)), zone=None)
    cells, form = cells_of(rows), Form(zones=False)
    draws = make_draws(cells, form, shape=(4, 100))
    found = pseudo_likelihood(draws, cells, form)
    assert found.scores.shape[0] == 200
    result = correct(draws, cells, form)
    assert (result.n_clusters, result.by_zone) == (200, False)
    # A zone for each person is the same.
    alone = cells_of(dataclasses.replace(rows, zone=np.arange(200)))
    other = pseudo_likelihood(draws, alone, form)
    assert other.scores.T @ other.scores == pytest.approx(found.scores.T @ found.scores)


def test_leave_one_out_divides_by_the_weighted_likelihood():
    rows = make_rows(n=120)
    cells, form = cells_of(with_weights(rows)), Form(zones=False)
    draws = make_draws(cells, form, shape=(4, 300))
    draws = {name: values.mean() + 0.1 * (values - values.mean()) for name, values in draws.items()}
    plain = cells_of(rows)
    ones = dataclasses.replace(
        cells, sampling=dataclasses.replace(cells.sampling, weight=np.ones(120))
    )
    assert loo(draws, ones, "logit").elpd == pytest.approx(loo(draws, plain, "logit").elpd)
    found = loo(draws, cells, "logit")
    from coopgap.bayes.criticism import pointwise

    values = pointwise(draws, cells, "logit", slice(None)).reshape(1200, -1)
    mean = found.squares / found.weight
    raw = logsumexp((1 - mean) * values, axis=0) - logsumexp(-mean * values, axis=0)
    # Without smoothing, near where ratios vary little.
    assert found.elpd == pytest.approx(raw, abs=0.01)
    assert found.total == pytest.approx(found.elpd @ found.weight)


def test_people_who_answer_anew_keep_their_weights():
    rows = with_weights(make_rows())
    cells, form = cells_of(rows), Form(zones=False)
    draws = {k: np.repeat(v[:, :1], 500, 1)[:1] for k, v in make_draws(cells, form).items()}
    found = predictive_shares(draws, cells, "logit", 0)
    region, side = rows.factors["region"], rows.member.astype(int)
    scale = np.array([rows.weight[rows.member == m].mean() for m in (False, True)])
    weight = rows.weight / scale[side]
    shares = shares_by_hand(draws, rows, at=(0, 0))
    for r in range(3):
        here = rows.member & (region == r)
        observed = np.bincount(rows.outcome[here], weight[here], 4)
        assert found.observed[1, r] == pytest.approx(observed)
        assert found.drawn[:, 1, r].sum(axis=1) == pytest.approx(np.full(500, weight[here].sum()))
        expected = weight[here] @ shares[here]
        spread = np.sqrt(weight[here] ** 2 @ (shares[here] * (1 - shares[here])))
        assert np.abs(found.drawn[:, 1, r].mean(axis=0) - expected).max() < 5 * spread.max() / 22
        assert found.drawn[:, 1, r].std(axis=0) == pytest.approx(spread, rel=0.15)


KEYS = Keys(model="m", outcome="y", source="EXAMPLE DATA", levels=("low", "mid", "high"), at="")


@pytest.fixture(scope="module")
def weighted():
    cells = cells_of(with_weights(make_rows(1, 600, 3, n_zones=30)))
    draws = {"draws": 700, "target_accept": 0.9, "seed": 2}
    request = Request(cells=cells, form=Form(zones=False), **draws)
    return request, fit_hierarchical(request)


def test_a_fit_is_corrected_and_judged_twice(weighted):
    request, result = weighted
    names = [item.name for item in result.gate]
    assert names[-4:] == [
        f"correction_{name}" for name in ("positive", "condition", "narrowest", "widest")
    ]
    assert all(item.passed for item in result.gate if item.of_correction)
    assert result.passed
    corrected, before = (np.asarray(d["beta"]) for d in (result.corrected, result.draws))
    assert corrected.std() != before.std()
    # Only the sampler's draws are kept; read again they are corrected again.
    kept = result.stored(request)
    again = summarise(kept.draws, kept.stats, request, seconds=0.0, retried=False)
    assert np.array_equal(again.member, result.member)
    rows = list(gate_rows(result, request.cells, KEYS))
    clusters = next(r for r in rows if r.diagnostic == Diagnostic.CORRECTION_CLUSTERS)
    assert (clusters.value, clusters.about, clusters.df_residual) == (30.0, "zones", 29.0)
    widths = [r for r in rows if r.diagnostic == Diagnostic.CORRECTED_WIDTH]
    assert [(r.group, r.category) for r in widths[:2]] == [("all", ">=high"), ("all", ">=mid")]
    assert len(widths) == 8
    gap = [
        (c[0] - c[1])[0][..., 1:].sum(axis=-1).std()
        for c in ((result.member, result.comparison), result.sampled)
    ]
    assert widths[1].value == pytest.approx(gap[0] / gap[1])
    own = next(iter(coefficient_rows(result, request.cells, request.form, KEYS)))
    assert (own.std_error_kind, own.n_clusters) == ("posterior, sandwich", 30)


def test_a_correction_that_is_not_positive_definite_withholds(weighted, monkeypatch):
    request, result = weighted

    def broken(draws, *_):
        values = np.array([-0.1, 1.0])
        return Corrected(draws=draws, values=values, n_clusters=30, df=29.0, by_zone=True)

    monkeypatch.setattr(fit, "correct", broken)
    again = summarise(result.draws, result.stats, request, seconds=0.0, retried=False)
    assert not again.passed
    failed = {item.name for item in again.gate if not item.passed}
    assert failed == {"correction_positive", "correction_condition"}
    rows = list(gap_rows(again, request.cells, KEYS, 0.05))
    assert {row.status for row in rows} == {Status.WITHHELD}
    assert all(row.estimate is None for row in rows)
    said = [r for r in gate_rows(again, request.cells, KEYS) if r.diagnostic == Diagnostic.WITHHELD]
    assert "not positive definite" in said[0].note
    assert not [
        r
        for r in gate_rows(again, request.cells, KEYS)
        if r.diagnostic == Diagnostic.CORRECTED_WIDTH
    ]


@pytest.mark.parametrize(
    ("values", "times", "failed"),
    [
        ([1.0, 2.0], 1.5, set()),
        ([np.nan, np.nan], 1.0, {"positive", "condition"}),
        ([0.0, 1.0], 1.0, {"positive", "condition"}),
        ([1e-7, 1.0], 1.0, {"condition"}),
        ([1.0, 2.0], 11.0, {"widest"}),
        ([1.0, 2.0], 0.2, {"narrowest"}),
        ([1.0, 2.0], np.nan, {"positive", "narrowest", "widest"}),
    ],
)
def test_bars_of_the_correction(values, times, failed):
    draws = np.random.default_rng(0).normal(size=(4, 50))
    items = check_correction(np.array(values), {"a": draws}, {"a": times * draws}, BARS)
    assert {item.name for item in items if not item.passed} == {f"correction_{n}" for n in failed}


def test_draws_that_stand_still_are_not_corrected():
    cells, form = cells_of(with_weights(make_rows(n_zones=9))), Form(zones=False)
    still = {k: np.repeat(v[:, :1], 50, 1)[:1] for k, v in make_draws(cells, form).items()}
    assert np.isnan(correct(still, cells, form).values).all()
    stats_ = SamplerStats(energy=np.zeros((1, 50)), divergences=0, deepest=0)
    request = Request(cells=cells, form=form)
    assert not summarise(still, stats_, request, seconds=0.0, retried=False).passed
    nan = {name: np.full_like(v, np.nan) for name, v in still.items()}
    result = summarise(nan, stats_, request, seconds=0.0, retried=False)
    assert (result.passed, result.correction) == (False, None)


def test_too_few_zones_are_said():
    with pytest.raises(NotEstimable, match=r"5 zones are too few.* 6 are needed"):
        cells_of(with_weights(dataclasses.replace(make_rows(), zone=np.arange(300) % 5)))
