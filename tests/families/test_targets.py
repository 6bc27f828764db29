"""Populations the adjusted regression is standardised over, against R and sums by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.core.vocabulary import Family, Population, Quantity, Status
from coopgap.families.cells import target_weights
from coopgap.families.cumulative import estimate_doubly_robust
from coopgap.families.dispatch import family_estimates
from coopgap.families.sample import sample_cells
from coopgap.matching.dispatch import match
from coopgap.regression.cumulative import probabilities
from coopgap.regression.ordinal import fit_ordinal
from coopgap.study.spec import DeclaredPopulation, Margin, Matching

from .conftest import make_sample, rows_of

R = Path(__file__).parents[1] / "r"
EDUCATION = ("0-5yrs", "6-11yrs", "12+ yrs")
INDUCED = ("0", "1", "2")


def fixture():
    return json.loads((R / "fixtures" / "population.json").read_text(encoding="utf-8"))


LEVELS = {"education": EDUCATION, "induced": INDUCED}


def infert(**fitting):
    frame = pd.read_csv(R / "data" / "infert.csv")
    rows = rows_of(
        frame["case"],
        frame["spontaneous"] > 0,
        levels=("no", "yes"),
        zone=(frame["parity"] * 5 + frame["age"] % 5).to_numpy(np.int64),
        weight=0.5 + (np.arange(len(frame)) % 7) / 4,
    )
    education = np.array([EDUCATION.index(one) for one in frame["education"]])
    factors = {"education": education, "induced": frame["induced"].to_numpy(np.int64)}
    rows = dataclasses.replace(rows, factors=factors, factor_levels=LEVELS)
    return make_sample(rows, on=("education",), covariates=(*LEVELS,), **fitting)


def predicted(sample):
    """Each person's gap by a fit on people."""
    rows = sample.rows
    dummies = [rows.factors[name] == level for name in rows.factors for level in (1, 2)]
    x = np.column_stack([rows.member, *dummies]).astype(float)
    fit = fit_ordinal(x, np.eye(2)[rows.outcome] * rows.weight[:, None])
    sides = [probabilities(fit, np.column_stack([np.full(rows.n, s), x[:, 1:]])) for s in (1, 0)]
    return sides[0][:, 1] - sides[1][:, 1]


def declared(**shares):
    margins = tuple(
        Margin(
            variables=(name,),
            shares={(level,): part for level, part in zip(LEVELS[name], parts, strict=True)},
        )
        for name, parts in shares.items()
    )
    return DeclaredPopulation(file="somewhere_2020.csv", margins=margins)


def gap(sample, population, table=None):
    (found,) = (
        one
        for one in family_estimates(sample, population, table)
        if one.family in (Family.ADJUSTED_LOGIT, Family.ADJUSTED_ORDINAL)
        and one.population is population
    )
    return found


def test_a_raked_population_is_surveys():
    expected = fixture()
    table = declared(**expected["shares"])
    sample = infert(std_errors="CR1")
    on = sample_cells(sample, sample.rows.weight)
    weight = target_weights(sample, on, Population.POSTSTRATIFIED, table)
    codes = np.column_stack([*sample.rows.factors.values()])
    for education in range(3):
        for induced in range(3):
            first, second = on.codes.values()
            cell = (first == education) & (second == induced)
            people = (codes == [education, induced]).all(axis=1)
            r = np.array(expected["raked_weights"])[people].sum()
            # R stops when the margins hold to 12 digits of a thousand people.
            found = (weight * on.cells.counts.sum(axis=1))[cell].sum()
            assert found == pytest.approx(r, rel=1e-8)
    found = gap(sample, Population.POSTSTRATIFIED, table)
    assert found.at().estimate == pytest.approx(expected["raked"]["estimate"], abs=1e-9)
    error = expected["raked"]["std_error_fixed"]
    assert found.at().std_error == pytest.approx(error, rel=1e-6)
    assert "taken as fixed" in found.std_errors


def test_the_overlap_is_that_of_rs_scores():
    expected = fixture()["overlap"]
    for fixed in (False, True):
        found = gap(infert(std_errors="CR1", fixed=fixed), Population.OVERLAP)
        assert found.at().estimate == pytest.approx(expected["estimate"], abs=1e-9)
        same = found.at().std_error == pytest.approx(expected["std_error_fixed"], rel=1e-6)
        assert same == fixed


