"""What the columns of a file look like: codes, scales, identifiers, words, several choices."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.errors import without_marks
from coopgap.study.values import Code, normalise
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
    """One column of a survey file; answers are without blanks and what seems to be missing.

    Only `Kind.CODES` has `codes` with their labels, empty where there is none, of which `fewest`
    people have the rarest; texts that few people gave are counted in `unshown` alone, and labels of
    codes that nobody has are `unused`. Only `Kind.SCALE` has `numbers`, shape (m,). `problem` says
    why its numbers cannot be told.
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
    n_blank: int
    numeric: bool
    problem: str


def profile(raw: RawTable, column: str) -> Profile:
    """Look at one column; texts that fewer than 5 people gave are in no field of what it gives."""
    given = raw.answers(column)
    counts: Counter[str] = Counter()
    for text, count in zip(given.texts, given.counts.tolist(), strict=True):
        if text:
            counts[text] += count
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
        n_blank=raw.n_rows - sum(counts.values()),
        numeric=numeric,
        problem=problem,
    )


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

    Negative ones are answers where labelled, beside others of no such shape, or as in -2 to 2.
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


_BETWEEN: Final = ("/", ".", ":", "_")
_FEWEST_CHOICES: Final = 2
_AGREE: Final = 0.95
_YES, _NO = frozenset({"1", "true"}), frozenset({"0", "false"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The yes or no columns of a question with several answers, and how they write yes and no."""

    items: tuple[str, ...]
    yes: tuple[str, ...]
    no: tuple[str, ...]


def multiple_choices(raw: RawTable) -> dict[str, Choices]:
    """By a column such as `crops`, whose cells hold several words, its yes or no columns.

    Those are two or more, such as `crops/maize`: yes where the cell holds that name, else no.
    """
    found = {}
    for column in raw.columns:
        marks = tuple(f"{column}{mark}" for mark in _BETWEEN)
        named = [other for other in raw.columns if other.startswith(marks)]
        if len(named) < _FEWEST_CHOICES:
            continue
        cells = raw.answers(column)
        if all(len(normalise(value).split()) < 2 for value in cells.values):
            continue  # Columns of a single choice are its dummies.
        items = {other: raw.answers(other) for other in named}
        kept = {
            other: answers
            for other, answers in items.items()
            if _agrees(cells, answers, normalise(other[len(column) + 1 :]))
        }
        if len(kept) >= _FEWEST_CHOICES:
            texts = {normalise(value) for one in kept.values() for value in one.values}
            found[column] = Choices(
                items=tuple(kept),
                yes=tuple(sorted(text for text in texts if text.casefold() in _YES)),
                no=tuple(sorted(text for text in texts if text.casefold() in _NO)),
            )
    return found


def _agrees(cells: Answers, item: Answers, name: str) -> bool:
    """Whether an item is yes where the cell of the same person holds its name, and else no."""
    texts = [normalise(value).casefold() for value in item.values]
    if not set(texts) <= _YES | _NO | {""}:
        return False
    yes: BoolArray = item.rows([text in _YES for text in texts], False)
    known = yes | item.rows([text in _NO for text in texts], False)
    held = [name in map(normalise, normalise(value).split()) for value in cells.values]
    both = known & (cells.index >= 0)
    return bool(both.any() and (cells.rows(held, False) == yes)[both].mean() >= _AGREE)
