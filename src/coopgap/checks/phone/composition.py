"""Who answered by phone: composition against the in-person comparison group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy import linalg

from coopgap.checks.balance import (
    balanced_units,
    columns,
    fewest_zones,
    satterthwaite,
    side_errors,
)
from coopgap.checks.compare import numbers_of, unassessed
from coopgap.checks.context import Context, phone_check
from coopgap.checks.phone.agreement import Test
from coopgap.checks.registry import NotApplicable
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow, finite
from coopgap.core.gap import cluster_sums, smallest_by_level, wald, wald_interval
from coopgap.core.tails import chi2_above, f_above
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import FEW_CLUSTERS
from coopgap.matching.balance import largest_smd_after, level_balance, number_balance
from coopgap.matching.feasibility import SMD_BAR, place_name
from coopgap.matching.sample import MatchedSample
from coopgap.survey.records import ModelRows

_LEVEL = 0.05

_TEST = (
    "Rao–Scott second-order F test that phone and in-person comparison people have the same "
    "margins; verdict: changes if a standardised difference exceeds the bar and the test "
    "rejects at 5 %, inconclusive if only the first, holds otherwise."
)

_FEW = f"No interval: fewer than {FEW_CLUSTERS} zones."


@phone_check(
    Check.PHONE_COMPOSITION,
    title="Who was reached by phone",
    question="Who was reached by phone, and can they be weighted to stand for those in person?",
    formula=(
        "F = d′V₀⁻d / Σλ on (Σλ)²/Σλ² degrees of freedom, λ the eigenvalues of V₀⁻V; d the "
        "differences of shares"
    ),
    topic=None,
    place=(30, 0),
)
def composition(context: Context) -> Iterator[SensitivityRow]:
    """Shares, differences and tests of covariates and exact strata, and what balancing leaves."""
    phone, spec = context.phone, context.spec
    names = tuple(dict.fromkeys((*spec.covariates, *spec.matching.on)))
    if not names:
        raise NotApplicable("The model has no covariates to compare.")
    smaller = min(phone.called.n, phone.comparison.n)
    base = context.bare(comparator=Comparator.COMPARISON, n_smaller=smaller)
    people = phone.pair("called", "comparison")
    rows = [row for name in names for row in _level_rows(people, name, base)]
    smds = [row for row in rows if row.quantity == "smd"]
    tested = dict.fromkeys([*((name,) for name in names), names])
    rows += [_test_row(people, some, smds, base) for some in tested]
    rows += _balancing_rows(context, names, base)
    fewest = {row.category: row.n_fewest for row in smds}
    for row in rows:
        yield replace(row, n_fewest=fewest.get(row.category, smaller))


def rao_scott(rows: ModelRows, names: Sequence[str]) -> Test:
    """Test that two groups of people, members and others, have the same margins of some factors.

    The p-value is NaN where there are too few clusters.

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
    mean, other, unit = balanced_units(x, first, weight, np.zeros((rows.n, 0)))
    gap, moves = mean - other, unit[:, : mean.size] - unit[:, mean.size :]
    pooled = x - np.average(x, axis=0, weights=weight)
    spread = (pooled * (weight / weight.sum())[:, None]).T @ pooled
    simple = spread * (1 / first.sum() + 1 / (~first).sum())
    errors = side_errors(moves, first, rows.zone)
    inverse = linalg.pinvh(simple, rtol=1e-10)
    scales = inverse @ errors.cov
    total, squares = float(np.trace(scales)), float(np.sum(scales * scales.T))
    if not total > 0:
        return Test(np.nan, np.nan, np.nan, np.nan)
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
    return Test(statistic, df, df * df_cluster, p_value)


