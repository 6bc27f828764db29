"""What a reader must look at: a word a topic for every question, and what failed, in typed records.

A warning is made from columns of the tables; the words for it stand in a template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from coopgap.checks.registry import Topic, on_page
from coopgap.core.estimate import BalanceRow, SensitivityRow
from coopgap.core.vocabulary import Check, Diagnostic, Family, OddsTest, Status, Verdict
from coopgap.report.data import Answer, Results
from coopgap.report.words import count, number

BALANCED: Final = 0.1
"""Largest absolute standardised difference of a covariate that counts as balanced."""

UNMATCHED: Final = 0.05
"""Share of members without a match above which the headline is about visibly fewer people."""

NONE: Final = "–"
FEW_ZONES: Final = 30
_LEVEL: Final = 0.05


class Concern(StrEnum):
    """What is said on the first screen, each by a template of its own words."""

    UNBALANCED = "unbalanced"
    ODDS = "odds"
    CHECK = "check"
    WITHHELD = "withheld"
    NO_NUMBER = "no_number"
    UNMATCHED = "unmatched"
    FEW_ZONES = "few_zones"
    NO_ZONES = "no_zones"
    TIES = "ties"
    FEW_PEOPLE = "few_people"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A cell of the grid: one word, whether it speaks against the answer, and its evidence."""

    topic: Topic
    text: str
    is_bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something that a reader must know before believing a number, of the models it is about.

    `about` is a covariate or check; `value` is on the scale of its concern; `rows` show it.
    """

    concern: Concern
    answers: tuple[Answer, ...]
    about: str = ""
    value: float | None = None
    verdict: Verdict | None = None
    rows: tuple[SensitivityRow | BalanceRow, ...] = ()

    def where(self, answer: Answer) -> list[str]:
        """Thresholds of one outcome that it is true at; none where it has none."""
        mine = [row for row in self.rows if isinstance(row, SensitivityRow)]
        found = dict.fromkeys(row.category for row in mine if row.model == answer.model)
        return [category for category in found if category in answer.thresholds and category]


_WORST: Final = (
    Verdict.CHANGES,
    Verdict.DIFFERENT,
    Verdict.UNDECIDED,
    Verdict.INCONCLUSIVE,
    Verdict.DIFFERENT_WITHIN_MARGIN,
    Verdict.EQUIVALENT,
    Verdict.HOLDS,
    Verdict.NOT_ASSESSED,
)
_BAD: Final = frozenset({Verdict.CHANGES, Verdict.DIFFERENT})
_SHORT: Final = {
    Verdict.DIFFERENT_WITHIN_MARGIN: "within margin",
    Verdict.EQUIVALENT: "alike",
    Verdict.NOT_ASSESSED: "not assessed",
}


def worst(rows: Sequence[SensitivityRow]) -> Verdict | None:
    """The verdict that speaks most against the headline; None without any."""
    found = {row.verdict for row in rows}
    return next((verdict for verdict in _WORST if verdict in found), None)


def unbalanced(answer: Answer) -> list[BalanceRow]:
    """The level that is most unbalanced of each covariate beyond the bar, largest first.

    Of a model without matching, before adjustment.
    """
    found: dict[str, BalanceRow] = {}
    for row in answer.balance:
        size = abs(imbalance(row) or 0.0)
        if size > max(BALANCED, abs(imbalance(found.get(row.covariate)) or 0.0)):
            found[row.covariate] = row
    return sorted(found.values(), key=lambda row: -abs(imbalance(row) or 0.0))


def imbalance(row: BalanceRow | None) -> float | None:
    """Standardised difference that is left: after matching where there is one."""
    if row is None:
        return None
    return row.smd_before if row.smd_after is None else row.smd_after


def odds_p(answer: Answer) -> float | None:
    """p-value of proportional odds of membership: clustered Wald, else likelihood ratio."""
    found = {
        row.test: row.value
        for row in answer.diagnostics
        if (row.diagnostic, row.about) == (Diagnostic.PROPORTIONAL_ODDS, "member")
        and row.value is not None
    }
    return found.get(OddsTest.WALD, found.get(OddsTest.LIKELIHOOD_RATIO))


def grid(answer: Answer, topics: Sequence[Topic]) -> list[Word]:
    """A word a topic."""
    return [_WORDS[topic](answer, topic) for topic in topics]


def topics(results: Results) -> list[Topic]:
    """Topics that the study has: no phone without interviews, no regions without any."""
    has = {
        Topic.ODDS: any(answer.is_ordinal for answer in results.answers),
        Topic.PHONE: results.has_phone,
        Topic.REGIONS: results.study.design.region is not None,
    }
    return [topic for topic in Topic if has.get(topic, True)]


def _balance(answer: Answer, topic: Topic) -> Word:
    rows = unbalanced(answer)
    if rows:
        return Word(topic=topic, text=number(imbalance(rows[0]), 2), is_bad=True)
    return Word(topic=topic, text="balanced" if answer.balance else NONE)


def _odds(answer: Answer, topic: Topic) -> Word:
    p = odds_p(answer)
    if not answer.is_ordinal or p is None:
        return Word(topic=topic, text="not tested" if answer.is_ordinal else NONE)
    rejected = p < _LEVEL
    return Word(topic=topic, text="rejected" if rejected else "holds", is_bad=rejected)


def _judged(answer: Answer, topic: Topic) -> Word:
    return _word(topic, worst(answer.check(*on_page(topic))))


def _word(topic: Topic, verdict: Verdict | None) -> Word:
    if verdict is None:
        return Word(topic=topic, text=NONE)
    return Word(topic=topic, text=_SHORT.get(verdict, str(verdict)), is_bad=verdict in _BAD)


def _missing(answer: Answer, topic: Topic) -> Word:
    """The verdict on missing outcomes; without one, how many people were left out."""
    rows = answer.check(*on_page(topic))
    if any(row.verdict in _WORST for row in rows):
        return _judged(answer, topic)
    lost = [row.value for row in answer.diagnostics if row.diagnostic == Diagnostic.DROPPED]
    n = "some" if None in lost else count(sum(filter(None, lost)))
    return Word(topic=topic, text=f"{n} left out" if lost else "none")


def _variants(answer: Answer, topic: Topic) -> Word:
    """The verdict on the gap; where it stands, whether its p-value does beside the others."""
    checks = [check for check in on_page(topic) if check != Check.MULTIPLICITY]
    verdict = worst(answer.check(*checks))
    if verdict not in _BAD and worst(answer.check(Check.MULTIPLICITY)) in _BAD:
        return Word(topic=topic, text="multiplicity", is_bad=True)
    return _word(topic, verdict)


def _unmeasured(answer: Answer, topic: Topic) -> Word:
    rows = (row for row in answer.check(Check.E_VALUE) if row.quantity == "e_value")
    row = next(rows, None)
    e = None if row is None else row.estimate if row.lower is None else row.lower
    if e is None:
        return Word(topic=topic, text=NONE)
    return Word(topic=topic, text=f"E {number(e, 1)}", is_bad=e <= 1)


def _regions(answer: Answer, topic: Topic) -> Word:
    rows = [row for row in answer.gaps if row.family == Family.HIERARCHICAL]
    if any(row.status == Status.WITHHELD for row in rows):
        return Word(topic=topic, text="withheld", is_bad=True)
    if not rows:
        return Word(topic=topic, text=NONE)
    tests = (row for row in answer.diagnostics if row.diagnostic == "group_gaps_equal")
    p = next((row.value for row in tests if row.about == "region"), None)
    if p is None:
        return Word(topic=topic, text="pooled")
    return Word(topic=topic, text="differ" if p < _LEVEL else "alike", is_bad=p < _LEVEL)


_WORDS: Final[dict[Topic, Callable[[Answer, Topic], Word]]] = {
    Topic.BALANCE: _balance,
    Topic.ODDS: _odds,
    Topic.PHONE: _judged,
    Topic.MISSING: _missing,
    Topic.UNMEASURED: _unmeasured,
    Topic.VARIANTS: _variants,
    Topic.REGIONS: _regions,
}


def warnings(results: Results) -> list[Warned]:
    """Everything the first screen must name, the gravest kinds first.

    What is true of several models alike, to the digits that are printed, is said once.
    """
    found = [one for answer in results.answers if answer.is_declared for one in _of(answer)]
    merged: dict[tuple[str, ...], Warned] = {}
    for one in found:
        own = one.answers[0].model if one.concern is Concern.ODDS else ""
        value = "" if one.concern is Concern.UNMATCHED else number(one.value, 2)
        matched = one.concern is Concern.UNBALANCED and one.answers[0].is_matched
        key = (one.concern, one.about, value, str(one.verdict), own, str(matched))
        known = merged.get(key)
        if known is not None:
            both = (*known.answers, *one.answers)
            most = max(filter(None, (known.value, one.value)), default=None)
            one = replace(known, answers=both, rows=(*known.rows, *one.rows), value=most)
        merged[key] = one
    order = list(Concern)
    return sorted(merged.values(), key=lambda one: order.index(one.concern))


def _of(answer: Answer) -> Iterator[Warned]:
    yield from _numbers(answer)
    for row in unbalanced(answer):
        left = imbalance(row)
        yield Warned(
            concern=Concern.UNBALANCED,
            answers=(answer,),
            about=row.covariate,
            value=left,
            rows=(row,),
        )
    p = odds_p(answer)
    if p is not None and p < _LEVEL:
        yield Warned(concern=Concern.ODDS, answers=(answer,), value=p)
    yield from _checks(answer)
    yield from _people(answer)


def _numbers(answer: Answer) -> Iterator[Warned]:
    row = answer.headline
    if row is None or row.estimate is None:
        yield Warned(concern=Concern.NO_NUMBER, answers=(answer,))
    elif row.status == Status.FEW_PEOPLE:
        yield Warned(concern=Concern.FEW_PEOPLE, answers=(answer,))
    if any(one.status == Status.WITHHELD for one in answer.gaps):
        yield Warned(concern=Concern.WITHHELD, answers=(answer,))


def _checks(answer: Answer) -> Iterator[Warned]:
    """Checks that change the gap at any threshold."""
    for check in on_page():
        rows = tuple(row for row in answer.check(check) if row.verdict in _BAD)
        found = worst(rows)
        if found is not None:
            yield Warned(
                concern=Concern.CHECK, answers=(answer,), about=check, verdict=found, rows=rows
            )


def _people(answer: Answer) -> Iterator[Warned]:
    lost = answer.diagnostic("members_without_comparison_share")
    if lost is not None and lost > UNMATCHED:
        yield Warned(concern=Concern.UNMATCHED, answers=(answer,), value=lost)
    zones = [row.n_clusters for row in answer.coefficients if row.n_clusters]
    if not answer.results.study.design.zone:
        yield Warned(concern=Concern.NO_ZONES, answers=(answer,))
    elif zones and min(zones) < FEW_ZONES:
        yield Warned(concern=Concern.FEW_ZONES, answers=(answer,), value=min(zones))
    tied = answer.diagnostic("tied_members")
    if tied:
        yield Warned(concern=Concern.TIES, answers=(answer,), value=tied)


def against(answer: Answer) -> list[str]:
    """Checks that change the answer, or leave open whether they do, the former first."""
    found = {check: worst(answer.check(check)) for check in on_page()}
    order = (Verdict.CHANGES, Verdict.DIFFERENT, Verdict.UNDECIDED)
    return [check for verdict in order for check, known in found.items() if known is verdict]


def doubts(answer: Answer) -> str:
    """Topics whose word in the report's grid speaks against the answer."""
    words = grid(answer, topics(answer.results))
    return " · ".join(f"{word.topic}: {word.text}" for word in words if word.is_bad)
