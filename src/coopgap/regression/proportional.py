"""Tests of proportional odds: likelihood ratio, Brant's Wald, a clustered Wald, a bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.tails import chi2_above, f_above
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import CumulativeFit, cell_scores, probabilities, unit_scores
from coopgap.regression.newton import supremum
from coopgap.regression.ordinal import fit_ordinal, merged_rows, standardised_problem
from coopgap.regression.sampled import Sampled
from coopgap.regression.separation import finite_fit
from coopgap.study.spec import LinkName

_SINGULAR = 1e-9
"""Smallest eigenvalue of a correlation matrix that counts as more than rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProportionalityTest:
    """A test that named columns have one slope at every threshold.

    `statistic` is a chi-square on `df` restrictions, or F where `df_error` is finite, `p_value` its
    upper tail. `at_supremum` says that some freed slope is infinite: the likelihood is then taken
    at its supremum, and `df` counts restrictions that the chi-square does not quite follow.
    """

    statistic: float
    df: int
    df_error: float
    p_value: float
    at_supremum: bool = False


def likelihood_ratio(
    x: FloatArray, counts: FloatArray, columns: Sequence[int], link: LinkName = "logit"
) -> ProportionalityTest:
    """Likelihood ratio against the model in which `columns` are freed.

    `x` (c, k) are design rows of cells, `counts` (c, J) people or weights that count people,
    `columns` the positions of those freed together: those of one term, or all. Raises NotEstimable
    if the proportional fit itself has no finite maximum, or there are two levels. Peterson &
    Harrell (1990), Applied Statistics 39, 205-217.
    """
    restricted = fit_ordinal(x, counts, link=link)
    fit, _ = finite_fit(x, counts, None, columns, link=link)
    if fit is not None:
        value = fit.log_likelihood
    else:
        kept = counts[used := counts.sum(axis=1) > 0][:, restricted.present]
        problem, start, _ = standardised_problem(x[used], kept, link, tuple(columns))
        value = supremum(problem.point, start)
    statistic = max(2 * (value - restricted.log_likelihood), 0.0)
    df = len(columns) * (int(restricted.present.sum()) - 2)
    if not df:
        raise NotEstimable("two levels have one threshold: nothing to test")
    return ProportionalityTest(
        statistic=statistic,
        df=df,
        df_error=np.inf,
        p_value=chi2_above(statistic, df),
        at_supremum=fit is None,
    )


def brant(x: FloatArray, counts: FloatArray, columns: Sequence[int]) -> ProportionalityTest:
    """Brant's Wald test: slopes of the J − 1 separate logits are equal for `columns`.

    The splits share people: the covariance block of cuts j < l is V_j X'diag(n p_l (1 − p_j)) X V_l
    with p = P(Y > cut) from each split's own fit. Raises NotEstimable if a split by itself has no
    finite estimate, or there are two levels. Brant (1990), Biometrics 46, 1171-1178.
    """
    counts = counts[:, counts.sum(axis=0) > 0]
    cuts, k = counts.shape[1] - 1, x.shape[1]
    if cuts < 2:
        raise NotEstimable("two levels have one threshold: nothing to test")
    people = counts.sum(axis=1)
    design = np.column_stack([x, -np.ones(len(x))])
    fits: list[CumulativeFit] = []
    for cut in range(cuts):
        low = counts[:, : cut + 1].sum(axis=1)
        fit, _ = finite_fit(x, np.column_stack([low, people - low]))
        if fit is None:
            raise NotEstimable(f"the split above level {cut + 1} has no finite estimate by itself")
        fits.append(fit)
    above = [probabilities(fit, x)[:, 1] for fit in fits]
    slopes = np.array([fit.slopes[list(columns)] for fit in fits])
    cov = np.zeros((cuts, k + 1, cuts, k + 1))
    for j in range(cuts):
        for m in range(j, cuts):
            shared = people * above[m] * (1 - above[j])
            cov[j, :, m] = fits[j].cov @ ((design * shared[:, None]).T @ design) @ fits[m].cov
            cov[m, :, j] = cov[j, :, m].T
    chosen = cov[:, list(columns)][:, :, :, list(columns)].reshape(slopes.size, slopes.size)
    return _equal_over_cuts(slopes, chosen, np.inf)


