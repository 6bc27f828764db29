"""One spelling for a value, however a file or a codebook writes it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

from coopgap.core.errors import without_marks

type Code = str | int | float | bool
"""A value as it stands in a survey file or a codebook."""


def normalise(value: Code, *, numeric: bool = True) -> str:
    """Text under which equal values are equal: 1, 1.0 and "1" are the same.

    Parameters
    ----------
    value
        Text, number or boolean.
    numeric
        Whether a text that writes a number stands for that number. In a column where "1.1" and
        "1.10" are two answers it does not.

    Returns
    -------
    str
        Whole numbers without a fraction, other numbers in their shortest form, booleans as
        `true` and `false` in whatever case, other text stripped of white space at its ends and of
        marks of direction, an accent part of its letter however it is coded.

    Examples
    --------
    >>> normalise(1.0), normalise(" 01.50 "), normalise(True), normalise("n/a")
    ('1', '1.5', 'true', 'n/a')
    >>> normalise("1.50", numeric=False), normalise(1.5, numeric=False), normalise("TRUE")
    ('1.50', '1.5', 'true')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        text = unicodedata.normalize("NFC", without_marks(value).strip())
        number = _number(text) if numeric else None
        if number is not None:
            return _plain(number)
        return text.casefold() if text.casefold() in ("true", "false") else text
    return _plain(value) if math.isfinite(value) else str(value)


def lossless(values: Iterable[Code]) -> bool:
    """Whether reading texts as numbers leaves as many numbers as there are texts."""
    texts = {value.strip() for value in values if isinstance(value, str)}
    numbers = [number for text in texts if (number := _number(text)) is not None]
    return len(set(numbers)) == len(numbers)


def _number(text: str) -> float | None:
    """The finite number a text writes in plain digits, else None."""
    if not text or text[-1] not in "0123456789." or not set(text) <= set("0123456789.+-eE"):
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    # Beyond 2**53 two different whole numbers share one float, so identifiers stay text.
    return number if math.isfinite(number) and abs(number) < 2**53 else None


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(float(number))
