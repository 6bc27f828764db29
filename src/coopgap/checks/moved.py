"""The headline gap again after answers of the comparison group have been moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.gap import Contrast, Margins, contrast_gradient, contrast_values
from coopgap.families.cells import fit_cells, fit_form, form_of
from coopgap.families.sample import Sample, SampleCells
from coopgap.families.shares import stratum_ratio
from coopgap.regression.cumulative import CumulativeFit, cut_points
from coopgap.regression.links import LINKS
from coopgap.regression.ordinal import fit_ordinal, fit_reduced
from coopgap.regression.sampled import Sampled
from coopgap.regression.shares import weighted_shares
from coopgap.regression.standardise import margin_influence
from coopgap.study.spec import LinkName


@dataclass(frozen=True, slots=True, kw_only=True)
class Movable:
    """The sample's c cells, with the fit before anything is moved.

    Beside weighted `shares` the fit says who moves. `ratio`, shape (c,), makes shares those within
    strata; None where weights match people. `fixed`: the members' covariates are taken as fixed.
    """

    on: SampleCells
    fit: CumulativeFit
    link: LinkName
    fixed: bool
    shares: bool = False
    ratio: FloatArray | None = None

    @property
    def n_levels(self) -> int:
        """Outcome levels J."""
        return int(self.on.cells.counts.shape[1])

    @property
    def answers(self) -> FloatArray:
        """Unweighted comparison people by cell and level, shape (c, J)."""
        return np.where(self.on.member[:, None], 0.0, self.on.cells.people)

    def nothing(self) -> FloatArray:
        """Moves that leave every answer where it is, shape (c, J, J)."""
        n = self.n_levels
        return np.broadcast_to(np.eye(n), (len(self.on.x), n, n)).copy()


class Moved(NamedTuple):
    """Margins after the move, and the influence of a person of weight one, shape (c, J, 2J)."""

    margins: Margins
    influence: FloatArray

    def value(self, contrast: Contrast) -> float:
        """A contrast of the moved margins."""
        return float(contrast_values(contrast, self.margins.member, self.margins.comparison))

    def variance(self, contrast: Contrast) -> float:
        """Its variance by the delta method."""
        gradient = contrast_gradient(contrast, self.margins)
        return max(float(gradient @ self.margins.cov @ gradient), 0.0)


def movable(sample: Sample) -> Movable:
    """Fit the sample as the headline does; raises `NotEstimable` as its family."""
    form = fit_form(sample, sample.weight, form_of(sample), matched=True)
    fit = form.fit or fit_cells(sample, sample.weight, matched=True)
    shares, on = form.fit is None, fit.on
    strata = shares and not sample.is_matched
    return Movable(
        on=on,
        fit=fit.fit,
        link=sample.link,
        fixed=fit.fixed,
        shares=shares,
        ratio=stratum_ratio(on, on.member.astype(np.float64)) if strata else None,
    )


def latent_moves(eta: FloatArray, shift: float, link: LinkName = "logit") -> FloatArray:
    """Probability that an answer at one level lies at another after a shift of the latent answer.

    `eta`, shape (c, J − 1), are the cut points of each cell, which may be infinite; a positive
    shift raises answers. Shape (c, J, J): from level a (axis 1) to level b (axis 2); each row sums
    to one.

    A person at level a holds some part of the interval of probability (F(η_{a−1}), F(η_a)); the
    shift turns the cut points into η − shift, and the part of the interval that then lies in level
    b is the probability to move there. Nobody moves against the shift, no cell gives up more
    answers than it has, and the cell's fitted shares become those of the shifted model.
    """
    cells = len(eta)
    edge = np.zeros((cells, 1))

    def bounds(at: FloatArray) -> FloatArray:
        return np.hstack([edge, LINKS[link].distribution(at), edge + 1.0])

    before, after = bounds(eta), bounds(eta - shift)
    low = np.maximum(before[:, :-1, None], after[:, None, :-1])
    high = np.minimum(before[:, 1:, None], after[:, None, 1:])
    overlap = np.maximum(high - low, 0.0)
    held = overlap.sum(axis=2, keepdims=True)
    stay = np.broadcast_to(np.eye(eta.shape[1] + 1), overlap.shape)
    return np.asarray(np.divide(overlap, held, out=stay.copy(), where=held > 0))


def shift_moves(at: Movable, shift: float) -> FloatArray:
    """Moves of the comparison group's answers under one latent shift in every cell."""
    moves = at.nothing()
    others = ~at.on.member
    moves[others] = latent_moves(cut_points(at.fit, at.on.x[others]), shift, at.link)
    return moves


