"""What the members' ages, or any one covariate, could do to a printed gap: sharp bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.estimate import GapRow, SensitivityRow
from coopgap.core.gap import Interval
from coopgap.core.vocabulary import PRINTED, Check, Comparator, Family, Population, Quantity
from coopgap.printed.compare import row
from coopgap.printed.design import Covariate
from coopgap.printed.records import Line

_STEEPEST = 60.0


def standardised_bounds(share: float, own: FloatArray, target: FloatArray) -> tuple[float, float]:
    """Sharp bounds of a share standardised to another distribution of one covariate.

    Parameters
    ----------
    share
        Share in a group, over its own distribution.
    own, target
        Shape (k,): the group's distribution of the covariate, and the one to standardise to.

    Returns
    -------
    lower, upper : float
        Extremes of Σ target p over 0 ≤ p ≤ 1 with Σ own p = share. A level that the group lacks
        may have any share.

    Notes
    -----
    A fractional knapsack: fill the levels in the order of target over own.
    """
    there = own > 0
    free = float(target[~there].sum())
    own, target = own[there], target[there]
    order = np.argsort(target / own, kind="stable")

    def fill(levels: IntArray) -> float:
        left, total = share, 0.0
        for level in levels:
            part = min(left, float(own[level]))
            total += float(target[level]) * part / float(own[level])
            left -= part
        return total

    return fill(order), fill(order[::-1]) + free


def gradient_shares(share: float, own: FloatArray, log_odds: float) -> FloatArray:
    """Shares at ordered levels that rise by the same log odds from level to level.

    Parameters
    ----------
    share
        Share over the levels' own distribution, strictly between 0 and 1.
    own
        Shape (k,): that distribution, lowest level first.
    log_odds
        From each level to the next.

    Returns
    -------
    FloatArray
        Shape (k,), with Σ own p = share.
    """
    steps = np.arange(own.size) * log_odds

    def excess(start: float) -> float:
        return float(own @ expit(start + steps)) - share

    wide = float(np.abs(steps).max()) + abs(float(logit(share))) + 1.0
    return np.asarray(expit(brentq(excess, -wide, wide, xtol=1e-13) + steps))


def curved_shares(share: float, own: FloatArray, first: float, last: float) -> FloatArray | None:
    """Shares at ordered levels with the ends given and a quadratic in the log odds between them.

    Parameters
    ----------
    share, own
        As in `gradient_shares`.
    first, last
        Shares at the lowest and the highest level, strictly between 0 and 1.

    Returns
    -------
    FloatArray, or None
        Shape (k,), with Σ own p = share; None if the ends leave no such curve.
    """
    at = np.linspace(0.0, 1.0, own.size)
    line = logit(first) + (logit(last) - logit(first)) * at
    bow = at * (1 - at)

    def excess(bend: float) -> float:
        return float(own @ expit(line + bend * bow)) - share

    most = 40.0 / float(bow[bow > 0].min()) if own.size > 2 else 0.0
    if excess(-most) > 0 or excess(most) < 0:
        return None
    return np.asarray(expit(line + brentq(excess, -most, most, xtol=1e-12) * bow))


def gradient_needed(share: float, own: FloatArray, target: FloatArray, aim: float) -> float | None:
    """Log odds from level to level at which a standardised share reaches `aim`; None if none."""

    def excess(log_odds: float) -> float:
        return float(target @ gradient_shares(share, own, log_odds)) - aim

    ends = excess(-_STEEPEST), excess(_STEEPEST)
    if ends[0] * ends[1] > 0:
        return None
    return float(brentq(excess, -_STEEPEST, _STEEPEST, xtol=1e-10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A standardised share over what the lowest and the highest level may answer.

    Attributes
    ----------
    first, last
        Shape (m,): shares at the lowest and the highest level.
    value
        Shape (m, m): standardised share, row by `last`, column by `first`; NaN where no curve
        fits.
    """

    line: Line
    covariate: Covariate
    first: FloatArray
    last: FloatArray
    value: FloatArray


