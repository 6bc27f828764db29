"""Which rows of a family's estimate would give a small count of people away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coopgap.arrays import IntArray
from coopgap.disclosure import SMALLEST_COUNT, shown_counts
from coopgap.families.records import FamilyEstimate
from coopgap.gap import Contrast, contrasts
from coopgap.vocabulary import Quantity

__all__ = ["gives_count", "is_suppressed", "smallest_count", "suppressed_terms"]


def smallest_count(people: IntArray, contrast: Contrast, *, raw: bool = False) -> int:
    """Smallest unweighted count that a reader could work out from the row.

    Parameters
    ----------
    people
        Shape (2, J): people by group (comparison first) and outcome level.
    contrast
        The row's contrast.
    raw
        Whether the shares are the people's own and no regression's.

    Returns
    -------
    int
        The smallest of the people at the category and of the rest, in each group the row is
        about; for ratios over all levels, the smaller group.

    Notes
    -----
    Superiority is a sum of products of both groups' shares: beside the shares that are shown it
    gives away one that is not (of two levels it is half the gap more than one half). Of two
    levels, and of raw shares, it counts as the smallest of its thresholds: the people at the
    lowest or the highest level. A regression's shares over more levels are no counts.
    """
    if contrast.quantity is Quantity.SUPERIORITY and (raw or people.shape[1] == 2):
        return int(people[:, [0, -1]].min())
    if not (contrast.category or people.shape[1] == 2):
        return int(people.sum(axis=1).min())
    at = (
        people[:, contrast.level :].sum(axis=1)
        if contrast.by_threshold
        else people[:, contrast.level]
    )
    counts = np.minimum(at, people.sum(axis=1) - at)
    if contrast.quantity is Quantity.SHARE:
        return int(counts[1] if contrast.of_member else counts[0])
    return int(counts.min())


def gives_count(people: IntArray, contrast: Contrast, *, raw: bool) -> bool:
    """Whether a row shows a small count, or gives one away beside the rows that are shown.

    Parameters
    ----------
    people, contrast, raw
        As in `smallest_count`.

    Notes
    -----
    Of raw shares thresholds and levels are suppressed beside a small level as
    `coopgap.disclosure.shown_counts` says for either group the row is about, and superiority
    wherever a threshold is.
    """
    if smallest_count(people, contrast, raw=raw) < SMALLEST_COUNT:
        return True
    over_all = contrast.quantity is Quantity.SUPERIORITY
    if not raw or people.shape[1] == 2 or not (contrast.category or over_all):
        return False
    sides = people[[int(contrast.of_member)]] if contrast.quantity is Quantity.SHARE else people
    found = [shown_counts(side) for side in sides]
    if over_all:
        return not all(one.thresholds.all() for one in found)
    marks = [one.thresholds if contrast.by_threshold else one.levels for one in found]
    return not all(mark[contrast.level] for mark in marks)


def is_suppressed(estimate: FamilyEstimate, contrast: Contrast) -> bool:
    """Whether a row of an estimate would give a small count away."""
    return gives_count(estimate.people, contrast, raw=estimate.raw)


def suppressed_terms(estimate: FamilyEstimate, levels: Sequence[str]) -> frozenset[str]:
    """Terms of raw shares or gaps at a suppressed threshold: they are its numbers again."""
    if not estimate.raw:
        return frozenset()
    found = set[str]()
    for contrast in contrasts(levels):
        if contrast.is_threshold_gap and is_suppressed(estimate, contrast):
            found.add(f"{levels[contrast.level - 1]}|{levels[contrast.level]}")
            found.add(f"member:>={levels[contrast.level]}" if len(levels) > 2 else "member")
    return frozenset(found)
