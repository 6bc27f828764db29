from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from coopgap.core.errors import NotEstimable
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import crossing_rows, probabilities, unit_scores
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.proportional import (
    bootstrap_ratio,
    brant,
    likelihood_ratio,
    robust_wald,
)
from coopgap.regression.separation import separated_terms

GROUP = np.array([[0.0], [1.0]])
# Agresti, Introduction to Categorical Data Analysis 2e, Table 6.7: party by ideology.
PARTY = np.array([[80, 81, 171, 41, 55], [30, 46, 148, 84, 99]], dtype=float)
# R ordinal::wine: temp (warm), contact (yes), people by rating 1 to 5.
WINE_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
WINE = np.array([[4, 9, 5, 0, 0], [1, 7, 8, 2, 0], [0, 5, 8, 3, 2], [0, 1, 5, 7, 5]], dtype=float)


def simulated(seed=5, cells=60, n_levels=4):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.integers(0, 2, cells), rng.normal(size=cells)]).astype(float)
    counts = rng.poisson(6, (cells, n_levels)).astype(float) * rng.uniform(0.5, 2, (cells, 1))
    return x, counts


def test_partial_proportional_odds_equal_clm():
    # ordinal::clm(rating ~ temp, nominal = ~ contact, wine), gradTol 1e-12.
    fit = fit_ordinal(WINE_X, WINE, free=(1,))
    assert fit.log_likelihood == pytest.approx(-86.2085532315, abs=1e-9)
    assert fit.slopes == pytest.approx([2.51904477351], abs=1e-9)
    assert fit.freed[0] == pytest.approx(
        [1.61505921198, 1.51156733085, 1.67475569699, 1.05062292776], abs=1e-9
    )
    assert fit.thresholds == pytest.approx(
        [-1.32304335703, 1.24644354540, 3.55004360984, 4.66024706747], abs=1e-9
    )
    # Standard errors: temp, contact by cut, thresholds.
    assert fit.std_errors == pytest.approx(
        [
            *(0.5350469787, 1.1618005349, 0.5906413747, 0.6488373067, 0.8965108894),
            *(0.5622761517, 0.4748239784, 0.6560233932, 0.8604026802),
        ],
        abs=1e-8,
    )
    probit = fit_ordinal(WINE_X, WINE, free=(1,), link="probit")
    assert probit.log_likelihood == pytest.approx(-85.326678639, abs=1e-8)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_scores_and_information_are_the_derivatives(link):
    x, counts = simulated()
    fit = fit_ordinal(x, counts, free=(0,), link=link)
    cuts = 3

    def shifted(params):
        from dataclasses import replace

        return replace(
            fit,
            slopes=params[:1],
            freed=params[1 : 1 + cuts].reshape(1, cuts),
            thresholds=params[1 + cuts :],
        )

    def log_likelihood(params):
        return float((counts * np.log(probabilities(shifted(params), x))).sum())

    def score(params):
        return np.einsum("cj,cjp->p", counts, unit_scores(shifted(params), x))

    at = fit.params + 0.05
    assert optimize.approx_fprime(at, log_likelihood, 1e-6) == pytest.approx(
        score(at),
        rel=1e-4,
        abs=1e-3,  # forward differences
    )
    hessian = optimize.approx_fprime(fit.params, score, 1e-6)
    assert np.linalg.inv(-hessian) == pytest.approx(fit.cov, rel=1e-4, abs=1e-6)
    assert score(fit.params) == pytest.approx(np.zeros(fit.params.size), abs=1e-7)


def test_a_freed_binary_column_alone_reproduces_the_table():
    fit = fit_ordinal(GROUP, PARTY, free=(0,))
    assert probabilities(fit, GROUP) == pytest.approx(PARTY / PARTY.sum(axis=1, keepdims=True))
    odds = special.logit(np.cumsum(PARTY, axis=1)[:, :-1] / PARTY.sum(axis=1, keepdims=True))
    assert fit.freed[0] == pytest.approx(odds[0] - odds[1])
    assert crossing_rows(fit, GROUP) == 0


