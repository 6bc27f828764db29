"""From the distinct values of a column to level indices, by one variable's declaration."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.study.spec import Variable
from coopgap.study.values import Code, normalise
from coopgap.survey.raw import Answers, RawTable
from coopgap.survey.records import Doubt
from coopgap.survey.values import (
    as_number,
    file_missing,
    is_sentinel,
    labelled_missing,
    read_numbers,
    stands_out,
)

MISSING: Final = -1
"""Index of an answer that is missing."""

UNDECLARED: Final = -2
"""Index of a value that the codebook does not know; it never leaves this package."""

LISTED: Final = (
    "coopgap describe FILE lists the values of a column, save texts that fewer than 5 people gave"
)
"""How to see what a message may not hold."""

_SHOWN = 5
_LONGEST_CODE = 20
_LONGEST_NUMBER = 5
_FEWEST = 10


def refuse(raw: RawTable, column: str, bad: BoolArray, allowed: str, why: str = "") -> None:
    """Refuse rows, shape (n,), whose value is not declared."""
    if bad.any():
        found = f"{undeclared(raw.answers(column), bad)}{why and f' {why}'}"
        raise raw.refusal(column, found, allowed)


def undeclared(answers: Answers, bad: BoolArray) -> str:
    """Undeclared values of the rows `bad`, named where they look like codes, else counted."""
    index = answers.index[bad]
    blank = int((index < 0).sum())
    counts = np.bincount(index[index >= 0], minlength=len(answers.values))
    codes: dict[str, int] = {}
    texts = 0
    for place in np.flatnonzero(counts):
        text, count = answers.texts[place], int(counts[place])
        if text == "":
            blank += count
        elif (
            is_sentinel(text)
            or (as_number(text) is not None and len(text) <= _LONGEST_NUMBER)
            or (len(text) <= _LONGEST_CODE and count >= _FEWEST)
        ):
            codes[text] = codes.get(text, 0) + count
        else:
            texts += count
    largest = sorted(codes.items(), key=lambda item: -item[1])[:_SHOWN]
    parts = [f"undeclared code {text!r} {_times(n)}" for text, n in largest]
    if len(codes) > _SHOWN:
        parts.append(f"{len(codes) - _SHOWN} more undeclared codes")
    if texts:
        parts.append(f"an undeclared text {_times(texts)}")
    if blank:
        parts.append(f"an undeclared blank {_times(blank)}")
    return ", ".join(parts)


def _times(count: int) -> str:
    return f"({count} {'time' if count == 1 else 'times'})"


def look_up(answers: Answers, table: Mapping[str, int], blank: int = MISSING) -> IntArray:
    """Index by row of values as the column spells them; an empty cell's is `blank` or of ""."""
    places = _places(answers.texts, table, blank)
    return np.asarray(answers.rows(places, table.get("", blank)))


def _places(texts: Iterable[str], table: Mapping[str, int], blank: int = MISSING) -> list[int]:
    blank = table.get("", blank)
    return [table.get(text, UNDECLARED) if text else blank for text in texts]


def level_codes(raw: RawTable, variable: Variable) -> IntArray:
    """Index into `variable.levels` of every row, -1 where missing or blank; else refused."""
    match variable.type:
        case "count_of":
            declared = _count_of(raw, variable)
        case "banded":
            declared = _banded(raw, variable)
        case _:
            table = _declared_table(raw, variable, raw.answers(variable.column).spell)
            declared = _declared(raw, variable, variable.column, table)
    if not variable.collapse:
        return declared
    final = [
        variable.levels.index(variable.collapse.get(level, level))
        for level in variable.declared_levels
    ]
    # Missing comes last, so that -1 stays -1.
    return np.array([*final, MISSING], dtype=np.int64)[declared]


def _declared_table(
    raw: RawTable, variable: Variable, spell: Callable[[Code], str]
) -> dict[str, int]:
    """Index into `declared_levels` of every value that the codebook names."""
    places = {level: place for place, level in enumerate(variable.declared_levels)}
    named: list[tuple[Code, int]] = [(code, places[lev]) for code, lev in variable.codes.items()]
    if variable.type == "binary":
        named += [(code, 0) for code in variable.no] + [(code, 1) for code in variable.yes]
    named += [(code, MISSING) for code in variable.missing]
    table = _once(raw, variable, named, spell)
    if variable.type == "banded" or variable.yes or variable.no:
        return table
    coded = {normalise(code, numeric=False) for code in variable.codes}
    levels = [item for item in places.items() if normalise(item[0], numeric=False) not in coded]
    return _once(raw, variable, levels, spell) | table


