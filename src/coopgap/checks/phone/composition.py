"""Who answered by phone: composition against the in-person comparison group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import linalg

from coopgap.checks.balance import (
    Balanced,
    columns,
    fewest_zones,
    satterthwaite,
    side_errors,
)
from coopgap.checks.by_mode import PhoneStudy, reached
from coopgap.checks.compare import numbers_of
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, check
from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow, finite
from coopgap.core.gap import cluster_sums, smallest_by_level, wald, wald_interval
from coopgap.core.tails import chi2_above, f_above
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import FEW_CLUSTERS
from coopgap.matching.balance import level_balance, level_shares, number_balance, smd
from coopgap.matching.feasibility import SMD_BAR, place_name
from coopgap.survey.records import ModelRows

_LEVEL = 0.05

_TEST = (
    "Rao–Scott second-order F test that phone and in-person comparison people have the same "
    "margins; verdict: changes if a standardised difference exceeds the bar and the test "
    "rejects at 5 %, inconclusive if only the first, holds otherwise."
)

_FEW = f"No interval: fewer than {FEW_CLUSTERS} zones."


@check(
    Check.PHONE_COMPOSITION,
    title="Who was reached by phone",
    question="Who was reached by phone, and can they be weighted to stand for those in person?",
    topic=None,
    needs=(reached,),
    of_model=True,
    order=30,
)
def composition(context: Context) -> list[SensitivityRow]:
    """Of the covariates, which are balanced, and of the exact strata."""
    spec = context.spec
    names = tuple(dict.fromkeys((*spec.covariates, *spec.matching.on)))
    if not names:
        raise NotApplicable("The model has no covariates to compare.")
    return composition_rows(context.phone, names, context.keys)


def composition_rows(phone: PhoneStudy, names: Sequence[str], keys: Keys) -> list[SensitivityRow]:
    """Shares of some variables, standardised differences, tests, and what balancing leaves."""
    smaller = min(phone.called.n, phone.comparison.n)
    base = SensitivityRow(
        check=Check.PHONE_COMPOSITION,
        model=keys.model,
        outcome=keys.outcome,
        comparator=Comparator.COMPARISON,
        n_smaller=smaller,
        n_fewest=smaller,
        source=keys.source,
    )
    rows = phone.pair("called", "comparison")
    levels = [level for name in names for level in _compare(rows, name)]
    result = [row for level in levels for row in _level_rows(level, base)]
    result += [_test_row(rows, (name,), levels, base) for name in names]
    if len(names) > 1:
        result.append(_test_row(rows, tuple(names), levels, base))
    result += _balancing_rows(phone, names, base)
    fewest = {level.category: level.fewest for level in levels}
    return [replace(row, n_fewest=fewest.get(row.category, row.n_fewest)) for row in result]


class RaoScott(NamedTuple):
    """A Rao–Scott test; `p_value` is NaN where there are too few clusters."""

    statistic: float
    df: float
    df_denominator: float
    p_value: float


def rao_scott(rows: ModelRows, names: Sequence[str]) -> RaoScott:
    """Test that two groups of people, members and others, have the same margins of some factors.

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
    sides = q[first] @ x[first], q[~first] @ x[~first]
    gap = sides[0] - sides[1]
    pooled = x - np.average(x, axis=0, weights=weight)
    spread = (pooled * (weight / weight.sum())[:, None]).T @ pooled
    simple = spread * (1 / first.sum() + 1 / (~first).sum())
    away = x - np.where(first[:, None], *sides)
    errors = side_errors(np.where(first, 1.0, -1.0)[:, None] * away * q[:, None], first, rows.zone)
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
class _Level:
    """One level, or a numeric variable's mean: by phone and in person, and their SMD.

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
        return place_name(self.variable, self.level)


def _compare(rows: ModelRows, name: str) -> Iterator[_Level]:
    codes, labels, ones = rows.factors[name], rows.factor_levels[name], np.ones(rows.n)
    fewest: Sequence[int | None]
    if name in rows.numeric:
        values = rows.numeric[name].values
        number, _ = number_balance(codes, values, rows.member, rows.weight, ones)
        answers, labels, smds, fewest = values[codes, None], ("",), np.array([number.smd]), [None]
        sides = np.array([[number.member], [number.comparison]])
    else:
        by_level = level_balance(codes, len(labels), rows.member, rows.weight, ones)
        answers = np.asarray(codes[:, None] == np.arange(len(labels)), dtype=np.float64)
        sides, smds = np.stack([by_level.member, by_level.comparison_before]), by_level.smd_before
        people = [np.bincount(codes[side], minlength=len(labels)) for side in _sides(rows)]
        fewest = [int(one) for one in smallest_by_level(np.stack(people))]
    errors, dfs = [], []
    for side, means in zip(_sides(rows), sides, strict=True):
        unit = (answers - means)[side] * (rows.weight[side] / rows.weight[side].sum())[:, None]
        sums, factor, df = cluster_sums(unit, None if rows.zone is None else rows.zone[side])
        known = df + 1 >= FEW_CLUSTERS
        errors.append(np.sqrt(factor * (sums**2).sum(axis=0)) if known else means * np.nan)
        dfs.append(df)
    for at, level in enumerate(labels):
        yield _Level(
            variable=name,
            level=level,
            shares=sides[:, at],
            std_errors=np.array([error[at] for error in errors]),
            smd=float(smds[at]),
            df=np.array(dfs),
            fewest=fewest[at],
        )


def _sides(rows: ModelRows) -> tuple[BoolArray, BoolArray]:
    return rows.member, ~rows.member


def _level_rows(level: _Level, base: SensitivityRow) -> Iterator[SensitivityRow]:
    base = replace(base, category=level.category, about=level.variable, choice=level.level)
    quantity = Quantity.SHARE if level.level else "mean"
    for mode, share, std_error, df in zip(
        (Version.PHONE, Version.IN_PERSON), level.shares, level.std_errors, level.df, strict=True
    ):
        value, error, of_t = float(share), float(std_error), float(df)
        row = replace(base, variant=mode, quantity=quantity, estimate=value)
        if not error > 0:
            yield row if error == 0 else replace(row, note=_FEW)
        elif not level.level:
            mean = wald(value, error, df=of_t, prob=INTERVAL_PROB, null=np.nan)
            yield replace(row, **numbers_of(mean))
        elif 0 < share < 1:
            interval = wald_interval(Quantity.SHARE, value, error, df=of_t, prob=INTERVAL_PROB)
            yield replace(row, **numbers_of(interval))
        else:
            yield replace(row, std_error=error)
    yield replace(
        base,
        quantity="smd",
        estimate=finite(level.smd),
        threshold=SMD_BAR,
        verdict=_by_smd([level]),
    )


def _by_smd(levels: Sequence[_Level]) -> Verdict:
    """`holds` where no standardised difference exceeds the bar, `changes` otherwise.

    One that is NaN has two groups without anybody in common, which is as far apart as can be.
    """
    return Verdict.HOLDS if all(abs(one.smd) <= SMD_BAR for one in levels) else Verdict.CHANGES


def _test_row(
    rows: ModelRows, names: tuple[str, ...], levels: Sequence[_Level], base: SensitivityRow
) -> SensitivityRow:
    """A test of some variables; a difference that chance accounts for is `inconclusive`.

    With 250 interviews a standardised difference has a standard error of about 0.07: some level
    of several exceeds 0.1 by chance more often than not.
    """
    test = rao_scott(rows, names)
    verdict = _by_smd([one for one in levels if one.variable in names])
    if verdict is Verdict.CHANGES and not test.p_value < _LEVEL:
        verdict = Verdict.INCONCLUSIVE
    name = names[0] if len(names) == 1 else ""
    return replace(
        base,
        quantity="rao_scott_f",
        category=name,
        about=name,
        estimate=finite(test.statistic),
        p_value=finite(test.p_value),
        threshold=SMD_BAR,
        verdict=verdict,
        note=_TEST,
    )


def _balancing_rows(
    phone: PhoneStudy, names: Sequence[str], base: SensitivityRow
) -> list[SensitivityRow]:
    """What balancing the phone people to the in-person margins leaves."""
    base = replace(base, variant=Version.BALANCED)
    try:
        balanced = phone.balanced("comparison", "called")
    except NotEstimable as error:
        note = f"The phone people cannot be balanced to the in-person margins: {error.reason}."
        return [replace(base, quantity="ess", verdict=Verdict.NOT_ASSESSED, note=note)]
    largest, variable, level = _largest_after(phone.pair("comparison", "called"), balanced, names)
    lost, called = balanced.n_lost, phone.called.n
    size = replace(
        base,
        quantity="ess",
        estimate=balanced.ess,
        of=called,
        note=f"People the balanced phone interviews are worth, of {called}. {phone.limits}",
    )
    left = replace(
        base,
        quantity="largest_smd",
        category=place_name(variable, level),
        about=variable,
        choice=level,
        estimate=largest,
        threshold=SMD_BAR,
        verdict=Verdict.CHANGES if largest > SMD_BAR else Verdict.HOLDS,
        note="Largest standardised difference to everybody in person that balancing leaves.",
    )
    unmatched = replace(
        base,
        quantity="unmatched_share",
        estimate=lost / phone.comparison.n,
        n=lost,
        of=phone.comparison.n,
        note=f"In-person comparison people at a level without phone people: {lost:,}.",
    )
    return [size, left, unmatched]


def _largest_after(
    rows: ModelRows, balanced: Balanced, names: Sequence[str]
) -> tuple[float, str, str]:
    """Of all people in person against the balanced phone people, with its variable and level."""
    weights = rows.weight * rows.member, rows.weight * ~rows.member, balanced.weight * ~rows.member
    largest, variable, at = 0.0, "", ""
    for name in names:
        codes, labels = rows.factors[name], rows.factor_levels[name]
        if name in rows.numeric:
            labels, left = ("",), [_left_of_numbers(rows.numeric[name].values[codes], weights)]
        else:
            everybody, called, after = (level_shares(codes, one, len(labels)) for one in weights)
            left = list(np.abs(smd(everybody, after, everybody, called)))
        for level, value in zip(labels, left, strict=True):
            if value > largest:
                largest, variable, at = float(value), name, level
    return largest, variable, at


def _left_of_numbers(
    values: FloatArray, weights: tuple[FloatArray, FloatArray, FloatArray]
) -> float:
    """The same of a numeric variable's mean."""
    everybody, called, after = (float(np.average(values, weights=one)) for one in weights)
    variances = [
        float(np.average((values - mean) ** 2, weights=one))
        for one, mean in zip(weights, (everybody, called), strict=False)
    ]
    pooled = float(np.sqrt(np.mean(variances)))
    return abs(everybody - after) / pooled if pooled > 0 else 0.0
