"""One contrast of the matched sample as the comparison group's answers move, and where it tips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, Interval, null_value
from coopgap.core.tails import t_quantile
from coopgap.families.difference import INTERVAL_PROB
from coopgap.sensitivity.moved import Movable, Moved, largest_first, moved_margins

_FARTHEST = 16.0
"""Latent shift beyond which every answer lies at one end."""

_EXACT = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One contrast of the matched sample, and what is left of it as answers move.

    Attributes
    ----------
    at
        The cells.
    contrast
        Risk difference or superiority.
    interval
        The gap as reported: its standard error anchors those after a move.
    start
        Before any move.
    shifted
        After a latent shift of the comparison group's answers.
    """

    at: Movable
    contrast: Contrast
    interval: Interval
    start: Moved
    shifted: Callable[[float], Moved]

    @property
    def null(self) -> float:
        """Value of no gap."""
        return null_value(self.contrast.quantity)

    @property
    def sign(self) -> float:
        """Sign of the gap; zero where there is none."""
        return float(np.sign(self.interval.estimate - self.null))

    def gap(self, moved: Moved) -> float:
        """Distance from no gap, positive on the side where the gap was."""
        return self.sign * (moved.value(self.contrast) - self.null)

    def std_error(self, moved: Moved) -> float:
        """The reported standard error, times what the move makes of the sandwich."""
        ratio = moved.variance(self.contrast) / self.start.variance(self.contrast)
        return self.interval.std_error * float(np.sqrt(ratio))

    def limit(self, moved: Moved) -> float:
        """Distance from no gap of the interval's nearer limit, positive where it excludes it."""
        half = t_quantile((1 + INTERVAL_PROB) / 2, self.interval.df)
        return self.gap(moved) - half * self.std_error(moved)


def tipping_shift(course: Course, left: Callable[[Moved], float]) -> float:
    """Latent shift of the comparison group's answers at which nothing is `left`.

    Parameters
    ----------
    course
        The contrast.
    left
        Positive before the move, negative once the conclusion has moved.

    Returns
    -------
    float
        Signed like the gap: positive where the comparison group's answers would have to be higher.

    Raises
    ------
    NotEstimable
        The fit breaks down on the way.
    """

    def at(shift: float) -> float:
        return left(course.shifted(course.sign * shift))

    far = 0.5
    while far < _FARTHEST and at(far) > 0:
        far *= 2
    if far >= _FARTHEST:
        raise NotEstimable("no shift of the comparison group's answers is large enough")
    near = 0.0 if far == 0.5 else far / 2
    return course.sign * float(optimize.brentq(at, near, far, xtol=_EXACT))


def share_off(at: Movable, contrast: Contrast, moves: FloatArray) -> float:
    """Share of the comparison group's answers that move.

    Of a threshold gap, those that cross the threshold; else those that change their level. Each
    answer kept by the matching counts once, whatever its weight.
    """
    level = np.arange(at.n_levels)
    side = level >= contrast.level if contrast.is_threshold_gap else level
    crosses = side[:, None] != side[None, :]
    people = at.answers
    return float(np.einsum("ca,cab,ab->", people, moves, crosses) / people.sum())


def least_share(course: Course, most: float) -> float:
    """Smallest share of answers that takes the interval to no gap, the weightiest moved first.

    Parameters
    ----------
    course
        The contrast.
    most
        A share that is enough when it is spread evenly.
    """
    total = float(course.at.answers.sum())

    def left(people: float) -> float:
        moves = largest_first(course.at, course.start, course.contrast, people, course.sign)
        return course.limit(moved_margins(course.at, moves))

    far = most * total
    while left(far) > 0:
        if far >= total:  # only where moving an answer as far as it goes loses to spreading
            raise NotEstimable("not all answers together are enough")
        far = min(1.25 * far, total)
    return float(optimize.brentq(left, 0.0, far, xtol=1e-6 * total)) / total
