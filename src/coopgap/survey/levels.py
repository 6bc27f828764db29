"""From the distinct values of a column to level indices, by one variable's declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import SurveyError
from coopgap.study.spec import Variable
from coopgap.study.values import normalise
from coopgap.survey.nonanswers import (
    as_number,
    file_missing,
    is_sentinel,
    labelled_missing,
    stands_out,
)
from coopgap.survey.raw import Answers, RawTable
from coopgap.survey.records import Doubt

__all__ = [
    "MISSING",
    "UNDECLARED",
    "as_number",
    "doubts",
    "level_codes",
    "look_up",
    "undeclared",
]

MISSING: Final = -1
"""Index of an answer that is missing."""

UNDECLARED: Final = -2
"""Index of a value that the codebook does not know; it never leaves this package."""

_SHOWN = 5
_LONGEST_CODE = 20
_LONGEST_NUMBER = 5
_FEWEST = 10


def undeclared(answers: Answers, bad: BoolArray) -> str:
    """Describe undeclared values without repeating what a respondent wrote.

    Parameters
    ----------
    answers
        The column.
    bad
        Shape (n,): rows whose value is not declared.

    Returns
    -------
    str
        Values are repeated only where they look like codes: numbers of at most 5 characters, or
        texts of at most 20 that stand at least 10 times. The others are counted.
    """
    index = answers.index[bad]
    blank = int((index < 0).sum())
    counts = np.bincount(index[index >= 0], minlength=len(answers.values))
    codes: dict[str, int] = {}
    texts = 0
    for place in np.flatnonzero(counts):
        text, count = normalise(answers.values[place]), int(counts[place])
        if text == "":
            blank += count
        elif _is_code(text, count):
            codes[text] = codes.get(text, 0) + count
        else:
            texts += count
    parts = [f"undeclared code {text!r} {_times(n)}" for text, n in _largest(codes)]
    if len(codes) > _SHOWN:
        parts.append(f"{len(codes) - _SHOWN} more undeclared codes")
    if texts:
        parts.append(f"an undeclared text {_times(texts)}")
    if blank:
        parts.append(f"an undeclared blank {_times(blank)}")
    return ", ".join(parts)


def _is_code(text: str, count: int) -> bool:
    if is_sentinel(text) or (as_number(text) is not None and len(text) <= _LONGEST_NUMBER):
        return True
    return len(text) <= _LONGEST_CODE and count >= _FEWEST


def _largest(codes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(codes.items(), key=lambda item: -item[1])[:_SHOWN]


def _times(count: int) -> str:
    return f"({count} {'time' if count == 1 else 'times'})"


def look_up(answers: Answers, table: Mapping[str, int], blank: int = MISSING) -> IntArray:
    """Index of each row's normalised value.

    Parameters
    ----------
    answers
        The column.
    table
        Index by normalised value.
    blank
        Index of an empty cell, unless `table` has one for the empty text.

    Returns
    -------
    IntArray
        Shape (n,): `UNDECLARED` where a value is not in `table`.
    """
    blank = table.get("", blank)
    texts = [normalise(value) for value in answers.values]
    found = [table.get(text, UNDECLARED) if text else blank for text in texts]
    return np.array([*found, blank], dtype=np.int64)[answers.index]


def level_codes(raw: RawTable, variable: Variable) -> IntArray:
    """Level index of every row.

    Parameters
    ----------
    raw
        Holds the variable's column or items.
    variable
        Its declaration. Blanks are missing. For banded variables `codes` come before the cuts.

    Returns
    -------
    IntArray
        Shape (n,): index into `variable.levels`, -1 where missing.

    Raises
    ------
    SurveyError
        A value that is neither declared nor missing.
    """
    match variable.type:
        case "count_of":
            declared = _count_of(raw, variable)
        case "banded":
            declared = _banded(raw, variable)
        case _:
            declared = _coded(raw, variable)
    return _collapse(variable)[declared]


def _collapse(variable: Variable) -> IntArray:
    """Final index of every declared level, with -1 last so that -1 stays -1."""
    places = {level: place for place, level in enumerate(variable.levels)}
    final = [places[variable.collapse.get(level, level)] for level in variable.declared_levels]
    return np.array([*final, MISSING], dtype=np.int64)


def _declared_table(variable: Variable) -> dict[str, int]:
    """Index into `declared_levels` of every value that the codebook names."""
    places = {level: place for place, level in enumerate(variable.declared_levels)}
    table = {normalise(code): places[level] for code, level in variable.codes.items()}
    if variable.type == "binary":
        table |= {normalise(code): 0 for code in variable.no}
        table |= {normalise(code): 1 for code in variable.yes}
    if variable.type != "banded" and not (variable.yes or variable.no):
        table = {normalise(level): place for level, place in places.items()} | table
    return table | {normalise(code): MISSING for code in variable.missing}


def _coded(raw: RawTable, variable: Variable) -> IntArray:
    answers = raw.answers(variable.column)
    table = _declared_table(variable)
    codes = look_up(answers, table)
    _refuse(raw, variable.column, answers, codes, _allowed(variable, table))
    return codes


def _allowed(variable: Variable, table: Mapping[str, int]) -> str:
    names = [repr(code) for code, place in table.items() if place >= 0]
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    shown = ", ".join(names[:20])
    return f"variable {variable.name} declares {shown}{more}; others belong in missing"


def _refuse(raw: RawTable, column: str, answers: Answers, codes: IntArray, allowed: str) -> None:
    bad = codes == UNDECLARED
    if bad.any():
        raise SurveyError(f"{raw.where}: {column}", undeclared(answers, bad), allowed)


def _count_of(raw: RawTable, variable: Variable) -> IntArray:
    """1 where at least `at_least` items are yes, 0 where fewer, -1 where any item is missing."""
    table = {normalise(code): 0 for code in variable.no}
    table |= {normalise(code): 1 for code in variable.yes}
    table |= {normalise(code): MISSING for code in variable.missing}
    total = np.zeros(raw.n_rows, dtype=np.int64)
    missing = np.zeros(raw.n_rows, dtype=bool)
    for item in variable.items:
        answers = raw.answers(item)
        codes = look_up(answers, table)
        _refuse(raw, item, answers, codes, _allowed(variable, table))
        total += codes == 1
        missing |= codes == MISSING
    at_least = len(variable.items) if variable.at_least is None else variable.at_least
    return np.where(missing, MISSING, total >= at_least).astype(np.int64)


def _banded(raw: RawTable, variable: Variable) -> IntArray:
    """Left-closed bands of the numbers that stand for themselves."""
    answers = raw.answers(variable.column)
    table = _declared_table(variable)
    named = [table.get(normalise(value), UNDECLARED) for value in answers.values]
    numbers = _open_numbers(answers, variable)
    _refuse_nonanswers(raw, variable, answers, numbers)
    bands = np.searchsorted(np.array(variable.cuts), numbers, side="right")
    places = np.where(np.isfinite(numbers), bands, named)
    blank = table.get("", MISSING)
    empty = np.array([normalise(value) == "" for value in answers.values], dtype=bool)
    places = np.append(np.where(empty, blank, places), blank).astype(np.int64)
    codes = places[answers.index]
    allowed = f"variable {variable.name} is banded: numbers, or codes declared in missing"
    _refuse(raw, variable.column, answers, codes, allowed)
    return codes


def _open_numbers(answers: Answers, variable: Variable) -> FloatArray:
    """The column's distinct values as numbers; NaN for texts and what the codebook names."""
    table = _declared_table(variable)
    numbers = [None if normalise(value) in table else as_number(value) for value in answers.values]
    return np.array([np.nan if number is None else number for number in numbers])


