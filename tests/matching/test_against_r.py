"""MatchIt 4.5.1's pairs and weights on lalonde (tests/r/matching.R), as measured and in bands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.matching.dispatch import match, stratum_codes
from coopgap.matching.distances import Distance, mahalanobis_points, make_distance, robust_points
from coopgap.matching.nearest import nearest_pairs
from coopgap.matching.sample import sample_from_pairs
from coopgap.regression.ordinal import fit_ordinal
from coopgap.study.spec import Matching

R = Path(__file__).parents[1] / "r"
FIXTURE = json.loads((R / "fixtures" / "matching.json").read_text(encoding="utf-8"))
LALONDE = pd.read_csv(R / "data" / "lalonde.csv")
MEMBER = LALONDE["treat"].to_numpy() == 1
ONE_STRATUM = np.zeros(len(LALONDE), dtype=np.int64)
RACE = np.unique(LALONDE["race"], return_inverse=True)[1]
BANDED = ("age", "educ", "race", "married", "earned")


def measured():
    """Covariates as MatchIt lays them out: a factor as indicators of every level over √2."""
    names = ["age", "educ", "married", "nodegree", "re74", "re75"]
    return np.column_stack([LALONDE[names].to_numpy(float), np.eye(3)[RACE] / np.sqrt(2)])


def propensity():
    x = np.column_stack([measured()[:, :6], np.eye(3)[RACE][:, 1:]])
    fit = fit_ordinal(x, np.column_stack([~MEMBER, MEMBER]).astype(float))
    return x @ fit.slopes - fit.thresholds[0]


def alone(points, score=None):
    """A distance at which everybody stands at a point of their own."""
    own = np.arange(len(points))
    score = np.zeros(len(points)) if score is None else score
    return Distance(cell=own, points=points, score=score)


def banded_rows(make_rows):
    cuts = {"age": [20, 25, 30, 40], "educ": [8, 11, 12]}
    factors = {k: np.searchsorted(at, LALONDE[k], side="left") for k, at in cuts.items()}
    factors |= {"race": RACE, "married": LALONDE["married"], "earned": LALONDE["re74"] > 0}
    return make_rows({name: np.asarray(factors[name]).astype(int) for name in BANDED}, MEMBER)


def test_linear_propensity():
    assert propensity() == pytest.approx(FIXTURE["linear_propensity"], rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "choices", "stratum"),
    [
        ("propensity", {"order": "largest"}, ONE_STRATUM),
        ("propensity_smallest", {"order": "smallest"}, ONE_STRATUM),
        ("propensity_data", {"order": "random"}, ONE_STRATUM),
        ("two", {"order": "largest", "ratio": 2}, ONE_STRATUM),
        ("replace", {"replace": True}, ONE_STRATUM),
        ("replace_two", {"replace": True, "ratio": 2}, ONE_STRATUM),
        ("by_race", {"order": "largest"}, RACE),
    ],
)
def test_nearest_propensity(name, choices, stratum):
    expected = FIXTURE["measured"][name]
    score = propensity()
    pairs = nearest_pairs(stratum, MEMBER, alone(score[:, None], score), **choices)
    assert pairs.tolist() == expected["pairs"]
    sample = sample_from_pairs("nearest", pairs, MEMBER, np.ones(MEMBER.size))
    assert sample.weight == pytest.approx(expected["weights"])


@pytest.mark.parametrize("name", ["mahalanobis", "robust_mahalanobis"])
def test_nearest_mahalanobis(name):
    x, ones = measured(), np.ones(MEMBER.size)
    points = (
        mahalanobis_points(x, MEMBER, ones) if name == "mahalanobis" else robust_points(x, ones)
    )
    pairs = nearest_pairs(ONE_STRATUM, MEMBER, alone(points))
    assert pairs.tolist() == FIXTURE["measured"][name]["pairs"]


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("exact", {"method": "exact", "on": BANDED}),
        ("propensity", {"order": "largest"}),
        ("mahalanobis", {"distance": "mahalanobis"}),
        ("robust_mahalanobis", {"distance": "robust_mahalanobis"}),
        ("by_race", {"distance": "mahalanobis", "on": ("race",)}),
    ],
)
def test_declared_matching_of_bands(name, choices, make_rows):
    """Many ties: the same people are chosen, not only people as near."""
    expected = FIXTURE["banded"][name]
    rows = banded_rows(make_rows)
    matching = Matching(**{"method": "nearest", "covariates": BANDED, **choices})
    assert match(rows, matching).weight == pytest.approx(expected["weights"])
    if name != "exact":
        distance = make_distance(rows, matching.covariates, matching.distance)
        strata = stratum_codes(rows, matching.on)
        pairs = nearest_pairs(strata, MEMBER, distance, order=matching.order)
        assert pairs.tolist() == expected["pairs"]
