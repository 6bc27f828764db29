"""Questions with several answers: a column of words beside a yes or no column for each word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coopgap.core.arrays import BoolArray
from coopgap.study.values import normalise
from coopgap.survey.raw import Answers, RawTable

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
    """Columns of choices, each with its yes or no columns.

    By a column such as `crops`, whose cells hold names of choices between spaces, two or more
    columns such as `crops/maize` that are 1 where the cell holds their name and else 0, for 19 of
    20 people at least.
    """
    found = {}
    for column in raw.columns:
        marks = tuple(f"{column}{mark}" for mark in _BETWEEN)
        named = [other for other in raw.columns if other.startswith(marks)]
        if len(named) < _FEWEST_CHOICES or not _holds_several(raw, column):
            continue
        items = {other: raw.answers(other) for other in named}
        cells = raw.answers(column)
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


def _holds_several(raw: RawTable, column: str) -> bool:
    """Whether some cell holds several words: columns of a single choice are its dummies."""
    return any(len(normalise(value).split()) > 1 for value in raw.answers(column).values)


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
