"""What the columns of a file look like: codes, scales, identifiers, words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import without_marks
from coopgap.study.values import Code
from coopgap.survey.raw import Answers, ExtendedMissing, RawTable
from coopgap.survey.values import (
    as_number,
    declared_missing,
    is_sentinel,
    natural_order,
    read_numbers,
    reads_as_missing,
)

MOST_CODES = 12
"""A numeric column with more distinct answers is a scale."""

MOST_TEXTS = 40
FEWEST_EACH = 5
LONGEST_LEVEL = 60
LONGEST_RARE_CODE = 4


class Kind(StrEnum):
    """What a column seems to hold."""

    EMPTY = "empty"
    CONSTANT = "constant"
    IDENTIFIER = "identifier"
    CODES = "codes"
    SCALE = "scale"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingCode:
    """A code that seems to stand for no answer."""

    code: str
    label: str
    count: int
    declared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One column of a survey file.

    Attributes
    ----------
    label
        Its label in the file, or empty.
    kind
        What it seems to hold.
    codes
        Normalised codes with their labels (empty where there is none), in order; only for
        `Kind.CODES`, and without texts that few people gave.
    unshown
        Answers whose text is not among `codes` because few people gave it.
    fewest
        How many people have the rarest of `codes`; 0 where there are none.
    unused
        Labels of codes that nobody has.
    missing
        Codes that seem to stand for no answer.
    extended
        Missing values that the file tells apart by letter.
    numbers
        Shape (m,): the answers of a scale, without missing codes; empty for other kinds.
    n_distinct, n_answers
        Answers, without blanks and missing codes.
    numeric
        Whether every answer is a number.
    problem
        Why its numbers cannot be told; empty where they can.
    """

    column: str
    label: str
    kind: Kind
    codes: Mapping[str, str]
    unshown: int
    fewest: int
    unused: tuple[str, ...]
    missing: tuple[MissingCode, ...]
    extended: tuple[ExtendedMissing, ...]
    numbers: FloatArray
    n_distinct: int
    n_answers: int
    numeric: bool
    problem: str


def profile(raw: RawTable, column: str) -> Profile:
    """Look at one column; texts that fewer than 5 people gave are in no field of what it gives."""
    given = raw.answers(column)
    counts = _counts(given)
    labels = {
        given.spell(code): without_marks(str(label)).strip()
        for code, label in raw.value_labels.get(column, {}).items()
    }
    missing = _missing(counts, labels, raw.user_missing.get(column, ()))
    gone = {item.code for item in missing}
    answers = {code: count for code, count in counts.items() if code not in gone}
    found, problem = read_numbers(given.values, raw.decimal_commas, raw.delimiter)
    by_text = {} if problem else dict(zip(given.texts, found, strict=True))
    numbers = {text: number for text in answers if (number := by_text.get(text)) is not None}
    numeric = given.numeric and len(numbers) == len(answers) > 0
    named = {code: label for code, label in labels.items() if code not in gone}
    kind = _kind(answers, named, numbers if numeric else None)
    shown = _shown(answers, named, numbers, numeric=numeric) if kind is Kind.CODES else {}
    if kind is Kind.CODES and len({label or code for code, label in shown.items()}) < 2:
        kind, shown = Kind.TEXT, {}
    spread = (
        np.repeat(np.array([numbers[code] for code in answers]), list(answers.values()))
        if kind is Kind.SCALE
        else np.zeros(0)
    )
    return Profile(
        column=column,
        label=without_marks(str(raw.labels.get(column, ""))).strip(),
        kind=kind,
        codes=shown,
        unshown=sum(answers.values()) - sum(answers[code] for code in shown),
        fewest=min((answers[code] for code in shown), default=0),
        unused=tuple(label for code, label in named.items() if label and code not in counts),
        missing=missing,
        extended=tuple(item for item in raw.extended if item.column == column),
        numbers=spread,
        n_distinct=len(answers),
        n_answers=sum(answers.values()),
        numeric=numeric,
        problem=problem,
    )


def _counts(answers: Answers) -> dict[str, int]:
    """How often each value stands, in the column's spelling, blanks left out."""
    found: dict[str, int] = {}
    for text, count in zip(answers.texts, answers.counts.tolist(), strict=True):
        if text:
            found[text] = found.get(text, 0) + count
    return found


