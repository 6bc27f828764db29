"""One spelling for a value, however a file or a codebook writes it."""

from __future__ import annotations

import math

from coopgap.direction import without_marks
from coopgap.study.spec import Code

__all__ = ["normalise"]


def normalise(value: Code) -> str:
    """Text under which equal values are equal: 1, 1.0 and "1" are the same.

    Parameters
    ----------
    value
        Text, number or boolean.

    Returns
    -------
    str
        Whole numbers without a fraction, other numbers in their shortest form, booleans as
        `true` and `false`, other text stripped of white space at its ends and of marks of
        direction.

    Examples
    --------
    >>> normalise(1.0), normalise(" 01.50 "), normalise(True), normalise("n/a")
    ('1', '1.5', 'true', 'n/a')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        text = without_marks(value).strip()
        number = _number(text)
        return text if number is None else _plain(number)
    return _plain(value) if math.isfinite(value) else str(value)


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
