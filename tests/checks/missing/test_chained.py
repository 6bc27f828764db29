"""Chained equations and their models: by R, and imputed answers follow those taken away."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from coopgap.checks.missing.chained import ROUNDS, Column, imputation, impute
from coopgap.checks.missing.models import (
    augment,
    cumulative_chances,
    draw_cumulative,
    draw_multinomial,
    fit_cumulative,
    fit_multinomial,
    multinomial_chances,
    nearest_donors,
)
from coopgap.survey.numeric import numeric

from ..conftest import by_r

KNOWN = by_r("missing")


@pytest.fixture(scope="module")
def data():
    x, level = np.array(KNOWN["x"], dtype=float), np.array(KNOWN["level"])
    return augment(x, np.arange(level.size), level, 3)


def natural(fitted):
    cov = fitted.back @ np.linalg.inv(fitted.information) @ fitted.back.T
    return fitted.back @ fitted.params, cov


def test_the_ordered_model_on_pseudo_people_equals_clm(data):
    params, cov = natural(fit_cumulative(data))
    expected = KNOWN["ordered"]
    assert params == pytest.approx([*expected["slopes"], *expected["thresholds"]], abs=1e-8)
    assert cov == pytest.approx(np.array(expected["cov"]), rel=1e-6)


def test_the_unordered_model_on_pseudo_people_equals_multinom(data):
    params, cov = natural(fit_multinomial(data))
    expected = KNOWN["nominal"]
    # nnet stops on its deviance, which leaves the parameters right to about its square root.
    assert params == pytest.approx(expected["params"], abs=1e-5)
    errors = np.sqrt(np.diag(cov)).reshape(2, -1)[:, 1:]
    assert errors.ravel() == pytest.approx(expected["slope_errors"], rel=1e-4)


def test_pseudo_people_weigh_as_many_as_there_are_parameters_and_stay_in_range(data):
    x = np.array(KNOWN["x"])
    assert data.counts[len(x) :].sum() == pytest.approx(x.shape[1] + 1)
    assert (data.x.min(axis=0) >= x.min(axis=0)).all()
    assert (data.x.max(axis=0) <= x.max(axis=0)).all()


def test_two_levels_are_one_model_however_they_are_asked_for():
    rng = np.random.default_rng(1)
    x = rng.random((200, 2))
    level = (rng.random(200) < expit(x @ [1.0, -1.0])).astype(int)
    data = augment(x, np.arange(200), level, 2)
    ordered, unordered = natural(fit_cumulative(data))[0], natural(fit_multinomial(data))[0]
    assert ordered[:2] == pytest.approx(unordered[1:], abs=1e-7)
    assert -ordered[2] == pytest.approx(unordered[0], abs=1e-7)
    assert cumulative_chances(ordered, x) == pytest.approx(
        multinomial_chances(unordered, x), abs=1e-7
    )


@pytest.mark.parametrize("fit", [fit_cumulative, fit_multinomial])
def test_perfect_prediction_leaves_estimates_finite(fit):
    x = np.repeat([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]], 40, axis=0)
    level = np.repeat([0, 1, 2], 40)
    params, cov = natural(fit(augment(x, np.arange(120), level, 3)))
    assert np.abs(params).max() < 20
    assert np.sqrt(np.diag(cov)).max() < 20


def test_draws_have_the_estimates_for_mean_and_the_inverse_information_for_covariance(data):
    for fitted, draw in (
        (fit_cumulative(data), lambda one, rng: draw_cumulative(one, 2, rng)),
        (fit_multinomial(data), draw_multinomial),
    ):
        rng = np.random.default_rng(5)
        draws = np.array([draw(fitted, rng) for _ in range(20_000)])
        params, cov = natural(fitted)
        error = np.sqrt(np.diag(cov))
        # The Monte Carlo error is 0.007 standard errors; the steps between thresholds are drawn
        # on the logarithm, whose mean is higher by half its variance.
        assert (draws.mean(axis=0) - params) / error == pytest.approx(0, abs=0.1)
        assert draws.std(axis=0) / error == pytest.approx(1, abs=0.05)


def test_drawn_thresholds_are_in_order_where_a_level_is_rare():
    rng = np.random.default_rng(3)
    level = np.repeat([0, 1, 2], [60, 1, 60])
    x = rng.random((121, 2))
    fitted = fit_cumulative(augment(x, np.arange(121), level, 3))
    drawn = np.array([draw_cumulative(fitted, 2, rng)[-2:] for _ in range(500)])
    assert (drawn[:, 1] > drawn[:, 0]).all()
    params, cov = natural(fitted)
    normal = rng.multivariate_normal(params[-2:], cov[-2:, -2:], 500)
    assert (normal[:, 1] < normal[:, 0]).mean() > 0.05


def column(codes, n_levels, *, ordered=True):
    return Column(codes=np.asarray(codes, dtype=np.int64), n_levels=n_levels, ordered=ordered)


def without(rng, codes, chance):
    return np.where(rng.random(codes.size) < chance, -1, codes)


def table(rows, columns, shape):
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)


@pytest.fixture(scope="module")
def three():
    """Ordered, nominal and binary columns that depend on one another, and what was taken away."""
    rng = np.random.default_rng(8)
    n = 20_000
    nominal = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    binary = (rng.random(n) < np.array([0.2, 0.5, 0.7])[nominal]).astype(int)
    latent = np.array([0.0, 1.0, -1.0])[nominal] + binary + rng.logistic(size=n)
    ordered = np.searchsorted([-1.0, 0.5, 2.0], latent)
    true = (ordered, nominal, binary)
    lacking = [without(rng, codes, 0.25) for codes in true]
    columns = [column(lacking[0], 4), column(lacking[1], 3, ordered=False), column(lacking[2], 2)]
    return true, columns, impute(columns, np.random.default_rng(1))


@pytest.mark.parametrize("number", range(3))
def test_imputed_levels_are_spread_as_those_taken_away_within_the_others(three, number):
    true, columns, found = three
    lacks = columns[number].codes < 0
    other = (number + 1) % 3
    shape = (columns[other].n_levels, columns[number].n_levels)
    imputed = table(found.codes[other][lacks], found.codes[number][lacks], shape)
    real = table(true[other][lacks], true[number][lacks], shape)
    # Two samples of about 5,000 in at most 12 cells.
    assert stats.chi2_contingency(np.vstack([imputed.ravel(), real.ravel()])).pvalue > 0.001
    assert np.abs(imputed - real).max() / lacks.sum() < 0.02
    # They are not spread as if the other column did not matter.
    assert stats.chi2_contingency(imputed).pvalue < 1e-10


def test_shares_over_many_imputations_are_those_of_mice():
    """R's logreg, polr and polyreg on the same holes: 200 imputations of theirs, 100 of ours."""
    expected = by_r("missing")["chained"]
    codes = np.array(expected["codes"]).T
    columns = [
        column(own, n_levels, ordered=ordered)
        for own, n_levels, ordered in zip(
            codes, (2, 3, 3, 3), (True, True, False, True), strict=True
        )
    ]
    rng = np.random.default_rng(6)
    found = [impute(columns, rng).codes for _ in range(100)]
    case, induced, education, _ = (np.concatenate(own) for own in zip(*found, strict=True))
    # An imputation's share among 248 people varies by about 0.02, so the means by 0.0015 and 0.002.
    for own, name in ((case, "case"), (induced, "induced"), (education, "education")):
        assert np.bincount(own) / own.size == pytest.approx(expected[name], abs=0.006), name
    both = table(case, induced, (2, 3)) / case.size
    assert both == pytest.approx(np.array(expected["case_by_induced"]), abs=0.006)
    # The answers alone say something else of the outcome.
    answered = codes[0][codes[0] >= 0]
    assert abs(answered.mean() - expected["case"][1]) > 0.02