def _missing(
    counts: Mapping[str, int], labels: Mapping[str, str], spans: Iterable[tuple[Code, Code]]
) -> tuple[MissingCode, ...]:
    """Codes that the file declares missing, that read so, or that stand apart from the rest."""
    declared = {code for code in counts if declared_missing(code, spans)}
    likely = {
        code
        for code in counts
        if reads_as_missing(labels.get(code) or code, label=bool(labels.get(code)))
    }
    rest = {code: as_number(code) for code in counts if code not in declared | likely}
    likely |= _apart({code: number for code, number in rest.items() if number is not None}, labels)
    chosen = sorted(declared | likely, key=natural_order)
    return tuple(
        MissingCode(
            code=code, label=labels.get(code, ""), count=counts[code], declared=code in declared
        )
        for code in chosen
    )


def _apart(numbers: Mapping[str, float], labels: Mapping[str, str]) -> set[str]:
    """Numbers such as 8, 99, 999 or -1 that lie apart from all others.

    Negative ones are answers where their label says so, where another negative number has no such
    shape, and where they reach as far below zero as the others reach above it, as in -2 to 2.
    """
    shaped = {code for code in numbers if is_sentinel(code)}
    low = {code for code in shaped if numbers[code] < 0 and not labels.get(code)}
    high = {
        code for code in numbers if code in ("8", "9") or (code in shaped and numbers[code] > 0)
    }
    others = [number for code, number in numbers.items() if code not in high | low]
    if not others:
        return set()
    # A scale may run up to such a number: it has to lie well beyond; codes only leave a gap.
    reach = 1.0 if len(others) <= MOST_CODES else max(max(others) - min(others), 1.0) / 2
    top, apart = max(others), set()
    for code in sorted(high, key=natural_order):
        if numbers[code] > top + reach:
            apart.add(code)
        elif not apart:
            top = max(top, numbers[code])
    lowest = min((numbers[code] for code in low), default=0.0)
    mirrored = len(low) > 1 and 0 in others and -lowest == max(others)
    return apart if min(others) < 0 or mirrored else apart | low


def _kind(
    answers: Mapping[str, int], labels: Mapping[str, str], numbers: Mapping[str, float] | None
) -> Kind:
    n, distinct = sum(answers.values()), len(answers)
    if distinct == 0:
        return Kind.EMPTY
    if distinct == 1:
        return Kind.CONSTANT
    labelled = sum(answers[code] for code in answers if code in labels)
    if labelled >= 0.9 * n and distinct <= MOST_TEXTS:
        return Kind.CODES
    if distinct == n and _names_people(distinct, numbers):
        return Kind.IDENTIFIER
    if numbers is not None:
        return Kind.CODES if distinct <= MOST_CODES else Kind.SCALE
    return Kind.CODES if _recurs(answers) else Kind.TEXT


def _names_people(distinct: int, numbers: Mapping[str, float] | None) -> bool:
    """Whether answers that are all different look like names or numbers of people."""
    if numbers is None:
        return distinct > MOST_CODES
    whole = all(number == int(number) for number in numbers.values())
    return whole and (distinct > MOST_CODES or max(numbers.values()) >= 1000)


def fold(text: str) -> str:
    """Small letters without accents."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return plain.casefold()


YES: Final = frozenset({"yes", "si", "true", "oui", "sim"})
NO: Final = frozenset({"no", "false", "non", "nao"})
_YES_NO: Final = YES | NO | {"y", "n"}


def _recurs(answers: Mapping[str, int]) -> bool:
    """Whether texts come back often enough to be codes and not somebody's words."""
    if all(fold(text) in _YES_NO for text in answers):
        return True
    common = [
        count
        for text, count in answers.items()
        if count >= FEWEST_EACH and len(text) <= LONGEST_LEVEL
    ]
    return 2 <= len(common) <= MOST_TEXTS and sum(common) >= 0.8 * sum(answers.values())


def _shown(
    answers: Mapping[str, int],
    labels: Mapping[str, str],
    numbers: Mapping[str, float],
    *,
    numeric: bool,
) -> dict[str, str]:
    codes = [
        code
        for code, count in answers.items()
        if code in labels
        or (numeric and len(code) <= LONGEST_RARE_CODE)
        or fold(code) in _YES_NO
        or (count >= FEWEST_EACH and len(code) <= LONGEST_LEVEL)
    ]
    ordered = sorted(codes, key=lambda code: (numbers.get(code, np.inf), code))
    return {code: labels.get(code, "") for code in ordered}
