"""Predictive mean matching: whose numbers are taken, and what many imputations come to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coopgap.sensitivity.missing.chained import Column, impute
from coopgap.sensitivity.missing.completed import imputation
from coopgap.sensitivity.missing.donors import nearest_donors
from coopgap.survey.numeric import numeric


def test_numbers_come_from_people_of_much_the_same_prediction():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2))
    y = x @ [2.0, -1.0] + rng.normal(0, 0.3, 400)
    lacking = rng.normal(size=(100, 2))
    chosen = nearest_donors(x, y, lacking, rng)
    assert chosen.shape == (100,)
    # The noise of two answers, of the drawn slopes, and the distance of five neighbours.
    apart = y[chosen] - lacking @ [2.0, -1.0]
    assert np.abs(apart.mean()) < 0.1
    assert np.std(apart) < 0.5


def test_without_columns_everybody_answers_from_all():
    rng = np.random.default_rng(2)
    y = np.array([1.0, 2.0, 3.0])
    chosen = nearest_donors(np.zeros((3, 0)), y, np.zeros((3000, 0)), rng)
    assert np.bincount(chosen, minlength=3).min() > 900


def columns_of(values, rng, chance):
    """An outcome that depends on the number, and the number, some of it missing by the outcome."""
    distinct, codes = np.unique(values, return_inverse=True)
    y = (values + rng.logistic(0, 6, values.size) > 40).astype(np.int64)
    lack = rng.random(values.size) < np.where(y == 1, chance, chance / 4)
    column = Column(
        codes=np.where(lack, -1, codes),
        n_levels=0,
        ordered=True,
        numeric=numeric("age", distinct),
    )
    return [Column(codes=y, n_levels=2, ordered=True), column], lack


def test_what_is_missing_at_random_is_made_up_for():
    rng = np.random.default_rng(3)
    values = rng.integers(18, 80, 1500).astype(float)
    columns, lack = columns_of(values, rng, 0.6)
    given = values[~lack].mean()
    means = []
    for seed in range(12):
        found = impute(columns, np.random.default_rng(seed))
        codes = found.codes[1]
        assert (codes[~lack] == columns[1].codes[~lack]).all()
        means.append(columns[1].numeric.values[codes].mean())
        assert found.trace[1].shape == (10, 5)
        assert (found.trace[1].sum(axis=1) == lack.sum()).all()
    assert abs(np.mean(means) - values.mean()) < 0.35 * abs(given - values.mean())


def test_the_same_random_numbers_take_the_same_numbers():
    rng = np.random.default_rng(4)
    columns, _ = columns_of(rng.integers(18, 80, 300).astype(float), rng, 0.4)
    one, other = (impute(columns, np.random.default_rng(9)) for _ in range(2))
    assert (one.codes[1] == other.codes[1]).all()


def test_a_numeric_covariate_of_a_model_is_imputed(make_survey):
    survey, study, spec = make_survey(800, missing={"y": 0.1})
    rng = np.random.default_rng(5)
    values, codes = np.unique(rng.integers(18, 80, 800), return_inverse=True)
    lack = rng.random(800) < 0.15
    age = replace(survey.variables["x"], name="x", type="numeric", levels=(), declared_levels=())
    survey = replace(
        survey,
        codes={**survey.codes, "x": np.where(lack, -1, codes)},
        variables={**survey.variables, "x": age},
        numeric={"x": numeric("x", values.astype(float), (20.0, 40.0, 60.0))},
    )
    how = imputation(survey, study, spec)
    assert [column.width for column in how.columns[:2]] == [1, 2]
    for completed in how.completed("m", 1, 2):
        assert (completed.survey.codes["x"] >= 0).all()
        assert (completed.survey.codes["x"][~lack] == codes[~lack]).all()
        assert completed.trace.shape[1] == 2 + 5
