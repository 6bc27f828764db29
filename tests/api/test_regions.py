"""The hierarchical model of a frame: the command's draws, PyMC's, and the gate."""

import numpy as np
import pytest
import xarray as xr

import coopgap as cg
from coopgap.api import regions
from coopgap.bayes.fit import Request, fit_hierarchical
from coopgap.bayes.layout import Form


@pytest.fixture(scope="module")
def few(example):
    """A fit of too few draws, which is enough for everything but its numbers."""
    return cg.hierarchical(
        "trusts ~ sex", example, member="member", region="region", draws=60, seed=4, jobs=1
    )


def test_draws_are_those_of_the_request(example, few):
    """The same request by hand gives the same draws, on any number of threads."""
    again = cg.hierarchical(
        "trusts ~ sex", example, member="member", region="region", draws=60, seed=4, jobs=2
    )
    for name, draws in few.fit.draws.items():
        assert np.array_equal(draws, again.fit.draws[name])
    request = few.request
    assert request.cells.regions == ("Lima", "Center", "East", "North", "South")
    own = fit_hierarchical(
        Request(cells=request.cells, form=Form(zones=False), draws=60, seed=4, smallest_gap=0.05)
    )
    assert np.array_equal(own.draws["beta"], few.fit.draws["beta"])


def test_cells_count_everybody(example, few):
    counts = few.request.cells.counts
    assert counts.sum() == len(example)
    assert counts[few.request.cells.member].sum() == example["member"].sum()
    assert counts[:, 1].sum() == example["trusts"].sum()


def test_idata_is_arviz(few):
    tree = few.idata
    assert isinstance(tree, xr.DataTree)
    posterior = tree["posterior"]
    assert posterior["gap"].dims == ("chain", "draw", "regions")
    assert posterior["regions"].to_numpy().tolist() == ["Lima", "Center", "East", "North", "South"]
    assert posterior["beta"].shape == tree["sample_stats"]["energy"].shape
    assert "risk_difference all" in tree["reported"]["quantity"].to_numpy()


def test_the_gate_of_the_draws_is_the_fits(few):
    found = cg.gate(few.idata)
    first, second = found.to_frame(), few.gate.to_frame()
    assert first["name"].tolist() == second["name"].tolist()
    assert first["passed"].tolist() == second["passed"].tolist()
    assert first["value"].to_numpy() == pytest.approx(second["value"].to_numpy(), nan_ok=True)
    with pytest.raises(cg.NotEstimable, match=r"cannot be trusted: .*ess_bulk") as caught:
        found.raise_if_failed()
    assert caught.value.status == "withheld"


def test_numbers_are_withheld(few):
    frame = few.gap().to_frame()
    assert set(frame["status"]) == {"withheld"}
    assert frame["estimate"].isna().all()
    with pytest.raises(cg.NotEstimable):
        few.gap("Lima").at()
    assert few.tidy().empty
    assert "withheld" in {text.get_text() for text in few.gap().plot().axes[0].texts}
    assert "every number is withheld" in few.summary()


def idata(draws, **stats):
    shape = draws.shape[:2]
    energy = np.random.default_rng(5).normal(size=shape)
    return xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset({"mu": (("chain", "draw", "k"), draws)}),
            "/sample_stats": xr.Dataset(
                {"energy": (("chain", "draw"), energy)}
                | {
                    name: (("chain", "draw"), np.full(shape, value))
                    for name, value in stats.items()
                }
            ),
        }
    )


def test_the_gate_takes_any_posterior():
    draws = np.random.default_rng(1).normal(size=(4, 1500, 2))
    assert cg.gate(idata(draws, diverging=False)).passed
    cg.gate(idata(draws)).raise_if_failed()
    apart = draws + np.arange(4)[:, None, None]
    found = cg.gate(idata(apart, diverging=True, reached_max_treedepth=True))
    failed = {item.name for item in found.items if not item.passed}
    assert {"r_hat", "chains_agree", "divergences", "tree_depth_reached"} <= failed


def test_the_gate_asks_for_draws():
    for wrong in (3, xr.DataTree(), xr.DataTree.from_dict({"/posterior": xr.Dataset()})):
        with pytest.raises(
            cg.InputError, match="idata: has no posterior with the sampler's energy"
        ):
            cg.gate(wrong)


