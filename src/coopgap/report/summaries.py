"""A fit's summary as text, for those who call the library by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from coopgap.report.words import number

if TYPE_CHECKING:
    import pandas as pd


class Summary(str):
    """Text that a notebook shows as it stands."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def summary(title: str, facts: Mapping[str, object], table: pd.DataFrame) -> Summary:
    """A heading, facts one a line, and a table with four decimals."""
    width = max(map(len, facts), default=0)
    lines = [title, "=" * len(title)]
    lines += [f"{name:<{width}}  {_text(value)}" for name, value in facts.items()]
    shown = table.to_string(index=False, float_format=lambda value: number(value, 4), na_rep="")
    return Summary("\n".join([*lines, "", shown]))


def _text(value: object) -> str:
    if isinstance(value, float):
        return number(value, 3)
    return f"{value:,}" if isinstance(value, int) else str(value)
