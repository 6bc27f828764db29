"""Tables in print, and surveys made up, as cells with their design."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import (
    CumulativeFit,
    cluster_information,
    probabilities,
    unit_information,
    unit_scores,
)
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.sampled import Sampled
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import Cells, collapse
from coopgap.survey.drawn import count_drawn

LINKS = ("logit", "probit", "cloglog")
GROUP = np.array([[0.0], [1.0]])
# Agresti, Introduction to Categorical Data Analysis 2e, Table 6.7: party by ideology.
PARTY = np.array([[80, 81, 171, 41, 55], [30, 46, 148, 84, 99]], dtype=float)
# R ordinal::wine: temp (warm), contact (yes), people by rating 1 to 5.
WINE_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
WINE = np.array([[4, 9, 5, 0, 0], [1, 7, 8, 2, 0], [0, 5, 8, 3, 2], [0, 1, 5, 7, 5]], dtype=float)
# The lowest rating against all others: no warm wine has it.
SPLIT = np.column_stack([WINE[:, 0], WINE[:, 1:].sum(axis=1)])


def probability_jacobian(fit, x):
    """Derivative of P(Y = j) in every parameter."""
    return probabilities(fit, x)[:, :, None] * unit_scores(fit, x)


def moved(fit: CumulativeFit, params) -> CumulativeFit:
    """A fit at other parameters."""
    k, q = fit.slopes.size, fit.freed.shape[0]
    cuts = fit.thresholds.size
    freed = params[k : k + q * cuts].reshape(q, cuts)
    return replace(fit, slopes=params[:k], freed=freed, thresholds=params[k + q * cuts :])


def drawn_within(strata, cluster=None, **declared):
    """Strata of which all that is here, and nothing else, was drawn."""

    def refuse(key, found, allowed):
        return ValueError(f"{key}: {found}; {allowed}")

    labels = tuple(map(str, range(strata.max() + 1)))
    return count_drawn(strata, cluster, None, refuse=refuse, labels=labels, **declared)


@dataclass(frozen=True)
class Survey:
    """Cells of people; membership is the first column of their design."""

    x: np.ndarray
    cells: Cells
    zone: np.ndarray

    def fit(self, **more):
        return fit_ordinal(self.x, self.cells.counts, **more)

    def sampled(self, cluster=None, strata=None, second=None):
        """How the cells' people were sampled; strata with all their clusters drawn."""
        drawn = None if strata is None else drawn_within(strata, cluster)
        return Sampled(
            cluster=cluster, second=second, stratum=strata, drawn=drawn, people=self.cells.people
        )

    def margins(self, target=None, fit=None, cluster=True, strata=None, **more):
        """Standardised over the members, or a target."""
        return standardise(
            fit or self.fit(),
            self.x,
            0,
            self.x[:, 0] if target is None else target,
            self.cells.counts,
            self.cells.squares,
            self.sampled(self.zone if cluster else None, strata),
            **more,
        )

    def covariance(self, kind="CR1", fit=None, **more):
        fit, counts = fit or self.fit(), self.cells.counts
        zone = more.pop("cluster", self.zone) if kind.startswith("CR") else None
        information = None
        if kind == "CR2":
            information = cluster_information(fit, self.x, counts, zone)
        elif kind == "HC3":
            information = unit_information(fit, self.x)
        scores, sampled = unit_scores(fit, self.x), self.sampled(zone, **more)
        return cluster_covariance(
            fit.bread,
            scores,
            counts,
            self.cells.squares,
            sampled,
            kind=kind,
            information=information,
        )

    def scaled(self, scale):
        """The same people, all weights so many times as large."""
        counts, squares = scale * self.cells.counts, scale**2 * self.cells.squares
        return replace(self, cells=replace(self.cells, counts=counts, squares=squares))


def people(seed=0, n=500, zones=14, levels=3, spread=0.4):
    """Membership, sex, region and zone; answers; weights. A zone lies in one of three regions."""
    rng = np.random.default_rng(seed)
    zone, sex = rng.integers(0, zones, n), rng.integers(0, 2, n)
    region = zone % 3
    member = (rng.random(n) < 0.35 + 0.1 * region).astype(np.int64)
    latent = 0.8 * member - 0.4 * sex + 0.3 * region + spread * rng.normal(size=zones)[zone]
    outcome = np.digitize(latent + rng.logistic(size=n), np.linspace(-1.0, 1.8, levels - 1))
    return member, sex, region, zone, outcome, rng.uniform(0.3, 3, n)


def survey(*, weighted=True, zones=14, levels=3, cluster=True, **more) -> Survey:
    member, sex, region, zone, outcome, weight = people(zones=zones, levels=levels, **more)
    columns = [member, sex, region, *([zone] if cluster else [])]
    cells = collapse(columns, outcome, levels, weight if weighted else None)
    codes = cells.codes
    x = np.column_stack([codes[:, 0], codes[:, 1], codes[:, 2] == 1, codes[:, 2] == 2])
    return Survey(x.astype(float), cells, codes[:, -1])


def jackknife(margins, cells, cluster):
    """Covariance of margins by moving the weight of a cluster, or of one person, a little.

    `margins` takes counts and gives a vector. Central differences: error of the step squared.
    """
    step, moves, counts = 1e-4, [], cells.counts
    if cluster is not None:
        for g in np.unique(cluster):
            tilt = step * (cluster == g)[:, None] * counts
            moves.append((margins(counts + tilt) - margins(counts - tilt)) / (2 * step))
        return np.transpose(moves) @ moves * len(moves) / (len(moves) - 1)
    for c, j in np.argwhere(cells.people > 0):
        tilt = np.zeros_like(counts)
        tilt[c, j] = step
        move = (margins(counts + tilt) - margins(counts - tilt)) / (2 * step)
        moves.append(move * np.sqrt(cells.people[c, j]))
    return np.transpose(moves) @ moves
