from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special

from coopgap.core.errors import NotEstimable
from coopgap.regression.cumulative import probabilities, unit_scores
from coopgap.regression.ordinal import fit_ordinal, fit_reduced
from coopgap.regression.separation import separated_terms

# R ordinal::wine: temp (warm), contact (yes), people by rating 1 to 5.
WINE_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
WINE = np.array([[4, 9, 5, 0, 0], [1, 7, 8, 2, 0], [0, 5, 8, 3, 2], [0, 1, 5, 7, 5]], dtype=float)
SPLIT = np.column_stack([WINE[:, 0], WINE[:, 1:].sum(axis=1)])


def test_two_levels_equal_brglm2():
    # brglm2 0.9: glm(rating >= 2 ~ temp + contact, wine, method = "brglmFit", type = "AS_mean").
    fit = fit_reduced(WINE_X, SPLIT)
    assert separated_terms(WINE_X, SPLIT, ("temp", "contact")) == ("temp",)
    assert fit.slopes == pytest.approx([2.583881219, 1.275034706], abs=1e-8)
    assert -fit.thresholds == pytest.approx([1.180251361], abs=1e-8)
    assert fit.std_errors == pytest.approx([1.4731760623, 0.9891441596, 0.5488504693], abs=1e-8)
    assert fit.bias_reduced


def test_two_levels_maximise_firths_penalised_likelihood():
    design = np.column_stack([WINE_X, -np.ones(4)])

    def penalised(params):
        p = special.expit(design @ params)
        information = (design * (SPLIT.sum(axis=1) * p * (1 - p))[:, None]).T @ design
        value = (SPLIT[:, 1] * np.log(p) + SPLIT[:, 0] * np.log1p(-p)).sum()
        return -value - np.linalg.slogdet(information)[1] / 2

    found = optimize.minimize(penalised, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
    assert fit_reduced(WINE_X, SPLIT).params == pytest.approx(found.x, abs=1e-5)  # BFGS stops early


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("free", [(), (1,)])
def test_the_score_meets_firths_general_adjustment(link, free):
    """U + A = 0 with A_t = tr{I⁻¹(P_t + Q_t)}/2, expectations taken level by level."""
    fit = fit_reduced(WINE_X, WINE, link=link, free=free)
    k, q = fit.slopes.size, len(free)

    def scores(params):
        moved = replace(
            fit,
            slopes=params[:k],
            freed=params[k:-4].reshape(q, 4),
            thresholds=params[-4:],
        )
        return unit_scores(moved, WINE_X)

    at, p = fit.params, fit.params.size
    unit = scores(at)
    information = np.empty((*unit.shape, p))
    for t in range(p):
        step = np.zeros(p)
        step[t] = 1e-5
        information[..., t] = -(scores(at + step) - scores(at - step)) / 2e-5
    expected = WINE.sum(axis=1)[:, None] * probabilities(fit, WINE_X)
    fisher = np.einsum("cj,cja,cjb->ab", expected, unit, unit)
    third = np.einsum("cj,cja,cjb,cjt->tab", expected, unit, unit, unit)
    fourth = -np.einsum("cj,cjab,cjt->tab", expected, information, unit)
    adjustment = np.einsum("ab,tba->t", np.linalg.inv(fisher), third + fourth) / 2
    score = np.einsum("cj,cja->a", WINE, unit)
    assert score + adjustment == pytest.approx(np.zeros(p), abs=1e-6)  # central differences
    assert np.linalg.inv(fisher) == pytest.approx(fit.cov, rel=1e-6)
    assert np.abs(adjustment).max() > 0.1


def test_an_infinite_split_becomes_finite():
    fit = fit_reduced(WINE_X, WINE, free=(0,))
    assert np.isfinite(fit.params).all()
    assert (fit.freed > 1).all()
    assert (fit.freed < 4).all()


def test_many_people_leave_nothing_to_reduce():
    many = fit_reduced(WINE_X, 10_000 * WINE)
    assert many.params == pytest.approx(fit_ordinal(WINE_X, WINE).params, abs=1e-3)  # order 1/n


def test_reversed_levels_flip_the_slopes():
    fit = fit_reduced(WINE_X, WINE)
    back = fit_reduced(WINE_X, WINE[:, ::-1])
    assert back.slopes == pytest.approx(-fit.slopes, abs=1e-8)
    assert back.thresholds == pytest.approx(-fit.thresholds[::-1], abs=1e-8)


def test_columns_far_from_zero_change_nothing():
    moved = fit_reduced(WINE_X * [3.0, 1.0] + [2020.0, 0.0], WINE)
    fit = fit_reduced(WINE_X, WINE)
    assert moved.slopes == pytest.approx(fit.slopes / [3.0, 1.0], rel=1e-8)


def test_the_scale_of_weights_changes_only_the_bread():
    people = WINE.astype(int)
    fit = fit_reduced(WINE_X, WINE, people=people)
    heavy = fit_reduced(WINE_X, 100 * WINE, people=people)
    assert heavy.params == pytest.approx(fit.params, abs=1e-8)
    assert heavy.cov == pytest.approx(fit.cov / 100)
    assert heavy.log_likelihood == pytest.approx(100 * fit.log_likelihood)


def test_it_is_less_biased():
    """Mean over surveys of 40 people; the maximum likelihood estimate is infinite in some."""
    rng = np.random.default_rng(11)
    x = np.array([[0.0], [1.0]])
    truth = 1.0
    chances = np.diff(
        special.expit(np.array([-1.0, 1.0]) - truth * x), prepend=0.0, append=1.0, axis=1
    )
    slopes = []
    for _ in range(400):
        counts = rng.multinomial(20, chances).astype(float)
        try:
            slopes.append(fit_reduced(x, counts).slopes[0])
        except NotEstimable:
            continue
    assert len(slopes) > 390
    # SD of an estimate is about .6: three Monte Carlo errors are .09.
    assert np.mean(slopes) == pytest.approx(truth, abs=0.09)


def test_one_answer_is_refused():
    with pytest.raises(NotEstimable, match="same answer"):
        fit_reduced(WINE_X, np.column_stack([WINE.sum(axis=1), np.zeros(4)]))
