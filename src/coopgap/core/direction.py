"""Invisible marks that turn the direction of text, which could make a line read as another.

One rule: a study folder may hold none, and whatever else is read or told loses them.
"""

from __future__ import annotations

import re

_MARK = re.compile("[\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]")


def without_marks(text: str) -> str:
    """Text without marks of direction; letters of any script keep the direction of their own."""
    return _MARK.sub("", text)


def first_mark(text: str) -> str | None:
    """The first mark of direction by line and code point; None where there is none."""
    found = _MARK.search(text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    return f"line {line} holds U+{ord(found[0]):04X}, a mark that turns the direction of text"
