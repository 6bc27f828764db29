"""Conditional logit within matched sets, and its ordinal form by blow-up and cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.newton import Point, maximise
from coopgap.regression.rank import require_full_rank
from coopgap.regression.setbatch import SetBatch, SetGroups, batches, group_sets
from coopgap.regression.setcost import require_affordable
from coopgap.regression.setseparation import separated_within_sets
from coopgap.regression.subsets import subset_moments


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
    log_likelihood
        Sum over cuts.
    n_obs
        People in sets.
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
    x
        Shape (c, k): design rows of cells, membership first, without intercept.
    counts
        Shape (c, J): unweighted people at each level, lowest first.
    sets
        Shape (c,): matched set of each cell. Cells of one set may repeat a design row.
    terms
        k names, for messages.

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
    Baetschmann, Staub & Winkelmann (2015), Consistent estimation of the fixed effects ordered
    logit model. JRSS A 178, 685-703.
    """
    groups = group_sets(np.asarray(x, dtype=np.float64), counts, sets)
    by_cut = _discordant(groups)
    if not by_cut.any():
        raise NotEstimable("no discordant set: none holds both groups and both answers")
    _require_variation(groups, terms)
    scale = np.sqrt((groups.x**2).mean(axis=0))
    prepared = batches(groups, groups.x / scale)
    require_affordable(prepared)
    k = groups.x.shape[1]
    total = float(groups.size.sum() * groups.above.shape[1])
    try:
        found = maximise(lambda slopes: _point(prepared, slopes), np.zeros(k), total)
    except NotEstimable as error:
        infinite = separated_within_sets(groups, _names(k, terms))
        if not infinite:
            raise
        named = ", ".join(infinite)
        raise NotEstimable(f"separation within sets: no finite estimate for {named}") from error
    cov = np.linalg.inv(found.point.information) / np.outer(scale, scale)
    n_by_cut = np.zeros(counts.shape[1] - 1, dtype=np.int64)
    n_by_cut[groups.cuts - 1] = by_cut.sum(axis=0)
    return ConditionalFit(
        slopes=found.params / scale,
        cov=(cov + cov.T) / 2,
        log_likelihood=found.point.value,
        n_obs=int(groups.size.sum()),
        n_sets_discordant=int(by_cut.any(axis=1).sum()),
        discordant_by_cut=n_by_cut,
        iterations=found.iterations,
        max_gradient=found.max_gradient,
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
    return _constant(group_sets(np.asarray(x, dtype=np.float64), counts, sets))


def _constant(groups: SetGroups) -> BoolArray:
    rows = groups.x[_mixed(groups).any(axis=1)[groups.set]]
    return np.asarray(~(np.abs(rows) > 1e-12 * groups.span).any(axis=0))


def _names(k: int, terms: Sequence[str] | None) -> list[str]:
    return [f"column {i + 1}" for i in range(k)] if terms is None else list(terms)


def _require_variation(groups: SetGroups, terms: Sequence[str] | None) -> None:
    rows = groups.x[_mixed(groups).any(axis=1)[groups.set]]
    constant = np.flatnonzero(_constant(groups))
    if constant.size:
        names = [_names(groups.x.shape[1], terms)[int(i)] for i in constant]
        raise NotEstimable(f"{', '.join(names)} constant within sets")
    require_full_rank(np.vstack([rows, -rows]), terms)


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