def test_the_model_in_pymc(few):
    names = {one.name for one in few.pymc_model().free_RVs}
    assert {"beta", "region_sd", "region_raw", "gap_raw", "covariate_sex_raw", "location"} <= names


@pytest.mark.slow
def test_pymc_and_nutpie_agree(example):
    """Two samplers of two codings of one density: posterior means within Monte Carlo error."""
    chosen = {"member": "member", "region": "region", "draws": 1500, "seed": 1}
    ours = cg.hierarchical("ses_class ~ sex", example, **chosen)
    theirs = cg.hierarchical("ses_class ~ sex", example, sampler="pymc", **chosen)
    for name, draws in ours.fit.parameters.items():
        other = theirs.fit.parameters[name]
        assert other.mean() == pytest.approx(draws.mean(), abs=0.15 * draws.std()), name
    first, second = ours.fit.member[0].mean(axis=(0, 1)), theirs.fit.member[0].mean(axis=(0, 1))
    assert second == pytest.approx(first, abs=0.002)


@pytest.mark.slow
def test_the_commands_numbers(example):
    """With enough draws the gate passes and gaps are near those of the shares."""
    h = cg.hierarchical(
        "ses_class ~ age_band + sex", example, member="member", region="region", zone="zone"
    )
    h.gate.raise_if_failed()
    gap = h.gap()
    by_model = cg.gap(
        cg.ordinal("ses_class ~ member + age_band + sex + region", example, free=["member"]),
        "member",
    )
    assert gap.at(">=C").estimate == pytest.approx(by_model.at(">=C").estimate, abs=0.02)
    frame = h.to_frame()
    assert {"region=Lima", "region=East"} <= {*frame["group"]}
    assert h.gap("Lima").at(">=C").lower < h.gap("Lima").at(">=C").upper
    tidy = h.tidy()
    assert {"term", "r_hat", "ess_bulk"} <= {*tidy}
    assert (tidy["r_hat"] < 1.01).all()


@pytest.fixture
def asked(monkeypatch, few):
    """A verb that asks and does not sample; gives what was asked for."""
    monkeypatch.setattr(regions, "fit_hierarchical", lambda request, cores: few.fit)

    def ask(formula, frame, **choices):
        chosen = {"member": "member", "region": "region"} | choices
        return cg.hierarchical(formula, frame, **chosen)

    return ask


def test_zones_and_numbers_of_covariates(example, asked):
    cells = asked("trusts ~ age", example, zone="zone").request.cells
    assert cells.n_zones == example["zone"].nunique()
    assert list(cells.columns) == ["age"]
    assert cells.columns["age"].scale == pytest.approx(example["age"].std(ddof=0))


def test_a_design_stands_for_region_and_zone(example, asked):
    design = cg.Design(region="region", zone=("zone",))
    request = asked("trusts ~ sex", example, region=None, design=design).request
    assert request.cells.n_zones == 100
    assert request.form.zones


def test_priors_and_draws_as_asked(example, asked):
    request = asked(
        "trusts ~ sex", example, priors={"beta_sd": 2.0, "gap_sd": 0.1}, draws=7, link="probit"
    ).request
    assert (request.priors.beta_sd, request.priors.gap_sd.scale, request.draws) == (2.0, 0.1, 7)
    assert request.form.link == "probit"


@pytest.mark.parametrize(
    ("formula", "choices", "words"),
    [
        ("trusts ~ sex", {"region": "regoin"}, "no column 'regoin'; the nearest are 'region'"),
        ("trusts ~ sxe", {}, "no column 'sxe'"),
        ("trusts ~ sex", {"member": "age"}, "allowed: two groups"),
        ("trusts ~ sex * age", {}, "terms that are no plain columns"),
        ("trusts ~ sex", {"priors": {"nope": 1.0}}, "priors: names nope; allowed: beta_sd"),
        ("trusts ~ sex", {"sampler": "gibbs"}, "sampler: is 'gibbs'; allowed: nutpie, pymc"),
        ("trusts ~ sex", {"region": None}, "region: is not given"),
        (
            "trusts ~ sex + region",
            {},
            "formula: names region; membership, region, zone and weights",
        ),
        ("department ~ sex", {}, "no column 'department'"),
    ],
)
def test_wrong_input_is_one_line(example, asked, formula, choices, words):
    with pytest.raises(cg.InputError) as caught:
        asked(formula, example, **choices)
    assert words in str(caught.value)


