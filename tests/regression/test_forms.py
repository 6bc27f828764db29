"""Freed slopes, tests of proportional odds, bias-reduced fits and separation."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import optimize, special, stats

from coopgap.core.errors import NotEstimable
from coopgap.regression import separation
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import crossing_rows, probabilities, unit_scores
from coopgap.regression.ordinal import fit_ordinal, fit_reduced
from coopgap.regression.proportional import bootstrap_ratio, brant, likelihood_ratio, robust_wald
from coopgap.regression.separation import check_separation, finite_fit, separated_terms

from .conftest import GROUP, LINKS, PARTY, SPLIT, WINE, WINE_X, moved


def test_a_freed_binary_column_alone_reproduces_the_table():
    fit = fit_ordinal(GROUP, PARTY, free=(0,))
    assert probabilities(fit, GROUP) == pytest.approx(PARTY / PARTY.sum(axis=1, keepdims=True))
    odds = special.logit(np.cumsum(PARTY, axis=1)[:, :-1] / PARTY.sum(axis=1, keepdims=True))
    assert fit.freed[0] == pytest.approx(odds[0] - odds[1])
    assert crossing_rows(fit, GROUP) == 0


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
    assert separated_terms(WINE_X, WINE, ("temp", "contact"), free=[0]) == ("temp",)
    found = likelihood_ratio(WINE_X, WINE, [0])
    assert found.at_supremum
    # clm's own limit, reached with a singular Hessian.
    restricted = fit_ordinal(WINE_X, WINE).log_likelihood
    assert found.statistic == pytest.approx(2 * (-84.9044348 - restricted), abs=1e-6)
    fit = fit_reduced(WINE_X, WINE, free=(0,))
    assert fit.bias_reduced
    assert ((fit.freed > 1) & (fit.freed < 4)).all()


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


def test_the_bootstrap_agrees_with_the_chi_square_where_it_holds():
    p_value, used = bootstrap_ratio(GROUP, PARTY.astype(int), [0], replicates=400, seed=7)
    assert used == 1
    # Three Monte Carlo errors of a share near .3 in 400 draws.
    assert p_value == pytest.approx(likelihood_ratio(GROUP, PARTY, [0]).p_value, abs=0.07)
    again = bootstrap_ratio(GROUP, PARTY.astype(int), [0], replicates=400, seed=7)
    assert again == (p_value, used)


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


def test_two_levels_maximise_firths_penalised_likelihood():
    design = np.column_stack([WINE_X, -np.ones(4)])

    def penalised(params):
        p = special.expit(design @ params)
        information = (design * (SPLIT.sum(axis=1) * p * (1 - p))[:, None]).T @ design
        value = (SPLIT[:, 1] * np.log(p) + SPLIT[:, 0] * np.log1p(-p)).sum()
        return -value - np.linalg.slogdet(information)[1] / 2

    found = optimize.minimize(penalised, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
    assert fit_reduced(WINE_X, SPLIT).params == pytest.approx(found.x, abs=1e-5)  # BFGS stops early


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("free", [(), (1,)])
def test_the_score_meets_firths_general_adjustment(link, free):
    """U + A = 0 with A_t = tr{I⁻¹(P_t + Q_t)}/2, expectations taken level by level."""
    fit = fit_reduced(WINE_X, WINE, link=link, free=free)
    at, p = fit.params, fit.params.size
    unit = unit_scores(fit, WINE_X)
    information = np.empty((*unit.shape, p))
    for t, step in enumerate(1e-5 * np.eye(p)):
        ends = [unit_scores(moved(fit, at + sign * step), WINE_X) for sign in (1, -1)]
        information[..., t] = -(ends[0] - ends[1]) / 2e-5
    expected = WINE.sum(axis=1)[:, None] * probabilities(fit, WINE_X)
    fisher = np.einsum("cj,cja,cjb->ab", expected, unit, unit)
    third = np.einsum("cj,cja,cjb,cjt->tab", expected, unit, unit, unit)
    fourth = -np.einsum("cj,cjab,cjt->tab", expected, information, unit)
    adjustment = np.einsum("ab,tba->t", np.linalg.inv(fisher), third + fourth) / 2
    score = np.einsum("cj,cja->a", WINE, unit)
    assert score + adjustment == pytest.approx(np.zeros(p), abs=1e-6)  # central differences
    assert np.linalg.inv(fisher) == pytest.approx(fit.cov, rel=1e-6)
    assert np.abs(adjustment).max() > 0.1


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


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ([[5, 5, 0], [0, 0, 9]], ("member",)),  # complete, above
        ([[0, 0, 9], [5, 5, 0]], ("member",)),  # complete, below
        ([[5, 5, 2], [0, 0, 9]], ("member",)),  # quasi-complete: members all at the top
        ([[5, 5, 0], [0, 4, 9]], ("member",)),  # only the middle level is shared: it widens
        ([[5, 5, 0], [1, 4, 9]], ()),
        ([[5, 5, 1], [1, 4, 9]], ()),
        ([[5, 0, 9], [5, 0, 9]], ()),  # a level that nobody has
    ],
)
def test_two_groups(counts, found):
    counts = np.array(counts, dtype=float)
    assert separated_terms(GROUP, counts, ("member",)) == found
    if not found:
        fit = fit_ordinal(GROUP, counts)
        assert -10 < fit.slopes[0] < 10
        assert fit.max_gradient < 1e-10


def test_only_the_separated_term_is_named():
    x = np.array([[m, r] for m in (0, 1) for r in (0, 1)], dtype=float)
    counts = np.array([[4, 6], [5, 0], [7, 3], [8, 0]], dtype=float)
    assert separated_terms(x, counts, ("member", "region=North")) == ("region=North",)
    with pytest.raises(NotEstimable, match=r"region=North") as caught:
        check_separation(x, counts, ("member", "region=North"))
    assert "member" not in caught.value.reason


def test_units_of_a_column_do_not_matter():
    rng = np.random.default_rng(5)
    x = np.column_stack([rng.integers(0, 2, 30), rng.normal(2020, 5, 30)]).astype(float)
    counts = rng.poisson(2, (30, 3)).astype(float) + 0.1
    assert separated_terms(x, counts, ("member", "year")) == ()
    split = np.column_stack([x[:, 1] < 2020, x[:, 1] >= 2020]).astype(float)
    for scale in (1e-6, 1.0, 1e6):
        found = separated_terms(x * [1.0, scale], split, ("member", "year"))
        assert "year" in found


def test_agrees_with_the_fit_on_random_small_tables():
    rng = np.random.default_rng(11)
    x = np.array([[m, a, b] for m in (0, 1) for a in (0, 1) for b in (0, 1)], dtype=float)
    seen = {True: 0, False: 0}
    for _ in range(60):
        counts = rng.poisson(0.5, (8, 3)).astype(float)
        used = counts.sum(axis=1) > 0
        if (counts.sum(axis=0) == 0).any() or np.linalg.matrix_rank(
            np.column_stack([np.ones(used.sum()), x[used]])
        ) < 4:
            continue
        separated = bool(separated_terms(x, counts, ("m", "a", "b")))
        seen[separated] += 1
        if separated:
            with pytest.raises(NotEstimable):
                fit_ordinal(x, counts)
        else:
            assert np.abs(fit_ordinal(x, counts).slopes).max() < 25
    assert min(seen.values()) >= 5


def test_conditions_are_counted_before_they_are_built():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4000, 300))
    counts = np.eye(5)[rng.integers(0, 5, 4000)]
    tracemalloc.start()
    with pytest.raises(NotEstimable, match=r"whether 1,204 parameters are finite is [\d,]+ cond"):
        separated_terms(x, counts, [f"x{k}" for k in range(300)], range(300))
    # The rows themselves, twice; the conditions would be 30 times that.
    assert tracemalloc.get_traced_memory()[1] < 10 * x.nbytes
    tracemalloc.stop()


def test_a_flat_fit_is_not_taken_without_looking(monkeypatch):
    # Nobody but 1 in ten million at the top: finite, and too flat to say so by itself.
    counts = np.array([[5e7, 5e7, 6], [4e7, 6e7, 9]])
    looked = []
    monkeypatch.setattr(
        separation, "separated_terms", lambda *args: looked.append(args) or ("member",)
    )
    assert finite_fit(GROUP, counts, ("member",)) == (None, ("member",))
    assert looked


def test_robust_wald_of_saturated_people_is_brants_and_free_of_the_scale_of_weights():
    plain = robust_wald(GROUP, PARTY, PARTY, None, [0]).statistic
    assert plain == pytest.approx(brant(GROUP, PARTY, [0]).statistic)
    x, counts, zone = clustered(1, zones=12)
    one = robust_wald(x, counts, counts, zone, [0, 1])
    hundred = robust_wald(x, 100 * counts, 100**2 * counts, zone, [0, 1])
    assert (one.df, one.df_error) == (2, 10)  # 12 clusters: 11 less the restrictions but one
    assert one.statistic == pytest.approx(hundred.statistic)


def test_what_cannot_be_tested_says_why():
    rows, counts = np.tile(WINE_X, (12, 1)), np.tile(WINE + 1, (12, 1))
    x, few, zone = clustered(0, zones=7)
    for call, words in (
        (lambda: brant(GROUP, PARTY[:, :2], [0]), "nothing to test"),
        (lambda: likelihood_ratio(GROUP, PARTY[:, :2], [0]), "nothing to test"),
        (lambda: brant(WINE_X, WINE, [0, 1]), "split above level 1"),
        (lambda: robust_wald(rows, counts, counts, np.repeat(np.arange(12), 4), [0]), "singular"),
        (
            lambda: robust_wald(x, few, few, zone, [0, 1, 2, 3]),
            "4 restrictions are too many for 7 clusters",
        ),
        (lambda: fit_reduced(GROUP, np.array([[5.0, 0], [4, 0]])), "same answer"),
    ):
        with pytest.raises(NotEstimable, match=words):
            call()


def test_what_must_not_matter_to_a_reduced_fit():
    people = WINE.astype(int)
    fit = fit_reduced(WINE_X, WINE, people=people)
    many = fit_reduced(WINE_X, 10_000 * WINE)
    assert many.params == pytest.approx(fit_ordinal(WINE_X, WINE).params, abs=1e-3)  # order 1/n
    back = fit_reduced(WINE_X, WINE[:, ::-1])
    assert back.slopes == pytest.approx(-fit.slopes, abs=1e-8)
    assert back.thresholds == pytest.approx(-fit.thresholds[::-1], abs=1e-8)
    # The scale of weights changes only the bread.
    heavy = fit_reduced(WINE_X, 100 * WINE, people=people)
    assert heavy.params == pytest.approx(fit.params, abs=1e-8)
    assert heavy.cov == pytest.approx(fit.cov / 100)
    assert heavy.log_likelihood == pytest.approx(100 * fit.log_likelihood)


def test_wine_is_not_separated_and_its_lowest_split_is():
    # Every split of some term is separated in part, the proportional-odds estimate is finite.
    assert separated_terms(WINE_X, WINE, ("temp", "contact")) == ()
    fit, infinite = finite_fit(WINE_X, WINE, ("temp", "contact"))
    # Christensen, ordinal package article, wine, rating ~ contact + temp.
    assert infinite == ()
    assert fit.slopes == pytest.approx([2.503102, 1.527798], abs=5e-7)
    assert fit.std_errors[:2] == pytest.approx([0.528680, 0.476623], abs=5e-7)
    assert fit.thresholds == pytest.approx([-1.3444, 1.2508, 3.4669, 5.0064], abs=5e-5)
    assert fit.log_likelihood == pytest.approx(-86.491923, abs=5e-7)
    assert separated_terms(WINE_X, SPLIT, ("temp", "contact")) == ("temp",)
    assert finite_fit(WINE_X, SPLIT, ("temp", "contact")) == (None, ("temp",))
    with pytest.raises(NotEstimable, match="everybody gave the same answer"):
        finite_fit(WINE_X, np.ones((4, 1)), ("temp", "contact"))
