"""Rows of the checks on a hierarchical fit: what is refitted, what a difference counts as."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from coopgap.bayes.criticism import Loo
from coopgap.bayes.fit import Request, summarise
from coopgap.bayes.gate import GateItem, SamplerStats
from coopgap.bayes.layout import Form, draw_names
from coopgap.bayes.store import load_draws, save_draws
from coopgap.checks.hierarchical import RegionContext, _stored, _Wanted
from coopgap.checks.posterior import (
    _outside,
    loo_rows,
    loo_variants,
    posterior_predictive,
    power_scaled,
    prior_predictive,
    prior_refits,
    refitted,
)
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.vocabulary import Quantity, Verdict

from ..bayes.conftest import LEVELS, make_cells, make_draws

LABELS = Keys(model="m", outcome="y", levels=LEVELS, source="EXAMPLE DATA")


@pytest.fixture(scope="module")
def request_():
    return Request(cells=make_cells(n=900, n_zones=9), seed=1)


def make_fit(request, *, passed=True, up=0.0):
    draws = make_draws(request.cells, shape=(4, 100))
    draws = draws | {"beta": draws["beta"] + up}
    sampler = SamplerStats(energy=np.zeros((4, 100)), divergences=0, deepest=0)
    fit = summarise(draws, sampler, request, seconds=1.0, retried=False)
    gate = (GateItem(name="divergences", value=0, bar=0, passed=passed),)
    return dataclasses.replace(fit, gate=gate)


def context_of(request, fit=None, keys=LABELS, again=None):
    """A model by region; every refit is `again`."""
    fits = {one.name: again for one in prior_refits(request)}
    fit = fit or make_fit(request)
    return RegionContext(plan=None, model=None, keys=keys, request=request, fit=fit, refits=fits)


def test_draws_that_were_kept_stay_as_they_are_unless_zones_are_renamed(request_, tmp_path):
    fit, names = make_fit(request_), draw_names(request_.cells)
    wanted = _Wanted(model=None, request=request_, kept=None, why_not="")
    save_draws(tmp_path / "m.nc", _stored(wanted, fit))
    kept = load_draws(tmp_path / "m.nc", request_.digest)
    wanted = wanted._replace(kept=kept)
    assert _stored(wanted, fit) is kept
    renamed = dataclasses.replace(
        request_.cells, zones=tuple(f"z{n}" for n in names.coords["zones"])
    )
    again = _stored(wanted._replace(request=dataclasses.replace(request_, cells=renamed)), fit)
    assert again.content is None
    assert again.names.coords["zones"] == renamed.zones


def test_the_refits_are_the_declared_ones(request_):
    names = [variant.name for variant in prior_refits(request_)]
    assert len(names) == len(set(names)) == 8
    by_name = {variant.name: variant.request.priors for variant in prior_refits(request_)}
    wide = by_name["region and zone SDs half-Cauchy 1"]
    assert (wide.gap_sd.scale, wide.gap_sd.df) == (1.0, 1.0)
    assert wide.zone_sd == wide.zone_gap_sd == wide.gap_sd
    assert wide.threshold_shift_sd == request_.priors.threshold_shift_sd
    shift = by_name["threshold shifts normal 0.25"]
    assert shift.threshold_shift_sd == 0.25
    assert shift.gap_sd == request_.priors.gap_sd
    same = [v for v in prior_refits(request_) if v.request.digest == request_.digest]
    assert [v.name for v in same] == [
        "region and zone SDs half-normal 0.5",
        "threshold shifts normal 0.5",
    ]
    spreads = [(v.choice, v.setting) for v in prior_refits(request_) if "SDs" in v.about]
    assert ("half-normal 0.25", 0.25) in spreads
    assert ("half-t3 2.5", 2.5) in spreads
    shifts = [v.setting for v in prior_refits(request_) if v.about == "threshold shifts"]
    assert shifts == [0.25, 0.5, 1.0]
    two = dataclasses.replace(request_, cells=make_cells(n_levels=2, n_zones=9))
    assert len(prior_refits(two)) == 5


def test_a_refit_changes_where_its_interval_crosses_zero(request_):
    base, up = make_fit(request_), make_fit(request_, up=20.0)
    rows = list(refitted(context_of(request_, base, again=up)))
    assert {(row.about, row.choice, row.setting) for row in rows} == {
        (one.about, one.choice, one.setting) for one in prior_refits(request_)
    }
    gaps = [row for row in rows if row.quantity == Quantity.RISK_DIFFERENCE]
    assert {row.verdict for row in gaps} == {Verdict.CHANGES}
    again = list(refitted(context_of(request_, base, again=base)))
    assert {row.verdict for row in again if row.quantity == Quantity.RISK_DIFFERENCE} == {
        Verdict.HOLDS
    }
    assert {row.group for row in rows} == {"all", "region=A", "region=B", "region=C"}
    failed = make_fit(request_, passed=False)
    withheld = list(refitted(context_of(request_, base, again=failed)))
    assert all(row.estimate is None and row.verdict is Verdict.NOT_ASSESSED for row in withheld)
    assert all("divergences" in row.note for row in withheld)


def test_regions_are_refitted_at_what_is_put_first(request_):
    fit = make_fit(request_)
    at = f">={LEVELS[1]}"
    for labels, quantity in (
        (LABELS, Quantity.SUPERIORITY),
        (dataclasses.replace(LABELS, at=at), Quantity.RISK_DIFFERENCE),
    ):
        rows = refitted(context_of(request_, fit, labels, fit))
        regional = [row for row in rows if row.group != "all"]
        assert {(row.quantity, row.category) for row in regional} == {(quantity, labels.at)}
    share = fit.member[1, ..., 1:].sum(-1) - fit.comparison[1, ..., 1:].sum(-1)
    assert regional[0].estimate == pytest.approx(share.mean())


def test_parts_are_left_out_one_by_one(request_):
    forms = {name: request.form for name, request in loo_variants(request_).items()}
    assert forms == {
        "proportional odds": Form(shifts=False),
        "no regional gaps": Form(region_gaps=False),
        "no zones": Form(zones=False),
    }


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(-0.05, Verdict.CHANGES), (0.05, Verdict.HOLDS), (-0.03, Verdict.HOLDS), (0.0, Verdict.HOLDS)],
)
def test_a_part_is_needed_if_predictions_without_it_are_clearly_worse(request_, shift, verdict):
    rng = np.random.default_rng(0)
    one = np.ones(100)
    base = Loo(
        elpd=rng.normal(-1, 0.3, 100),
        pareto_k=np.full(100, 0.1),
        people=one.astype(int),
        weight=one,
        squares=one,
    )
    noise = rng.normal(0, 0.01, 100)
    # Summed over 100 people: -5, 5, -3 and 0, each with a standard error of .1.
    other = dataclasses.replace(base, elpd=base.elpd + shift + noise - noise.mean())
    rows = list(loo_rows(context_of(request_), base, {"part": other, "lost": None}))
    assert [(row.about, row.n) for row in rows] == [("", 0), ("part", 0), ("lost", None)]
    assert rows[1].verdict is verdict
    assert rows[1].estimate == pytest.approx(100 * shift)
    assert rows[2].verdict is Verdict.NOT_ASSESSED
    bad = dataclasses.replace(base, pareto_k=np.append(np.full(99, 0.1), np.nan))
    (row,) = loo_rows(context_of(request_), bad, {})
    assert "1 people" in row.note
    assert row.n == 1


def test_prior_and_predictive_rows(request_):
    prior = list(prior_predictive(context_of(request_)))
    assert [row.category for row in prior] == [
        ">=top",
        ">=high",
        ">=mid",
        "<=low",
        "<=mid",
        "<=high",
    ]
    assert prior[0].lower == pytest.approx(-prior[5].upper)
    *shares, last = posterior_predictive(context_of(request_))
    counts = request_.cells.counts
    for row in shares:
        cells = request_.cells
        side = cells.member == (row.comparator == "")
        here = side & (cells.cell_region == cells.regions.index(row.group[7:]))
        level = cells.levels.index(row.category)
        observed = counts[here, level].sum() / counts[here].sum()
        assert row.threshold == pytest.approx(observed)
        assert row.verdict is None
    n = sum(not row.lower <= row.threshold <= row.upper for row in shares)
    assert (last.quantity, last.n, last.of) == ("share_outside", n, len(shares))
    assert last.estimate == pytest.approx(n / len(shares))
    # The intervals hold 95 percent of the answers drawn, or more, as counts are few.
    assert 0 < last.reference <= 0.05


@pytest.mark.parametrize(
    ("n", "verdict"), [(0, "holds"), (2, "holds"), (3, "holds"), (7, "changes"), (60, "changes")]
)
def test_as_many_shares_outside_as_a_right_model_leaves_speak_against_nothing(n, verdict):
    rng = np.random.default_rng(0)
    beyond = np.column_stack([rng.random((60, 4_000)) < 0.05, np.arange(60) < n])
    base = SensitivityRow(check="posterior_predictive", model="m", outcome="y", source="s.csv")
    row = _outside(base, beyond)
    assert row.verdict == verdict
    assert (row.n, row.of) == (n, 60)
    assert row.reference == pytest.approx(0.05, abs=0.002)
    assert row.p_value == pytest.approx(stats.binom.sf(n - 1, 60, 0.05), abs=0.03)


def test_observed_shares_are_shown_however_few(request_):
    cells = request_.cells
    region = 0
    here = np.flatnonzero((cells.cell_region == region) & cells.member)
    counts = cells.counts.copy()
    counts[here] = 0
    counts[here[0]] = [20, 3, 40, 60]
    few = dataclasses.replace(request_, cells=dataclasses.replace(cells, counts=counts))
    shown = {
        row.category: row.threshold
        for row in posterior_predictive(context_of(few))
        if row.category and row.group == f"region={cells.regions[region]}" and row.comparator == ""
    }
    assert list(shown) == ["low", "mid", "high", "top"]
    assert shown["mid"] == pytest.approx(3 / 123)


def test_power_scaling_rows_say_which_weight(request_):
    rows = list(power_scaled(context_of(request_)))
    assert {row.variant for row in rows} == {"top-level priors", "answers"}
    assert {row.quantity for row in rows} == {"rate_of_risk_difference", "rate_of_superiority"}
    assert all(row.estimate >= 0 and row.threshold == 0.05 for row in rows)
    assert all((row.verdict is None) == (row.variant == "answers") for row in rows)
