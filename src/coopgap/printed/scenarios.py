"""Every printed difference under stated design effects: what clustering could do to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scipy.optimize import brentq

from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Interval
from coopgap.core.vocabulary import (
    PRINTED,
    Check,
    Family,
    IntervalKind,
    Population,
    Quantity,
    Version,
)
from coopgap.printed.compare import PROB, difference_of
from coopgap.printed.records import Line, Share

SCENARIOS = (1.0, 1.5, 2.0, 3.0)
"""Design effects for which the interval is shown."""

_MOST = 1000.0


def scenario_rows(found: Iterable[Line]) -> Iterator[SensitivityRow]:
    """The difference of every line with people counted for fewer, and how far that may go.

    Yields
    ------
    SensitivityRow
        The difference as in gaps.csv with n over the design effect in place of n, without a
        verdict: the estimate stays. Then the design effect at which an interval without zero would
        reach it.

    References
    ----------
    Kish (1965), Survey Sampling, section 8.2, for the effective number of people; Kott & Carr
    (1997), Journal of Official Statistics 13, 81-98, for score limits with it.
    """
    for line in found:
        if line.member is None or line.other is None:
            continue
        alone = difference_of(line.member, line.other)
        if alone is None:
            continue
        for factor in SCENARIOS:
            again = alone if factor == 1 else difference_of(line.member, line.other, factor)
            if again is not None:
                yield _scenario(line, factor, again)
        if _clear(alone):
            yield _reach(line, line.member, line.other)


def _clear(interval: Interval) -> bool:
    """Whether the interval leaves out zero."""
    return interval.lower > 0 or interval.upper < 0


def largest_design_effect(member: Share, other: Share) -> float | None:
    """Design effect at which the interval reaches zero; None if it is beyond a thousand.

    Raises
    ------
    ValueError
        If the interval holds zero already, or a base is not known.

    Notes
    -----
    The interval of whole people, exact where a count is small, may leave out zero where that of
    as many effective people holds it: then the design effect is 1.
    """

    def interval(factor: float | None = None) -> Interval:
        found = difference_of(member, other, factor)
        if found is None:
            raise ValueError("a base is not known")
        return found

    def nearest(factor: float) -> float:
        found = interval(factor)
        return found.lower if found.estimate > 0 else -found.upper

    if not _clear(interval()):
        raise ValueError("the interval holds zero")
    if nearest(1.0) <= 0:
        return 1.0
    if nearest(_MOST) > 0:
        return None
    return float(brentq(nearest, 1.0, _MOST, xtol=1e-10))


def _base(line: Line, variant: str) -> dict[str, object]:
    return {
        "check": Check.DESIGN_EFFECT,
        "variant": variant,
        "model": f"printed_{line.slug}",
        "family": Family.PRINTED,
        "outcome": line.outcome,
        "comparator": line.comparator,
        "group": line.group,
        "population": Population.PRINTED,
        "category": line.category,
        "source": PRINTED,
    }


def _scenario(line: Line, factor: float, again: Interval) -> SensitivityRow:
    return SensitivityRow(
        **_base(line, f"design effect {factor:g}"),  # type: ignore[arg-type]
        quantity=Quantity.RISK_DIFFERENCE,
        estimate=again.estimate,
        std_error=again.std_error,
        lower=again.lower,
        upper=again.upper,
        interval_prob=PROB,
        interval_kind=IntervalKind.CONFIDENCE,
        setting=factor,
    )


def _reach(line: Line, member: Share, other: Share) -> SensitivityRow:
    return SensitivityRow(
        **_base(line, Version.REACHES_ZERO),  # type: ignore[arg-type]
        quantity="design_effect",
        estimate=largest_design_effect(member, other),
        note="Design effect at which the interval would reach zero.",
    )