def test_levels_that_nobody_has_leave_the_freed_slopes_as_they_are():
    gaps = np.insert(PARTY, 2, 0.0, axis=1)
    fit = fit_ordinal(GROUP, gaps, free=(0,))
    plain = fit_ordinal(GROUP, PARTY, free=(0,))
    assert fit.freed[0] == pytest.approx(plain.freed[0][[0, 1, 1, 2, 3]])
    assert probabilities(fit, GROUP)[:, 2] == pytest.approx([0, 0])
    assert robust_wald(GROUP, gaps, gaps, None, [0]).statistic == pytest.approx(
        robust_wald(GROUP, PARTY, PARTY, None, [0]).statistic
    )


def test_crossing_is_found_row_by_row():
    # Slopes of the two cuts differ so much that cuts cross where few people stand.
    x = np.array([[0.0], [1.0], [2.0], [6.0]])
    counts = np.array([[40, 20, 40], [30, 30, 40], [25, 25, 50], [0, 0, 1]], dtype=float)
    fit = fit_ordinal(x[:3], counts[:3], free=(0,))
    assert crossing_rows(fit, x[:3]) == 0
    far = np.array([[-200.0], [0.0], [1.0], [200.0]])
    assert crossing_rows(fit, far) == 1


def test_likelihood_ratio_of_agresti_and_wine():
    found = likelihood_ratio(GROUP, PARTY, [0])
    assert (found.df, found.at_supremum) == (3, False)
    assert found.statistic == pytest.approx(3.68768, abs=5e-6)
    contact = likelihood_ratio(WINE_X, WINE, [1])
    # Christensen, Cumulative link models with ordinal: .5667 (p .904) and 3.175 (p .3654).
    assert contact.statistic == pytest.approx(0.5667, abs=5e-5)
    assert contact.p_value == pytest.approx(0.904, abs=5e-4)
    temp = likelihood_ratio(WINE_X, WINE, [0])
    assert temp.statistic == pytest.approx(3.175, abs=5e-4)
    assert temp.p_value == pytest.approx(0.3654, abs=5e-5)


def test_an_infinite_split_is_flagged_and_taken_at_the_supremum():
    assert separated_terms(WINE_X, WINE, ("temp", "contact")) == ()
    assert separated_terms(WINE_X, WINE, ("temp", "contact"), free=[0]) == ("temp",)
    found = likelihood_ratio(WINE_X, WINE, [0])
    assert found.at_supremum
    # clm's own limit, reached with a singular Hessian.
    restricted = fit_ordinal(WINE_X, WINE).log_likelihood
    assert found.statistic == pytest.approx(2 * (-84.9044348 - restricted), abs=1e-6)


def test_brant_equals_published_values():
    found = brant(GROUP, PARTY, [0])
    # Printed 3.83942 by a program that stops early; the table's own algebra gives 3.839394.
    assert found.statistic == pytest.approx(3.83942, abs=5e-5)
    assert found.p_value == pytest.approx(0.2793, abs=5e-5)
    # Fagerland, Lydersen & Laake (2017): 1.668, p .434217.
    other = brant(GROUP, np.array([[14, 10, 3, 2], [11, 7, 8, 4]], dtype=float), [0])
    assert other.statistic == pytest.approx(1.668, abs=5e-4)
    assert other.p_value == pytest.approx(0.434217, abs=5e-7)
    # WDDCM Peru, Figure 1 as whole people.
    peru = np.array([[341, 271, 271, 90, 30], [100, 221, 402, 261, 20]], dtype=float)
    assert brant(GROUP, peru, [0]).statistic == pytest.approx(41.2, abs=0.05)


def test_brant_covariance_is_that_of_stacked_scores_under_the_model():
    # Two splits of three levels, people drawn from saturated margins: exact multinomial algebra.
    counts = np.array([[30.0, 20, 50], [10, 40, 50]])
    found = brant(GROUP, counts, [0])
    below = np.cumsum(counts, axis=1)[:, :2] / 100
    slopes = -np.diff(special.logit(below), axis=0)[0]
    variance = np.zeros((2, 2))
    for group in range(2):
        p = below[group]
        cov = (np.minimum.outer(p, p) - np.outer(p, p)) / 100
        scale = 1 / (p * (1 - p))
        variance += cov * np.outer(scale, scale)
    difference = np.array([1.0, -1.0])
    expected = (difference @ slopes) ** 2 / (difference @ variance @ difference)
    assert found.statistic == pytest.approx(expected)