def test_answers_stay_and_gaps_are_filled(three):
    _, columns, found = three
    for one, codes in zip(columns, found.codes, strict=True):
        answered = one.codes >= 0
        assert (codes[answered] == one.codes[answered]).all()
        assert ((codes >= 0) & (codes < one.n_levels)).all()
    assert {number: counts.shape for number, counts in found.trace.items()} == {
        0: (ROUNDS, 4),
        1: (ROUNDS, 3),
        2: (ROUNDS, 2),
    }
    assert (found.trace[0].sum(axis=1) == (columns[0].codes < 0).sum()).all()


def test_a_shift_of_nothing_is_what_was_imputed_and_a_large_one_the_highest_level(three):
    _, _, found = three
    last = found.last
    assert (last.levels(0.0) == found.codes[0][last.people]).all()
    drawn = [last.levels(delta) for delta in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    assert (np.diff(drawn, axis=0) >= 0).all()
    assert (last.levels(60.0) == 3).all()
    assert (last.levels(-60.0) == 0).all()


def test_a_shift_moves_the_odds_as_much_as_it_says(three):
    last = three[2].last
    for delta in (-0.5, 1.0):
        above = 1 / (1 + np.exp(last.log_odds - delta))
        for cut in range(3):
            share = (last.levels(delta) > cut).mean()
            assert share == pytest.approx(above[:, cut].mean(), abs=0.02)  # 5,000 people


def test_a_level_that_nobody_has_is_never_imputed():
    rng = np.random.default_rng(4)
    codes = without(rng, rng.choice([1, 3], 400), 0.3)
    for ordered in (True, False):
        columns = [column(codes, 5, ordered=ordered), column(rng.integers(0, 2, 400), 2)]
        assert set(impute(columns, rng).codes[0]) == {1, 3}
    alone = [column(np.where(codes < 0, -1, 2), 5), columns[1]]
    assert set(impute(alone, rng).codes[0]) == {2}


def test_a_column_by_itself_is_drawn_from_its_shares():
    rng = np.random.default_rng(5)
    codes = without(rng, rng.choice(3, 6000, p=[0.6, 0.3, 0.1]), 0.5)
    drawn = impute([column(codes, 3)], rng).codes[0][codes < 0]
    # 3,000 imputed and 3,000 answered: a standard error of 1.3 points.
    assert np.bincount(drawn) / drawn.size == pytest.approx([0.6, 0.3, 0.1], abs=0.04)


def test_each_imputation_is_the_same_however_many_are_made(make_survey):
    how = imputation(*make_survey(600, missing={"y": 0.2, "x": 0.1}))
    few, many = list(how.completed("m", 3, 2)), list(how.completed("m", 3, 4))
    for one, other in zip(few, many, strict=False):
        assert (one.survey.codes["y"] == other.survey.codes["y"]).all()
    assert (many[0].survey.codes["y"] != many[1].survey.codes["y"]).any()
    (another,) = how.completed("n", 3, 1)
    assert (another.survey.codes["y"] != few[0].survey.codes["y"]).any()


def test_groups_are_imputed_apart_where_they_carry_it_and_together_where_not(make_survey):
    large = imputation(*make_survey(1000, missing={"y": 0.2, "x": 0.1}))
    small = imputation(*make_survey(120, missing={"y": 0.2, "x": 0.1}))
    assert large.separate
    assert not small.separate
    assert len(small.columns) == len(large.columns) + 1
    (found,) = small.completed("m", 0, 1)
    assert all((found.survey.codes[name] >= 0).all() for name in small.names)


def test_apart_each_group_keeps_an_association_of_its_own(make_survey):
    """x goes with y among members one way and among the others the other way."""
    survey, study, spec = make_survey(6000, levels=2, slope=-1.0, member_slope=2.0)
    true = survey.codes["y"].copy()
    rng = np.random.default_rng(0)
    survey.codes["y"][rng.random(6000) < 0.3] = -1
    (found,) = imputation(survey, study, spec).completed("m", 0, 1)
    lacks = survey.codes["y"] < 0
    for side, sign in ((True, 1), (False, -1)):
        mine = lacks & (survey.member == side)
        imputed = found.survey.codes["y"][mine]
        slope, real = (np.corrcoef(survey.codes["x"][mine], y)[0, 1] for y in (imputed, true[mine]))
        assert sign * slope > 0.2
        assert slope == pytest.approx(real, abs=0.09)  # 900 people: two errors of 0.033 each


def test_phone_rows_are_left_alone_and_weights_enter_as_fifths(make_survey):
    survey, study, spec = make_survey(
        800, missing={"y": 0.2}, weight=lambda rng, n: rng.uniform(1, 3, n)
    )
    phone = np.arange(800) >= 700
    how = imputation(replace(survey, phone=phone), study, spec)
    assert len(how.columns) == len(how.names) + 1
    fifths = how.columns[-1].codes
    assert np.bincount(fifths) == pytest.approx([140] * 5, abs=1)
    weight = survey.weight[how.people]
    assert weight[fifths == 4].min() > weight[fifths == 3].max()
    (found,) = how.completed("m", 0, 1)
    assert (found.survey.codes["y"][:700] >= 0).all()
    assert (found.survey.codes["y"][700:] == survey.codes["y"][700:]).all()


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
        codes=np.where(lack, -1, codes), n_levels=0, ordered=True, numeric=numeric("age", distinct)
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
