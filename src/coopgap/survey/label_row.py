"""A row of labels under the header, as survey programs export it, told from a person's answers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from coopgap.survey.nonanswers import reads_as_missing

_FIGURES = re.compile(r"(?=.*\d)[\d\s:/.,+\-TZ]+", re.ASCII)
"""Numbers, dates, times and lists of codes."""

_IMPORT_ROW = re.compile(r'\{"ImportId":.*\}')
"""A third row that Qualtrics writes: an identifier of each question as JSON."""

_FEWEST = 2
"""Columns of figures that have to hold a text in the first row."""


def may_be_labels(cells: Sequence[str]) -> bool:
    """Whether a row could be one of labels: mostly filled, with words, most of them different."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    enough = 2 * len(filled) >= len(cells) and 2 * len(set(filled)) > len(filled)
    return enough and all(_is_word(text) for text in filled)


def _is_word(text: str) -> bool:
    if _FIGURES.fullmatch(text) or not any(char.isalpha() for char in text):
        return False
    return text.casefold() not in ("true", "false") and not reads_as_missing(text, label=False)


def is_label_row(cells: Sequence[str], below: Iterable[Collection[str]]) -> bool:
    """Whether a row holds labels of the columns.

    Parameters
    ----------
    cells
        The first row under the header.
    below
        By column, the distinct texts of all rows under it.

    Returns
    -------
    bool
        At least two columns that have words in this row have only figures below it, and no cell
        comes back in its column: else it is what somebody answered.
    """
    if not may_be_labels(cells):
        return False
    figures = 0
    for cell, column in zip(cells, below, strict=True):
        others = {text.strip() for text in column} - {""}
        if cell.strip() in others:
            return False
        if cell.strip() and others and all(_FIGURES.fullmatch(text) for text in others):
            figures += 1
    return figures >= _FEWEST


def is_import_row(cells: Sequence[str]) -> bool:
    """Whether a row holds what only the exporting program reads."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return bool(filled) and all(_IMPORT_ROW.fullmatch(text) for text in filled)


def flat(text: str) -> str:
    """A label on one line."""
    return " ".join(text.split())
