"""One table of a TOML file, read key by key with one clear error for whatever is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from coopgap.core.errors import StudyError
from coopgap.study.spec import Code
from coopgap.study.values import normalise

_BEYOND = 2.0**1000
_LARGEST = 2**53


class Section:
    """A table of a TOML file whose keys are all known.

    Parameters
    ----------
    values
        The table.
    where
        File and key, for messages: `study.toml: design`.
    allowed
        Keys the table may have.
    later
        Keys that the format has but this version does not act on, with what to do instead.

    Raises
    ------
    StudyError
        For a key that is not allowed.
    """

    def __init__(
        self,
        values: object,
        where: str,
        allowed: Collection[str],
        later: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(values, dict):
            raise StudyError(where, f"is {_kind(values)}", "allowed: a table")
        self.values: dict[str, Any] = values
        self.where = where
        for key in values:
            if later and key in later:
                raise StudyError(self.at(key), "is not available in this version", later[key])
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise StudyError(
                    self.where, f"unknown key {key}", f"allowed: {', '.join(allowed)}{hint}"
                )

    def at(self, key: str) -> str:
        """File and key, for messages."""
        return f"{self.where}{'.' if ': ' in self.where else ': '}{key}"

    def refuse(self, key: str, found: str, allowed: str) -> StudyError:
        """An error about one key, to be raised."""
        return StudyError(self.at(key), found, allowed)

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self.values

    def _get(self, key: str, types: tuple[type, ...], allowed: str) -> Any:
        if key not in self.values:
            raise self.refuse(key, "is absent", f"give {allowed}")
        value = self.values[key]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise self.refuse(key, f"is {_kind(value)}", f"allowed: {allowed}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A text, not empty."""
        if default is not None and not self.has(key):
            return default
        value: str = self._get(key, (str,), "a text")
        if not value.strip():
            raise self.refuse(key, "is empty", "give a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A text, or None where the key is absent."""
        return self.text(key) if self.has(key) else None

    def choice(self, key: str, options: Sequence[str], default: str | None = None) -> str:
        """One of several texts."""
        value = self.text(key, default)
        if value not in options:
            raise self.refuse(key, f'is "{value}"', f"allowed: {', '.join(options)}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        if default is not None and not self.has(key):
            return default
        return self._finite(key, self._get(key, (int, float), "a number"))

    def share(self, key: str, default: float | None = None) -> float:
        """A number strictly between 0 and 1."""
        value = self.number(key, default)
        if not 0 < value < 1:
            raise self.refuse(key, f"is {value:g}", "allowed: between 0 and 1")
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        if default is not None and not self.has(key):
            return default
        value = int(self._get(key, (int,), "a whole number"))
        if abs(value) > _LARGEST:
            raise self.refuse(key, "is too large", f"allowed: whole numbers up to {_LARGEST:,}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return bool(self._get(key, (bool,), "true or false")) if self.has(key) else default

    def code(self, key: str) -> Code:
        """A value as it stands in a survey file."""
        value: Code = self._get(key, (str, int, float, bool), "a text, a number, true or false")
        return value

    def codes(self, key: str) -> tuple[Code, ...]:
        """Several values as they stand in a survey file; none where the key is absent."""
        return tuple(self._list(key, (str, int, float, bool), "texts, numbers, true or false"))

    def one_or_more(self, key: str) -> tuple[Code, ...]:
        """Different values as they stand in a survey file: one alone, or a list of them."""
        if not isinstance(self.values.get(key), list):
            return (self.code(key),)
        codes = self.codes(key)
        if not codes:
            raise self.refuse(key, "is an empty list", "allowed: a value, or a list of values")
        if len({normalise(code) for code in codes}) < len(codes):
            raise self.refuse(key, "holds a value twice", "allowed: each once")
        return codes

    def texts(self, key: str) -> tuple[str, ...]:
        """Several different texts; none where the key is absent."""
        values: tuple[str, ...] = tuple(self._list(key, (str,), "texts"))
        for value in values:
            if not value.strip():
                raise self.refuse(key, "holds an empty text", "allowed: texts")
            if values.count(value) > 1:
                raise self.refuse(key, f'holds "{value}" twice', "allowed: each once")
        return values

    def groups(self, key: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Several lists of different texts, each with its place; none where the key is absent."""
        values = self._list(key, (list,), "lists of texts")
        for number, value in enumerate(values, start=1):
            place = f"{key}[{number}]"
            yield place, Section({place: value}, self.where, (place,)).texts(place)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Several numbers; none where the key is absent."""
        values = self._list(key, (int, float), "numbers")
        return tuple(self._finite(key, value) for value in values)

    def _finite(self, key: str, value: float) -> float:
        # Compared before it is converted: TOML writes whole numbers that no float holds.
        if not abs(value) < _BEYOND:
            raise self.refuse(key, "is too large or no number", "allowed: a finite number")
        return float(value)

    def _list(self, key: str, types: tuple[type, ...], allowed: str) -> list[Any]:
        if not self.has(key):
            return []
        values: list[Any] = self._get(key, (list,), f"a list of {allowed}")
        for value in values:
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                raise self.refuse(key, f"holds {_kind(value)}", f"allowed: {allowed}")
        return values

    def mapping(self, key: str) -> dict[str, str]:
        """A table from text to text; empty where the key is absent."""
        table = self.table(key)
        for name, value in table.items():
            if not isinstance(value, str):
                raise self.refuse(f"{key}.{name}", f"is {_kind(value)}", "allowed: a text")
        return table

    def table(self, key: str) -> dict[str, Any]:
        """A table; empty where the key is absent."""
        table: dict[str, Any] = self._get(key, (dict,), "a table") if self.has(key) else {}
        return table

    def tables(self, key: str) -> Iterator[tuple[str, Any]]:
        """The tables of an array of tables, each with its place."""
        if not self.has(key):
            return
        for number, table in enumerate(self._get(key, (list,), "an array of tables"), start=1):
            yield f"{self.at(key)}[{number}]", table


def _kind(value: object) -> str:
    """What a TOML value is, without saying the value."""
    if isinstance(value, bool):
        return "true or false"
    names = {
        str: "a text",
        int: "a whole number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")
