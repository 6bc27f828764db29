"""One error root and a branch for each stage.

`InputError` and its branches carry one line for the user and end the command with exit 2.
`NotEstimable` never ends a run: it becomes the status of the rows it concerns.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.util import find_spec
from typing import Final

from coopgap.core.vocabulary import Status

_SHOWN = 200
"""Characters of a path in a message."""


_MARK = re.compile("[\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]")
"""Invisible marks that turn the direction of text, which could make a line read as another.

A study folder may hold none, and whatever else is read or told loses them.
"""


def without_marks(text: str) -> str:
    """Text without marks of direction; letters of any script keep the direction of their own."""
    return _MARK.sub("", text)


def first_mark(text: str) -> str | None:
    """The first mark of direction by line and code point; None where there is none."""
    mark = _MARK.search(text)
    if mark is None:
        return None
    line = text.count("\n", 0, mark.start()) + 1
    return f"line {line} holds U+{ord(mark[0]):04X}, a mark that turns the direction of text"


class CoopgapError(Exception):
    """Root of every error that coopgap raises on purpose."""


class WorkerError(CoopgapError):
    """A worker process ended without a result."""


class InputError(CoopgapError):
    """Something given by the user cannot be used; one line, exit 2, nothing written.

    Parameters
    ----------
    where
        The file or folder, as the user named it; a column or key may follow after a colon.
    found
        What is there, without any respondent's value.
    allowed
        What would be accepted, or what to do.
    """

    def __init__(self, where: str, found: str, allowed: str) -> None:
        self.where = where
        self.found = found
        self.allowed = allowed
        super().__init__(without_marks(" ".join(f"{where}: {found}; {allowed}".split())))


def shortened(path: object) -> str:
    """A path for a message, on one line and cut where it is very long."""
    text = " ".join(str(path).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class StudyError(InputError):
    """The study folder or a model file is not usable."""


def refuse_marks(where: str, text: str) -> None:
    """Refuse a text of a study folder that holds marks of direction."""
    mark = first_mark(text)
    if mark is not None:
        raise StudyError(where, mark, "delete it")


class SurveyError(InputError):
    """The survey file cannot be read, or does not hold what the study declares."""


class OutputError(InputError):
    """The output folder cannot be used."""


EXTRAS: Final = {
    "docx": ("office", "docx", "python-docx"),
    "xlsx": ("office", "openpyxl", "openpyxl"),
    "scheduler": ("cluster", "distributed", "Dask"),
}
"""By what is asked for: the extra that brings it, the module to look for, its name in words."""


def require_extra(kind: str, where: str) -> None:
    """Refuse what needs an extra that the plain installation leaves out and nobody installed."""
    extra, module, name = EXTRAS[kind]
    if find_spec(module) is None:
        raise InputError(where, f"needs {name}", f'pip install "coopgap[{extra}]"')


def require_formats(formats: Collection[str]) -> None:
    """Refuse, before any work, formats of a report that need an extra."""
    for kind in formats:
        if kind in EXTRAS:
            require_extra(kind, f"--formats {kind}")


class NotEstimable(CoopgapError):
    """An estimate does not exist for these data; its rows stay, with this status.

    Parameters
    ----------
    reason
        One clause that completes "not estimable: …".
    status
        The status that the rows carry.
    """

    def __init__(self, reason: str, status: Status = Status.NOT_ESTIMABLE) -> None:
        self.reason = reason
        self.status = status
        super().__init__(reason)


class NoFreeFit(NotEstimable):
    """Slopes that may differ by threshold have no finite fit in which no thresholds cross."""
