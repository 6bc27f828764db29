"""What a column looks like: codes, a scale, an identifier, free text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from coopgap.core.errors import without_marks
from coopgap.study.spec import Code
from coopgap.survey.nonanswers import (
    declared_missing,
    is_sentinel,
    reads_as_missing,
)
from coopgap.survey.numbers import as_number, read_numbers
from coopgap.survey.raw import Answers, ExtendedMissing, RawTable

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
    column
        Its name.
    label
        Its label in the file, or empty.
    kind
        What it seems to hold.
    codes
        Normalised codes with their labels (empty where there is none), in order; only for
        `Kind.CODES`, and without texts that few people gave.
    unshown
        Answers whose text is not among `codes` because few people gave it.
    unused
        Labels of codes that nobody has.
    missing
        Codes that seem to stand for no answer.
    numbers
        Shape (m,): the answers of a scale, without missing codes; empty for other kinds.
    extended
        Missing values that the file tells apart by letter.
    n_distinct
        Distinct answers, without missing codes.
    n_answers
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
    unused: tuple[str, ...]
    missing: tuple[MissingCode, ...]
    extended: tuple[ExtendedMissing, ...]
    numbers: np.ndarray[tuple[int], np.dtype[np.float64]]
    n_distinct: int
    n_answers: int
    numeric: bool
    problem: str


def profile(raw: RawTable, column: str) -> Profile:
    """Look at one column.

    Parameters
    ----------
    raw
        The survey as it stands in its file.
    column
        One of its columns.

    Returns
    -------
    Profile
        Texts that fewer than 5 people gave are in no field of it.
    """
    given = raw.answers(column)
    counts = _counts(given)
    labels = {
        given.spell(code): without_marks(str(label)).strip()
        for code, label in raw.value_labels.get(column, {}).items()
    }
    missing = _missing(counts, labels, raw.user_missing.get(column, ()))
    gone = {item.code for item in missing}
    answers = {code: count for code, count in counts.items() if code not in gone}
    found = read_numbers(given.values, raw.decimal_commas, raw.delimiter)
    by_text = dict(zip(given.texts, found.values, strict=True))
    numbers = {
        text: number
        for text in answers
        if not found.problem and (number := by_text[text]) is not None
    }
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
        unused=tuple(label for code, label in named.items() if label and code not in counts),
        missing=missing,
        extended=tuple(one for one in raw.extended if one.column == column),
        numbers=spread,
        n_distinct=len(answers),
        n_answers=sum(answers.values()),
        numeric=numeric,
        problem=found.problem,
    )


def _counts(answers: Answers) -> dict[str, int]:
    """How often each value stands, in the column's spelling, blanks left out."""
    found: dict[str, int] = {}
    for text, count in zip(answers.texts, answers.counts.tolist(), strict=True):
        if text:
            found[text] = found.get(text, 0) + count
    return found


def _missing(
    counts: Mapping[str, int],
    labels: Mapping[str, str],
    spans: Iterable[tuple[Code, Code]],
) -> tuple[MissingCode, ...]:
    """Codes that the file declares missing, that read so, or that stand apart from the rest."""
    declared = {code for code in counts if declared_missing(code, spans)}
    likely = {
        code
        for code in counts
        if (reads_as_missing(labels[code], label=True) if labels.get(code) else _is_na(code))
    }
    rest = {code: as_number(code) for code in counts if code not in declared | likely}
    likely |= _apart({code: number for code, number in rest.items() if number is not None}, labels)
    chosen = sorted(declared | likely, key=_natural)
    return tuple(
        MissingCode(
            code=code, label=labels.get(code, ""), count=counts[code], declared=code in declared
        )
        for code in chosen
    )


def _is_na(code: str) -> bool:
    return reads_as_missing(code, label=False)


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
    for code in sorted(high, key=_natural):
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


_YES_NO = {"yes", "no", "true", "false", "si", "sí", "oui", "non", "sim", "não", "y", "n"}


def _recurs(answers: Mapping[str, int]) -> bool:
    """Whether texts come back often enough to be codes and not somebody's words."""
    if all(text.casefold() in _YES_NO for text in answers):
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
        or code.casefold() in _YES_NO
        or (count >= FEWEST_EACH and len(code) <= LONGEST_LEVEL)
    ]
    ordered = sorted(codes, key=lambda code: (numbers.get(code, np.inf), code))
    return {code: labels.get(code, "") for code in ordered}


def _natural(code: str) -> tuple[float, str]:
    number = as_number(code)
    return (np.inf if number is None else number, code)
