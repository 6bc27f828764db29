"""Departments nested in regions: the density, their gaps, those of nobody, and a population's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from coopgap.bayes.cells import hierarchical_cells, members_by_row, population_weights
from coopgap.bayes.draws import (
    cell_levels,
    draw_margins,
    place_gaps,
    region_gaps,
    reported_parameters,
)
from coopgap.bayes.fit import Request, fit_hierarchical, summarise
from coopgap.bayes.gate import GateItem, SamplerStats
from coopgap.bayes.layout import Form, Priors, SdPrior, constrain, draw_names, make_layout
from coopgap.bayes.sample import make_density
from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Diagnostic, Population, Quantity, Status
from coopgap.families.hierarchical import department_rows as told
from coopgap.families.hierarchical import gap_rows
from coopgap.study.spec import DeclaredPopulation, Margin

from .conftest import LEVELS, answered, ladder_of, make_draws
from .departments import (
    EMPTY,
    MEMBERLESS,
    NAMES,
    POVERTY,
    REGION_OF,
    STANDARDISED,
    department_cells,
    department_rows,
    departments,
    eta_by_hand,
    shares_of,
)

PRIORS = Priors(
    department_sd=SdPrior(scale=0.3),
    department_gap_sd=SdPrior(scale=2.0, df=3.0),
    slope_sd=0.7,
)
FORMS = [Form(), Form(zones=False), Form(link="probit"), Form(departments=False)]
KEYS = Keys(model="m", outcome="y", levels=LEVELS, source="EXAMPLE DATA")


def points(density, n=4, seed=0):
    return np.random.default_rng(seed).normal(0, 0.5, (n, density.layout.size))


def log_half(spread, prior):
    if np.isinf(prior.df):
        return stats.halfnorm.logpdf(spread, scale=prior.scale)
    return np.log(2) + stats.t.logpdf(spread, prior.df, scale=prior.scale)


def test_density_on_cells_equals_people_by_hand():
    rows = department_rows()
    density = make_density(department_cells(rows), PRIORS, Form())
    layout, found, expected = density.layout, [], []
    for x in points(density):
        found.append(density(x)[0])
        draws = constrain(x[None, None], layout)
        m = rows.member - 0.5
        eta = eta_by_hand(draws, rows, rows.factors["department"], m, (0, 0))
        here = {name: values[0, 0] for name, values in draws.items()}
        eta = eta + here["zone"][rows.zone] + here["zone_gap"][rows.zone] * m
        total = answered(shares_of(draws, rows, eta, m, (0, 0)), rows).sum()
        ladder = ladder_of(here["increments"], here["location"])
        total += stats.logistic.logpdf(ladder).sum() + here["increments"].sum()
        total += stats.norm.logpdf(here["beta"], 0, PRIORS.beta_sd)
        total += stats.norm.logpdf(here["shift"], 0, PRIORS.threshold_shift_sd).sum()
        for name in ("area", "area_gap"):
            total += stats.norm.logpdf(here[name], 0, PRIORS.slope_sd).sum()
        for block in layout.blocks:
            spread = here[f"{block.name}_sd"]
            total += log_half(spread, block.prior(PRIORS)) + np.log(spread)
            total += stats.norm.logpdf(x[block.free], 0, spread**block.centred).sum()
        expected.append(total)
    assert np.diff(found) == pytest.approx(np.diff(expected), abs=1e-8)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_gradient_is_the_slope_of_the_density(form):
    density = make_density(department_cells(), PRIORS, form)
    for x in points(density, 2):
        steps = np.eye(x.size) * 1e-5
        numeric = [(density(x + e)[0] - density(x - e)[0]) / 2e-5 for e in steps]
        # Central differences of step 1e-5 on values near 500 keep about six digits.
        assert density(x)[1] == pytest.approx(np.array(numeric), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("area", [True, False])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_density_equals_the_pymc_model(form, area):
    pytest.importorskip("pymc")
    from coopgap.bayes.model import build_model

    cells = department_cells(area=area)
    density = make_density(cells, PRIORS, form)
    model = build_model(cells, PRIORS, form)
    log_density = model.compile_logp(jacobian=True, mode="FAST_COMPILE")
    layout = density.layout

    def at(x):
        values = {"beta": x[0], "location": x[1], "increments": x[2 : 1 + layout.n_cuts]}
        values["shift"] = x[layout.shifts["shift"] :][: layout.n_cuts - 1]
        jacobian = 0.0
        for block in layout.blocks:
            log_sd = x[block.start - 1]
            values[f"{block.name}_sd_log__"] = log_sd
            ending = "_raw_zerosum__" if block.sums_to_zero else "_raw"
            values[block.name + ending] = x[block.free] * np.exp(-block.centred * log_sd)
            jacobian -= block.n_free * block.centred * log_sd
        if area and form.departments:
            values |= {"area": x[layout.area], "area_gap": x[layout.area_gap]}
        assert set(values) == {variable.name for variable in model.value_vars}
        return float(log_density({k: np.asarray(v) for k, v in values.items()})) + jacobian

    difference = [at(0.6 * x) - density(0.6 * x)[0] for x in points(density, 3)]
    assert difference == pytest.approx([difference[0]] * 3, abs=1e-8)


def test_layout_counts_free_values_and_draws_have_names():
    cells = department_cells()
    layout = make_layout(cells, Form())
    # beta, location, 2 increments and 2 shifts; region and gap, sex, departments, zones, slopes.
    assert layout.size == 6 + 3 + 3 + 2 + 2 * 9 + 2 * 10 + 2
    assert [one.name for one in layout.blocks if one.name.startswith("dep")] == [
        "department",
        "department_gap",
    ]
    names = draw_names(cells)
    assert names.dims["department_gap"] == "departments"
    assert names.coords["departments"] == NAMES
    assert names.coords["area_terms"] == ("poverty",)
    without = make_layout(cells, Form(departments=False))
    assert without.size == layout.size - 2 * 9 - 2


def test_order_of_people_and_of_departments_does_not_matter():
    rows = department_rows()
    cells = department_cells(rows)
    order = np.random.default_rng(1).permutation(len(NAMES))
    place = np.argsort(order)
    renamed = dataclasses.replace(
        rows,
        factors={**rows.factors, "department": place[rows.factors["department"]]},
        factor_levels={**rows.factor_levels, "department": tuple(NAMES[k] for k in order)},
    ).take(np.random.default_rng(2).permutation(rows.n))
    other = dataclasses.replace(
        departments(), region=REGION_OF[order], area={"poverty": POVERTY[order]}
    )
    again = hierarchical_cells(renamed, ("sex",), "region", zones=True, departments=other)
    density, moved = (make_density(one, PRIORS, Form()) for one in (cells, again))
    for x in points(density):
        y = x.copy()
        for block in density.layout.blocks:
            if block.name.startswith("department"):
                y[block.free] = x[block.free][order]
        assert moved(y)[0] == pytest.approx(density(x)[0], abs=1e-9)
        found = [
            draw_margins(constrain(one[None, None], density.layout), of, "logit")[0]
            for one, of in ((x, cells), (y, again))
        ]
        assert found[1][:4] == pytest.approx(found[0][:4])
        assert found[1][4:] == pytest.approx(found[0][4:][order])


def test_answers_of_cells_are_those_by_hand():
    rows = department_rows()
    cells = department_cells(rows)
    draws = make_draws(cells)
    at = (0, 7)
    found = cell_levels(draws, cells, "logit", slice(None))[at]
    m = rows.member - 0.5
    eta = eta_by_hand(draws, rows, rows.factors["department"], m, at)
    here = {name: values[at] for name, values in draws.items()}
    eta = eta + here["zone"][rows.zone] + here["zone_gap"][rows.zone] * m
    shares = shares_of(draws, rows, eta, m, at)
    # As many people of each answer are expected over cells as over people.
    assert found.T @ cells.counts.sum(axis=1) == pytest.approx(shares.sum(axis=0))


def test_gaps_of_departments_regions_and_all_by_hand():
    """A region is the mean over its members' departments; b3 and c3 have their region's members."""
    rows = department_rows()
    cells = department_cells(rows)
    cells = dataclasses.replace(cells, zone=None, zones=())
    draws = make_draws(cells, Form(zones=False))
    at = (0, 7)
    margins = [side[:, 0, 7] for side in draw_margins(draws, cells, "logit")]
    own, region = rows.factors["department"], rows.factors["region"]
    members = rows.member

    def by_hand(keep, department):
        here = rows.take(keep)
        return [
            shares_of(draws, here, eta_by_hand(draws, here, department, m, at), m, at).mean(axis=0)
            for m in (0.5, -0.5)
        ]

    cases = {0: (members, own[members])}
    for r in range(3):
        keep = members & (region == r)
        cases[1 + r] = (keep, own[keep])
    for d in range(len(NAMES)):
        keep = members & (own == d)
        if d in (EMPTY, MEMBERLESS):
            keep = members & (region == REGION_OF[d])
        cases[4 + d] = (keep, np.full(int(keep.sum()), d))
    for g, (keep, department) in cases.items():
        assert [side[g] for side in margins] == [
            pytest.approx(e) for e in by_hand(keep, department)
        ]
    assert [one.name for one in cells.groups[4:]] == [f"department={name}" for name in NAMES]


def test_latent_gaps_of_regions_are_members_means_of_departments():
    rows = department_rows()
    cells = department_cells(rows)
    draws = make_draws(cells)
    of_places, of_regions = place_gaps(draws, cells), region_gaps(draws, cells)
    own, region = rows.factors["department"], rows.factors["region"]
    for r in range(3):
        inside = own[rows.member & (region == r)]
        assert of_regions[..., r] == pytest.approx(of_places[..., inside].mean(axis=-1))
    found = reported_parameters(draws, cells)
    assert found["member:department=b3"] == pytest.approx(of_places[..., EMPTY])
    assert found["member:region=B"] == pytest.approx(of_regions[..., 1])
    # Slopes are told on the column's own scale.
    assert found["member:poverty"] * POVERTY.std() == pytest.approx(draws["area_gap"][..., 0])
    assert found["sd_department_gap"] is draws["department_gap_sd"]


def test_departments_of_a_narrow_prior_change_nothing():
    rows = department_rows()
    cells = department_cells(rows)
    tiny = dataclasses.replace(
        Priors(),
        department_sd=SdPrior(scale=1e-6),
        department_gap_sd=SdPrior(scale=1e-6),
        slope_sd=1e-6,
    )
    without = hierarchical_cells(rows, ("sex",), "region", zones=True)
    gaps = []
    for one, priors in ((cells, tiny), (without, Priors())):
        fit = fit_hierarchical(
            Request(cells=one, priors=priors, draws=1000, target_accept=0.95, seed=1)
        )
        gaps.append((fit.member - fit.comparison)[:4, ..., 2:].sum(axis=-1))
    # Monte Carlo: SDs of .05 to .07 over about 2,000 effective draws, two of them.
    means, spreads = zip(*[(g.mean(axis=(1, 2)), g.std(axis=(1, 2))) for g in gaps], strict=True)
    assert means[0] == pytest.approx(means[1], abs=0.006)
    assert spreads[0] == pytest.approx(spreads[1], abs=0.005)


def test_nobody_s_department_is_drawn_from_the_distribution_of_departments():
    """Given its SD its own part is normal with it, and independent of the people."""
    fit = fit_hierarchical(
        Request(cells=department_cells(), draws=2000, target_accept=0.95, seed=3)
    )
    for name in ("department", "department_gap"):
        own = fit.draws[name][..., EMPTY] / fit.draws[f"{name}_sd"]
        # Standard errors about .02 at 2,500 effective draws.
        assert own.mean() == pytest.approx(0.0, abs=0.08)
        assert own.std() == pytest.approx(1.0, abs=0.06)
        asked = fit.draws[name][..., 0]
        assert abs(np.corrcoef(own.ravel(), asked.ravel())[0, 1]) < 0.08
    draws = fit.draws
    rng = np.random.default_rng(4)
    anew = rng.normal(size=draws["beta"].shape) * draws["department_gap_sd"]
    simulated = draws["beta"] + draws["gap"][..., 1] + anew
    simulated = simulated + draws["area_gap"][..., 0] * STANDARDISED[EMPTY]
    found = fit.department_gap[EMPTY]
    for prob in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.quantile(found, prob) == pytest.approx(np.quantile(simulated, prob), abs=0.06)
    # It is less well known than one where people were asked.
    assert found.std() > fit.department_gap[0].std()


PEOPLE = DeclaredPopulation(
    file="people.csv",
    margins=(
        Margin(
            variables=("department", "sex"),
            shares={
                (name, sex): (1 + d) * (0.4 if sex == "male" else 0.6) / 36
                for d, name in enumerate(NAMES)
                for sex in ("male", "female")
            },
        ),
    ),
)


def shown(request, draws):
    stats_ = SamplerStats(energy=np.zeros(draws["beta"].shape), divergences=0, deepest=0)
    fit = summarise(draws, stats_, request, seconds=1.0, retried=False)
    return dataclasses.replace(fit, gate=(GateItem(name="x", value=1, bar=1, passed=True),))


def test_a_population_by_department_is_weighted_by_hand():
    """Every cell of department and sex counts as declared, with nobody asked in it or not."""
    rows = department_rows()
    cells = department_cells(rows)
    cells = dataclasses.replace(cells, zone=None, zones=())
    draws = make_draws(cells, Form(zones=False))
    weight = population_weights(cells, PEOPLE, "region", "department")
    assert weight.sum() == pytest.approx(1.0)
    of_department = np.bincount(cells.department, weight)
    assert of_department == pytest.approx(np.arange(1, 9) / 36)
    request = Request(
        cells=cells,
        form=Form(zones=False),
        populations={Population.POSTSTRATIFIED: weight},
        by_department=frozenset({Population.POSTSTRATIFIED}),
    )
    fit, at = shown(request, draws), (0, 7)
    gaps = []
    for d in range(len(NAMES)):
        people = rows.take(np.array([0, 0]))
        people = dataclasses.replace(people, factors={**people.factors, "sex": np.array([0, 1])})
        sides = [
            shares_of(draws, people, eta_by_hand(draws, people, np.full(2, d), m, at), m, at)
            for m in (0.5, -0.5)
        ]
        gaps.append(np.array([0.4, 0.6]) @ (sides[0] - sides[1]))
        member, comparison = fit.elsewhere[Population.POSTSTRATIFIED, cells.groups[4 + d]]
        assert (member - comparison)[at] == pytest.approx(gaps[d])
    member, comparison = fit.elsewhere[Population.POSTSTRATIFIED, cells.groups[0]]
    assert (member - comparison)[at] == pytest.approx(np.arange(1, 9) / 36 @ np.array(gaps))
    rows_ = [r for r in gap_rows(fit, cells, KEYS, 0.05) if r.population == "poststratified"]
    assert {r.group for r in rows_} == {"all", *(f"department={name}" for name in NAMES)}


def test_rows_of_departments_are_typed():
    cells = department_cells()
    request = Request(cells=cells, priors=PRIORS)
    fit = shown(request, make_draws(cells, shape=(4, 200)))
    rows = [r for r in gap_rows(fit, cells, KEYS, 0.05) if r.group.startswith("department=")]
    status = {r.group: r.status for r in rows if r.quantity == Quantity.RISK_DIFFERENCE}
    assert status["department=b3"] is status["department=c3"] is Status.PREDICTED
    assert status["department=a1"] in (Status.OK, Status.FEW_PEOPLE)
    people = {r.group: (r.n_member, r.n_comparison) for r in rows if r.category == ">=high"}
    assert people["department=b3"] == (0, 0)
    assert people["department=c3"][0] == 0 < people["department=c3"][1]
    ranks = [r.estimate for r in rows if r.quantity == Quantity.EXPECTED_RANK]
    assert len(ranks) == 8
    assert sum(ranks) == pytest.approx(36)
    assert not [r for r in rows if r.quantity == Quantity.SHARE]
    pairs = [r for r in rows if r.quantity == Quantity.GAP_DIFFERENCE]
    assert len(pairs) == 8 * 7 / 2
    notes = {(r.diagnostic, r.about): r.value for r in told(fit, request, KEYS)}
    assert notes[Diagnostic.DEPARTMENTS_IN_MODEL, ""] == 8
    share = np.var(fit.draws["area_gap"]) / PRIORS.slope_sd**2
    assert notes[Diagnostic.PRIOR_SHARE, "member:poverty"] == pytest.approx(min(share, 1.0))


def test_regions_of_one_department_each_have_none():
    rows = department_rows()
    same = dataclasses.replace(
        rows,
        factors={**rows.factors, "department": np.array([0, 2, 5])[rows.factors["region"]]},
    )
    cells = hierarchical_cells(same, ("sex",), "region", zones=True, departments=departments())
    plain = hierarchical_cells(rows, ("sex",), "region", zones=True)
    assert cells.departments == ()
    assert cells.digest == plain.digest
    assert {
        r.diagnostic: r.value
        for r in told(shown(Request(cells=plain), make_draws(plain)), Request(cells=plain), KEYS)
    } == {Diagnostic.DEPARTMENTS_IN_MODEL: 0.0}


def test_people_without_a_department_are_left_out_and_rows_are_counted_alike():
    rows = department_rows()
    codes = rows.factors["department"].copy()
    codes[:20] = -1
    some = dataclasses.replace(rows, factors={**rows.factors, "department": codes})
    cells = department_cells(some)
    assert cells.counts.sum() == 280
    people = members_by_row(some, ("sex",), "region", np.ones(rows.n, dtype=bool), "department")
    assert cells.members_by_row[: people.size].tolist() == people.tolist()
    assert not cells.members_by_row[people.size :].any()


def test_a_digest_is_of_departments_too():
    cells = department_cells()
    assert cells.digest != department_cells(area=False).digest
    renamed = dataclasses.replace(cells, departments=cells.departments[::-1])
    assert renamed.digest != cells.digest
