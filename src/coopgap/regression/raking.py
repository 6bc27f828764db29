"""Weights brought to declared margins, one margin after the other until all of them hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.study.spec import DeclaredPopulation, Margin

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


def rake_to_population(
    weight: FloatArray,
    codes: Mapping[str, IntArray],
    levels: Mapping[str, tuple[str, ...]],
    declared: DeclaredPopulation,
) -> FloatArray:
    """Factors that give the weights the margins of a declared population.

    Parameters
    ----------
    weight
        Shape (c,): not negative.
    codes, levels
        By variable, shape (c,): level of each cell, and the levels' names.
    declared
        The population.

    Raises
    ------
    NotEstimable
        If a margin is by a variable that is not there, nobody stands for a part of it, or the
        margins cannot hold together; with the population's file.
    """
    classes = [found for found, _ in margin_classes(weight, codes, levels, declared)]
    shares = [np.array([*margin.shares.values()]) for margin in declared.margins]
    file = declared.file
    try:
        return rake(weight, classes, shares)
    except NotEstimable as error:
        raise NotEstimable(f"{file}: {error.reason}") from error


def margin_classes(
    weight: FloatArray,
    codes: Mapping[str, IntArray],
    levels: Mapping[str, tuple[str, ...]],
    declared: DeclaredPopulation,
) -> list[tuple[IntArray, int]]:
    """For each margin of a declared population the class of each cell, and how many there are.

    Parameters
    ----------
    weight, codes, levels, declared
        As in `rake_to_population`.

    Raises
    ------
    NotEstimable
        If a margin is by a variable that is not there, or nobody stands for a part of it.
    """
    return [
        (_classes(weight, codes, levels, margin, declared.file), len(margin.shares))
        for margin in declared.margins
    ]


def _classes(
    weight: FloatArray,
    codes: Mapping[str, IntArray],
    levels: Mapping[str, tuple[str, ...]],
    margin: Margin,
    file: str,
) -> IntArray:
    """Class of each cell among the margin's shares."""
    absent = [name for name in margin.variables if name not in codes]
    if absent:
        raise NotEstimable(f"{file} is by {absent[0]}, which this model has not")
    named = ([levels[name][code] for code in codes[name]] for name in margin.variables)
    place = {part: k for k, part in enumerate(margin.shares)}
    found = np.array([place[part] for part in zip(*named, strict=True)], dtype=np.int64)
    there = np.bincount(found, weight, minlength=len(place))
    for (part, share), people in zip(margin.shares.items(), there, strict=True):
        if share > 0 and not people > 0:
            words = (f"{name}={level}" for name, level in zip(margin.variables, part, strict=True))
            raise NotEstimable(f"nobody in the survey for {', '.join(words)} of {file}")
    return found