def _once(
    raw: RawTable,
    variable: Variable,
    named: Iterable[tuple[Code, int]],
    spell: Callable[[Code], str],
) -> dict[str, int]:
    """Index by code as the column spells it; two texts of one number may not differ in it."""
    table: dict[str, int] = {}
    for code, place in named:
        if table.setdefault(spell(code), place) != place:
            raise raw.refusal(
                variable.column,
                "is a column of numbers, in which two codes of the study are one number",
                f"give the number {spell(code)} one meaning in variable {variable.name}",
            )
    return table


def _declared(raw: RawTable, variable: Variable, column: str, table: Mapping[str, int]) -> IntArray:
    """Index by row of what the table has; refused where it has none."""
    codes = look_up(raw.answers(column), table)
    names = [repr(code) for code, place in table.items() if place >= 0]
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    shown = ", ".join(names[:20])
    keys = "yes, no" if variable.yes else "levels, codes"
    allowed = (
        f"variable {variable.name} declares {shown}{more}; what else is an answer belongs to a "
        f"level ({keys}), what is none in missing; {LISTED}"
    )
    refuse(raw, column, codes == UNDECLARED, allowed)
    return codes


def _count_of(raw: RawTable, variable: Variable) -> IntArray:
    """1 where at least `at_least` items are yes, 0 where fewer, -1 where any item is missing."""
    total = np.zeros(raw.n_rows, dtype=np.int64)
    missing = np.zeros(raw.n_rows, dtype=bool)
    for item in variable.items:
        answers = raw.answers(item)
        named = ((variable.no, 0), (variable.yes, 1), (variable.missing, MISSING))
        table = {answers.spell(code): place for codes, place in named for code in codes}
        codes = _declared(raw, variable, item, table)
        total += codes == 1
        missing |= codes == MISSING
    at_least = len(variable.items) if variable.at_least is None else variable.at_least
    return np.where(missing, MISSING, total >= at_least).astype(np.int64)


def _banded(raw: RawTable, variable: Variable) -> IntArray:
    """Left-closed bands of the numbers that no code names, however a number is spelt."""
    column = variable.column
    table = _declared_table(raw, variable, normalise)
    plain, numbers, looks = _open_numbers(raw, column, table)
    _refuse_nonanswers(raw, variable, numbers, looks, variable.cuts)
    bands = np.searchsorted(np.array(variable.cuts), numbers, side="right")
    places = np.where(np.isfinite(numbers), bands, _places(plain, table))
    codes: IntArray = raw.answers(column).rows(places, table.get("", MISSING))
    allowed = f"variable {variable.name} is banded: numbers, or what codes gives a band or missing "
    allowed += f"names; {LISTED}"
    refuse(raw, column, codes == UNDECLARED, allowed)
    _refuse_outside(raw, variable, numbers)
    return codes


def numbers_of(raw: RawTable, column: str) -> FloatArray:
    """The distinct values as numbers, shape (k,), NaN where one is none; refused if ambiguous."""
    numbers, problem = read_numbers(raw.answers(column).values, raw.decimal_commas, raw.delimiter)
    if problem:
        allowed = "write every number with a decimal point, and without a mark for thousands"
        raise raw.refusal(column, problem, allowed)
    return np.array(numbers, dtype=float)


def _open_numbers(
    raw: RawTable, column: str, named: Collection[str]
) -> tuple[list[str], FloatArray, BoolArray]:
    """Distinct values as codes, numbers spelt alike, and as numbers, NaN for what is `named`.

    And which of the numbers have the shape of a missing code.
    """
    numbers = numbers_of(raw, column)
    values = zip(raw.answers(column).values, numbers.tolist(), strict=True)
    plain = [normalise(value if np.isnan(number) else number) for value, number in values]
    numbers[[text in named for text in plain]] = np.nan
    looks = np.array([is_sentinel(text) for text in plain], dtype=bool)
    return plain, numbers, looks & np.isfinite(numbers)