def surface(line: Line, covariate: Covariate, points: int = 61) -> Surface:
    """The non-members' share standardised to the members' covariate over a grid of ends.

    Parameters
    ----------
    line
        With both shares.
    covariate
        Of ordered levels.
    points
        A side of the grid.
    """
    if line.other is None:
        raise ValueError("a line with both shares is needed")
    grid = np.linspace(0.01, 0.99, points)
    value = np.full((points, points), np.nan)
    for up, last in enumerate(grid):
        for along, first in enumerate(grid):
            shares = curved_shares(line.other.value, covariate.comparison, first, last)
            if shares is not None:
                value[up, along] = covariate.member @ shares
    return Surface(line=line, covariate=covariate, first=grid, last=grid, value=value)


def standardisable(found: Iterable[Line]) -> Iterator[Line]:
    """Lines of all members and all non-members about what was asked, not about the sample."""
    for line in found:
        both = line.member is not None and line.other is not None
        asked = line.role != "covariate" and line.whole and not line.threshold
        if both and asked and line.group == "all" and line.comparator == Comparator.COMPARISON:
            yield line


def bound_rows(found: Iterable[Line], by: Iterable[Covariate]) -> Iterator[GapRow]:
    """Sharp bounds of the non-members' share over the members' covariate, and of the gap.

    Yields
    ------
    GapRow
        The estimate is the printed value, which stands if the share is the same at every level;
        the printed margins leave the whole range, and no point in it is likelier.
    """
    for line in standardisable(found):
        for one in by:
            if line.other is None or line.member is None or _same(one):
                continue
            low, high = standardised_bounds(line.other.value, one.comparison, one.member)
            made = replace(line, slug=f"{line.slug}_by_{one.name}")
            member, share = line.member.value, line.other.value
            for quantity, value, limits in (
                (Quantity.SHARE, share, (low, high)),
                (Quantity.RISK_DIFFERENCE, member - share, (member - high, member - low)),
            ):
                interval = Interval(value, np.nan, *limits, np.nan)
                yield row(made, quantity, interval, bounds=True)


def _same(covariate: Covariate) -> bool:
    return bool(np.allclose(covariate.member, covariate.comparison, atol=1e-12))


def gradient_rows(found: Iterable[Line], by: Iterable[Covariate]) -> Iterator[SensitivityRow]:
    """How steep an even gradient among non-members must be for the standardised gap to be zero."""
    ordered = [one for one in by if one.ordered and not _same(one)]
    for line in standardisable(found):
        for one in ordered:
            if line.other is not None and line.member is not None:
                yield _gradient(line, one, line.member.value, line.other.value)


def _gradient(line: Line, one: Covariate, aim: float, share: float) -> SensitivityRow:
    usable = 0 < share < 1
    needed = gradient_needed(share, one.comparison, one.member, aim) if usable else None
    if needed is None:
        note = f"No even gradient over {one.name} among non-members reaches the members' share."
    else:
        ends = gradient_shares(share, one.comparison, needed)[[0, -1]]
        note = (
            f"Odds ratio from each level of {one.name} to the next, among non-members, at which "
            f"their share with the members' {one.name} is the members' own: "
            f"{100 * ends[0]:.0f} percent at {one.levels[0]}, {100 * ends[1]:.0f} at "
            f"{one.levels[-1]}."
        )
    return SensitivityRow(
        check=Check.TIPPING_POINT,
        variant=f"even gradient over {one.name}",
        about=one.name,
        model=f"printed_{line.slug}",
        family=Family.PRINTED,
        outcome=line.outcome,
        comparator=line.comparator,
        group=line.group,
        population=Population.PRINTED,
        quantity="odds_multiple",
        category=line.category,
        estimate=None if needed is None else float(np.exp(needed)),
        note=note,
        source=PRINTED,
    )
