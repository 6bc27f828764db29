"""What a run asks of the sampler, which is left out here: draws of the prior stand for its."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import coopgap
import coopgap.app.pipeline
import coopgap.bayes.fit
import coopgap.checks.hierarchical
import coopgap.checks.posterior
from coopgap.app.plan import make_plan
from coopgap.bayes.criticism import Loo
from coopgap.bayes.fit import summarise
from coopgap.bayes.gate import Convergence, GateItem, SamplerStats
from coopgap.checks.hierarchical import fit_regions, hierarchical_request
from coopgap.checks.registry import Scope, answers, checks
from coopgap.core.vocabulary import Check, Family, Verdict
from coopgap.families.estimate import Tables
from coopgap.study.load import load_study
from coopgap.study.spec import Hierarchical
from coopgap.survey.example import make_example

from .bayes.conftest import make_draws
from .studies import copy_of, where

BY_REGION = {one.name for one in checks().values() if one.scope in (Scope.FIT, Scope.REFIT)}
PHONE = {Check.PHONE_REPLACES, Check.PHONE_JOINS, Check.PHONE_JOINS_MODE}
PASSED = (GateItem(name="divergences", value=0, bar=0, passed=True),)


def prior_fit(request, cores=1):
    """Draws from the prior as if they were posterior ones, through the gate."""
    del cores
    draws = make_draws(request.cells, request.form, shape=(2, 60))
    energy = np.random.default_rng(0).normal(size=(2, 60))
    stats = SamplerStats(energy=energy, divergences=0, deepest=0)
    without = dataclasses.replace(request, populations={})
    fit = summarise(draws, stats, without, seconds=0.0, retried=False)
    return dataclasses.replace(fit, gate=PASSED)


def stand_in(monkeypatch):
    """Let draws of the prior stand for fits, here; the list of requests that were fitted."""
    requests = []
    module = coopgap.checks.hierarchical
    fit = lambda request, cores=1: requests.append(request) or prior_fit(request)  # noqa: E731
    monkeypatch.setattr(module, "fit_hierarchical", fit)
    monkeypatch.setattr(module, "executor", lambda jobs: ThreadPoolExecutor(1))
    return requests


def regions_of(plan, cost="full"):
    """The tables of a run's part by region."""
    found, choices = Tables(), {"draws": None, "jobs": 1, "reuse": None}
    fit_regions(found, plan, cost=cost, seed=1, notify=lambda text: None, **choices)
    return found


def nothing_to_say(quantities, probabilities, stats):
    """A gate that looks at nothing."""
    return PASSED, dict.fromkeys(quantities, Convergence(1.0, 4000.0, 4000.0))


def even(draws, cells, link, relative_ess=1.0):
    """A comparison in which every answer is predicted alike."""
    people = cells.counts[np.nonzero(cells.counts)]
    none, one = np.zeros(people.size), people.astype(float)
    return Loo(elpd=none, pareto_k=none, people=people, weight=one, squares=one)


@pytest.fixture
def fitted(monkeypatch):
    """Rows of the phone checks by region, and every request that was fitted.

    The gate and the leave-one-out comparison, which take most of the time, are left out too.
    """
    requests = stand_in(monkeypatch)
    monkeypatch.setattr(coopgap.bayes.fit, "check", nothing_to_say)
    monkeypatch.setattr(coopgap.checks.posterior, "loo", even)

    def run(data=None, *, cost="full", model="trust_agree"):
        found = regions_of(make_plan("peru", data, only=[model]), cost)
        return [row for row in found.sensitivity if row.check.startswith("phone")], requests

    return run


def test_full_checks_refit_with_the_phone_people(fitted):
    rows, requests = fitted()
    assert {row.check for row in rows} == PHONE
    assert {row.family for row in rows} == {Family.HIERARCHICAL}
    # The model, four other priors, two parts left out, and three with the phone people.
    assert len(requests) == 1 + 4 + 2 + 3
    sizes = sorted(request.cells.people()[0] for request in requests)
    assert sizes == [250, *[1003] * 7, 1253, 1253]
    assert sum("mode" in request.cells.terms for request in requests) == 1


def test_more_than_two_levels_have_thresholds_by_mode(fitted):
    rows, requests = fitted(model="ses")
    # Two for the thresholds' shifts, proportional odds, and thresholds by mode.
    assert len(requests) == 1 + 4 + 2 + 3 + 4
    assert [request.form.mode for request in requests if request.form.mode] == ["mode"]
    joined = [row for row in rows if row.check == Check.PHONE_JOINS_MODE]
    variants = {row.variant for row in joined if row.estimate is not None}
    term, thresholds = "joins with a mode term", "joins with mode-specific thresholds"
    assert variants == {"in person", term, thresholds}
    assert sum(row.variant == "in person" for row in joined) == 5
    # Few stand at the top.
    assert not [row for row in rows if row.verdict == Verdict.NOT_ASSESSED]


def test_quick_checks_and_surveys_without_phone_interviews_have_none(fitted):
    rows, requests = fitted(cost="quick")
    assert (rows, len(requests)) == ([], 1)
    requests.clear()
    rows, requests = fitted(where(make_example().data, mode="in person"))
    assert (rows, len(requests)) == ([], 1 + 4 + 2)


def asked(study, model):
    """What a run would ask of the sampler for one model."""
    plan = make_plan(study, only=[model])
    return hierarchical_request(plan, plan.models[0])


def test_a_request_follows_the_study_and_the_model_file(tmp_path):
    # On the Peru structure 0.95 gave divergences in two of six seeds, 0.99 in none.
    assert Hierarchical().target_accept == 0.99
    for name in ("peru", "uganda_dairy"):
        models = [model.hierarchical for model in load_study(name).models if model.hierarchical]
        assert {one.target_accept for one in models} == {0.99}
    request = asked("peru", "trust_agree")
    assert (request.target_accept, request.form.zones, request.cells.n_zones) == (0.99, True, 100)
    more = "zones = false\ntarget_accept = 0.9\npriors = { gap_sd = 0.25 }\n"
    probit = '"trust_agree"\nlink = "probit"'
    folder = copy_of(
        tmp_path / "peru", trust_agree=lambda t: t.replace('"trust_agree"', probit, 1) + more
    )
    request = asked(folder, "trust_agree")
    assert (request.form.zones, request.form.link) == (False, "probit")
    assert (request.target_accept, request.cells.zone) == (0.9, None)
    assert (request.priors.gap_sd.scale, request.priors.region_sd.scale) == (0.25, 0.5)


def test_with_all_checks_a_model_without_regions_has_its_rows_and_reasons(monkeypatch):
    # The other checks with all refits are not what is looked at.
    def few(context, scope, cost):
        return () if scope is Scope.MODEL else answers(context, scope, cost)

    monkeypatch.setattr(coopgap.app.pipeline, "answers", few)
    for cost, expected in (("quick", set()), ("full", BY_REGION)):
        rows = coopgap.run("peru", only=["neighbours"], checks=cost, jobs=1).sensitivity
        rows = where(rows, check=BY_REGION)
        assert set(rows["check"]) == expected
        assert set(rows["verdict"]) <= {Verdict.NOT_APPLICABLE}
        assert rows["note"].str.contains("asks for no gaps by region").all()
