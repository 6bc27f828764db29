"""Wild score bootstrap: a test of one coefficient that holds its size with few clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.regression.clusters import grouping
from coopgap.regression.cumulative import CumulativeFit, cell_scores
from coopgap.regression.information import total_information
from coopgap.regression.ordinal import fit_ordinal
from coopgap.study.spec import LinkName

ENUMERATED = 12
"""Up to so many clusters every pattern of signs is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WildScoreTest:
    """Test that one slope is zero.

    Attributes
    ----------
    statistic
        Sum of the clusters' scores for the slope over the root of their sum of squares.
    p_value
        Two-sided; at least 2/2^G where signs are enumerated, else at least 1/(R + 1).
    n_clusters
        Clusters G.
    n_signs
        Sign patterns compared with: 2^G, or R.
    enumerated
        Whether these are all.
    """

    statistic: float
    p_value: float
    n_clusters: int
    n_signs: int
    enumerated: bool


def wild_score_test(
    x: FloatArray,
    column: int,
    counts: FloatArray,
    cluster: IntArray,
    *,
    seed: int,
    replicates: int = 9_999,
    link: LinkName = "logit",
) -> WildScoreTest:
    """Test that the slope of one column of a cumulative fit is zero, clusters dependent within.

    Parameters
    ----------
    x
        Shape (c, k): design rows.
    column
        Position of the tested column.
    counts
        Shape (c, J): sums of weights.
    cluster
        Shape (c,): cluster of each cell.
    seed
        For random signs; not used where they are enumerated.
    replicates
        Random sign patterns R.
    link
        As in `fit_ordinal`.

    Raises
    ------
    NotEstimable
        If the model without the column has no finite fit, or there are fewer than two clusters.

    Notes
    -----
    The model is fitted without the column (the null imposed). Each cluster's score for the
    slope, less its projection on the scores of what is fitted, keeps or changes its sign at
    random (Rademacher). Over signs the sum of squares does not change, so that comparing sums
    is comparing studentised statistics.

    References
    ----------
    Kline & Santos (2012), A score based approach to wild bootstrap inference. Journal of
    Econometric Methods 1, 23-41.
    """
    groups = grouping(cluster, counts.sum(axis=1))
    fit = _null_fit(x, column, counts, link)
    scores = groups.sums(cell_scores(fit, x, counts))
    free = _efficient(scores, total_information(fit, x, counts), fit.cov, column)
    scale = float(np.sqrt((free**2).sum()))
    enumerated = groups.n <= ENUMERATED
    signs = _signs(groups.n, None if enumerated else (seed, replicates))
    # Sums that differ by rounding only are ties.
    reached = int((np.abs(signs @ free) >= abs(float(free.sum())) - 1e-10 * scale).sum())
    n_signs = len(signs)
    return WildScoreTest(
        statistic=float(free.sum()) / scale if scale > 0 else 0.0,
        p_value=reached / n_signs if enumerated else (reached + 1) / (n_signs + 1),
        n_clusters=groups.n,
        n_signs=n_signs,
        enumerated=enumerated,
    )


def _null_fit(x: FloatArray, column: int, counts: FloatArray, link: LinkName) -> CumulativeFit:
    """The fit without the column, its slope put in as zero; `cov` stays that of the others."""
    without = fit_ordinal(np.delete(x, column, axis=1), counts, link=link)
    return replace(without, slopes=np.insert(without.slopes, column, 0.0))


def _efficient(
    scores: FloatArray, information: FloatArray, bread: FloatArray, column: int
) -> FloatArray:
    """Scores of a parameter less what those of the others, of `bread`, explain, shape (G,)."""
    others = np.delete(np.arange(len(information)), column)
    weights = bread @ information[others, column]
    return np.asarray(scores[:, column] - scores[:, others] @ weights)


def _signs(n: int, drawn: tuple[int, int] | None) -> FloatArray:
    """Sign patterns, shape (2^n, n), or R of them drawn by (seed, R)."""
    if drawn is None:
        return np.array(list(product((1.0, -1.0), repeat=n)))
    seed, replicates = drawn
    drawn_bits = np.random.default_rng(seed).integers(0, 2, (replicates, n))
    return np.asarray(2.0 * drawn_bits - 1.0)
