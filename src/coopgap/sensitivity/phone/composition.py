"""Who answered by phone: composition against the in-person comparison group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import linalg

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import cluster_sums, smallest_by_level, wald, wald_interval
from coopgap.core.tails import chi2_above, f_above
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import FEW_CLUSTERS
from coopgap.matching.balance import level_balance, level_shares, number_balance, smd
from coopgap.matching.feasibility import SMD_BAR
from coopgap.matching.sample import combined_weight
from coopgap.sensitivity.keys import with_interval
from coopgap.sensitivity.phone.balanced import Balanced, balanced_margins, columns
from coopgap.sensitivity.phone.data import LIMITS, PhoneData, stack
from coopgap.sensitivity.phone.sides import fewest_zones, satterthwaite, side_errors
from coopgap.survey.records import ModelRows

__all__ = ["RaoScott", "composition_rows", "rao_scott"]

_LEVEL = 0.05

_TEST = (
    "Rao–Scott second-order F test that phone and in-person comparison people have the same "
    "margins; verdict: changes if a standardised difference exceeds the bar and the test "
    "rejects at 5 %, inconclusive if only the first, holds otherwise."
)

_FEW = f"No interval: fewer than {FEW_CLUSTERS} zones."


class RaoScott(NamedTuple):
    """A Rao–Scott test; `p_value` is NaN where there are too few clusters."""

    statistic: float
    df: float
    df_denominator: float
    p_value: float


def rao_scott(rows: ModelRows, names: Sequence[str]) -> RaoScott:
    """Test that two groups of people have the same margins of several variables.

    Parameters
    ----------
    rows
        The two groups are told apart by `member`.
    names
        Factors whose level shares are compared, together.

    Returns
    -------
    RaoScott

    Notes
    -----
    d is the vector of share differences, V₀ their covariance if the two groups were simple random
    samples of one population, V the clustered covariance. d'V₀⁻d is distributed as Σ λ χ²₁ with λ
    the eigenvalues of V₀⁻V; it is divided by Σλ and referred to F with (Σλ)²/Σλ² and
    (Σλ)²/Σλ² · f degrees of freedom, f those of Satterthwaite over the two groups' parts of Σλ, at
    most G − 1. For one variable and independent people d'V₀⁻d is
    Pearson's chi-square.

    References
    ----------
    Rao & Scott (1984), Annals of Statistics 12(1); Thomas & Rao (1987), JASA 82.
    """
    x = columns(rows, names)
    first, weight = rows.member, rows.weight
    q = weight / np.where(first, weight[first].sum(), weight[~first].sum())
    means = np.where(first[:, None], q[first] @ x[first], q[~first] @ x[~first])
    gap = q[first] @ x[first] - q[~first] @ x[~first]
    pooled = x - np.average(x, axis=0, weights=weight)
    spread = (pooled * (weight / weight.sum())[:, None]).T @ pooled
    simple = spread * (1 / first.sum() + 1 / (~first).sum())
    unit = np.where(first, 1.0, -1.0)[:, None] * (x - means) * q[:, None]
    errors = side_errors(unit, first, rows.zone)
    inverse = linalg.pinvh(simple, rtol=1e-10)
    scales = inverse @ errors.cov
    total, squares = float(np.trace(scales)), float(np.sum(scales * scales.T))
    if not total > 0:
        return RaoScott(np.nan, np.nan, np.nan, np.nan)
    statistic, df = float(gap @ inverse @ gap) / total, total**2 / squares
    parts = np.array([float(np.trace(inverse @ side)) for side in errors.sides])
    df_cluster = errors.df if rows.zone is None else satterthwaite(parts, errors.own_df, errors.df)
    fewest = fewest_zones(rows)
    if fewest is not None and fewest < FEW_CLUSTERS:
        p_value = np.nan
    elif np.isinf(df_cluster):
        p_value = chi2_above(statistic * df, df)
    else:
        p_value = f_above(statistic, df, df * df_cluster)
    return RaoScott(statistic, df, df * df_cluster, p_value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """One level: shares by phone and in person with standard errors, and their SMD.

    A numeric variable has means and no level.

    Standard errors are NaN where a side has too few zones for one. `fewest` are the people at the
    level or not at it, on the side where they are fewest.
    """

    variable: str
    level: str
    shares: FloatArray
    std_errors: FloatArray
    smd: float
    df: FloatArray
    fewest: int | None

    @property
    def category(self) -> str:
        """`VARIABLE=LEVEL`, or the numeric variable."""
        return _category(self.variable, self.level)


def _category(variable: str, level: str) -> str:
    return f"{variable}={level}" if level else variable


def composition_rows(
    data: PhoneData, names: Sequence[str], covariates: Sequence[str], keys: Keys
) -> list[SensitivityRow]:
    """Shares, standardised differences, one overall test, and what balancing leaves.

    Parameters
    ----------
    data
        People by mode.
    names
        Variables compared.
    covariates
        Variables that are balanced.
    keys
        Model, outcome and source.
    """
    base = SensitivityRow(
        check=Check.PHONE_COMPOSITION,
        model=keys.model,
        outcome=keys.outcome,
        comparator=Comparator.COMPARISON,
        source=keys.source,
    )
    rows = stack(data.called, data.comparison)
    levels = [found for name in names for found in _compare(rows, name)]
    smaller = min(data.called.n, data.comparison.n)
    base = replace(base, n_smaller=smaller, n_fewest=smaller)
    result = [row for found in levels for row in _level_rows(found, base)]
    result += [_test_row(rows, (name,), levels, base) for name in names]
    if len(names) > 1:
        result.append(_test_row(rows, tuple(names), levels, base))
    result += _balancing_rows(data, names, covariates, base)
    fewest = {found.category: found.fewest for found in levels}
    return [replace(row, n_fewest=fewest.get(row.category, row.n_fewest)) for row in result]


def _compare(rows: ModelRows, name: str) -> Iterator[_Compared]:
    ones = np.ones(rows.n)
    if name in rows.numeric:
        yield _compare_numbers(rows, name, ones)
        return
    codes, labels = rows.factors[name], rows.factor_levels[name]
    found = level_balance(codes, len(labels), rows.member, rows.weight, ones)
    answers = np.asarray(codes[:, None] == np.arange(len(labels)), dtype=np.float64)
    errors, dfs = _errors(rows, answers, (found.member, found.comparison_before))
    sides = [
        np.bincount(codes[side], minlength=len(labels)) for side in (rows.member, ~rows.member)
    ]
    fewest = smallest_by_level(np.stack(sides))
    for at, level in enumerate(labels):
        yield _Compared(
            variable=name,
            level=level,
            shares=np.array([found.member[at], found.comparison_before[at]]),
            std_errors=errors[:, at],
            smd=float(found.smd_before[at]),
            df=dfs,
            fewest=int(fewest[at]),
        )


def _compare_numbers(rows: ModelRows, name: str, ones: FloatArray) -> _Compared:
    """Means of a numeric variable."""
    values, codes = rows.numeric[name].values, rows.factors[name]
    found, _ = number_balance(codes, values, rows.member, rows.weight, ones)
    means = np.array([found.member, found.comparison])
    errors, dfs = _errors(rows, values[codes, None], (means[:1], means[1:]))
    return _Compared(
        variable=name,
        level="",
        shares=means,
        std_errors=errors[:, 0],
        smd=found.smd,
        df=dfs,
        fewest=None,
    )


def _errors(
    rows: ModelRows, answers: FloatArray, centres: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Standard errors of both sides' means, shape (2, k), and their degrees of freedom."""
    errors, dfs = [], []
    for side, means in zip((rows.member, ~rows.member), centres, strict=True):
        unit = (answers - means)[side] * (rows.weight[side] / rows.weight[side].sum())[:, None]
        sums, factor, df = cluster_sums(unit, None if rows.zone is None else rows.zone[side])
        known = df + 1 >= FEW_CLUSTERS
        errors.append(np.sqrt(factor * (sums**2).sum(axis=0)) if known else means * np.nan)
        dfs.append(df)
    return np.stack(errors), np.array(dfs)


