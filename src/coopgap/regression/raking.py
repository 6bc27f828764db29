"""Weights brought to declared margins, one margin after the other until all of them hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coopgap.arrays import FloatArray, IntArray
from coopgap.errors import NotEstimable

__all__ = ["rake"]

_TOLERANCE = 1e-12
_MOST_ROUNDS = 2000


def rake(
    weight: FloatArray, classes: Sequence[IntArray], shares: Sequence[FloatArray]
) -> FloatArray:
    """Factors that give the weights declared margins.

    Parameters
    ----------
    weight
        Shape (c,): not negative.
    classes
        For each margin, shape (c,): class of each cell, an index into its shares.
    shares
        For each margin, its shares; they sum to one.

    Returns
    -------
    FloatArray
        Shape (c,): `weight` times it sums to one and has every margin. One margin is
        post-stratification and done in one round.

    Raises
    ------
    NotEstimable
        If a class that should have people has none, or the margins cannot hold together.

    References
    ----------
    Deming & Stephan (1940), Annals of Mathematical Statistics 11, 427-444.
    """
    factor = np.ones(weight.size) / weight.sum()
    for _ in range(_MOST_ROUNDS):
        away = 0.0
        for of, wanted in zip(classes, shares, strict=True):
            there = np.bincount(of, weight * factor, minlength=wanted.size)
            if ((there <= 0) & (wanted > 0)).any():
                raise NotEstimable("nobody stands for a part of the declared population")
            away = max(away, float(np.abs(there - wanted).max()))
            ratio = np.divide(wanted, there, out=np.zeros_like(there), where=there > 0)
            factor = factor * ratio[of]
        if away < _TOLERANCE or len(classes) == 1:
            return factor
    raise NotEstimable("the declared margins cannot hold together in this survey")
