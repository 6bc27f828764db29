"""Whether people asked twice answer alike in person and by phone, and what it moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import contrasts, wald, wald_interval
from coopgap.core.vocabulary import Check, IntervalKind, Quantity, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import FEW_CLUSTERS
from coopgap.sensitivity.keys import unanswered, with_interval
from coopgap.sensitivity.phone.agreement import (
    Test,
    agreement_weights,
    bhapkar,
    clustered_homogeneity,
    kappa,
    mcnemar,
    stuart_maxwell,
    variance_of,
)
from coopgap.sensitivity.phone.linked_gap import linked_gap_rows
from coopgap.sensitivity.phone.pairs import Pairs, asked_twice
from coopgap.sensitivity.phone.tost import two_one_sided
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import ModelRows, Survey

_CHECKS = (Check.PHONE_LINKED,)
_LEVEL = 0.05
_ROUNDING = 1e-12
_PROB = 0.90

_ONE_ANSWER = "Everybody gave one and the same answer: agreement beyond chance is not defined."
_ALIKE = "People or zones do not differ, so that there is no standard error to test with."
_INFINITE = "The statistic is infinite: no answers speak against the difference."


def linked_rows(
    survey: Survey, study: Study, spec: ModelSpec, rows: ModelRows, source: str
) -> list[SensitivityRow]:
    """Every row about the people asked in both modes.

    Parameters
    ----------
    survey, study, spec
        Whose identifiers link the interviews, and whose outcome is compared.
    rows
        Complete in-person rows of the model, for the gap.
    source
        Key of the rows.

    Returns
    -------
    list of SensitivityRow
        How many are linked; the share that gives the same answer; kappa; tests that both answers
        have the same margins; phone minus in-person shares by threshold, tested against the
        declared margin; the gap with either answer. Members asked twice count too. One row that
        says why where fewer than two people gave two answers.

    Notes
    -----
    Shares, kappa and their standard errors are weighted and, where the study declares zones,
    clustered on them with t(G − 1). The tests of McNemar, Stuart and Maxwell, and Bhapkar take
    people as independent and of equal weight; the F test beside them does not.
    """
    keys = Keys(model=spec.name, outcome=spec.outcome, source=source)
    if survey.person is None:
        reason = "The study declares no identifier that would link two interviews of one person."
        return unanswered(_CHECKS, keys, Verdict.NOT_APPLICABLE, reason)
    pairs = asked_twice(survey, spec.outcome)
    if not pairs.n_linked:
        reason = "Nobody was asked in both modes: no phone interview has the identifier of another."
        return unanswered(_CHECKS, keys, Verdict.NOT_APPLICABLE, reason)
    if pairs.n < 2:
        reason = f"Two answers are needed of two people. {_who(pairs)}"
        return unanswered(_CHECKS, keys, Verdict.NOT_ASSESSED, reason)
    if pairs.zone is not None and np.unique(pairs.zone).size < FEW_CLUSTERS:
        found = np.unique(pairs.zone).size
        reason = f"{found} zones are too few for a standard error; {FEW_CLUSTERS} are needed."
        return unanswered(_CHECKS, keys, Verdict.NOT_ASSESSED, reason)
    base = SensitivityRow(
        check=Check.PHONE_LINKED, model=keys.model, outcome=keys.outcome, source=source
    )
    base = replace(base, n_smaller=pairs.n, n_fewest=pairs.n)
    asked = replace(base, quantity="people_linked", n=pairs.n, of=pairs.n_linked)
    result = [replace(asked, estimate=float(pairs.n), note=_who(pairs))]
    result += _agreement_rows(pairs, base)
    result += _margin_rows(pairs, base)
    result += _shift_rows(pairs, study.phone.margin.get(spec.outcome), base)
    try:
        result += linked_gap_rows(pairs, rows, spec.covariates, base, study.smallest_gap)
    except NotEstimable as error:
        note = f"The gap is not estimable: {error.reason}."
        result.append(replace(base, variant=Version.GAP, verdict=Verdict.NOT_ASSESSED, note=note))
    return result


def _who(pairs: Pairs) -> str:
    """How many are linked, and who is left out."""
    left = f"{pairs.n_missing:,} of them lack an answer in one mode"
    if pairs.n_changed:
        left += f", {pairs.n_changed:,} are members in one mode only"
    return f"People asked in both modes: {pairs.n_linked:,}; {left}."


def _agreement_rows(pairs: Pairs, base: SensitivityRow) -> Iterator[SensitivityRow]:
    alike = pairs.first == pairs.second
    base = replace(base, n_fewest=min(int(alike.sum()), int((~alike).sum())))
    share, unit = _mean(alike.astype(np.float64), pairs.weight)
    row = replace(base, quantity="agreement_share", note="Share that gave the same answer twice.")
    yield _with_interval(row, share, unit, pairs, logit=True)
    kinds: tuple[Literal["unweighted", "linear", "quadratic"], ...] = ("linear", "quadratic")
    for kind in kinds if len(pairs.levels) > 2 else ("unweighted",):
        credit = agreement_weights(len(pairs.levels), kind)
        value, unit = kappa(pairs.first, pairs.second, pairs.weight, credit)
        row = replace(
            base,
            variant="" if kind == "unweighted" else f"{kind} weights",
            quantity="kappa",
            note="Agreement beyond chance: 1 is full agreement, 0 what chance gives.",
        )
        if np.isfinite(value):
            yield _with_interval(row, value, unit, pairs)
        else:
            yield replace(row, verdict=Verdict.NOT_ASSESSED, note=_ONE_ANSWER)


def _mean(values: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
    """Weighted mean and what each person moves it by."""
    q = weight / weight.sum()
    mean = float(q @ values)
    return mean, (values - mean) * q


def _with_interval(
    row: SensitivityRow, value: float, unit: FloatArray, pairs: Pairs, *, logit: bool = False
) -> SensitivityRow:
    """A row with a 95 % interval; made on the log odds for a share, so that it stays within.

    There is none where people or zones do not differ.
    """
    cov, df = variance_of(unit[:, None], pairs.zone)
    std_error = float(np.sqrt(cov[0, 0]))
    if not std_error > _ROUNDING:
        return replace(row, estimate=value)
    interval = (
        wald_interval(Quantity.SHARE, value, std_error, df=df, prob=INTERVAL_PROB)
        if logit
        else wald(value, std_error, df=df, prob=INTERVAL_PROB, null=np.nan)
    )
    return with_interval(row, interval)


def _margin_rows(pairs: Pairs, base: SensitivityRow) -> Iterator[SensitivityRow]:
    """Tests that both answers have the same margins; none where nobody moved."""
    table = pairs.table
    base = replace(base, n_fewest=pairs.n - int(np.trace(table)))
    if pairs.n == int(np.trace(table)):
        row = replace(base, quantity="homogeneity", verdict=Verdict.NOT_ASSESSED)
        yield replace(row, note="Nobody gave another answer.")
        return
    alone = "Test that both answers have the same shares; people taken as independent."
    if len(pairs.levels) == 2:
        found = mcnemar(int(table[0, 1]), int(table[1, 0]))
        for name, p_value in (
            ("asymptotic", found.p_value),
            ("exact", found.p_exact),
            ("mid-P", found.p_mid),
        ):
            row = replace(base, variant=name, quantity="mcnemar_z", note=alone)
            yield _judged(row, found.statistic, p_value)
    else:
        for name, test in (("stuart_maxwell", stuart_maxwell(table)), ("bhapkar", bhapkar(table))):
            yield _tested(replace(base, quantity=name, note=alone), test)
    if pairs.zone is not None:
        test = clustered_homogeneity(
            pairs.first, pairs.second, pairs.weight, len(pairs.levels), pairs.zone
        )
        note = "Test that both answers have the same shares, weighted and clustered on zones."
        yield _tested(replace(base, quantity="homogeneity_f", note=note), test)


def _tested(row: SensitivityRow, test: Test) -> SensitivityRow:
    if np.isinf(test.statistic):
        judged = _judged(row, test.statistic, test.p_value)
        return replace(judged, estimate=None, note=f"{row.note} {_INFINITE}")
    if np.isnan(test.statistic):
        few = row.quantity == "homogeneity_f"
        note = "Too few zones for this test." if few else "Nobody gave another answer."
        return replace(row, verdict=Verdict.NOT_ASSESSED, note=note)
    return _judged(row, test.statistic, test.p_value)


def _judged(row: SensitivityRow, statistic: float, p_value: float) -> SensitivityRow:
    verdict = Verdict.DIFFERENT if p_value < _LEVEL else Verdict.INCONCLUSIVE
    return replace(row, estimate=statistic, p_value=p_value, verdict=verdict)


def _shift_rows(
    pairs: Pairs, margin: float | None, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    """Phone minus in-person share at each threshold, of the same people."""
    for contrast in contrasts(pairs.levels):
        if not contrast.is_threshold_gap:
            continue
        row = replace(
            base,
            variant=Version.ANSWERS_MOVED,
            quantity=Quantity.RISK_DIFFERENCE,
            category=contrast.category,
        )
        before, after = pairs.first >= contrast.level, pairs.second >= contrast.level
        row = replace(row, n_fewest=_fewest(before, after))
        value, unit = _mean(np.subtract(after, before, dtype=np.float64), pairs.weight)
        cov, df = variance_of(unit[:, None], pairs.zone)
        std_error = float(np.sqrt(cov[0, 0]))
        if not std_error > _ROUNDING:
            yield replace(row, estimate=value, verdict=Verdict.NOT_ASSESSED, note=_ALIKE)
            continue
        test = two_one_sided(value, std_error, margin, df=df)
        yield replace(
            row,
            estimate=value,
            std_error=std_error,
            lower=test.lower,
            upper=test.upper,
            interval_prob=_PROB,
            interval_kind=IntervalKind.CONFIDENCE,
            p_value=test.p_equivalence if margin is not None else None,
            threshold=test.smallest_margin if margin is None else margin,
            power=test.power if margin is not None else None,
            verdict=test.verdict,
            note="Phone minus in person, same people; 90 % interval and p of two one-sided tests.",
        )


def _fewest(before: BoolArray, after: BoolArray) -> int:
    """Fewest people who reach a threshold, stay below it, or cross it one way."""
    sides = (before, ~before, after, ~after, after & ~before, before & ~after)
    return min(int(side.sum()) for side in sides)
