"""People asked twice: whether they answer alike in person and by phone, and what it moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from coopgap.checks.balance import balance
from coopgap.checks.compare import compared, numbers_of, people_of, unassessed, with_interval
from coopgap.checks.context import Context, phone_check
from coopgap.checks.phone.agreement import (
    Test,
    agreement_weights,
    bhapkar,
    clustered_homogeneity,
    kappa,
    mcnemar,
    stuart_maxwell,
    variance_of,
)
from coopgap.checks.phone.equivalence import PROB
from coopgap.checks.registry import NotApplicable, NotAssessed
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import threshold_gaps, wald, wald_interval
from coopgap.core.tost import two_one_sided
from coopgap.core.vocabulary import (
    Check,
    Comparator,
    IntervalKind,
    Population,
    Quantity,
    Verdict,
    Version,
)
from coopgap.families.difference import INTERVAL_PROB, difference
from coopgap.families.estimate import FEW_CLUSTERS
from coopgap.survey.records import ModelRows, Survey

_LEVEL = 0.05
_ROUNDING = 1e-12

_ONE_ANSWER = "Everybody gave one and the same answer: agreement beyond chance is not defined."
_ALIKE = "People or zones do not differ, so that there is no standard error to test with."
_INFINITE = "The statistic is infinite: no answers speak against the difference."
_SAME_SHARES = "Test that both answers have the same shares"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Both answers of n people who gave two; arrays have shape (n,).

    `index` is the position of the interview in person in the survey, of which membership, weight
    and zone are; `first` and `second` are the answers in person and by phone. `n_linked` people
    have interviews in both modes: `n_missing` of them lack an answer in either, `n_changed` are a
    member in one mode and not in the other and are left out.
    """

    index: IntArray
    first: IntArray
    second: IntArray
    levels: tuple[str, ...]
    member: BoolArray
    weight: FloatArray
    zone: IntArray | None
    n_linked: int
    n_missing: int
    n_changed: int

    @property
    def n(self) -> int:
        """People with two answers."""
        return int(self.index.size)

    @property
    def table(self) -> IntArray:
        """People by answer in person (rows) and by phone, shape (J, J)."""
        size = len(self.levels)
        slot = np.bincount(self.first * size + self.second, minlength=size**2)
        return slot.reshape(size, size).astype(np.int64)

    @property
    def who(self) -> str:
        """How many are linked, and who is left out."""
        left = f"{self.n_missing:,} of them lack an answer in one mode"
        if self.n_changed:
            left += f", {self.n_changed:,} are members in one mode only"
        return f"People asked in both modes: {self.n_linked:,}; {left}."


def asked_twice(survey: Survey, outcome: str) -> Pairs:
    """Link interviews of the same people, whatever else than the outcome they lack."""
    if survey.person is None:
        raise NotApplicable(
            "The study declares no identifier that would link two interviews of one person."
        )
    places = [np.flatnonzero(survey.phone == by_phone) for by_phone in (False, True)]
    own_id, phone_id = (survey.person[place] for place in places)
    _, at_own, at_phone = np.intersect1d(own_id, phone_id, assume_unique=True, return_indices=True)
    order = np.argsort(places[0][at_own], kind="stable")
    own, phone = places[0][at_own][order], places[1][at_phone][order]
    same = survey.member[own] == survey.member[phone]
    codes = survey.codes[outcome]
    answered = (codes[own] >= 0) & (codes[phone] >= 0)
    keep = same & answered
    index = own[keep]
    return Pairs(
        index=index,
        first=codes[index],
        second=codes[phone[keep]],
        levels=survey.variables[outcome].levels,
        member=survey.member[index],
        weight=np.ones(index.size) if survey.weight is None else survey.weight[index],
        zone=None if survey.zone is None else survey.zone[index],
        n_linked=int(own.size),
        n_missing=int((same & ~answered).sum()),
        n_changed=int((~same).sum()),
    )