def moved_margins(at: Movable, moves: FloatArray) -> Moved:
    """Fit and standardise anew after moving answers.

    `moves`, shape (c, J, J), is the share of the answers at level a of a cell that go to level b.
    The covariance is CR1, or HC0 without clusters, in expectation over who in a cell is moved:
    clusters have the squares of their expected sums plus the variance that moving this answer
    rather than that one adds. Raises `NotEstimable` where everybody gives the same answer then, or
    the likelihood has no maximum.
    """
    on, cells = at.on, at.on.cells
    counts, squares = (
        np.einsum("ca,cab->cb", part, moves) for part in (cells.counts, cells.squares)
    )
    margins, influence = _refitted(at, counts, squares)
    clustered = on.sampled.covariance(influence, counts, squares)
    cov = clustered.cov
    if clustered.n_clusters is not None:
        factor = clustered.n_clusters / (clustered.n_clusters - 1)
        cov = cov + factor * _chance(influence, moves, cells.squares)
    n = at.n_levels
    return Moved(Margins(member=margins[:n], comparison=margins[n:], cov=cov), influence)


def _refitted(
    at: Movable, counts: FloatArray, squares: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Margins (2J,) of moved answers and their influence (c, J, 2J)."""
    on = at.on
    if at.shares:
        shares = weighted_shares(
            on.member,
            counts,
            squares,
            Sampled(),
            z=on.x[:, 1:],
            ratio=at.ratio,
            fixed=at.fixed,
            kind="HC0",
        )
        assert shares.influence is not None
        return np.concatenate([shares.member, shares.comparison]), shares.influence
    fitted = fit_reduced if at.fit.bias_reduced else fit_ordinal
    people, free = on.cells.people, at.fit.free
    fit = fitted(on.x, counts, people=people, link=at.link, terms=on.terms, free=free)
    target = on.member.astype(np.float64)
    return margin_influence(fit, on.x, 0, target, counts, fixed=at.fixed)


def _chance(influence: FloatArray, moves: FloatArray, squares: FloatArray) -> FloatArray:
    """Covariance from who is moved, answers moved independently, shape (2J, 2J)."""
    partly = ((moves > 0) & (moves < 1)).any(axis=(1, 2))
    u, move, square = influence[partly], moves[partly], squares[partly]
    mean = move @ u
    ends = np.einsum("ca,cab->cb", square, move)
    size = u.shape[2]
    at_ends = (u * ends[:, :, None]).reshape(-1, size).T @ u.reshape(-1, size)
    at_mean = (mean * square[:, :, None]).reshape(-1, size).T @ mean.reshape(-1, size)
    return np.asarray(at_ends - at_mean)


def largest_first(
    at: Movable, start: Moved, contrast: Contrast, people: float, sign: float
) -> FloatArray:
    """Moves, shape (c, J, J), of the `people` answers that change a contrast most.

    `sign` is that of the gap that the moves take away from; `people` need not be whole. Each moved
    answer goes to the level that changes the contrast most. An answer counts the mean weight of its
    cell and level; of answers that count alike the same share moves everywhere: the fractional
    knapsack problem, on the first-order influence of an answer on the contrast.
    """
    cells, moves = at.on.cells, at.nothing()
    each = start.influence @ contrast_gradient(contrast, start.margins)
    weight = np.divide(
        cells.counts, cells.people, out=np.zeros_like(cells.counts), where=cells.people > 0
    )
    gain = -sign * weight[:, :, None] * (each[:, None, :] - each[:, :, None])
    best = gain.argmax(axis=2)
    most = np.where(at.answers > 0, gain.max(axis=2), 0.0)
    ranks = np.unique(-most.round(12), return_inverse=True)[1].reshape(most.shape)
    in_rank = np.bincount(ranks.ravel(), at.answers.ravel())
    before = np.cumsum(in_rank) - in_rank
    share = np.clip((people - before) / np.maximum(in_rank, 1.0), 0.0, 1.0)[ranks]
    share = np.where((at.answers > 0) & (most > 0), share, 0.0)
    cell, level = np.nonzero(share)
    moves[cell, level, level] -= share[cell, level]
    moves[cell, level, best[cell, level]] += share[cell, level]
    return moves
