"""The hierarchical model again with the phone people: what is fitted, what the rows say."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from coopgap.app.plan import make_plan
from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.fit import Request, fit_hierarchical, summarise
from coopgap.bayes.gate import GateItem, SamplerStats
from coopgap.bayes.layout import Form
from coopgap.checks.by_mode import LIMITS, PhoneStudy
from coopgap.checks.hierarchical import RegionContext, hierarchical_request
from coopgap.checks.phone.hierarchical import phone_refit_rows, phone_refits
from coopgap.core.estimate import Keys
from coopgap.core.gap import contrast_values, headline_contrasts
from coopgap.core.vocabulary import (
    Check,
    Comparator,
    Family,
    Population,
    Quantity,
    Verdict,
    Version,
)

from ...bayes.conftest import make_draws, make_rows

COVARIATES = ("region", "sex")


def people(n_levels=4, n_phone=150):
    """People by mode of the small survey."""
    called = make_rows(7, n_phone, n_levels, n_zones=9)
    return PhoneStudy(
        in_person=make_rows(0, 600, n_levels, n_zones=9),
        covariates=COVARIATES,
        phone=dataclasses.replace(called, member=np.zeros(n_phone, bool)),
    )


def asked(data):
    cells = hierarchical_cells(data.in_person, COVARIATES, "region", zones=True)
    return Request(
        cells=cells, seed=1, populations={Population.POSTSTRATIFIED: np.ones(cells.region.size)}
    )


def labels(data):
    return Keys(model="m", outcome="y", levels=data.in_person.levels, source="EXAMPLE DATA")


def make_fit(request, *, up=0.0, passed=True):
    """A fit with draws from the prior, its gap moved up by so much on the latent scale."""
    draws = make_draws(request.cells, request.form, shape=(4, 100))
    draws = draws | {"beta": 0.05 * draws["beta"] + up, "gap": 0.05 * draws["gap"]}
    stats = SamplerStats(energy=np.zeros((4, 100)), divergences=0, deepest=0)
    request = dataclasses.replace(request, populations={})
    fit = summarise(draws, stats, request, seconds=1.0, retried=False)
    gate = (GateItem(name="divergences", value=0, bar=0, passed=passed),)
    return dataclasses.replace(fit, gate=gate)


def refit_rows(refits, fits, base, keys, smallest_gap):
    context = RegionContext(
        plan=None,
        model=None,
        keys=keys,
        request=SimpleNamespace(smallest_gap=smallest_gap),
        fit=base,
        refits=fits,
    )
    return phone_refit_rows(refits, context)


def test_who_is_in_each_refit():
    data = people()
    request = asked(data)
    refits = phone_refits(request, data, "region")
    found = {one.check: one.request for one in refits if one.variant != Version.MODE_THRESHOLDS}
    members, others, called = data.members.n, data.comparison.n, data.called.n
    assert found[Check.PHONE_REPLACES].cells.people() == (called, members)
    assert found[Check.PHONE_JOINS].cells.people() == (others + called, members)
    mode = found[Check.PHONE_JOINS_MODE].cells
    assert mode.people() == (others + called, members)
    assert mode.terms["mode"] == ("in person", "phone")
    # Members were asked in person: the gap is standardised over rows of that mode alone.
    at = list(mode.terms).index("mode")
    assert set(mode.covariates[mode.members_by_row > 0, at]) == {0}
    by_phone = mode.covariates[mode.row, at] == 1
    assert mode.counts[by_phone].sum() == called
    thresholds = refits[-1]
    assert (thresholds.check, thresholds.variant) == (
        Check.PHONE_JOINS_MODE,
        Version.MODE_THRESHOLDS,
    )
    assert thresholds.request.form == dataclasses.replace(request.form, mode="mode")
    assert thresholds.request.cells.digest == mode.digest
    seeds = [request.seed, *(one.request.seed for one in refits)]
    assert len(set(seeds)) == 5
    assert all(one.populations == {} for one in found.values())
    assert {one.form for one in found.values()} == {request.form}
    again = phone_refits(request, data, "region")
    assert [one.request.digest for one in again] == [one.request.digest for one in refits]


def test_a_covariate_of_the_name_is_not_taken_for_the_mode():
    data = people()
    both = [
        dataclasses.replace(
            rows,
            factors={**rows.factors, "mode": rows.factors["sex"]},
            factor_levels={**rows.factor_levels, "mode": ("a", "b")},
        )
        for rows in (data.in_person, data.phone)
    ]
    covariates = (*COVARIATES, "mode")
    named = PhoneStudy(in_person=both[0], phone=both[1], covariates=covariates)
    last = phone_refits(asked(data), named, "region")[-1]
    assert last.request.form.mode == "mode of interview"
    assert set(last.request.cells.terms) == {"sex", "mode", "mode of interview"}


def test_without_zones_phone_people_need_none():
    data = people()
    request = dataclasses.replace(asked(data), form=Form(zones=False))
    for one in phone_refits(request, data, "region"):
        assert one.request.cells.zone is None
        assert "zones" not in one.note


@pytest.mark.parametrize("n_levels", [2, 4])
def test_rows_are_the_draws_beside_those_in_person(n_levels):
    data = people(n_levels)
    refits = phone_refits(asked(data), data, "region")
    base = make_fit(asked(data), up=2.0)
    fits = {one.name: make_fit(one.request, up=2.0) for one in refits}
    rows = list(refit_rows(refits, fits, base, labels(data), 0.05))
    keys = [(row.check, row.variant, row.quantity, row.category) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row.family for row in rows} == {Family.HIERARCHICAL}
    assert {row.population for row in rows} == {Population.ALL_MEMBERS}
    contrasts = headline_contrasts(data.in_person.levels)
    assert len(contrasts) == (1 if n_levels == 2 else n_levels)
    for refit in refits:
        for contrast in contrasts:
            (row,) = [
                row
                for row in rows
                if (row.check, row.variant, row.quantity, row.category)
                == (refit.check, refit.variant, contrast.quantity, contrast.category)
            ]
            fit = fits[refit.name]
            draws = contrast_values(contrast, fit.member[0], fit.comparison[0])
            assert row.estimate == pytest.approx(draws.mean())
            assert (row.lower, row.upper) == pytest.approx(np.quantile(draws, [0.025, 0.975]))
            assert row.interval_kind == "credible"
            assert row.comparator == Comparator.PHONE
            before = contrast_values(contrast, base.member[0], base.comparison[0])
            own = before.mean()
            assert row.reference == pytest.approx(own)
            assert row.difference == pytest.approx(draws.mean() - own)
            # Apart, the variances add up; inside one another, the smaller is in the larger.
            apart = refit.check is Check.PHONE_REPLACES
            spread = np.sqrt(abs(draws.var(ddof=1) + (1 if apart else -1) * before.var(ddof=1)))
            # Of two fits with the same draws only rounding is left, and its root.
            error = 1.959964 * spread
            assert row.difference_upper - row.difference == pytest.approx(error, abs=1e-7)
            assert row.difference - row.difference_lower == pytest.approx(error, abs=1e-7)
            room = 0.025 if contrast.quantity == Quantity.SUPERIORITY else 0.05
            inside = abs(row.difference) + error < room
            assert row.verdict is (Verdict.HOLDS if inside else Verdict.UNDECIDED)
            assert row.note.endswith(LIMITS)
    here = [row for row in rows if row.variant == "in person"]
    assert len(refits) == (3 if n_levels == 2 else 4)
    assert len(here) == 3 * len(contrasts)
    assert {row.verdict for row in here} == {None}


def test_a_gap_that_is_gone_changes_the_conclusion():
    data = people(2)
    refits = phone_refits(asked(data), data, "region")
    base = make_fit(asked(data), up=2.0)
    fits = {one.name: make_fit(one.request) for one in refits}
    rows = [
        row
        for row in refit_rows(refits, fits, base, labels(data), 0.05)
        if row.verdict and row.quantity
    ]
    assert [row.verdict for row in rows] == [Verdict.CHANGES] * 3
    assert base.member.shape[0] == 4
    (contrast,) = headline_contrasts(data.in_person.levels)
    own = contrast_values(contrast, base.member[0], base.comparison[0]).mean()
    for row in rows:
        assert row.lower < 0 < row.upper
        assert row.difference == pytest.approx(row.estimate - own)
        assert row.difference < -0.025
    # Were half of what matters more than that, none would change.
    wide = refit_rows(refits, fits, base, labels(data), 2.5 * own)
    assert {row.verdict for row in wide if row.difference is not None} == {Verdict.HOLDS}


def test_what_the_mode_term_borrows_is_said():
    for n_levels in (2, 4):
        data = people(n_levels)
        refits = phone_refits(asked(data), data, "region")
        note = refits[2].note
        assert "levels of covariates, regions and zones" in note
        assert ("distances between the thresholds" in note) == (n_levels > 2)
        assert "No members were called, so the mode's level" in note
        assert "No members were called, so" not in refits[1].note
    note = refits[3].note
    assert "levels of covariates, regions and zones only. The distances" in note


def test_what_the_gate_withholds_has_one_row_without_numbers():
    data = people(2)
    refits = phone_refits(asked(data), data, "region")
    fits = {one.name: make_fit(one.request, passed=False) for one in refits}
    rows = list(refit_rows(refits, fits, make_fit(asked(data)), labels(data), 0.05))
    withheld = [row for row in rows if row.verdict is Verdict.NOT_ASSESSED]
    assert [row.check for row in withheld] == [one.check for one in refits]
    assert all(row.estimate is None and row.note == "Withheld: divergences." for row in withheld)


def test_two_levels_have_no_thresholds_by_mode():
    data = people(2)
    rows = refit_rows([], {}, make_fit(asked(data)), labels(data), 0.05)
    (row,) = rows
    assert (row.check, row.variant) == (Check.PHONE_JOINS_MODE, Version.MODE_THRESHOLDS)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert row.note
    assert list(refit_rows([], {}, make_fit(asked(people(4))), labels(people(4)), 0.05)) == []


def test_members_of_a_region_without_phone_people_stay_and_are_named():
    data = people(2)
    called = data.phone.take(data.phone.factors["region"] != 1)
    elsewhere = dataclasses.replace(data, phone=called)
    refits = phone_refits(asked(data), elsewhere, "region")
    replaced, joined, _ = refits
    assert replaced.request.cells.people()[1] == data.members.n
    assert replaced.request.cells.people(1) == (0, (data.members.factors["region"] == 1).sum())
    assert replaced.note.startswith("No comparison person lives in B: the members there stay")
    assert "lives in" not in joined.note


def test_weighted_people_are_refitted_and_both_errors_count():
    data = people(2)
    weights = np.linspace(1.0, 2.0, data.phone.n)
    uneven = dataclasses.replace(data, phone=dataclasses.replace(data.phone, weight=weights))
    refits = phone_refits(asked(data), uneven, "region")
    assert all(one.request.cells.sampling is not None for one in refits)
    base, joined = make_fit(asked(data)), make_fit(refits[1].request, up=0.3)
    assert base.correction is None
    assert joined.correction.by_zone
    rows = list(refit_rows(refits[1:2], {refits[1].name: joined}, base, labels(data), 0.05))
    first, again = rows[1], rows[0]
    assert (first.variant, again.variant) == ("in person", "phone and in person")
    half = (again.difference_upper - again.difference_lower) / 2
    both = np.hypot(first.std_error, again.std_error)
    assert half == pytest.approx(1.959964 * both, rel=1e-6)


def test_the_example_has_three_refits():
    plan = make_plan("peru", only=["trust_agree"])
    request = hierarchical_request(plan, plan.models[0])
    rows = plan.models[0].rows
    called = rows.take(~rows.member & (np.cumsum(~rows.member) <= 250))
    covariates = ("age_band", "sex", "region")
    phone = PhoneStudy(in_person=rows, phone=called, covariates=covariates)
    refits = phone_refits(request, phone, "region")
    assert [one.request.cells.people()[0] for one in refits] == [250, 1253, 1253]
    assert all(one.request.cells.n_zones == 100 for one in refits)


def test_thresholds_by_mode_have_the_gap_of_people_asked_in_person():
    """Two phone answers in three keep to the ends: a mode term bends the gap, shifts do not."""
    data = people(4, 1500)
    answers = data.called.outcome
    moved = (answers % 3 > 0) & (np.arange(answers.size) % 3 > 0)
    far = np.where(moved, 3 * (answers > 1), answers)
    ends = dataclasses.replace(data, phone=dataclasses.replace(data.called, outcome=far))
    request = dataclasses.replace(asked(ends), draws=600, target_accept=0.9, populations={})
    refits = phone_refits(request, ends, "region")
    fits = {one.variant: fit_hierarchical(one.request, 2) for one in refits[2:]}
    base = fit_hierarchical(request, 2)
    term, thresholds = fits[Version.MODE_TERM], fits[Version.MODE_THRESHOLDS]
    gate = (GateItem(name="divergences", value=0, bar=0, passed=True),)
    passed = {one.name: dataclasses.replace(fits[one.variant], gate=gate) for one in refits[2:]}
    for contrast in headline_contrasts(ends.in_person.levels):
        here, bent, kept = (
            contrast_values(contrast, fit.member[0], fit.comparison[0])
            for fit in (base, term, thresholds)
        )
        assert abs(kept.mean() - here.mean()) < 0.5 * here.std()
        if contrast.category in (">=top", ">=mid"):
            assert abs(bent.mean() - here.mean()) > 2 * here.std()
    found = {
        (row.category, row.variant): row.verdict
        for row in refit_rows(refits[2:], passed, base, labels(ends), 0.05)
    }
    assert found[">=top", Version.MODE_TERM] is Verdict.CHANGES
    assert found[">=top", Version.MODE_THRESHOLDS] is Verdict.HOLDS


@pytest.mark.slow
def test_a_mode_shift_is_recovered_and_kept_out_of_the_gap():
    """Phone answers stand 1.5 higher in log odds; members 0.7 higher in person."""
    rng = np.random.default_rng(4)
    in_person = make_rows(11, 3000, 2, n_zones=30)
    called = make_rows(12, 1500, 2, n_zones=30)
    # The small survey's cut is at -1; members' log odds are 0.7 above, women's 0.3.
    latent = rng.logistic(size=1500) + 0.3 * called.factors["sex"] + 1.5
    called = dataclasses.replace(
        called, member=np.zeros(1500, bool), outcome=(latent > -1.0).astype(np.int64)
    )
    data = PhoneStudy(in_person=in_person, phone=called, covariates=COVARIATES)
    cells = hierarchical_cells(in_person, COVARIATES, "region", zones=False)
    request = Request(cells=cells, form=Form(zones=False), draws=500, seed=3, target_accept=0.95)
    refits = {one.variant: one for one in phone_refits(request, data, "region")}
    fits = {name: fit_hierarchical(one.request, 2) for name, one in refits.items()}
    mode = fits[Version.MODE_TERM].parameters
    shift = mode["mode=phone"] - mode["mode=in person"]
    assert abs(shift.mean() - 1.5) < 3 * shift.std()
    assert shift.mean() > 1.2
    (contrast,) = headline_contrasts(in_person.levels)
    gaps = {
        name: contrast_values(contrast, fit.member[0], fit.comparison[0])
        for name, fit in fits.items()
    }
    women = np.mean(in_person.factors["sex"][in_person.member])
    above = 1 / (1 + np.exp(-1.0 - np.array([[0.7, 0.0], [1.0, 0.3]])))
    true = (above[:, 0] - above[:, 1]) @ [1 - women, women]
    assert abs(gaps[Version.MODE_TERM].mean() - true) < 3 * gaps[Version.MODE_TERM].std()
    joined = gaps["phone and in person"]
    assert joined.mean() < true - 5 * joined.std()
    assert contrast.quantity is Quantity.RISK_DIFFERENCE
