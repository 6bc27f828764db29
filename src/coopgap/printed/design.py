"""How alike the printed members and non-members are, from Tables 1 and 2 alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from coopgap.arrays import FloatArray, IntArray
from coopgap.estimate import DiagnosticRow
from coopgap.matching.balance import multinomial_smd
from coopgap.printed.registry import Registry
from coopgap.vocabulary import PRINTED

__all__ = ["design_rows", "standardised_bounds"]

TRUST = "most people in the community can be trusted"


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
        Extremes of Σ target p over 0 ≤ p ≤ 1 with Σ own p = share.

    Notes
    -----
    A fractional knapsack: fill the levels in the order of target over own.
    """
    order = np.argsort(target / own)

    def fill(levels: IntArray) -> float:
        left, total = share, 0.0
        for level in levels:
            part = min(left, float(own[level]))
            total += float(target[level]) * part / float(own[level])
            left -= part
        return total

    return fill(order), fill(order[::-1])


def design_rows(registry: Registry) -> Iterator[DiagnosticRow]:
    """Balance of age and sex, one-to-one pairs, and what standardising the trust gap could do."""
    trust = registry.one(item=TRUST, group="non-member", category="agree")
    for item, place in (("age", "Table 1"), ("sex", "Table 2")):
        member, comparison = _table(registry, item, place)
        test = stats.chi2_contingency([member, comparison], correction=False)
        own, target = comparison / comparison.sum(), member / member.sum()
        yield _row(
            f"{item}_chi2",
            float(test.statistic),
            f"{place}: chi-square of {item} by membership, degrees of freedom: {test.dof}.",
        )
        yield _row(
            f"{item}_smd",
            multinomial_smd(target, own),
            f"{place}: multinomial standardised difference of {item} between the printed groups.",
            bar=0.1,
        )
        low, high = standardised_bounds(trust.share, own, target)
        for end, value in (("lower", low), ("upper", high)):
            yield _row(
                f"trust_standardised_to_member_{item}_{end}",
                value,
                f"Sharp bound, from {item} alone, of the non-members' printed {trust.value:g} "
                f"percent standardised to the members' {item}.",
            )
    member, comparison = _table(registry, "age", "Table 1")
    yield _row(
        "age_pairs",
        float(np.minimum(member, comparison).sum()),
        "The most one-to-one pairs of the same age band that the printed groups allow.",
    )


def _table(registry: Registry, item: str, place: str) -> tuple[IntArray, IntArray]:
    counts = [
        [int(row.value) for row in registry.find(item=item, group=group, place=place)]
        for group in ("member", "non-member")
    ]
    return np.array(counts[0]), np.array(counts[1])


def _row(name: str, value: float, note: str, bar: float | None = None) -> DiagnosticRow:
    return DiagnosticRow(
        model=PRINTED,
        diagnostic=name,
        value=value,
        bar=bar,
        passed=None if bar is None else value <= bar,
        note=note,
        source=PRINTED,
    )