def _refuse_nonanswers(
    raw: RawTable, variable: Variable, answers: Answers, numbers: FloatArray
) -> None:
    """Refuse numbers that stand for no answer and that the codebook does not mention.

    Those are the file's own missing codes, values whose label says no answer, and codes such as
    999 or -1 that lie beyond every other value and farther from the cuts than the cuts reach.
    """
    column, known = variable.column, np.isfinite(numbers)
    for bad, why in (
        (known & file_missing(raw, column, answers), "that the file itself declares missing"),
        (known & labelled_missing(raw, column, answers), "that the file labels as no answer"),
        (_far_sentinels(answers, numbers, variable), "that looks like a missing code"),
    ):
        if bad.any():
            rows = np.append(bad, False)[answers.index]
            raise SurveyError(
                f"{raw.where}: {column}",
                f"{undeclared(answers, rows)} {why}",
                f"name it in missing, or in codes with its band, for variable {variable.name}",
            )


def _sentinels(answers: Answers, numbers: FloatArray) -> BoolArray:
    """Which numbers have the shape of a missing code."""
    looks = [is_sentinel(normalise(value)) for value in answers.values]
    return np.array(looks, dtype=bool) & np.isfinite(numbers)


def _far_sentinels(answers: Answers, numbers: FloatArray, variable: Variable) -> BoolArray:
    cuts, looks = variable.cuts, _sentinels(answers, numbers)
    others = numbers[np.isfinite(numbers) & ~looks]
    reach = max(cuts[-1] - cuts[0], abs(cuts[0]))
    high = (numbers > cuts[-1] + reach) & (numbers > others.max(initial=-np.inf))
    low = (numbers < 0) & (others.min(initial=np.inf) >= 0)
    return np.asarray(looks & (high | low))


def doubts(raw: RawTable, variable: Variable) -> tuple[Doubt, ...]:
    """Numbers taken as they stand that may stand for no answer, such as an age of 88.

    They have the shape of a missing code, and lie beyond all other numbers or stand far oftener
    than their neighbours.
    """
    if variable.type != "banded":
        return ()
    answers = raw.answers(variable.column)
    numbers = _open_numbers(answers, variable)
    looks = _sentinels(answers, numbers) & (numbers >= 0)
    return tuple(
        Doubt(
            column=variable.column,
            code=normalise(answers.values[place]),
            count=int(answers.counts[place]),
        )
        for place in np.flatnonzero(stands_out(numbers, answers.counts, looks))
    )
