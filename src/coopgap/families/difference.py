"""Two estimates of overlapping people compared: their difference with its joint covariance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Protocol

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, Interval, Margins, contrast_gradient, contrast_values, wald
from coopgap.families.records import INTERVAL_PROB, Influence
from coopgap.survey.cells import group_codes


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
        Estimates of whole models with margins; their people may be the same, some of them, or
        others.
    contrast
        A risk difference, a share or superiority.
    other
        Of the second estimate; the same if absent.
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
    & Miller 2011, Journal of Business & Economic Statistics 29, 238-249).
    """
    sides = []
    for one, at in ((first, contrast), (second, contrast if other is None else other)):
        if one.margins is None or one.influence is None:
            raise NotEstimable("an estimate has no contributions of people to compare by")
        gradient = contrast_gradient(at, one.margins)
        value = float(contrast_values(at, one.margins.member, one.margins.comparison))
        df = one.margins.df_for(gradient)
        sides.append((value, one.influence, one.influence.of(gradient), df))
    (value, own, moves, own_df), (other_value, beside, other_moves, other_df) = sides
    people = np.union1d(own.people, beside.people)
    total = _placed(people, own.people, moves) - share * _placed(people, beside.people, other_moves)
    corrected = own.corrected and beside.corrected
    ways = _ways(people, own, beside if share else own)
    variance = float(total @ total) if not ways else _variance(total, ways, corrected=corrected)
    return wald(
        value - share * other_value,
        float(np.sqrt(max(variance, 0.0))),
        df=min(own_df, other_df) if share else own_df,
        prob=INTERVAL_PROB,
        null=0.0,
    )


def _placed(people: IntArray, own: IntArray, values: FloatArray) -> FloatArray:
    return np.bincount(np.searchsorted(people, own), weights=values, minlength=people.size)


def _ways(people: IntArray, first: Influence, second: Influence) -> list[IntArray]:
    """Clusters of all people, one array a way; people without one stand alone."""
    ways: list[IntArray] = []
    for pair in ((first.cluster, second.cluster), (first.second, None), (None, second.second)):
        if pair[0] is None and pair[1] is None:
            continue
        made = -1 - np.arange(people.size)
        for one, codes in zip((first, second), pair, strict=True):
            if codes is not None:
                made[np.searchsorted(people, one.people)] = codes
        if not any(np.array_equal(made, way) for way in ways):
            ways.append(made)
    return ways


def _variance(total: FloatArray, ways: Sequence[IntArray], *, corrected: bool) -> float:
    """Sums over each way of clustering, less those over two at once, and so on."""
    found = 0.0
    for size in range(1, len(ways) + 1):
        for some in combinations(ways, size):
            index = group_codes([np.unique(way, return_inverse=True)[1] for way in some])[1]
            sums = np.bincount(index, weights=total)
            n = sums.size
            factor = 1.0 if corrected else n / max(n - 1, 1)
            found += (-1) ** (size + 1) * factor * float(sums @ sums)
    return found