def row_numbers(raw: RawTable, variable: Variable) -> FloatArray:
    """Number of every row of a numeric variable, NaN where it is declared missing; else refused."""
    column, answers = variable.column, raw.answers(variable.column)
    named = {normalise(code): MISSING for code in variable.missing} | {"": MISSING}
    plain, numbers, looks = _open_numbers(raw, column, named)
    known = np.isfinite(numbers)
    codes = answers.rows(np.where(known, MISSING, _places(plain, named)), MISSING)
    allowed = f"variable {variable.name} is numeric: numbers, or codes declared in missing; "
    allowed += LISTED
    refuse(raw, column, codes == UNDECLARED, allowed)
    likely = numbers[known & ~looks]
    ends = variable.knots or (likely.min(initial=0.0), likely.max(initial=0.0))
    _refuse_nonanswers(raw, variable, numbers, looks, ends)
    _refuse_outside(raw, variable, numbers)
    result: FloatArray = answers.rows(numbers, np.nan)
    return result


def _refuse_outside(raw: RawTable, variable: Variable, numbers: FloatArray) -> None:
    """Refuse numbers, of distinct values, that lie outside the declared range."""
    low, high = variable.range or (-np.inf, np.inf)
    outside = (numbers < low) | (numbers > high)
    if outside.any():
        raise raw.refusal(
            variable.column,
            f"{int(raw.answers(variable.column).rows(outside, False).sum())} numbers lie outside "
            f"the declared range of variable {variable.name}",
            f"allowed: {low:g} to {high:g}; name codes of no answer in missing",
        )


def _refuse_nonanswers(
    raw: RawTable,
    variable: Variable,
    numbers: FloatArray,
    looks: BoolArray,
    cuts: Sequence[float],
) -> None:
    """Refuse unmentioned numbers that stand for no answer: by the file, its labels, or how far."""
    column, known = variable.column, np.isfinite(numbers)
    kept = "give the range that it lies in"
    kept += "" if variable.is_numeric else ", or name it in codes with its band"
    far = _far(numbers, looks, cuts) & (not variable.range)
    for bad, why, other in (
        (file_missing(raw, column), "that the file itself declares missing", False),
        (labelled_missing(raw, column), "that the file labels as no answer", False),
        (far, "that looks like a missing code", True),
    ):
        if (known & bad).any():
            or_kept = f", or {kept}," if other or not variable.is_numeric else ""
            allowed = f"name it in missing{or_kept} for variable {variable.name}"
            refuse(raw, column, raw.answers(column).rows(known & bad, False), allowed, why)


def _far(numbers: FloatArray, looks: BoolArray, cuts: Sequence[float]) -> BoolArray:
    """Which of `looks` lie beyond all others and farther from the cuts than the cuts reach."""
    others = numbers[np.isfinite(numbers) & ~looks]
    reach = max(cuts[-1] - cuts[0], abs(cuts[0]))
    high = (numbers > cuts[-1] + reach) & (numbers > others.max(initial=-np.inf))
    low = (numbers < 0) & (others.min(initial=np.inf) >= 0)
    return np.asarray(looks & (high | low))


def doubts(raw: RawTable, variable: Variable) -> tuple[Doubt, ...]:
    """Numbers taken as they stand that may stand for no answer, such as an age of 88."""
    if variable.type not in ("banded", "numeric") or variable.range:
        return ()
    return doubtful_numbers(raw, variable.column, _declared_table(raw, variable, normalise))


def doubtful_numbers(raw: RawTable, column: str, named: Collection[str]) -> tuple[Doubt, ...]:
    """Numbers of a column, but for what is `named`, that may be a missing code."""
    counts = raw.answers(column).counts
    plain, numbers, looks = _open_numbers(raw, column, named)
    return tuple(
        Doubt(column=column, code=plain[place], count=int(counts[place]))
        for place in np.flatnonzero(stands_out(numbers, counts, looks & (numbers >= 0)))
    )


def far_codes(raw: RawTable, column: str, named: Collection[str]) -> BoolArray:
    """Which distinct numbers of a column look like missing codes far above the rest, from 666."""
    _, numbers, looks = _open_numbers(raw, column, named)
    likely = numbers[np.isfinite(numbers) & ~looks]
    if not likely.size:
        return np.zeros(numbers.size, dtype=bool)
    return _far(numbers, looks, (likely.min(), likely.max())) & (numbers > 100)