def _level_rows(found: _Compared, base: SensitivityRow) -> Iterator[SensitivityRow]:
    category = found.category
    base = replace(base, about=found.variable, choice=found.level)
    quantity = Quantity.SHARE if found.level else "mean"
    for mode, share, std_error, df in zip(
        (Version.PHONE, Version.IN_PERSON), found.shares, found.std_errors, found.df, strict=True
    ):
        row = replace(
            base,
            variant=mode,
            quantity=quantity,
            category=category,
            estimate=float(share),
        )
        if not std_error > 0:
            yield row if std_error == 0 else replace(row, note=_FEW)
            continue
        value, error, of_t = float(share), float(std_error), float(df)
        if not found.level:
            mean = wald(value, error, df=of_t, prob=INTERVAL_PROB, null=np.nan)
            yield with_interval(row, mean)
            continue
        interval = wald_interval(Quantity.SHARE, value, error, df=of_t, prob=INTERVAL_PROB)
        bare = replace(row, std_error=interval.std_error)
        yield with_interval(row, interval) if 0 < share < 1 else bare
    yield replace(
        base,
        quantity="smd",
        category=category,
        estimate=found.smd if np.isfinite(found.smd) else None,
        threshold=SMD_BAR,
        verdict=_by_smd([found]),
    )


