"""Full checks ask for the refits with the phone people; the sampler itself is left out here."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import coopgap.bayes.fit
import coopgap.checks.hierarchical
import coopgap.checks.posterior
from coopgap.app.plan import make_plan
from coopgap.bayes.criticism import Loo
from coopgap.bayes.fit import summarise
from coopgap.bayes.gate import Convergence, GateItem, SamplerStats
from coopgap.checks.hierarchical import fit_regions
from coopgap.core.vocabulary import Check, Family, Verdict
from coopgap.families.estimate import Tables
from coopgap.survey.example import make_example

from .bayes.conftest import make_draws

PASSED = (GateItem(name="divergences", value=0, bar=0, passed=True),)


def nothing_to_say(quantities, probabilities, stats):
    """A gate that looks at nothing."""
    return PASSED, dict.fromkeys(quantities, Convergence(1.0, 4000.0, 4000.0))


def even(draws, cells, link, relative_ess=1.0):
    """A comparison in which every answer is predicted alike."""
    people = cells.counts[np.nonzero(cells.counts)]
    return Loo(elpd=np.zeros(people.size), pareto_k=np.zeros(people.size), people=people)


def prior_fit(request, cores=1):
    """Draws from the prior as if they were posterior ones, through the gate."""
    del cores
    draws = make_draws(request.cells, request.form, shape=(2, 60))
    stats = SamplerStats(
        energy=np.random.default_rng(0).normal(size=(2, 60)), divergences=0, deepest=0
    )
    without = dataclasses.replace(request, populations={})
    fit = summarise(draws, stats, without, seconds=0.0, retried=False)
    return dataclasses.replace(fit, gate=PASSED)


@pytest.fixture
def asked(monkeypatch):
    """Rows of the regions' part of a run, and every request that was fitted.

    The gate and the leave-one-out comparison, which take most of the time, are left out too.
    """
    requests = []

    def fit(request, cores=1):
        requests.append(request)
        return prior_fit(request, cores)

    monkeypatch.setattr(coopgap.checks.hierarchical, "fit_hierarchical", fit)
    monkeypatch.setattr(coopgap.checks.hierarchical, "executor", lambda jobs: ThreadPoolExecutor(1))
    monkeypatch.setattr(coopgap.bayes.fit, "check", nothing_to_say)
    monkeypatch.setattr(coopgap.checks.posterior, "loo", even)

    def run(data=None, *, checks="full", model="trust_agree"):
        tables = Tables()
        fit_regions(
            tables,
            make_plan("peru", data, only=[model]),
            cost=checks,
            seed=1,
            draws=None,
            jobs=1,
            reuse=None,
            notify=lambda text: None,
        )
        return [row for row in tables.sensitivity if row.check.startswith("phone")], requests

    return run


def test_full_checks_refit_with_the_phone_people(asked):
    rows, requests = asked()
    assert {row.check for row in rows} == {
        Check.PHONE_REPLACES,
        Check.PHONE_JOINS,
        Check.PHONE_JOINS_MODE,
    }
    assert {row.family for row in rows} == {Family.HIERARCHICAL}
    # The model, four other priors, two parts left out, and three with the phone people.
    assert len(requests) == 1 + 4 + 2 + 3
    sizes = sorted(request.cells.people()[0] for request in requests)
    assert sizes == [250, *[1003] * 7, 1253, 1253]
    assert sum("mode" in request.cells.terms for request in requests) == 1


def test_more_than_two_levels_have_thresholds_by_mode(asked):
    rows, requests = asked(model="ses")
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


def test_quick_checks_do_not(asked):
    rows, requests = asked(checks="quick")
    assert rows == []
    assert len(requests) == 1


def test_a_survey_without_phone_interviews_is_fitted_no_more(asked):
    data = make_example().data
    rows, requests = asked(data.loc[data["mode"] == "in person"])
    assert rows == []
    assert len(requests) == 1 + 4 + 2
