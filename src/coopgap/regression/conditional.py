"""Conditional logit within matched sets, ordinal by blow-up and cluster, and its sandwich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.clusters import intersection
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.design import require_full_rank
from coopgap.regression.newton import Point, maximise
from coopgap.regression.sampled import CoefficientCovariance, Sampled
from coopgap.regression.separation import SLACK, recession
from coopgap.regression.sets import SetBatch, SetGroups, batches, group_sets, subset_moments

MOST_SECONDS: Final = 120.0
"""Of one fit: there is one for all cuts together and one for each cut."""

_EVALUATIONS: Final = 10
"""Newton steps with what is tried on the way."""

_MOST_NUMBERS = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalFit:
    """A fitted conditional model: slopes only, every set keeps its own level.

    Attributes
    ----------
    slopes
        Shape (k,): log odds ratios; positive raises the outcome.
    cov
        Shape (k, k): inverse of the observed information summed over cuts. With two levels it
        is the model covariance; with more, cuts share people and only a sandwich on it counts.
    log_likelihood, n_obs
        Sum over cuts, and people in sets.
    n_sets_discordant
        Sets that hold both values of the first column and both answers at some cut.
    discordant_by_cut
        Shape (J − 1,): such sets at each cut, from the lowest; zero where a level that nobody
        has makes two cuts one (the upper is left out).
    iterations, max_gradient
        As in `CumulativeFit`.
    """

    slopes: FloatArray
    cov: FloatArray
    log_likelihood: float
    n_obs: int
    n_sets_discordant: int
    discordant_by_cut: IntArray
    iterations: int
    max_gradient: float

    @property
    def std_errors(self) -> FloatArray:
        """Square roots of the diagonal of `cov`, shape (k,)."""
        return np.asarray(np.sqrt(np.diag(self.cov)))


def fit_conditional(
    x: FloatArray, counts: IntArray, sets: IntArray, *, terms: Sequence[str] | None = None
) -> ConditionalFit:
    """Exact conditional likelihood of the answers within matched sets.

    Parameters
    ----------
    x, terms
        Shape (c, k): design rows of cells, membership first, without intercept; k names.
    counts
        Shape (c, J): unweighted people at each level, lowest first.
    sets
        Shape (c,): matched set of each cell. Cells of one set may repeat a design row.

    Raises
    ------
    NotEstimable
        If no set is discordant, a column is constant within every set that holds both answers
        or depends on the others there, the sets are too large to be computed in the time allowed,
        or the likelihood has no finite maximum: the terms that would be infinite are named.

    Notes
    -----
    Each cut j makes a binary answer Y ≥ j. Within a set the sum of the answers is conditioned
    on, which removes the set's intercept: log L = Σ_i y_i x_i'b − log e_m(exp(x'b)). The cuts'
    log-likelihoods are added with common slopes (blow-up and cluster). Two levels have one cut:
    ordinary conditional logit, and in pairs log(b/c) exactly.

    References
    ----------
    Breslow & Day (1980), Statistical methods in cancer research I, chapter 7.
    Baetschmann, Staub & Winkelmann (2015), JRSS A 178, 685-703.
    """
    groups = group_sets(np.asarray(x, dtype=np.float64), counts, sets)
    by_cut = _discordant(groups)
    if not by_cut.any():
        raise NotEstimable("no discordant set: none holds both groups and both answers")
    names = [f"column {i + 1}" for i in range(x.shape[1])] if terms is None else list(terms)
    rows, constant = _constant(groups)
    if constant.any():
        named = ", ".join(names[i] for i in np.flatnonzero(constant))
        raise NotEstimable(f"{named} constant within sets")
    require_full_rank(np.vstack([rows, -rows]), terms)
    scale = np.sqrt((groups.x**2).mean(axis=0))
    prepared = batches(groups, groups.x / scale)
    require_affordable(prepared)
    k = groups.x.shape[1]
    total = float(groups.size.sum() * groups.above.shape[1])
    try:
        result = maximise(lambda slopes: _point(prepared, slopes), np.zeros(k), total)
    except NotEstimable as error:
        infinite = separated_within_sets(groups, names)
        if not infinite:
            raise
        named = ", ".join(infinite)
        raise NotEstimable(f"separation within sets: no finite estimate for {named}") from error
    cov = np.linalg.inv(result.point.information) / np.outer(scale, scale)
    n_by_cut = np.zeros(counts.shape[1] - 1, dtype=np.int64)
    n_by_cut[groups.cuts - 1] = by_cut.sum(axis=0)
    return ConditionalFit(
        slopes=result.params / scale,
        cov=(cov + cov.T) / 2,
        log_likelihood=result.point.value,
        n_obs=int(groups.size.sum()),
        n_sets_discordant=int(by_cut.any(axis=1).sum()),
        discordant_by_cut=n_by_cut,
        iterations=result.iterations,
        max_gradient=result.max_gradient,
    )


def discordant_sets(x: FloatArray, counts: IntArray, sets: IntArray) -> int:
    """Sets that hold both values of the first column and both answers at some cut."""
    groups = group_sets(np.asarray(x, dtype=np.float64), counts, sets)
    return int(_discordant(groups).any(axis=1).sum())


def _mixed(groups: SetGroups) -> BoolArray:
    """Whether each set holds both answers at each cut, shape (S, C)."""
    people = np.bincount(groups.set, weights=groups.size, minlength=groups.n_sets)
    above = np.zeros((groups.n_sets, groups.cuts.size))
    np.add.at(above, groups.set, groups.above)
    return np.asarray((above > 0) & (above < people[:, None]))


def _discordant(groups: SetGroups) -> BoolArray:
    """Sets with both values of the first column and both answers, shape (S, C)."""
    varies = np.bincount(groups.set, weights=np.abs(groups.x[:, 0]), minlength=groups.n_sets) > 0
    return np.asarray(_mixed(groups) & varies[:, None])


def constant_within_sets(x: FloatArray, counts: IntArray, sets: IntArray) -> BoolArray:
    """Columns that tell nothing apart within sets holding both answers, shape (k,).

    Arguments as in `fit_conditional`, which refuses such columns: the sets' own levels carry them.
    """
    return _constant(group_sets(np.asarray(x, dtype=np.float64), counts, sets))[1]


def _constant(groups: SetGroups) -> tuple[FloatArray, BoolArray]:
    """Rows of sets that hold both answers, and which columns are constant within all of them."""
    rows = groups.x[_mixed(groups).any(axis=1)[groups.set]]
    return rows, np.asarray(~(np.abs(rows) > 1e-12 * groups.span).any(axis=0))


def _point(prepared: Sequence[SetBatch], slopes: FloatArray) -> Point:
    """Log-likelihood, score and information summed over sets and cuts."""
    value, k = 0.0, slopes.size
    gradient, information = np.zeros(k), np.zeros((k, k))
    for batch in prepared:
        log_weight = batch.x @ slopes
        moments = subset_moments(batch.x, batch.size, log_weight, batch.total)
        value += float((batch.above * log_weight[:, :, None]).sum())
        value -= float(moments.log_sum.sum())
        gradient += np.einsum("sgc,sgk->k", batch.above, batch.x)
        gradient -= moments.mean.sum(axis=(0, 1))
        information += moments.cov.sum(axis=(0, 1))
    return Point(value, gradient, information)


def likelihood_seconds(prepared: Sequence[SetBatch]) -> float:
    """Processor seconds of a fit and its covariance, to a factor of two.

    Groups of alike people enter a set one after another; the first is free. With k columns, a group
    of n people that brings the set to R people costs R + 1 totals times n + 1 ways for the sums, k²
    for the second moments, and G, the groups of the set, once for the expected answers. The last
    group enters only at the totals of the C cuts, with one way for each total before it: that is
    all there is in sets of two groups. The constants are nanoseconds, measured on sets of 2 to
    5,000 people, 2 to 1,500 groups and 1 to 300 columns.
    """
    result = 0.0
    for batch in prepared:
        n_sets, n_groups, k = batch.x.shape
        reached = batch.size.cumsum(axis=1).max(axis=0) + 1.0
        ways = np.append(batch.size.max(axis=0)[1:-1] + 1.0, reached[-2])
        totals = n_sets * np.append(reached[1:-1], batch.total.shape[1])
        likelihood = 4e5 + totals * (110 * ways + (0.6 * ways + 9) * k**2)
        expected = 1e5 + totals * (110 * ways + (1.2 * ways + 25) * n_groups)
        result += float((_EVALUATIONS * likelihood + expected).sum())
    return result / 1e9


def require_affordable(prepared: Sequence[SetBatch]) -> None:
    """Refuse sets whose exact likelihood would take longer than `MOST_SECONDS`."""
    seconds = likelihood_seconds(prepared)
    if seconds <= MOST_SECONDS:
        return
    largest = max(int(batch.size.sum(axis=1).max()) for batch in prepared)
    n_sets = sum(len(batch.x) for batch in prepared)
    columns = prepared[0].x.shape[2]
    minutes = np.ceil(seconds / 60)
    raise NotEstimable(
        f"the exact likelihood of {n_sets:,} sets of up to {largest:,} people with {columns:,} "
        f"columns would take about {minutes:,.0f} minutes, and {MOST_SECONDS / 60:.0f} are allowed"
    )


def separated_within_sets(groups: SetGroups, terms: Sequence[str]) -> tuple[str, ...]:
    """Terms without a finite estimate in a conditional model; its columns do not depend.

    A set's likelihood falls nowhere along d exactly where at every cut no person below has a larger
    x'd than a person above: one linear programme over distinct differences. Empty if the estimates
    are finite, or if the programme would not fit into memory.

    References
    ----------
    Albert & Anderson (1984), Biometrika 71, 1-10; Konis (2007), for the largest total slack.
    """
    # At most so many rows: every two groups of a set at every cut.
    if int((np.bincount(groups.set) ** 2).sum()) * groups.cuts.size * len(terms) > _MOST_NUMBERS:
        return ()
    order = np.argsort(groups.set, kind="stable")
    apart = []
    for own in np.split(order, np.flatnonzero(np.diff(groups.set[order])) + 1):
        for cut in range(groups.cuts.size):
            above = groups.x[own[groups.above[own, cut] > 0]]
            below = groups.x[own[groups.above[own, cut] < groups.size[own]]]
            apart.append((above[:, None, :] - below[None, :, :]).reshape(-1, groups.x.shape[1]))
    if not apart:
        return ()
    rows = np.unique(np.vstack(apart) / np.where(groups.span > 0, groups.span, 1.0), axis=0)
    direction = recession(-rows, rows.shape[1], rows.shape[1])
    moves = np.abs(direction) > SLACK
    return tuple(term for term, move in zip(terms, moves, strict=True) if move)


def conditional_scores(
    fit: ConditionalFit,
    x: FloatArray,
    counts: IntArray,
    sets: IntArray,
    cluster: IntArray | None = None,
) -> FloatArray:
    """Score of one person in cell c at level y, centred within the set, shape (c, J, k).

    `cluster` (c,) may cross sets; None takes people as independent.

    Notes
    -----
    At each cut s_i = (y_i − p_i)(x_i − x̄), p_i the conditional expectation of y_i given the sum
    of its set and x̄ the mean of the set weighted by v_i = p_i(1 − p_i). The residuals of a set
    sum to zero, so its scores sum to its exact score whatever x̄ is; centring matters only
    between clusters, where it is the projection on the set's own intercept.

    That projection also shrinks the residuals of a set spread over several clusters, by half in
    a pair. With f the share of Σv that a cluster holds of a set and x̄_B its own weighted mean,
    x_i is moved by ((1 − f)^(−1/2) − 1)(x̄_B − x̄): the bias-reduced linearisation of Bell and
    McCaffrey (CR2) for the intercepts of the sets. A set inside one cluster is left as it is,
    so that its score stays exact; in pairs of independent people the variance is that of whole
    pairs.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28, 169-181.
    """
    x = np.asarray(x, dtype=np.float64)
    groups = group_sets(x, counts, sets)
    expected = _expected(groups, fit.slopes)[groups.cell]
    of = groups.set[groups.cell]
    v = expected * (1 - expected)
    people = counts.sum(axis=1).astype(np.float64)[:, None]
    rows = groups.x[groups.cell]
    whole, centre = _weighted_mean(rows, v * people, of, groups.n_sets)
    centred = rows[:, None, :] - centre[of]
    if cluster is None:
        part, inside = v, centred
    else:
        block = intersection(of, cluster)
        held, mean = _weighted_mean(rows, v * people, block, int(block.max(initial=-1)) + 1)
        part, inside = held[block], mean[block] - centre[of]
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = 1 - part / whole[of]
        grow = np.where(rest > 1e-9, rest**-0.5 - 1, 0.0)
    centred = centred + grow[:, :, None] * inside
    answer = np.arange(counts.shape[1])[:, None] >= groups.cuts
    return np.asarray(np.einsum("cja,cak->cjk", answer[None] - expected[:, None, :], centred))


def _weighted_mean(
    rows: FloatArray, weight: FloatArray, index: IntArray, n: int
) -> tuple[FloatArray, FloatArray]:
    """Sums of `weight`, shape (n, C), and weighted means of `rows`, shape (n, C, k)."""
    total = np.zeros((n, weight.shape[1]))
    np.add.at(total, index, weight)
    mean = np.zeros((n, weight.shape[1], rows.shape[1]))
    np.add.at(mean, index, weight[:, :, None] * rows[:, None, :])
    return total, mean / np.where(total > 0, total, 1.0)[:, :, None]


def _expected(groups: SetGroups, slopes: FloatArray) -> FloatArray:
    """P(Y ≥ cut) of one person of each group given the sum of its set, shape (g, C)."""
    expected = np.zeros(groups.above.shape)
    for batch in batches(groups, groups.x, moments=False):
        n_sets, n_groups, _ = batch.x.shape
        identity = np.broadcast_to(np.eye(n_groups), (n_sets, n_groups, n_groups))
        log_weight = batch.x @ slopes
        result = subset_moments(identity, batch.size, log_weight, batch.total, second=False)
        chosen = result.mean.transpose(0, 2, 1)
        used = batch.size > 0
        expected[batch.group[used]] = (chosen / np.maximum(batch.size, 1)[:, :, None])[used]
    return expected


def conditional_covariance(
    fit: ConditionalFit,
    x: FloatArray,
    counts: IntArray,
    sets: IntArray,
    sampled: Sampled | IntArray | None,
) -> CoefficientCovariance:
    """Robust covariance of the slopes; arguments of `conditional_scores`.

    CR1, G/(G − 1) on the sums by cluster; without clusters people are taken as independent (HC0),
    which in pairs is clustering on the pair; of a declared design within strata. Raises
    NotEstimable with fewer than two clusters.

    Notes
    -----
    Sets that lie in one cluster each are handled exactly. For sets that cross clusters the
    linearisation of `conditional_scores` was tried on 60 zones of 12 people with zone
    intercepts (SD 0.5 to 1.0) and zone gaps (SD 0.3), membership spread evenly or concentrated,
    400 replications: mean standard error over empirical standard deviation .98 to 1.00 in sets
    of 12 and more, .94 to .97 in sets of 3 to 4, .90 to 1.06 in random pairs across zones
    (without the correction .72 to .95). Nominal 95 % intervals covered 93 to 95.5 %. In exact
    strata that cross zones it agrees with zones drawn again and rematched (tests/families).
    """
    sampled = Sampled.of(sampled)
    scores = conditional_scores(fit, x, counts, sets, sampled.cluster)
    weight = counts.astype(np.float64)
    return cluster_covariance(fit.cov, scores, weight, weight, sampled)
