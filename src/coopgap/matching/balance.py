"""Balance of covariates, and of declared interactions, before and after matching."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.estimate import BalanceRow, finite
from coopgap.core.gap import smallest_by_level
from coopgap.core.vocabulary import Use
from coopgap.matching.sample import MatchedSample, combined_weight
from coopgap.survey.cells import group_codes
from coopgap.survey.records import ModelRows


def smd(
    member: FloatArray, comparison: FloatArray, scale_member: FloatArray, scale_other: FloatArray
) -> FloatArray:
    """Standardised differences of shares, over the shares of the two unmatched groups.

    NaN where the denominator is zero and the shares differ; zero where both are the same. The
    denominator is √((v₁ + v₀)/2), v the variance p(1 − p) of the indicator in each unmatched group.
    It is the same before and after matching: otherwise matching could move it (Austin 2009; Stuart
    2010, for one denominator).
    """
    pooled = np.sqrt((scale_member * (1 - scale_member) + scale_other * (1 - scale_other)) / 2)
    gap = member - comparison
    # Shares that agree up to rounding agree: the table must not depend on summation order.
    gap = np.where(np.abs(gap) < 1e-12, 0.0, gap)
    fallback = np.where(gap == 0, 0.0, np.nan)
    return np.divide(gap, pooled, out=fallback, where=pooled > 0)


def multinomial_smd(member: FloatArray, comparison: FloatArray) -> float:
    """One standardised difference of two distributions (J,) over the same levels.

    √(d'S⁻d) with d the difference of shares and S the mean of the two multinomial covariances. For
    two levels the absolute ordinary standardised difference. Yang & Dalton (2012), SAS Global Forum
    335.
    """
    gap = member - comparison
    covs = [np.diag(p) - np.outer(p, p) for p in (member, comparison)]
    inverse = np.linalg.pinv((covs[0] + covs[1]) / 2, hermitian=True)
    return float(np.sqrt(gap @ inverse @ gap))


def level_shares(codes: IntArray, weight: FloatArray, n_levels: int) -> FloatArray:
    """Weighted share of each level, NaN without any weight; people with code -1 are left out."""
    known = codes >= 0
    total = np.bincount(codes[known], weights=weight[known], minlength=n_levels)
    everyone = float(total.sum())
    return total / everyone if everyone > 0 else np.full(n_levels, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelBalance:
    """Shares of one covariate's levels in four groups, each of shape (J,).

    `member_before` and `comparison_before` are the unmatched groups under sampling weights,
    `member` and `comparison_after` the groups kept, under sampling times matching weights.
    """

    member_before: FloatArray
    member: FloatArray
    comparison_before: FloatArray
    comparison_after: FloatArray

    @property
    def smd_before(self) -> FloatArray:
        """All members against the whole comparison group."""
        return smd(
            self.member_before, self.comparison_before, self.member_before, self.comparison_before
        )

    @property
    def smd_after(self) -> FloatArray:
        """Members kept against the matched comparison group, over the unmatched groups' SD."""
        return smd(self.member, self.comparison_after, self.member_before, self.comparison_before)


def level_balance(
    codes: IntArray,
    n_levels: int,
    member: BoolArray,
    sampling_weight: FloatArray,
    matching_weight: FloatArray,
) -> LevelBalance:
    """Shares of one covariate's levels before and after matching; code -1 is no answer."""
    after = combined_weight(sampling_weight, matching_weight)
    return LevelBalance(
        member_before=level_shares(codes, sampling_weight * member, n_levels),
        member=level_shares(codes, after * member, n_levels),
        comparison_before=level_shares(codes, sampling_weight * ~member, n_levels),
        comparison_after=level_shares(codes, after * ~member, n_levels),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberBalance:
    """A numeric covariate before or after matching.

    `member` and `comparison` are means, `smd` has the unmatched groups' standard deviations below,
    and `ks` is the largest distance of the two distribution functions.
    """

    member: float
    comparison: float
    member_sd: float
    comparison_sd: float
    smd: float
    variance_ratio: float
    ks: float


def number_balance(
    codes: IntArray,
    values: FloatArray,
    member: BoolArray,
    sampling_weight: FloatArray,
    matching_weight: FloatArray,
) -> tuple[NumberBalance, NumberBalance]:
    """Balance of a numeric covariate before and after matching; arguments of `level_balance`.

    `codes` are positions among `values` (m,), increasing. Variances are those of the weighted
    people themselves, as p(1 − p) is of an indicator, so that a number of two values has the
    balance of the binary variable.
    """
    shares = level_balance(codes, values.size, member, sampling_weight, matching_weight)
    before = shares.member_before, shares.comparison_before
    after = shares.member, shares.comparison_after
    pooled = np.sqrt(sum(_variance(values, side) for side in before) / 2)
    return _of_numbers(values, *before, pooled), _of_numbers(values, *after, pooled)


def _variance(values: FloatArray, shares: FloatArray) -> float:
    return float(shares @ (values - shares @ values) ** 2)


def _of_numbers(
    values: FloatArray, member: FloatArray, comparison: FloatArray, pooled: float
) -> NumberBalance:
    """Of the shares of two groups at each value."""
    gap = float(member @ values - comparison @ values)
    # Means that agree up to rounding agree: the table must not depend on summation order.
    gap = 0.0 if abs(gap) < 1e-12 * float(np.abs(values).max()) else gap
    spread, below = _variance(values, member), _variance(values, comparison)
    return NumberBalance(
        member=float(member @ values),
        comparison=float(comparison @ values),
        member_sd=spread**0.5,
        comparison_sd=below**0.5,
        smd=gap / pooled if pooled > 0 else np.nan,
        variance_ratio=spread / below if below > 0 else np.nan,
        ks=float(np.abs(np.cumsum(member - comparison)).max()),
    )


def largest_smd_after(rows: ModelRows, matched: MatchedSample) -> tuple[float, str, str]:
    """Largest absolute standardised difference left by the matching, its variable and level.

    Every variable of `rows.factors` counts, matched on or not; a numeric one has no level. NaN and
    empty names if there is none.
    """
    largest, variable, level = np.nan, "", ""
    for name, codes in rows.factors.items():
        for place, value in _smd_after(rows, name, codes, matched.weight):
            if np.isfinite(value) and not abs(value) <= largest:
                largest, variable, level = abs(value), name, place
    return largest, variable, level


def _smd_after(
    rows: ModelRows, name: str, codes: IntArray, weight: FloatArray
) -> Iterator[tuple[str, float]]:
    """Standardised differences left of one variable, by level."""
    data = rows.member, rows.weight, weight
    if name in rows.numeric:
        yield "", number_balance(codes, rows.numeric[name].values, *data)[1].smd
        return
    labels = rows.factor_levels[name]
    for level, value in zip(
        labels, level_balance(codes, len(labels), *data).smd_after, strict=True
    ):
        yield level, float(value)


def balance_rows(
    rows: ModelRows,
    matched: MatchedSample,
    *,
    model: str,
    group: str,
    source: str,
    nominal: Collection[str] = (),
    use: Mapping[str, Use] | None = None,
    missing: Mapping[str, tuple[int, int]] | None = None,
) -> list[BalanceRow]:
    """A row for each level of every variable of `rows.factors`, and one for a numeric one.

    `use` and `missing` are by variable what the model does with it, and members and comparison
    people without an answer; of `nominal` variables cumulative differences stay empty, and without
    a matching nothing stands after it.

    Notes
    -----
    `member_mean` is the share of the members kept, `member_mean_before` of all; `smd_before`,
    `variance_ratio_before` and `ks_before` compare all members with the whole comparison group, so
    that members lost by the matching show in the change. Both SMDs share one denominator (see
    `smd`). The cumulative difference at a level is |F₁ − F₀| there; the largest over the levels of
    a variable is its Kolmogorov–Smirnov distance.
    """
    result: list[BalanceRow] = []
    for name in rows.factors:
        lacking = (missing or {}).get(name, (None, None))
        keys: dict[str, Any] = {
            "model": model,
            "group": group,
            "covariate": name,
            "use": (use or {}).get(name),
            "missing_member": lacking[0],
            "missing_comparison": lacking[1],
            "source": source,
        }
        if name in rows.numeric:
            result.append(_number_row(rows, name, matched, keys))
        else:
            result += _level_rows(rows, name, matched, keys, ordered=name not in nominal)
    return result


def _level_rows(
    rows: ModelRows, name: str, matched: MatchedSample, keys: Mapping[str, Any], *, ordered: bool
) -> Iterator[BalanceRow]:
    """A row a level; where levels are not `ordered`, without their cumulative differences."""
    codes, labels, after = rows.factors[name], rows.factor_levels[name], _after(matched)
    shares = level_balance(codes, len(labels), rows.member, rows.weight, matched.weight)
    smds = shares.smd_before, shares.smd_after
    sides = (
        (shares.member_before, shares.comparison_before),
        (shares.member, shares.comparison_after),
    )
    ratios = [_variance_ratio(*side) for side in sides]
    steps = [np.abs(np.cumsum(member - comparison)) for member, comparison in sides]
    counts = _counts(codes, len(labels), rows.member, matched.weight > 0)
    people = _asked(counts)
    fewest = smallest_by_level(people)
    for at, level in enumerate(labels):
        yield BalanceRow(
            level=level,
            member_mean_before=finite(shares.member_before[at]),
            member_mean=finite(shares.member[at]),
            comparison_mean_before=finite(shares.comparison_before[at]),
            comparison_mean_after=after(shares.comparison_after[at]),
            smd_before=finite(smds[0][at]),
            smd_after=after(smds[1][at]),
            variance_ratio_before=finite(ratios[0][at]),
            variance_ratio_after=after(ratios[1][at]),
            ks_before=finite(steps[0][at]) if ordered else None,
            ks_after=after(steps[1][at]) if ordered else None,
            n_smaller=int(people.sum(axis=1).min()),
            n_fewest=int(fewest[at]),
            **_people(counts[:, at], matched),
            **keys,
        )


def _number_row(
    rows: ModelRows, name: str, matched: MatchedSample, keys: Mapping[str, Any]
) -> BalanceRow:
    """The one row of a numeric covariate: means in place of shares, no level."""
    codes, after = rows.factors[name], _after(matched)
    data = rows.member, rows.weight, matched.weight
    before, left = number_balance(codes, rows.numeric[name].values, *data)
    counts = _counts(np.minimum(codes, 0), 1, rows.member, matched.weight > 0)
    return BalanceRow(
        level="",
        member_mean_before=finite(before.member),
        member_sd_before=finite(before.member_sd),
        member_sd=finite(left.member_sd),
        comparison_sd_before=finite(before.comparison_sd),
        comparison_sd_after=after(left.comparison_sd),
        member_mean=finite(left.member),
        comparison_mean_before=finite(before.comparison),
        comparison_mean_after=after(left.comparison),
        smd_before=finite(before.smd),
        smd_after=after(left.smd),
        variance_ratio_before=finite(before.variance_ratio),
        variance_ratio_after=after(left.variance_ratio),
        ks_before=finite(before.ks),
        ks_after=after(left.ks),
        n_smaller=int(_asked(counts).sum(axis=1).min()),
        **_people(counts[:, 0], matched),
        **keys,
    )


def _counts(codes: IntArray, n_levels: int, member: BoolArray, kept: BoolArray) -> IntArray:
    """People by level of each group, before and after matching, shape (4, J)."""
    known = codes >= 0
    groups = (member, ~member, member & kept, ~member & kept)
    return np.stack([np.bincount(codes[known & one], minlength=n_levels) for one in groups])


def _asked(counts: IntArray) -> IntArray:
    """The groups of `_counts` that were asked: of such a question there may be fewer than four."""
    return counts[counts.any(axis=1)] if counts.any() else counts


def _people(counts: IntArray, matched: MatchedSample) -> dict[str, Any]:
    """Counts at one level, shape (4,), by column."""
    after = [None, None] if matched.method == "none" else [int(one) for one in counts[2:]]
    return {
        "n_member_before": int(counts[0]),
        "n_comparison_before": int(counts[1]),
        "n_member_after": after[0],
        "n_comparison_after": after[1],
    }


def _variance_ratio(member: FloatArray, comparison: FloatArray) -> FloatArray:
    below = comparison * (1 - comparison)
    empty = np.full(member.size, np.nan)
    return np.asarray(np.divide(member * (1 - member), below, out=empty, where=below > 0))


def _after(matched: MatchedSample) -> Callable[[float], float | None]:
    """A number after the matching; none where nobody was matched."""
    return (lambda value: None) if matched.method == "none" else finite


def with_interactions(rows: ModelRows, interactions: Iterable[Sequence[str]]) -> ModelRows:
    """Rows whose factors hold the cross-levels of several variables too.

    A factor `A:B` with the levels `a:b` that occur, in the order of the variables' levels.
    """
    factors, labels = dict(rows.factors), dict(rows.factor_levels)
    for names in interactions:
        crossed, codes = group_codes([rows.factors[name] for name in names])
        levels = [rows.factor_levels[name] for name in names]
        factors[":".join(names)] = codes
        labels[":".join(names)] = tuple(
            ":".join(of[code] for of, code in zip(levels, row, strict=True)) for row in crossed
        )
    return replace(rows, factors=factors, factor_levels=labels)