@phone_check(
    Check.PHONE_LINKED,
    title="People asked in both modes",
    question="Do people who were asked in both modes answer alike?",
    formula=(
        "κ = (p_o − p_e)/(1 − p_e), weighted by distance of levels; (b − c)/√(b + c); χ² = "
        "d′S⁻d of the differences of the two margins"
    ),
    needs=(),
    place=(35, 4),
)
def linked(context: Context) -> Iterator[SensitivityRow]:
    """Every row about the people asked in both modes; members asked twice count too.

    How many are linked; the share that gives the same answer; kappa; tests that both answers
    have the same margins; phone minus in-person shares by threshold, tested against the
    declared margin; the gap with either answer. Shares, kappa and their standard errors are
    weighted and, where the study declares zones, clustered on them with t(G − 1). The tests of
    McNemar, Stuart and Maxwell, and Bhapkar take people as independent and of equal weight; the F
    test beside them does not.
    """
    outcome = context.spec.outcome
    pairs = asked_twice(context.survey, outcome)
    if not pairs.n_linked:
        raise NotApplicable(
            "Nobody was asked in both modes: no phone interview has the identifier of another."
        )
    if pairs.n < 2:
        raise NotAssessed(f"Two answers are needed of two people. {pairs.who}")
    zones = None if pairs.zone is None else np.unique(pairs.zone).size
    if zones is not None and zones < FEW_CLUSTERS:
        raise NotAssessed(
            f"{zones} zones are too few for a standard error; {FEW_CLUSTERS} are needed."
        )
    base = context.bare(n_smaller=pairs.n, n_fewest=pairs.n)
    people = replace(base, quantity="people_linked", n=pairs.n, of=pairs.n_linked)
    yield replace(people, estimate=float(pairs.n), note=pairs.who)
    yield from _agreement_rows(pairs, base)
    yield from _margin_rows(pairs, base)
    yield from _shift_rows(pairs, context.study.phone.margin.get(outcome), base)
    try:
        yield from _gap_rows(pairs, context, base)
    except NotEstimable as error:
        note = f"The gap is not estimable: {error.reason}."
        yield unassessed(replace(base, variant=Version.GAP), note)


def _mean(values: BoolArray | FloatArray, pairs: Pairs) -> tuple[float, FloatArray]:
    """Weighted mean and what each person moves it by."""
    q = pairs.weight / pairs.weight.sum()
    mean = float(q @ values)
    return mean, (values - mean) * q


def _error(unit: FloatArray, pairs: Pairs) -> tuple[float, float]:
    """Standard error, zero where people or zones do not differ, and degrees of freedom."""
    cov, df = variance_of(unit[:, None], pairs.zone)
    std_error = float(np.sqrt(cov[0, 0]))
    return std_error if std_error > _ROUNDING else 0.0, df


def _agreement_rows(pairs: Pairs, base: SensitivityRow) -> Iterator[SensitivityRow]:
    alike = pairs.first == pairs.second
    base = replace(base, n_fewest=min(int(alike.sum()), int((~alike).sum())))
    share, unit = _mean(alike.astype(np.float64), pairs)
    row = replace(base, quantity="agreement_share", note="Share that gave the same answer twice.")
    std_error, df = _error(unit, pairs)
    # On the log odds, so that the interval stays within 0 and 1.
    interval = wald_interval(Quantity.SHARE, share, std_error, df=df, prob=INTERVAL_PROB)
    yield replace(row, **numbers_of(interval))
    kinds: tuple[Literal["unweighted", "linear", "quadratic"], ...] = ("linear", "quadratic")
    for kind in kinds if len(pairs.levels) > 2 else ("unweighted",):
        credit = agreement_weights(len(pairs.levels), kind)
        value, unit = kappa(pairs.first, pairs.second, pairs.weight, credit)
        variant = "" if kind == "unweighted" else f"{kind} weights"
        row = replace(base, variant=variant, quantity="kappa")
        if np.isfinite(value):
            std_error, df = _error(unit, pairs)
            beyond = wald(value, std_error, df=df, prob=INTERVAL_PROB, null=np.nan)
            note = "Agreement beyond chance: 1 is full agreement, 0 what chance gives."
            yield replace(row, **numbers_of(beyond) | {"note": note})
        else:
            yield unassessed(row, _ONE_ANSWER)


def _margin_rows(pairs: Pairs, base: SensitivityRow) -> Iterator[SensitivityRow]:
    """Tests that both answers have the same margins; none where nobody moved."""
    table = pairs.table
    n_moved = pairs.n - int(np.trace(table))
    base = replace(base, n_fewest=n_moved, note=f"{_SAME_SHARES}; people taken as independent.")
    if not n_moved:
        yield unassessed(replace(base, quantity="homogeneity"), "Nobody gave another answer.")
        return
    if len(pairs.levels) == 2:
        z, *p_values = mcnemar(int(table[0, 1]), int(table[1, 0]))
        for name, p_value in zip(("asymptotic", "exact", "mid-P"), p_values, strict=True):
            yield _judged(replace(base, variant=name, quantity="mcnemar_z"), z, p_value)
    else:
        yield homogeneity_row(replace(base, quantity="stuart_maxwell"), stuart_maxwell(table))
        yield homogeneity_row(replace(base, quantity="bhapkar"), bhapkar(table))
    if pairs.zone is not None:
        test = clustered_homogeneity(
            pairs.first, pairs.second, pairs.weight, len(pairs.levels), pairs.zone
        )
        note = f"{_SAME_SHARES}, weighted and clustered on zones."
        yield homogeneity_row(replace(base, quantity="homogeneity_f", note=note), test)


