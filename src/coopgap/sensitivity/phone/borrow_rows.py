"""Rows of the two ways to borrow from the phone interviews, beside the gap in person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import stats

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval, contrasts, wald
from coopgap.core.vocabulary import (
    Check,
    Comparator,
    IntervalKind,
    Population,
    Quantity,
    Verdict,
    Version,
)
from coopgap.sensitivity.keys import with_interval
from coopgap.sensitivity.phone.borrow import (
    Measures,
    averaged_gap,
    discount_posterior,
    measures,
    power_gap,
    robust_mixture,
)
from coopgap.sensitivity.phone.data import LIMITS
from coopgap.sensitivity.phone.discount import Discount
from coopgap.sensitivity.phone.joint import Joint
from coopgap.sensitivity.verdict import compared

DISCOUNTS = tuple(tenth / 10 for tenth in range(11))
"""Fixed discounts of the gap."""

WEIGHTS = (0.8, 0.5, 0.2)
"""Prior weights of the component that the phone interviews inform."""

VAGUE = {"Beta(1, 1)": (1.0, 1.0), "Beta(0.5, 0.5)": (0.5, 0.5)}
"""Vague components: all shares alike, and Jeffreys's, which leans to 0 and 1."""

_PROB = 0.95
_PRIOR_NOTE = (
    "Prior of the discount: uniform on 0 to 1; initial prior of the comparison group's share: "
    "uniform on 0 to 1. Under full agreement: the posterior if the two shares were the same."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """One threshold: what was measured there, and what a gap with borrowing is compared with.

    `in_person` is the gap on the same members, `apart` how far the share by phone lies below the
    one in person.
    """

    measures: Measures
    in_person: Interval
    apart: Interval
    smallest_gap: float


def borrow_rows(
    joint: Joint,
    levels: Sequence[str],
    n_member: int,
    keys: Keys,
    smallest_gap: float,
    first: str = "",
) -> list[SensitivityRow]:
    """Power prior and robust mixture at each threshold.

    Parameters
    ----------
    joint
        Shares of members and of both comparison groups.
    levels
        The outcome's levels, lowest first.
    n_member
        Members before any is left out.
    keys
        Model, outcome and source.
    smallest_gap
        The smallest gap that matters.
    first
        The threshold declared to be first, or empty.

    Returns
    -------
    list of SensitivityRow
        Check `phone_power_prior`: the gap in person, the gap averaged over the discount, and the
        discount with its prior; at one threshold (the declared one, else the middle one) also the
        gap along a fixed discount and the probability of each tenth. Check
        `phone_robust_mixture`: posterior weight and gap by prior weight and vague component.
        Verdicts compare each gap with the in-person one on the same members, as
        `coopgap.sensitivity.phone.gaps` does.

    Notes
    -----
    Variances are widened by (t/z)², t with the clusters' degrees of freedom, so that with the
    phone interviews left out the credible interval is the in-person confidence interval.
    """
    base = SensitivityRow(
        check=Check.PHONE_POWER_PRIOR,
        model=keys.model,
        outcome=keys.outcome,
        comparator=Comparator.PHONE,
        group="all",
        population=Population.MEMBERS,
        source=keys.source,
    )
    at = [contrast for contrast in contrasts(levels) if contrast.is_threshold_gap]
    middle = len(levels) / 2
    main = min(at, key=lambda one: (one.category != first, abs(one.level - middle)))
    told = partial(_told, joint=joint, n_member=n_member)
    result: list[SensitivityRow] = []
    for contrast in at:
        here = replace(base, category=contrast.category, quantity=Quantity.RISK_DIFFERENCE)
        try:
            place = _place(joint, contrast, smallest_gap)
        except NotEstimable as error:
            result += [_refused(row, error.reason) for row in _both(here)]
            continue
        result += _power_rows(place, here, told, whole=contrast == main)
        result += _mixture_rows(place, here, told)
    return sorted(result, key=lambda row: row.check != Check.PHONE_POWER_PRIOR)


type _Told = Callable[[SensitivityRow], SensitivityRow]


def _both(row: SensitivityRow) -> list[SensitivityRow]:
    first = replace(row, variant=Version.AVERAGED)
    mixed = replace(row, check=Check.PHONE_ROBUST_MIXTURE)
    return [first, _mixed(mixed, WEIGHTS[0], next(iter(VAGUE)))]


def _mixed(row: SensitivityRow, weight: float, vague: str) -> SensitivityRow:
    """The row of a mixture."""
    name = f"weight {weight:g}, vague {vague}"
    return replace(row, variant=name, choice=vague, setting=weight)


def _refused(row: SensitivityRow, reason: str) -> SensitivityRow:
    return replace(row, verdict=Verdict.NOT_ASSESSED, note=f"Not estimable: {reason}.")


def _told(row: SensitivityRow, joint: Joint, n_member: int) -> SensitivityRow:
    """A row with what it cannot say, and how many members it leaves out."""
    lost = n_member - joint.n_member
    left = f" Members left out: {lost:,} of {n_member}." if lost else ""
    return replace(row, n=lost, of=n_member, note=f"{LIMITS}{left}")


def _place(joint: Joint, contrast: Contrast, smallest_gap: float) -> _At:
    shares, cov = joint.at_least(contrast.level)
    gap, sign = float(shares[0] - shares[1]), np.array([1.0, -1.0, 0.0])
    std_error = float(np.sqrt(max(sign @ cov @ sign, 0.0)))
    upper = (1 + _PROB) / 2
    # G/(G − 1) = 1 + 1/df: the phone share has the factor and the quantile of its own zones.
    factor = (1 + 1 / joint.df) / (1 + 1 / joint.df[1])
    wider = np.sqrt(factor) * stats.t.ppf(upper, joint.df) / stats.norm.ppf(upper)
    widened = np.outer(wider, wider) * cov
    moved = np.array([0.0, 1.0, -1.0])
    spread = float(np.sqrt(max(moved @ widened @ moved, 0.0)))
    return _At(
        measures=measures(shares, widened),
        in_person=wald(gap, std_error, df=float(joint.df[1]), prob=_PROB, null=0.0),
        apart=wald(float(moved @ shares), spread, df=np.inf, prob=_PROB, null=0.0),
        smallest_gap=smallest_gap,
    )


def _difference(at: _At, again: Interval) -> Interval:
    """A gap with borrowing less the one in person: a part of how far phone answers lie apart."""
    moved = again.estimate - at.in_person.estimate
    part = abs(moved / at.apart.estimate) if at.apart.estimate else 0.0
    half = part * (at.apart.upper - at.apart.estimate)
    return Interval(moved, part * at.apart.std_error, moved - half, moved + half, np.nan)


def _gap_row(at: _At, interval: Interval, base: SensitivityRow) -> SensitivityRow:
    """A gap with borrowing, and what it makes of the one in person."""
    row = replace(
        base,
        estimate=interval.estimate,
        std_error=interval.std_error,
        lower=interval.lower,
        upper=interval.upper,
        interval_prob=_PROB,
        interval_kind=IntervalKind.CREDIBLE,
    )
    return compared(row, at.in_person, interval, _difference(at, interval), at.smallest_gap)


def _power_rows(
    at: _At, base: SensitivityRow, told: _Told, *, whole: bool
) -> Iterator[SensitivityRow]:
    found = discount_posterior(at.measures)
    alike = discount_posterior(replace(at.measures, phone=at.measures.in_person))
    alone = replace(
        with_interval(replace(base, variant=Version.IN_PERSON), at.in_person, _PROB),
        comparator=Comparator.COMPARISON,
    )
    yield alone
    named = replace(base, variant=Version.AVERAGED)
    yield told(_gap_row(at, averaged_gap(at.measures, found), named))
    tail = (1 - _PROB) / 2
    yield replace(
        _discount_row(base, Version.PRIOR, 0.5, tail, 1 - tail),
        std_error=12**-0.5,
        note=_PRIOR_NOTE,
    )
    for name, one in ((Version.POSTERIOR, found), (Version.AGREED, alike)):
        row = _discount_row(base, name, one.mean, one.lower, one.upper)
        yield replace(row, std_error=_spread(one))
    if whole:
        for discount in DISCOUNTS:
            named = replace(base, variant=f"phone counts {discount:.1f}", setting=discount)
            yield _gap_row(at, power_gap(at.measures, discount), named)
        for low, high, probability in zip(DISCOUNTS, DISCOUNTS[1:], found.tenths, strict=False):
            yield replace(
                base,
                variant=f"discount {low:.1f} to {high:.1f}",
                quantity="discount_probability",
                estimate=float(probability),
                setting=low,
            )


def _spread(discount: Discount) -> float:
    """Posterior standard deviation."""
    return float(np.sqrt(discount.mass @ (discount.grid - discount.mean) ** 2))


def _discount_row(
    base: SensitivityRow, name: str, mean: float, lower: float, upper: float
) -> SensitivityRow:
    return replace(
        base,
        variant=name,
        quantity="discount",
        estimate=mean,
        lower=lower,
        upper=upper,
        interval_prob=_PROB,
        interval_kind=IntervalKind.CREDIBLE,
    )


def _mixture_rows(at: _At, base: SensitivityRow, told: _Told) -> Iterator[SensitivityRow]:
    base = replace(base, check=Check.PHONE_ROBUST_MIXTURE)
    for weight in WEIGHTS:
        for vague, params in VAGUE.items():
            posterior, interval = robust_mixture(at.measures, weight, params)
            mixed = _mixed(base, weight, vague)
            yield replace(mixed, quantity="phone_weight", estimate=posterior)
            yield told(_gap_row(at, interval, mixed))
