"""Gaps over a declared population: weights by hand, rows beside the members'."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from coopgap.bayes.cells import population_weights
from coopgap.bayes.fit import Request, summarise
from coopgap.bayes.gate import GateItem, SamplerStats, Verdict
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Population, Quantity
from coopgap.families.hierarchical import gap_rows
from coopgap.study.spec import DeclaredPopulation, Margin

from .conftest import LEVELS, make_cells, make_draws

SEXES = Margin(variables=("sex",), shares={("male",): 0.9, ("female",): 0.1})
PEOPLE = DeclaredPopulation(file="people.csv", margins=(SEXES,))


def over(cells, weight):
    return Request(cells=cells, populations={Population.POSTSTRATIFIED: weight})


def test_weights_have_the_declared_margin_and_keep_the_mix_within():
    cells = make_cells()
    weight = population_weights(cells, PEOPLE, "region")
    male = cells.covariates[:, 0] == 0
    assert weight.sum() == pytest.approx(1.0)
    assert weight[male].sum() == pytest.approx(0.9)
    people = np.bincount(cells.row, weights=cells.counts.sum(axis=1))
    assert weight[male] / weight[male].sum() == pytest.approx(people[male] / people[male].sum())


def test_two_margins_are_raked_regions_among_them():
    cells = make_cells()
    regions = Margin(variables=("region",), shares={("A",): 0.5, ("B",): 0.3, ("C",): 0.2})
    both = DeclaredPopulation(file="people.csv", margins=(SEXES, regions))
    weight = population_weights(cells, both, "region")
    assert weight[cells.region == 0].sum() == pytest.approx(0.5, abs=1e-8)
    assert weight[cells.covariates[:, 0] == 1].sum() == pytest.approx(0.1, abs=1e-8)


def test_a_margin_the_model_has_not_is_said():
    other = Margin(variables=("education",), shares={("low",): 1.0})
    declared = DeclaredPopulation(file="people.csv", margins=(other,))
    with pytest.raises(NotEstimable, match=r"people\.csv is by education"):
        population_weights(make_cells(), declared, "region")


def test_the_gate_looks_at_them_too(monkeypatch):
    from coopgap.bayes import fit as module

    seen = {}
    monkeypatch.setattr(module, "check", lambda found, *_: seen.update(found) or Verdict((), {}))
    cells = make_cells()
    summarise(
        make_draws(cells),
        SamplerStats(energy=np.zeros((4, 50)), divergences=0, deepest=0),
        Request(
            cells=cells,
            populations={Population.POSTSTRATIFIED: population_weights(cells, PEOPLE, "region")},
        ),
        seconds=1.0,
        retried=False,
    )
    assert {name for name in seen if name.endswith(" over poststratified")} >= {
        "risk_difference >=high over poststratified",
        "superiority over poststratified",
    }


def test_rows_stand_beside_the_members_and_are_weighted_by_hand():
    cells = make_cells(n_zones=9)
    draws = make_draws(cells, shape=(4, 200))
    weight = population_weights(cells, PEOPLE, "region")
    stats = SamplerStats(energy=np.zeros((4, 200)), divergences=0, deepest=0)
    fit = summarise(draws, stats, over(cells, weight), seconds=1.0, retried=False)
    fit = dataclasses.replace(fit, gate=(GateItem(name="x", value=1, bar=1, passed=True),))
    labels = Keys(model="m", outcome="y", levels=LEVELS, source="EXAMPLE DATA")
    rows = {
        (r.population, r.quantity, r.category): r
        for r in gap_rows(fit, cells, labels, 0.05)
        if r.group == "all"
    }
    found = rows[Population.POSTSTRATIFIED, Quantity.RISK_DIFFERENCE, ">=high"].estimate
    by_row = []
    for r in range(cells.region.size):
        alone = np.zeros(cells.region.size)
        alone[r] = 1.0
        one = summarise(draws, stats, over(cells, alone), seconds=1.0, retried=False)
        member, comparison = one.elsewhere[Population.POSTSTRATIFIED, cells.groups[0]]
        by_row.append((member - comparison)[..., 2:].sum(axis=-1).mean())
    assert found == pytest.approx(weight @ by_row)
    here = rows[Population.ALL_MEMBERS, Quantity.RISK_DIFFERENCE, ">=high"].estimate
    assert found != pytest.approx(here, abs=1e-4)