def robust_wald(
    x: FloatArray,
    counts: FloatArray,
    squares: FloatArray,
    sampled: Sampled | IntArray | None,
    columns: Sequence[int],
    link: LinkName = "logit",
) -> ProportionalityTest:
    """Wald test in the freed model with the sandwich covariance: right with weights and zones.

    Arguments of `likelihood_ratio` and `cluster_covariance`. The adjusted F, W(d − q + 1)/(dq) on q
    and d − q + 1 degrees of freedom, d = G − 1 (of a declared design G − H) and q the restrictions,
    or chi-square without clusters. Raises NotEstimable if the freed model has no finite maximum,
    or there are not two clusters to a restriction.

    Notes
    -----
    W/q on q and d degrees of freedom takes the covariance as known too well: with 18 clusters and
    8 restrictions it rejected 32 percent of true hypotheses at the 5 percent level, with 40 and
    16 35 percent; the adjusted F rejected 6 and 7.

    References
    ----------
    Korn & Graubard (1990), American Statistician 44, 270-276.
    """
    fit, _ = finite_fit(x, counts, None, columns, link=link)
    if fit is None:
        raise NotEstimable("a slope that may differ by threshold has no finite estimate")
    sampled = Sampled.of(sampled)
    scores = cell_scores(fit, x, counts) if sampled.by_cell else unit_scores(fit, x)
    result = cluster_covariance(fit.cov, scores, counts, squares, sampled)
    inner = np.isfinite(fit.thresholds) & (np.diff(fit.thresholds, prepend=-np.inf) > 0)
    cuts = fit.thresholds.size
    positions = fit.slopes.size + np.arange(fit.freed.size).reshape(-1, cuts)[:, inner]
    cov = result.cov[np.ix_(positions.T.ravel(), positions.T.ravel())]
    return _equal_over_cuts(fit.freed[:, inner].T, cov, result.df)


def _equal_over_cuts(slopes: FloatArray, cov: FloatArray, df_error: float) -> ProportionalityTest:
    """Wald test that rows of `slopes`, shape (cuts, q), are equal; `cov` goes row by row."""
    cuts, q = slopes.shape
    if cuts < 2:
        raise NotEstimable("one threshold: nothing to test")
    df = (cuts - 1) * q
    left = df_error - df + 1
    if left < df:
        raise NotEstimable(f"{df} restrictions are too many for {df_error + 1:.0f} clusters")
    differences = np.kron(np.column_stack([-np.ones(cuts - 1), np.eye(cuts - 1)]), np.eye(q))
    apart = differences @ slopes.ravel()
    spread = differences @ cov @ differences.T
    scale = np.sqrt(np.diag(spread))
    if not (scale > 0).all() or np.linalg.eigvalsh(spread / np.outer(scale, scale))[0] < _SINGULAR:
        raise NotEstimable("the clusters leave its covariance singular")
    wald = float(apart @ np.linalg.solve(spread, apart))
    if np.isinf(df_error):
        return ProportionalityTest(
            statistic=wald, df=df, df_error=df_error, p_value=chi2_above(wald, df)
        )
    scaled = wald * left / (df_error * df)
    return ProportionalityTest(
        statistic=scaled, df=df, df_error=left, p_value=f_above(scaled, df, left)
    )


def bootstrap_ratio(
    x: FloatArray,
    people: IntArray,
    columns: Sequence[int],
    *,
    replicates: int,
    seed: int,
    link: LinkName = "logit",
) -> tuple[float, float]:
    """Parametric bootstrap of the likelihood ratio, for tables too sparse for a chi-square.

    `people` (c, J) are unweighted; `replicates` surveys are drawn from the proportional fit. Gives
    (1 + replicates with a ratio at least as large) / (1 + replicates used), and the share of
    replicates in which both fits exist.
    """
    x, people = merged_rows(x, people)
    observed = likelihood_ratio(x, people.astype(np.float64), columns, link).statistic
    fit = fit_ordinal(x, people.astype(np.float64), link=link)
    chances, totals = probabilities(fit, x), people.sum(axis=1)
    chances = chances / chances.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    larger = used = 0
    for _ in range(replicates):
        drawn = rng.multinomial(totals, chances).astype(np.float64)
        try:
            ratio = likelihood_ratio(x, drawn, columns, link).statistic
        except NotEstimable:
            continue
        used += 1
        larger += ratio >= observed
    return (1 + larger) / (1 + used), used / replicates