def _by_smd(levels: Sequence[_Compared]) -> Verdict:
    """`holds` where no standardised difference exceeds the bar, `changes` otherwise.

    One that is NaN has two groups without anybody in common, which is as far apart as can be.
    """
    return Verdict.HOLDS if all(abs(one.smd) <= SMD_BAR for one in levels) else Verdict.CHANGES


def _by_test(levels: Sequence[_Compared], p_value: float) -> Verdict:
    """As `_by_smd`, but a difference that chance accounts for is `inconclusive`.

    With 250 interviews a standardised difference has a standard error of about 0.07: some level
    of several exceeds 0.1 by chance more often than not.
    """
    found = _by_smd(levels)
    if found is Verdict.CHANGES and not p_value < _LEVEL:
        return Verdict.INCONCLUSIVE
    return found


def _test_row(
    rows: ModelRows, names: tuple[str, ...], levels: Sequence[_Compared], base: SensitivityRow
) -> SensitivityRow:
    test = rao_scott(rows, names)
    concerned = [one for one in levels if one.variable in names]
    return replace(
        base,
        quantity="rao_scott_f",
        category=names[0] if len(names) == 1 else "",
        about=names[0] if len(names) == 1 else "",
        estimate=test.statistic if np.isfinite(test.statistic) else None,
        p_value=test.p_value if np.isfinite(test.p_value) else None,
        threshold=SMD_BAR,
        verdict=_by_test(concerned, test.p_value),
        note=_TEST,
    )


def _balancing_rows(
    data: PhoneData, names: Sequence[str], covariates: Sequence[str], base: SensitivityRow
) -> list[SensitivityRow]:
    """What balancing the phone people to the in-person margins leaves."""
    base = replace(base, variant=Version.BALANCED)
    rows = stack(data.comparison, data.called)
    try:
        found = balanced_margins(rows, covariates)
    except NotEstimable as error:
        note = f"The phone people cannot be balanced to the in-person margins: {error.reason}."
        return [replace(base, quantity="ess", verdict=Verdict.NOT_ASSESSED, note=note)]
    largest, variable, level = _largest_after(rows, found, names)
    lost = int((rows.member & ~(found.matched.weight > 0)).sum())
    note = f"People the balanced phone interviews are worth, of {data.called.n}. {LIMITS}"
    unmatched = replace(
        base,
        quantity="unmatched_share",
        estimate=lost / data.comparison.n,
        n=lost,
        of=data.comparison.n,
        note=f"In-person comparison people at a level without phone people: {lost:,}.",
    )
    left = replace(
        base,
        quantity="largest_smd",
        category=_category(variable, level),
        about=variable,
        choice=level,
        estimate=largest,
        threshold=SMD_BAR,
        verdict=Verdict.CHANGES if largest > SMD_BAR else Verdict.HOLDS,
        note="Largest standardised difference to everybody in person that balancing leaves.",
    )
    size = replace(base, quantity="ess", estimate=found.ess, of=data.called.n, note=note)
    return [size, left, unmatched]


def _largest_after(
    rows: ModelRows, found: Balanced, names: Sequence[str]
) -> tuple[float, str, str]:
    """Of all people in person against the balanced phone people, with its variable and level."""
    weight = combined_weight(rows.weight, found.matched.weight)
    largest, variable, at = 0.0, "", ""
    for name in names:
        codes, labels = rows.factors[name], rows.factor_levels[name]
        if name in rows.numeric:
            value = _left_of_numbers(rows, name, weight)
            if value > largest:
                largest, variable, at = value, name, ""
            continue
        everybody, called, balanced = (
            level_shares(codes, one, len(labels))
            for one in (
                rows.weight * rows.member,
                rows.weight * ~rows.member,
                weight * ~rows.member,
            )
        )
        left = np.abs(smd(everybody, balanced, everybody, called))
        for level, value in zip(labels, left, strict=True):
            if value > largest:
                largest, variable, at = float(value), name, level
    return largest, variable, at


def _left_of_numbers(rows: ModelRows, name: str, weight: FloatArray) -> float:
    """The same of a numeric variable's mean."""
    values = rows.numeric[name].values[rows.factors[name]]
    groups = rows.weight * rows.member, rows.weight * ~rows.member, weight * ~rows.member
    everybody, called, balanced = (float(np.average(values, weights=one)) for one in groups)
    variances = [
        float(np.average((values - mean) ** 2, weights=one))
        for one, mean in zip(groups, (everybody, called), strict=False)
    ]
    pooled = float(np.sqrt(np.mean(variances)))
    return abs(everybody - balanced) / pooled if pooled > 0 else 0.0