def _level_rows(rows: ModelRows, name: str, base: SensitivityRow) -> Iterator[SensitivityRow]:
    """Each level, or a numeric variable's mean: by phone and in person, and their SMD.

    `n_fewest` are the people at the level or not at it, on the side where they are fewest.
    """
    codes, labels = rows.factors[name], rows.factor_levels[name]
    data = rows.member, rows.weight, np.ones(rows.n)
    sides = {Version.PHONE: rows.member, Version.IN_PERSON: ~rows.member}
    fewest: Sequence[int | None]
    if name in rows.numeric:
        values = rows.numeric[name].values
        smds = np.array([number_balance(codes, values, *data)[0].smd])
        answers, labels, fewest = values[codes, None], ("",), [None]
    else:
        smds = level_balance(codes, len(labels), *data).smd_before
        answers = np.asarray(codes[:, None] == np.arange(len(labels)), dtype=np.float64)
        people = np.stack([answers[side].sum(axis=0) for side in sides.values()])
        fewest = [int(one) for one in smallest_by_level(people.astype(np.int64))]
    means = {}
    for mode, side in sides.items():
        q = rows.weight[side] / rows.weight[side].sum()
        mean = q @ answers[side]
        unit = (answers[side] - mean) * q[:, None]
        sums, factor, df = cluster_sums(unit, None if rows.zone is None else rows.zone[side])
        known = df + 1 >= FEW_CLUSTERS
        means[mode] = mean, np.sqrt(factor * (sums**2).sum(axis=0)) if known else mean * np.nan, df
    for at, (level, smd, few) in enumerate(zip(labels, smds, fewest, strict=True)):
        row = replace(base, category=place_name(name, level), about=name, choice=level)
        row = replace(row, n_fewest=few)
        for mode, (mean, errors, df) in means.items():
            shown = replace(row, variant=mode, quantity=Quantity.SHARE if level else "mean")
            yield _side_row(shown, float(mean[at]), float(errors[at]), df)
        row = replace(row, quantity="smd", estimate=finite(smd), threshold=SMD_BAR)
        yield replace(row, verdict=_by_smd([row]))


def _side_row(row: SensitivityRow, mean: float, error: float, df: float) -> SensitivityRow:
    """A share or mean of one mode; the error is NaN where there are too few zones for one."""
    row = replace(row, estimate=mean)
    if not error > 0:
        return row if error == 0 else replace(row, note=_FEW)
    if row.quantity == "mean":
        interval = wald(mean, error, df=df, prob=INTERVAL_PROB, null=np.nan)
    elif 0 < mean < 1:
        interval = wald_interval(Quantity.SHARE, mean, error, df=df, prob=INTERVAL_PROB)
    else:
        return replace(row, std_error=error)
    return replace(row, **numbers_of(interval))


def _by_smd(rows: Sequence[SensitivityRow]) -> Verdict:
    """`holds` where no difference exceeds the bar; two groups without anybody alike have none."""
    within = all(row.estimate is not None and abs(row.estimate) <= SMD_BAR for row in rows)
    return Verdict.HOLDS if within else Verdict.CHANGES


def _test_row(
    rows: ModelRows, names: tuple[str, ...], smds: Sequence[SensitivityRow], base: SensitivityRow
) -> SensitivityRow:
    """A test of some variables; a difference that chance accounts for is `inconclusive`.

    With 250 interviews a standardised difference has a standard error of about 0.07: some level
    of several exceeds 0.1 by chance more often than not.
    """
    test = rao_scott(rows, names)
    verdict = _by_smd([row for row in smds if row.about in names])
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
    context: Context, names: Sequence[str], base: SensitivityRow
) -> Iterator[SensitivityRow]:
    """What balancing the phone people to the in-person margins leaves."""
    phone, base = context.phone, replace(base, variant=Version.BALANCED)
    try:
        balanced = phone.balanced("comparison", "called")
    except NotEstimable as error:
        note = f"The phone people cannot be balanced to the in-person margins: {error.reason}."
        yield unassessed(replace(base, quantity="ess"), note)
        return
    called, lost = phone.called.n, balanced.n_lost
    note = f"People the balanced phone interviews are worth, of {called}. {phone.limits}"
    yield replace(base, quantity="ess", estimate=balanced.ess, of=called, note=note)
    # Of all people in person against the balanced phone people.
    rows = phone.pair("comparison", "called")
    rows = replace(rows, factors={name: rows.factors[name] for name in names})
    weight = np.where(rows.member, 1.0, balanced.weight / rows.weight)
    matched = replace(MatchedSample.everybody(rows.n), weight=weight)
    largest, variable, level = largest_smd_after(rows, matched)
    if not largest > 0:
        largest, variable, level = 0.0, "", ""
    yield replace(
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
    yield replace(
        base,
        quantity="unmatched_share",
        estimate=lost / phone.comparison.n,
        n=lost,
        of=phone.comparison.n,
        note=f"In-person comparison people at a level without phone people: {lost:,}.",
    )
