"""Whether people asked twice answer alike in person and by phone, and what it moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from coopgap.arrays import BoolArray, FloatArray
from coopgap.disclosure import SMALLEST_COUNT, count_words, is_few
from coopgap.errors import NotEstimable
from coopgap.estimate import SensitivityRow
from coopgap.families.records import FEW_CLUSTERS, INTERVAL_PROB
from coopgap.gap import contrasts, wald, wald_interval
from coopgap.sensitivity.keys import BESIDE, Keys, is_small, suppressed, unanswered, with_interval
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
from coopgap.sensitivity.phone.linked_gap import fewest_moved, linked_gap_rows
from coopgap.sensitivity.phone.pairs import Pairs, asked_twice
from coopgap.sensitivity.phone.tost import two_one_sided
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import ModelRows, Survey
from coopgap.vocabulary import Check, IntervalKind, Quantity, Verdict

__all__ = ["linked_rows"]

_CHECKS = (Check.PHONE_LINKED,)
_LEVEL = 0.05
_PROB = 0.90
_ALIKE = f"Suppressed: fewer than {SMALLEST_COUNT} people answered otherwise, or alike."
_ONE_WAY = f"Suppressed: fewer than {SMALLEST_COUNT} people moved one way, or reach one side."

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
        says why where nobody, or fewer than ten people, gave two answers.

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
    if pairs.n < SMALLEST_COUNT:
        reason = f"There are fewer than {SMALLEST_COUNT} people with two answers."
        return unanswered(_CHECKS, keys, Verdict.NOT_ASSESSED, f"{reason} {_who(pairs)}")
    if pairs.zone is not None and np.unique(pairs.zone).size < FEW_CLUSTERS:
        found = np.unique(pairs.zone).size
        reason = f"{found} zones are too few for a standard error; {FEW_CLUSTERS} are needed."
        return unanswered(_CHECKS, keys, Verdict.NOT_ASSESSED, reason)
    base = SensitivityRow(
        check=Check.PHONE_LINKED, model=keys.model, outcome=keys.outcome, source=source
    )
    result = [replace(base, quantity="people_linked", estimate=float(pairs.n), note=_who(pairs))]
    result += _agreement_rows(pairs, base)
    result += _margin_rows(pairs, base)
    result += _shift_rows(pairs, study.phone.margin.get(spec.outcome), base)
    try:
        result += linked_gap_rows(pairs, rows, spec.covariates, base)
    except NotEstimable as error:
        note = f"The gap is not estimable: {error.reason}."
        result.append(replace(base, variant="gap", verdict=Verdict.NOT_ASSESSED, note=note))
    return result


def _who(pairs: Pairs) -> str:
    """How many are linked, and who is left out; the total not where it gives a part away."""
    missing, changed = count_words(pairs.n_missing), count_words(pairs.n_changed)
    left = f"{missing} of them lack an answer in one mode"
    if pairs.n_changed:
        left += f", {changed} are members in one mode only"
    hidden = any(is_few(part) for part in (pairs.n, pairs.n_missing, pairs.n_changed))
    total = "not shown" if hidden else count_words(pairs.n_linked)
    return f"People asked in both modes: {total}; {left}."


def _agreement_rows(pairs: Pairs, base: SensitivityRow) -> Iterator[SensitivityRow]:
    alike = pairs.first == pairs.second
    few = min(int(alike.sum()), int((~alike).sum())) < SMALLEST_COUNT
    share, unit = _mean(alike.astype(np.float64), pairs.weight)
    row = replace(base, quantity="agreement_share", note="Share that gave the same answer twice.")
    yield _hidden(row) if few else _with_interval(row, share, unit, pairs, logit=True)
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
        if few or _few_one_way(pairs) or not np.isfinite(value):
            yield _hidden(row)
        else:
            yield _with_interval(row, value, unit, pairs)


def _mean(values: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
    """Weighted mean and what each person moves it by."""
    q = weight / weight.sum()
    mean = float(q @ values)
    return mean, (values - mean) * q


def _with_interval(
    row: SensitivityRow, value: float, unit: FloatArray, pairs: Pairs, *, logit: bool = False
) -> SensitivityRow:
    """A row with a 95 % interval; made on the log odds for a share, so that it stays within."""
    cov, df = variance_of(unit[:, None], pairs.zone)
    std_error = float(np.sqrt(cov[0, 0]))
    interval = (
        wald_interval(Quantity.SHARE, value, std_error, df=df, prob=INTERVAL_PROB)
        if logit
        else wald(value, std_error, df=df, prob=INTERVAL_PROB, null=np.nan)
    )
    return with_interval(row, interval)


def _hidden(row: SensitivityRow) -> SensitivityRow:
    return suppressed(row, _ALIKE)


def _margin_rows(pairs: Pairs, base: SensitivityRow) -> Iterator[SensitivityRow]:
    """Tests that both answers have the same margins; none where few people moved."""
    table = pairs.table
    if pairs.n - int(np.trace(table)) < SMALLEST_COUNT or _few_one_way(pairs):
        yield _hidden(replace(base, quantity="homogeneity"))
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
    counts = np.stack([pairs.table.sum(axis=1), pairs.table.sum(axis=0)])
    for contrast in contrasts(pairs.levels):
        if not contrast.is_threshold_gap:
            continue
        row = replace(
            base,
            variant="answers, phone minus in person",
            quantity=Quantity.RISK_DIFFERENCE,
            category=contrast.category,
        )
        before, after = pairs.first >= contrast.level, pairs.second >= contrast.level
        if _few_either(before, after, pairs.n):
            yield suppressed(row, _ONE_WAY)
            continue
        if is_small(counts, contrast):
            yield suppressed(row, BESIDE)
            continue
        value, unit = _mean(np.subtract(after, before, dtype=np.float64), pairs.weight)
        cov, df = variance_of(unit[:, None], pairs.zone)
        std_error = float(np.sqrt(cov[0, 0]))
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


def _few_one_way(pairs: Pairs) -> bool:
    """Whether few moved up or few down between two levels: every number about them tells."""
    table = pairs.table
    return len(pairs.levels) == 2 and min(int(table[0, 1]), int(table[1, 0])) < SMALLEST_COUNT


def _few_either(before: BoolArray, after: BoolArray, n: int) -> bool:
    """Whether few people reach the threshold, stay below it, or cross it one way."""
    counts = [int(before.sum()), int(after.sum())]
    counts += [n - count for count in counts]
    return min(*counts, fewest_moved(before, after)) < SMALLEST_COUNT
