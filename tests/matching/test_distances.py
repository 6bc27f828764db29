import numpy as np
import pytest
from scipy.spatial.distance import cdist

from coopgap.core.errors import NotEstimable
from coopgap.matching.distances import (
    Distance,
    full_indicators,
    linear_propensity,
    mahalanobis_points,
    make_distance,
    pooled_sd,
    robust_points,
)


def test_full_indicators_put_two_levels_one_apart():
    points = full_indicators([np.array([0, 1, 2, 0])])
    assert cdist(points, points)[0] == pytest.approx([0, 1, 1, 0])


def test_mahalanobis_distance_by_its_definition():
    rng = np.random.default_rng(3)
    x, member = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3)), rng.random(40) < 0.4
    pooled = sum((group.sum() - 1) * np.cov(x[group].T) for group in (member, ~member)) / (40 - 2)
    gap = x[:, None] - x
    expected = np.sqrt(np.einsum("abk,kl,abl->ab", gap, np.linalg.inv(pooled), gap))
    points = mahalanobis_points(x, member, np.ones(40))
    assert cdist(points, points) == pytest.approx(expected)


def test_mahalanobis_distance_of_a_factor_needs_no_reference_level(random_rows):
    rows = random_rows
    columns = [rows.factors["region"], rows.factors["age"]]
    every = mahalanobis_points(full_indicators(columns), rows.member, rows.weight)
    dropped = np.column_stack([one[:, None] == np.unique(one)[1:] for one in columns]).astype(float)
    less = mahalanobis_points(dropped, rows.member, rows.weight)
    assert cdist(every, every) == pytest.approx(cdist(less, less), abs=1e-9)


def test_rank_distance_by_its_definition():
    rng = np.random.default_rng(4)
    x = np.round(rng.normal(size=(30, 2)), 1)
    x[0, 0] = 50.0  # an outlier moves a rank by one place only
    # Mean ranks by counting, and the covariance rescaled to the variance of untied ranks.
    ranks = np.array(
        [
            [(x[:, k] < v).sum() + ((x[:, k] == v).sum() + 1) / 2 for k, v in enumerate(row)]
            for row in x
        ]
    )
    cov = np.cov(ranks.T)
    scale = np.arange(1, 31).std(ddof=1) / np.sqrt(np.diag(cov))
    inverse = np.linalg.inv(cov * np.outer(scale, scale))
    gap = ranks[:, None] - ranks
    expected = np.sqrt(np.einsum("abk,kl,abl->ab", gap, inverse, gap))
    points = robust_points(x, np.ones(30))
    assert cdist(points, points) == pytest.approx(expected)


def test_propensity_of_one_factor_is_the_log_odds_of_its_levels(random_rows):
    rows = random_rows
    found = linear_propensity(rows, ("age",))
    for level in range(5):
        here = rows.factors["age"] == level
        odds = rows.weight[here & rows.member].sum() / rows.weight[here & ~rows.member].sum()
        assert found[here] == pytest.approx(np.log(odds))


def test_a_factor_that_says_the_same_changes_no_propensity(random_rows, make_rows):
    rows = random_rows
    factors = {**rows.factors, "again": 4 - rows.factors["age"]}
    twice = make_rows(factors, rows.member, weight=rows.weight)
    expected = linear_propensity(rows, ("age", "sex"))
    assert linear_propensity(twice, ("age", "sex", "again")) == pytest.approx(expected)


def test_separated_propensity_names_the_term(make_rows):
    rows = make_rows({"a": [0, 0, 0, 1, 1, 2]}, [True, False, True, False, True, True])
    with pytest.raises(NotEstimable, match=r"propensity score: .*\ba\b"):
        linear_propensity(rows, ("a",))


def test_caliper_is_in_pooled_standard_deviations_of_the_score(random_rows):
    rows = random_rows
    free = make_distance(rows, ("age", "sex"), "propensity")
    tight = make_distance(rows, ("age", "sex"), "mahalanobis", caliper=0.2)
    score = free.score[free.cell]
    parts = []
    for group in (rows.member, ~rows.member):
        w = rows.weight[group] / rows.weight[group].sum()
        mean = w @ score[group]
        parts.append(w @ (score[group] - mean) ** 2 / (1 - w @ w))
    assert tight.caliper == pytest.approx(0.2 * np.sqrt(np.mean(parts)))
    points = np.arange(len(tight.score))
    apart = np.abs(tight.score[:, None] - tight.score)
    assert np.array_equal(np.isinf(tight.between(points, points)), apart > tight.caliper)


def test_pooled_sd_of_equal_weights_is_the_textbook_one():
    rng = np.random.default_rng(5)
    score, member = rng.normal(size=50), rng.random(50) < 0.3
    expected = np.sqrt((score[member].var(ddof=1) + score[~member].var(ddof=1)) / 2)
    assert pooled_sd(score, member, np.full(50, 3.0)) == pytest.approx(expected)


def test_without_covariates_everybody_stands_at_one_point(random_rows):
    found = make_distance(random_rows, (), "propensity")
    assert set(found.cell) == {0}
    assert found.between(np.array([0]), np.array([0])) == 0


def test_equally_far_by_design_is_equally_far_in_floating_point():
    points = np.array([[0.1 + 0.2], [0.0], [0.6]])
    found = Distance(cell=np.arange(3), points=points, score=np.zeros(3)).between(
        np.array([0]), np.array([1, 2])
    )
    assert found[0, 0] == found[0, 1]