def test_pooled_and_declared_populations_are_means_of_the_predictions():
    sample = infert()
    rows, each = sample.rows, predicted(sample)
    pooled = gap(sample, Population.POOLED).at().estimate
    assert pooled == pytest.approx(np.average(each, weights=rows.weight), abs=1e-9)
    # One level alone declared.
    one = gap(sample, Population.POSTSTRATIFIED, declared(education=(0.0, 1.0, 0.0)))
    inside = rows.factors["education"] == 1
    by_hand = np.average(each[inside], weights=rows.weight[inside])
    assert one.at().estimate == pytest.approx(by_hand, abs=1e-9)
    # A population with the sample's own margins is the pooled one.
    joint = np.zeros((3, 3))
    np.add.at(joint, (*rows.factors.values(),), rows.weight / rows.weight.sum())
    every = [(a, b) for a in EDUCATION for b in INDUCED]
    margin = Margin(variables=(*LEVELS,), shares=dict(zip(every, joint.ravel(), strict=True)))
    table = DeclaredPopulation(file="itself.csv", margins=(margin,))
    own = gap(sample, Population.POSTSTRATIFIED, table).at().estimate
    assert own == pytest.approx(pooled, abs=1e-12)


def test_what_cannot_be_had_is_named():
    sample = infert()
    without = sample.take(sample.rows.factors["induced"] != 2)
    found = gap(without, Population.POSTSTRATIFIED, declared(induced=(0.5, 0.25, 0.25)))
    assert found.status is Status.NOT_ESTIMABLE
    assert found.reason == "nobody in the survey for induced=2 of somewhere_2020.csv"
    assert found.intervals == {}
    rows = dataclasses.replace(
        sample.rows, factors={**sample.rows.factors, "induced": np.where(sample.rows.member, 1, 0)}
    )
    apart = dataclasses.replace(sample, rows=rows, covariates=("education",))
    assert gap(apart, Population.OVERLAP).status is Status.OK
    # The others stand where one population has no number.
    table = declared(induced=(0.5, 0.25, 0.25))
    every = family_estimates(without, Population.POSTSTRATIFIED, table)
    others = [one for one in every if one.family is Family.ADJUSTED_LOGIT]
    assert [one.status for one in others] == [Status.OK, Status.OK, Status.NOT_ESTIMABLE]


def test_swapped_groups_flip_the_gap_over_a_population_of_both():
    sample = infert()
    rows = dataclasses.replace(sample.rows, member=~sample.rows.member)
    other = dataclasses.replace(sample, rows=rows, matched=match(rows, Matching(on=("education",))))
    table = declared(education=(0.2, 0.3, 0.5))
    for population in (Population.POOLED, Population.OVERLAP, Population.POSTSTRATIFIED):
        first, second = (gap(one, population, table).at() for one in (sample, other))
        assert first.estimate == pytest.approx(-second.estimate, abs=1e-9)
        assert first.std_error == pytest.approx(second.std_error, rel=1e-6)


def test_doubly_robust_of_members_with_a_comparison_leaves_out_those_without():
    sample = infert()
    rows = sample.rows
    alone = rows.member | (rows.factors["education"] != 0)
    part = rows.take(alone)
    thin = dataclasses.replace(sample, rows=part, matched=match(part, Matching(on=("education",))))
    inside = part.factors["education"] != 0
    found = estimate_doubly_robust(thin, Population.MEMBERS)
    assert found.population is Population.MEMBERS
    share = next(c for c in found.intervals if c.quantity is Quantity.SHARE and c.of_member)
    kept = inside & part.member
    by_hand = np.average(part.outcome[kept], weights=part.weight[kept])
    assert found.intervals[share].estimate == pytest.approx(by_hand)
    # Everybody has a comparison: the two populations are one.
    both = (Population.MEMBERS, Population.ALL_MEMBERS)
    one, other = (estimate_doubly_robust(sample, population) for population in both)
    assert one.at().estimate == pytest.approx(other.at().estimate, abs=1e-12)


def test_doubly_robust_of_pairs_sets_every_comparison_person_beside_the_members_kept():
    sample = infert()
    near = Matching(method="nearest", on=("education",), covariates=("induced",), caliper=0.1)
    paired = dataclasses.replace(sample, matched=match(sample.rows, near))
    assert not paired.kept[paired.rows.member].all()
    found = estimate_doubly_robust(paired, Population.MEMBERS)
    assert found.population is Population.MEMBERS
    beside = paired.kept | ~paired.rows.member
    assert found.people.tolist() == paired.take(beside).rows.people_by_level().tolist()
    # The members whom pairs keep are the target: whole people of a smaller survey.
    alone = estimate_doubly_robust(paired.take(beside), Population.ALL_MEMBERS)
    for contrast, interval in found.intervals.items():
        assert interval.estimate == pytest.approx(alone.intervals[contrast].estimate, abs=1e-12)
        assert interval.std_error == pytest.approx(alone.intervals[contrast].std_error)
    by_hand = paired.rows.weight * paired.kept * paired.rows.member
    share = next(c for c in found.intervals if c.quantity is Quantity.SHARE and c.of_member)
    outcome = paired.rows.outcome
    assert found.intervals[share].estimate == pytest.approx(np.average(outcome, weights=by_hand))
