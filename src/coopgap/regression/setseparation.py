"""Separation within matched sets: which conditional estimates would be infinite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.regression.separation import SLACK, recession
from coopgap.regression.setbatch import SetGroups

_MOST_NUMBERS = 50_000_000


def separated_within_sets(groups: SetGroups, terms: Sequence[str]) -> tuple[str, ...]:
    """Terms without a finite estimate in a conditional model.

    Parameters
    ----------
    groups
        From `group_sets`, columns told apart from one another.
    terms
        k names.

    Returns
    -------
    tuple of str
        Terms that move along a direction in which no set's likelihood falls; empty if the
        estimates are finite, or if the programme would not fit into memory.

    Notes
    -----
    A set's likelihood falls nowhere along d exactly where at every cut no person below has a
    larger x'd than a person above. That is one linear programme over distinct differences.

    References
    ----------
    Albert & Anderson (1984), Biometrika 71, 1-10; Konis (2007), for the largest total slack.
    """
    if _pairs(groups) * len(terms) > _MOST_NUMBERS:
        return ()
    apart = [*_differences(groups)]
    if not apart:
        return ()
    rows = np.unique(np.vstack(apart) / np.where(groups.span > 0, groups.span, 1.0), axis=0)
    direction = recession(-rows, rows.shape[1], rows.shape[1])
    moves = np.abs(direction) > SLACK
    return tuple(term for term, move in zip(terms, moves, strict=True) if move)


def _pairs(groups: SetGroups) -> int:
    """At most so many rows `_differences` has."""
    return int((np.bincount(groups.set) ** 2).sum()) * groups.cuts.size


def _differences(groups: SetGroups) -> Iterator[FloatArray]:
    """Rows of people above a cut less rows of people below it, set by set."""
    order = np.argsort(groups.set, kind="stable")
    for here in np.split(order, np.flatnonzero(np.diff(groups.set[order])) + 1):
        for cut in range(groups.cuts.size):
            above = groups.x[here[groups.above[here, cut] > 0]]
            below = groups.x[here[groups.above[here, cut] < groups.size[here]]]
            yield (above[:, None, :] - below[None, :, :]).reshape(-1, groups.x.shape[1])
