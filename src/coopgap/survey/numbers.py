"""Numbers that a column writes as text: decimal points, decimal commas, marks for thousands."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from coopgap.study.spec import Code

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_COMMA = re.compile(r"[+-]?(\d*),(\d+)", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}(\1\d{3})*", re.ASCII)
_FEWEST: Final = 5
"""Different numbers that could all be thousands, before a column is taken to write them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The distinct values of a column as numbers.

    Attributes
    ----------
    values
        Shape (k,): None where a value is no number.
    problem
        Why they cannot be told, to be followed by what to do; empty where they can.
    """

    values: tuple[float | None, ...]
    problem: str = ""


def as_number(value: Code) -> float | None:
    """A finite number, or None for anything else; a decimal comma is not a number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def read_numbers(values: Sequence[Code], commas_in: str = "", delimiter: str = "") -> Numbers:
    """Read the distinct values of one column as numbers.

    Parameters
    ----------
    values
        Texts, or numbers as they are.
    commas_in
        A column of the same file that `shows_commas`; empty where none does.
    delimiter
        Of the file; empty where it has none.

    Returns
    -------
    Numbers
        Decimal commas are read where some number cannot be one of thousands. A mark that may be
        either is a problem: 1.234 in a file with decimal commas elsewhere, 1,234 in one without,
        and in a file that is not parted by commas points that all stand before three digits,
        among whole numbers that all have fewer than four.
    """
    numbers = tuple(as_number(value) for value in values)
    texts = [value.strip() for value in values if isinstance(value, str)]
    with_comma = [text for text in texts if _COMMA.fullmatch(text)]
    with_point = [text for text in texts if "." in text and _NUMBER.fullmatch(text)]
    if with_comma and with_point:
        return Numbers(values=numbers, problem="some of its numbers have a point, some a comma")
    if with_comma:
        if not commas_in and all(_THOUSANDS.fullmatch(text) for text in with_comma):
            return Numbers(values=numbers, problem="its numbers with a comma may be thousands")
        return Numbers(values=tuple(as_number(_point(value)) for value in values))
    if with_point and all(_THOUSANDS.fullmatch(text) for text in with_point):
        if commas_in:
            problem = f"its numbers with a point may be thousands: {commas_in!r} has decimal commas"
            return Numbers(values=numbers, problem=problem)
        whole = [text for text in texts if _WHOLE.fullmatch(text)]
        short = whole and all(len(text.lstrip("+-")) <= 3 for text in whole)
        if delimiter not in ("", ",") and len(with_point) >= _FEWEST and short:
            problem = "its numbers with a point may be thousands: none has four digits together"
            return Numbers(values=numbers, problem=problem)
    return Numbers(values=numbers)


def _point(value: Code) -> Code:
    if isinstance(value, str) and _COMMA.fullmatch(value.strip()):
        return value.replace(",", ".")
    return value


def shows_commas(texts: Iterable[str]) -> bool:
    """Whether the texts of a column are numbers with decimal commas, and nothing else.

    Neither marks for thousands nor lists of two codes, such as 1,3: some number has other than
    three digits after its comma or begins with 0, and some pair is not in increasing order.
    """
    cells = [text.strip() for text in texts if any(char.isdigit() for char in text)]
    pairs = [match for text in cells if (match := _COMMA.fullmatch(text))]
    if not pairs or not all(_COMMA.fullmatch(text) or _WHOLE.fullmatch(text) for text in cells):
        return False
    listed = all(match[1].strip("0") and int(match[1]) < int(match[2]) for match in pairs)
    return not listed and not all(_THOUSANDS.fullmatch(match[0]) for match in pairs)