def test_one_region(example, asked):
    with pytest.raises(cg.NotEstimable, match="everybody lives in one region"):
        asked("trusts ~ sex", example.assign(r="all"), region="r")


def test_rows_without_an_answer_are_counted(example, asked):
    lacking = example.assign(sex=example["sex"].where(example.index > 9))
    h = asked("trusts ~ sex", lacking)
    assert h.n_dropped == 10
    title = "trusts = 1 (not 0): member = 1 minus member = 0, over "
    assert repr(h.gap("Lima")).startswith(title)
    assert h.request.cells.counts.sum() == len(example) - 10


@pytest.fixture(scope="module")
def places(example):
    """Everybody in one of two departments of their region, by zone; z of the file has nobody."""
    third = example["zone"] % 2
    name = example["region"].astype(str) + third.map({0: "-even", 1: "-odd"})
    return example.assign(department=name)


@pytest.fixture(scope="module")
def known(places):
    """What is known of every department, and of one in which nobody was asked."""
    names = sorted(places["department"].unique())
    return {
        "department": [*names, "East-new"],
        "poverty": [*map(float, range(len(names))), 3.5],
        "region": [*([""] * len(names)), "East"],
    }


def test_departments_have_gaps_and_names(places, known):
    h = cg.hierarchical(
        "trusts ~ sex", places, member="member", region="region", department="department",
        area=known, draws=60, seed=4, jobs=1,
    )  # fmt: skip
    cells = h.request.cells
    assert cells.departments[-1] == "East-new"
    assert cells.people(None, len(cells.departments) - 1) == (0, 0)
    posterior = h.idata["posterior"]
    assert posterior["department_gap"].dims == ("chain", "draw", "departments")
    assert posterior["departments"].to_numpy().tolist() == [*cells.departments]
    assert posterior["area_gap"].dims == ("chain", "draw", "area_terms")
    lima = h.gap(department="Lima-odd").estimate
    here = places[places["department"] == "Lima-odd"]["member"]
    assert lima.keys.group == "department=Lima-odd"
    assert lima.people.sum(axis=1).tolist() == [(here == 0).sum(), (here == 1).sum()]
    assert {"department=East-new", "region=East", "all"} <= {*h.to_frame()["group"]}
    assert "department_gap_raw" in {one.name for one in h.pymc_model().free_RVs}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"poverty": None}, "area: has columns department, region; give department and a column"),
        ({"region": None}, "has East-new, where nobody was asked, without its region"),
        ({"department": 1}, "area: has a department twice"),
        ({"poverty": 0.0}, "area poverty: is no column of different numbers"),
        ({"poverty": "some"}, "area poverty: is no column of different numbers"),
        ({"region": "Lima"}, "into another region than the data; each department lies in one"),
    ],
)
def test_what_a_table_of_areas_cannot_have_is_one_line(places, known, change, words):
    (name, value), changed = next(iter(change.items())), dict(known)
    if value is None:
        del changed[name]
    elif name == "department":
        changed[name] = [*known[name][:-1], known[name][0]]
    else:
        changed[name] = [value] * len(known[name])
    with pytest.raises(cg.InputError) as caught:
        cg.hierarchical(
            "trusts ~ sex", places, member="member", region="region", department="department",
            area=changed, draws=10,
        )  # fmt: skip
    assert words in str(caught.value)


def test_a_department_in_two_regions_is_refused_and_an_area_needs_departments(places, known):
    moved = places.assign(department=places["department"].replace("Lima-odd", "East-odd"))
    asked = {"member": "member", "region": "region", "draws": 10}
    with pytest.raises(cg.InputError, match="1 of 9 stand in more than one region"):
        cg.hierarchical("trusts ~ sex", moved, department="department", **asked)
    with pytest.raises(cg.InputError, match="area: is given without department"):
        cg.hierarchical("trusts ~ sex", places, area=known, **asked)
    design = cg.Design(region="region", department="department")
    h = cg.hierarchical("trusts ~ sex", places, member="member", design=design, draws=10)
    assert len(h.request.cells.departments) == 10