def test_robust_wald_of_saturated_people_equals_brant():
    assert robust_wald(GROUP, PARTY, PARTY, None, [0]).statistic == pytest.approx(
        brant(GROUP, PARTY, [0]).statistic
    )


def test_robust_wald_is_free_of_the_scale_of_weights():
    x, counts = simulated()
    cluster = np.arange(len(x)) % 12
    one = robust_wald(x, counts, counts, cluster, [0])
    hundred = robust_wald(x, 100 * counts, 100**2 * counts, cluster, [0])
    assert (one.df, one.df_error) == (2, 10)  # 12 clusters: 11 less the restrictions but one
    assert one.statistic == pytest.approx(hundred.statistic)


def test_the_bootstrap_agrees_with_the_chi_square_where_it_holds():
    p_value, used = bootstrap_ratio(GROUP, PARTY.astype(int), [0], replicates=400, seed=7)
    assert used == 1
    # Three Monte Carlo errors of a share near .3 in 400 draws.
    assert p_value == pytest.approx(likelihood_ratio(GROUP, PARTY, [0]).p_value, abs=0.07)
    again = bootstrap_ratio(GROUP, PARTY.astype(int), [0], replicates=400, seed=7)
    assert again == (p_value, used)


def test_two_levels_have_nothing_to_test():
    with pytest.raises(NotEstimable, match="nothing to test"):
        brant(GROUP, PARTY[:, :2], [0])
    with pytest.raises(NotEstimable, match="nothing to test"):
        likelihood_ratio(GROUP, PARTY[:, :2], [0])


def test_a_split_without_estimate_is_named():
    with pytest.raises(NotEstimable, match="split above level 1"):
        brant(WINE_X, WINE, [0, 1])


def clustered(seed, zones=18, n=900, levels=5):
    """People of one factor with proportional odds and zones of their own."""
    rng = np.random.default_rng(seed)
    zone, level = rng.integers(0, zones, n), rng.integers(0, levels, n)
    latent = rng.normal(0, 0.4, zones)[zone] + 0.3 * level + rng.logistic(size=n)
    x = (level[:, None] == np.arange(1, levels)).astype(float)
    return x, np.eye(3)[np.digitize(latent, [-0.5, 1.2])], zone


def test_the_adjusted_f_is_hotellings_scaling_of_the_wald_statistic():
    x, counts, zone = clustered(0)
    found = robust_wald(x, counts, counts, zone, [0, 1, 2, 3])
    fit = fit_ordinal(x, counts, free=(0, 1, 2, 3))
    cov = cluster_covariance(fit.cov, unit_scores(fit, x), counts, counts, zone).cov
    apart = np.zeros((4, fit.params.size))
    for row in range(4):
        apart[row, 2 * row : 2 * row + 2] = (-1, 1)
    shift = apart @ fit.params
    wald = shift @ np.linalg.solve(apart @ cov @ apart.T, shift)
    assert (found.df, found.df_error) == (4, 14)
    assert found.statistic == pytest.approx(wald * 14 / (17 * 4))
    assert found.p_value == pytest.approx(stats.f.sf(wald * 14 / (17 * 4), 4, 14))


def test_the_adjusted_f_keeps_its_size_where_the_plain_one_does_not():
    plain, adjusted = 0, 0
    for seed in range(150):
        x, counts, zone = clustered(seed, levels=8)
        found = robust_wald(x, counts, counts, zone, [*range(7)])
        adjusted += found.p_value < 0.05
        plain += stats.f.sf(found.statistic * 17 / 11, 7, 17) < 0.05
    # 150 draws of a test of size 5 percent reject 15 times or more with probability .01.
    assert adjusted < 15 <= plain


def test_clusters_that_are_all_alike_have_no_covariance():
    rows, counts = np.tile(WINE_X, (12, 1)), np.tile(WINE + 1, (12, 1))
    with pytest.raises(NotEstimable, match="singular"):
        robust_wald(rows, counts, counts, np.repeat(np.arange(12), 4), [0])


def test_more_restrictions_than_clusters_carry_are_refused():
    x, counts, zone = clustered(0, zones=7)
    with pytest.raises(NotEstimable, match="4 restrictions are too many for 7 clusters"):
        robust_wald(x, counts, counts, zone, [0, 1, 2, 3])
