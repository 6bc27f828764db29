"""Two estimates of overlapping people compared: their difference with its joint covariance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple, Protocol

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, Interval, Margins, contrast_gradient, contrast_values, wald
from coopgap.regression.replicates import Resampled
from coopgap.regression.sampled import Sampled, person_covariance
from coopgap.survey.cells import group_codes

INTERVAL_PROB = 0.95
"""Coverage probability of every interval in gaps.csv and coefficients.csv."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """What each person of a sample moves its margins by.

    Attributes
    ----------
    people
        Shape (m,): positions in the survey, increasing.
    cell, level, weight
        Shape (m,): cell, outcome level and analysis weight of each.
    unit
        Shape (c, J, 2J): of a person of weight one.
    sampled
        How they were sampled, each a cell: zones first, and second the sets that the matching chose
        where people are clustered on them too.
    corrected
        Whether contributions are adjusted for the clusters' number already (CR2).
    """

    people: IntArray
    cell: IntArray
    level: IntArray
    weight: FloatArray
    unit: FloatArray
    sampled: Sampled
    corrected: bool

    def of(self, gradient: FloatArray) -> FloatArray:
        """Contributions to a contrast of the margins with this gradient, (2J,); shape (m,)."""
        return np.asarray(self.weight * (self.unit @ gradient)[self.cell, self.level])

    def complement(self) -> Influence:
        """The same with levels highest first."""
        n = self.unit.shape[1]
        turn = np.concatenate([np.arange(n)[::-1], np.arange(n, 2 * n)[::-1]])
        return replace(self, level=n - 1 - self.level, unit=self.unit[:, ::-1][..., turn])


class Estimated(Protocol):
    """What has margins and knows what each person moves them by."""

    @property
    def margins(self) -> Margins | None:
        """Both groups' distributions."""

    @property
    def influence(self) -> Influence | None:
        """Of each person on them."""


def difference(
    first: Estimated,
    second: Estimated,
    contrast: Contrast,
    other: Contrast | None = None,
    *,
    share: float = 1.0,
) -> Interval:
    """A contrast of one estimate minus one of another, on people that they share.

    Parameters
    ----------
    first, second
        Their people may be the same, some of them, or others.
    contrast, other
        A risk difference, a share or superiority; that of the second is the same if absent.
    share
        How much of the second is taken off.

    Returns
    -------
    Interval
        Clustered as both are: on zones, and on the sets of either that cross them. Degrees of
        freedom are the fewer of the two.

    Raises
    ------
    NotEstimable
        Where an estimate has no margins or its people's contributions are not known.

    Notes
    -----
    A person's contribution to the difference is that to the first less that to the second, zero
    where one leaves the person out. Contributions are summed by cluster; of several ways of
    clustering the sums over every combination are added and subtracted in turn (Cameron, Gelbach
    & Miller 2011, Journal of Business & Economic Statistics 29, 238-249). With replicate weights
    they are summed with each, matching weights held fixed.
    """
    value, own, moves, own_df = contributions(first, contrast)
    at = contrast if other is None else other
    other_value, beside, other_moves, other_df = contributions(second, at)
    people = np.union1d(own.people, beside.people)
    total = _placed(people, own.people, moves) - share * _placed(people, beside.people, other_moves)
    corrected = own.corrected and beside.corrected
    ways = _ways(people, own, beside if share else own)
    variance = _variance(total, ways, corrected=corrected)
    return wald(
        value - share * other_value,
        float(np.sqrt(max(variance, 0.0))),
        df=min(own_df, other_df) if share else own_df,
        prob=INTERVAL_PROB,
        null=0.0,
    )


def contributions(
    estimate: Estimated, contrast: Contrast
) -> tuple[float, Influence, FloatArray, float]:
    """A contrast's value, its people, what each adds to its error, and degrees of freedom."""
    if estimate.margins is None or estimate.influence is None:
        raise NotEstimable("an estimate has no contributions of people to compare by")
    margins, gradient = estimate.margins, contrast_gradient(contrast, estimate.margins)
    value = float(contrast_values(contrast, margins.member, margins.comparison))
    return value, estimate.influence, estimate.influence.of(gradient), margins.df_for(gradient)


def _placed(people: IntArray, own: IntArray, values: FloatArray) -> FloatArray:
    return np.bincount(np.searchsorted(people, own), weights=values, minlength=people.size)


class _Ways(NamedTuple):
    """How all people were sampled, and the sets of either estimate as further ways."""

    sampled: Sampled
    sets: list[IntArray]


def _ways(people: IntArray, first: Influence, second: Influence) -> _Ways:
    """Clusters of all people by each way; people without one stand alone."""
    alone = -1 - np.arange(people.size)
    sides = [(np.searchsorted(people, one.people), one.sampled) for one in (first, second)]

    def placed(*pair: IntArray | None) -> IntArray | None:
        if all(codes is None for codes in pair):
            return None
        way = alone.copy()
        for (at, _), codes in zip(sides, pair, strict=True):
            if codes is not None:
                way[at] = codes
        return way

    own, beside = first.sampled, second.sampled
    zone = placed(own.cluster, beside.cluster)
    sets = [placed(own.second, None), placed(None, beside.second)]
    distinct: list[IntArray] = []
    for way in sets:
        others = distinct if zone is None else [zone, *distinct]
        if way is not None and not any(np.array_equal(way, one) for one in others):
            distinct.append(way)
    drawn = own.drawn if own.cluster is not None else beside.drawn
    if drawn is not None and zone is not None and (zone < 0).any():
        drawn = replace(drawn, second=None)  # people whose zone is not known
    stratum = placed(own.stratum, beside.stratum)
    resampled = own.resampled and Resampled(own.resampled.replicates, people)
    return _Ways(Sampled(cluster=zone, stratum=stratum, drawn=drawn, resampled=resampled), distinct)


def _variance(total: FloatArray, ways: _Ways, *, corrected: bool) -> float:
    """Sums over each way of clustering, less those over two at once, and so on."""
    sampled, sets = ways
    if sampled.resampled is not None:
        return float(person_covariance(total[:, None], sampled).cov[0, 0])
    declared = sampled.drawn is not None
    by_person = declared and sampled.cluster is None
    first = np.arange(total.size) if by_person else sampled.cluster
    every = [first, *sets] if first is not None else sets
    if not every:
        return float(total @ total)
    variance = 0.0
    for size in range(1, len(every) + 1):
        for some in combinations(every, size):
            if declared and size == 1 and some[0] is first:
                variance += float(person_covariance(total[:, None], sampled).cov[0, 0])
                continue
            index = group_codes([np.unique(way, return_inverse=True)[1] for way in some])[1]
            sums = np.bincount(index, weights=total)
            plain = corrected or (by_person and some[0] is first)
            factor = 1.0 if plain else sums.size / max(sums.size - 1, 1)
            variance += (-1) ** (size + 1) * factor * float(sums @ sums)
    return variance