def homogeneity_row(row: SensitivityRow, test: Test) -> SensitivityRow:
    """The row of a test of equal margins, whose statistic may be infinite or missing."""
    if np.isnan(test.statistic):
        few = row.quantity == "homogeneity_f"
        note = "Too few zones for this test." if few else "Nobody gave another answer."
        return unassessed(row, note)
    judged = _judged(row, test.statistic, test.p_value)
    if np.isinf(test.statistic):
        return replace(judged, estimate=None, note=f"{row.note} {_INFINITE}")
    return judged


def _judged(row: SensitivityRow, statistic: float, p_value: float) -> SensitivityRow:
    verdict = Verdict.DIFFERENT if p_value < _LEVEL else Verdict.INCONCLUSIVE
    return replace(row, estimate=statistic, p_value=p_value, verdict=verdict)


def _shift_rows(
    pairs: Pairs, margin: float | None, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    """Phone minus in-person share at each threshold, of the same people."""
    base = replace(base, variant=Version.ANSWERS_MOVED, quantity=Quantity.RISK_DIFFERENCE)
    for contrast in threshold_gaps(pairs.levels):
        before, after = pairs.first >= contrast.level, pairs.second >= contrast.level
        # People who reach the threshold, stay below it, or cross it one way.
        sides = (before, ~before, after, ~after, after & ~before, before & ~after)
        value, unit = _mean(np.subtract(after, before, dtype=np.float64), pairs)
        fewest = min(int(side.sum()) for side in sides)
        row = replace(base, category=contrast.category, estimate=value, n_fewest=fewest)
        std_error, df = _error(unit, pairs)
        if not std_error:
            yield unassessed(row, _ALIKE)
            continue
        test = two_one_sided(value, std_error, margin, df=df)
        yield replace(
            row,
            std_error=std_error,
            lower=test.lower,
            upper=test.upper,
            interval_prob=PROB,
            interval_kind=IntervalKind.CONFIDENCE,
            p_value=test.p_equivalence if margin is not None else None,
            threshold=test.smallest_margin if margin is None else margin,
            power=test.power if margin is not None else None,
            verdict=test.verdict,
            note="Phone minus in person, same people; 90 % interval and p of two one-sided tests.",
        )


def with_phone_answers(rows: ModelRows, pairs: Pairs) -> ModelRows:
    """In-person rows with the phone answer of everybody who gave both; the others as they were."""
    at = np.searchsorted(pairs.index, rows.index)
    given = at < pairs.n
    given[given] = pairs.index[at[given]] == rows.index[given]
    outcome = rows.outcome.copy()
    outcome[given] = pairs.second[at[given]]
    return replace(rows, outcome=outcome)


def _gap_rows(pairs: Pairs, context: Context, base: SensitivityRow) -> Iterator[SensitivityRow]:
    """The gap of everybody in person, with either answer of those asked twice, and its move."""
    rows = context.rows
    twice = int(np.isin(rows.index, pairs.index).sum())
    if not twice:
        raise NotEstimable("nobody with two answers has complete covariates")
    both = (rows, with_phone_answers(rows, pairs))
    before, after = (balance(one, context.spec.covariates) for one in both)
    base = replace(
        base, comparator=Comparator.COMPARISON, group="all", population=Population.MEMBERS
    )
    note = (
        f"The gap with the phone answers of {twice:,} of {rows.n:,} people in place of their "
        "answers in person; the others keep theirs. Both on the same people, balanced on the "
        "covariates."
    )
    for contrast in threshold_gaps(rows.levels):
        reach = [one.outcome >= contrast.level for one in both]
        crossed = [int((reach[k] & ~reach[1 - k]).sum()) for k in (0, 1)]
        people = people_of(*((one.people_by_level(), contrast) for one in both))
        people["n_fewest"] = min(*crossed, people["n_fewest"])
        row = replace(base, **people)
        first, second = before.gaps[contrast], after.gaps[contrast]
        moved = difference(after, before, contrast)
        yield with_interval(replace(row, variant=Version.GAP_IN_PERSON), contrast, first)
        phone = replace(row, variant=Version.GAP_BY_PHONE, n=twice, of=rows.n, note=note)
        phone = with_interval(phone, contrast, second)
        yield compared(phone, first, second, moved, context.smallest_gap)
        yield with_interval(replace(row, variant=Version.GAP_MOVED), contrast, moved)
