"""Weights brought to declared margins, one margin after the other until all of them hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.study.spec import DeclaredPopulation

_TOLERANCE = 1e-12
_MOST_ROUNDS = 2000


def rake(
    weight: FloatArray, classes: Sequence[IntArray], shares: Sequence[FloatArray]
) -> FloatArray:
    """Factors that give the weights (c,) declared margins and the sum one.

    For each margin `classes` have the class of each cell, an index into its `shares`, which sum to
    one. One margin is post-stratification and done in one round. Deming & Stephan (1940), Annals of
    Mathematical Statistics 11, 427-444.

    Raises
    ------
    NotEstimable
        If a class that should have people has none, or the margins cannot hold together.
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
    """Factors that give the weights (c,) the margins of a declared population.

    `codes` are by variable the level of each cell, `levels` their names. Raises NotEstimable, with
    the population's file, as `margin_classes` and `rake`.
    """
    classes = [codes_of for codes_of, _ in margin_classes(weight, codes, levels, declared)]
    shares = [np.array([*margin.shares.values()]) for margin in declared.margins]
    try:
        return rake(weight, classes, shares)
    except NotEstimable as error:
        raise NotEstimable(f"{declared.file}: {error.reason}") from error


def margin_classes(
    weight: FloatArray,
    codes: Mapping[str, IntArray],
    levels: Mapping[str, tuple[str, ...]],
    declared: DeclaredPopulation,
) -> list[tuple[IntArray, int]]:
    """For each margin of a declared population the class of each cell, and how many there are.

    Raises NotEstimable if a margin is by a variable that is not there, or nobody stands for a part.
    """
    result = []
    for margin in declared.margins:
        absent = [name for name in margin.variables if name not in codes]
        if absent:
            raise NotEstimable(f"{declared.file} is by {absent[0]}, which this model has not")
        named = ([levels[name][code] for code in codes[name]] for name in margin.variables)
        place = {part: k for k, part in enumerate(margin.shares)}
        classes = np.array([place[part] for part in zip(*named, strict=True)], dtype=np.int64)
        there = np.bincount(classes, weight, minlength=len(place))
        for (part, share), people in zip(margin.shares.items(), there, strict=True):
            if share > 0 and not people > 0:
                words = map("=".join, zip(margin.variables, part, strict=True))
                raise NotEstimable(
                    f"nobody in the survey for {', '.join(words)} of {declared.file}"
                )
        result.append((classes, len(place)))
    return result
