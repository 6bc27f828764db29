"""From the distinct values of a column to level indices, by one variable's declaration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import SurveyError
from coopgap.study.spec import Code, Variable
from coopgap.study.values import normalise
from coopgap.survey.raw import Answers, RawTable

__all__ = [
    "MISSING",
    "UNDECLARED",
    "as_number",
    "level_codes",
    "look_up",
    "row_numbers",
    "undeclared",
]

MISSING: Final = -1
"""Index of an answer that is missing."""

UNDECLARED: Final = -2
"""Index of a value that the codebook does not know; it never leaves this package."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SENTINEL = re.compile(r"-[1-9]|-?9{1,5}[6-9]", re.ASCII)
_SHOWN = 5
_LONGEST_CODE = 20
_LONGEST_NUMBER = 5
_FEWEST = 10


def as_number(value: Code) -> float | None:
    """A finite number, or None for anything else; a decimal comma is not a number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    number = float(value)
    return number if np.isfinite(number) else None


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
    if as_number(text) is not None and len(text) <= _LONGEST_NUMBER:
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
    """Left-closed bands; values that the file itself calls missing are not numbers to band."""
    answers = raw.answers(variable.column)
    table = _declared_table(variable)
    named = [table.get(normalise(value), UNDECLARED) for value in answers.values]
    numbers = np.array([_or_nan(as_number(value)) for value in answers.values])
    open_ = np.array([code == UNDECLARED for code in named], dtype=bool)
    _refuse_sentinels(raw, variable, answers, np.where(open_, numbers, np.nan))
    bands = np.searchsorted(np.array(variable.cuts), numbers, side="right")
    places = np.where(open_ & np.isfinite(numbers), bands, named)
    blank = table.get("", MISSING)
    empty = np.array([normalise(value) == "" for value in answers.values], dtype=bool)
    places = np.append(np.where(empty, blank, places), blank).astype(np.int64)
    codes = places[answers.index]
    allowed = f"variable {variable.name} is banded: numbers, or codes declared in missing"
    _refuse(raw, variable.column, answers, codes, allowed)
    return codes


def row_numbers(raw: RawTable, variable: Variable) -> FloatArray:
    """Number of every row of a numeric variable, shape (n,); NaN where it is missing.

    Raises
    ------
    SurveyError
        A value that is no number and not declared missing, one outside the declared range, or one
        that looks like a missing code.
    """
    answers = raw.answers(variable.column)
    named = {normalise(code) for code in variable.missing} | {""}
    absent = np.array([normalise(value) in named for value in answers.values], dtype=bool)
    numbers = np.array([_or_nan(as_number(value)) for value in answers.values], dtype=np.float64)
    numbers[absent] = np.nan
    known = np.isfinite(numbers)
    codes = np.append(np.where(absent | known, MISSING, UNDECLARED), MISSING)[answers.index]
    allowed = f"variable {variable.name} is numeric: numbers, or codes declared in missing"
    _refuse(raw, variable.column, answers, codes, allowed)
    looks = [bool(_SENTINEL.fullmatch(normalise(value))) for value in answers.values]
    likely = numbers[known & ~np.array(looks, dtype=bool)]
    ends = variable.knots or (likely.min(initial=0.0), likely.max(initial=0.0))
    _refuse_sentinels(raw, replace(variable, cuts=ends), answers, numbers)
    found = np.append(numbers, np.nan)[answers.index]
    low, high = variable.range or (-np.inf, np.inf)
    outside = int(((found < low) | (found > high)).sum())
    if outside:
        raise SurveyError(
            f"{raw.where}: {variable.column}",
            f"{outside} numbers lie outside the declared range of variable {variable.name}",
            f"allowed: {low:g} to {high:g}; name codes of no answer in missing",
        )
    return found


def _or_nan(number: float | None) -> float:
    return np.nan if number is None else number


def _refuse_sentinels(
    raw: RawTable, variable: Variable, answers: Answers, numbers: FloatArray
) -> None:
    """Refuse numbers that stand for no answer and that the codebook does not mention.

    Those are the file's own user-missing codes, and codes such as 999 or -1 that lie beyond every
    other value and farther from the cuts than the cuts reach.
    """
    file_says = _user_missing(raw, variable.column, numbers)
    suspect = np.zeros(numbers.size, dtype=bool)
    if not variable.range:
        suspect = _far_sentinels(answers.values, numbers, variable.cuts)
    bad = file_says | suspect
    if not bad.any():
        return
    rows = np.append(bad, False)[answers.index]
    raise SurveyError(
        f"{raw.where}: {variable.column}",
        undeclared(answers, rows) + " that looks like a missing code",
        f"name it in missing, or {_NUMBER_KEPT[variable.is_numeric]}, for variable {variable.name}",
    )


_NUMBER_KEPT = {False: "in codes with its band", True: "give the range that it lies in"}


def _user_missing(raw: RawTable, column: str, numbers: FloatArray) -> BoolArray:
    bad = np.zeros(numbers.size, dtype=bool)
    for low, high in raw.user_missing.get(column, ()):
        ends = as_number(low), as_number(high)
        if ends[0] is not None and ends[1] is not None:
            bad |= (numbers >= ends[0]) & (numbers <= ends[1])
    return bad


def _far_sentinels(values: Sequence[Code], numbers: FloatArray, cuts: Sequence[float]) -> BoolArray:
    looks = np.array([bool(_SENTINEL.fullmatch(normalise(value))) for value in values], dtype=bool)
    looks &= np.isfinite(numbers)
    others = numbers[np.isfinite(numbers) & ~looks]
    reach = max(cuts[-1] - cuts[0], abs(cuts[0]))
    high = (numbers > cuts[-1] + reach) & (numbers > others.max(initial=-np.inf))
    low = (numbers < 0) & (others.min(initial=np.inf) >= 0)
    return np.asarray(looks & (high | low))
