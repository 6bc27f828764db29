"""What a key of a study folder may hold: types with their limits, and a refusal in one line."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, Strict, TypeAdapter
from pydantic_core import core_schema

from coopgap.core.errors import StudyError
from coopgap.study.values import Code, normalise

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

T = TypeVar("T")
_BEYOND = 2.0**1000
LARGEST = 2**53
"""Beyond it two different whole numbers share one float."""


class Refusal(ValueError):
    """What is wrong with a key; whoever knows the file makes a `StudyError` of it.

    `key` is below the place where it is raised.
    """

    def __init__(self, found: str, allowed: str, key: str = "") -> None:
        self.found = found
        self.allowed = allowed
        self.key = key
        super().__init__(f"{found}; {allowed}")


def place(where: str, key: str) -> str:
    """File and key, for messages: `study.toml: design.mode`."""
    return f"{where}{'.' if ': ' in where else ': '}{key}" if key else where


@contextmanager
def at(where: str) -> Iterator[None]:
    """Name the file, and the place in it, of what is refused."""
    try:
        yield
    except Refusal as refusal:
        raise StudyError(place(where, refusal.key), refusal.found, refusal.allowed) from refusal


@cache
def adapter(kind: type) -> TypeAdapter[Any]:
    """What reads a kind of file, made when the first one is read."""
    return TypeAdapter(kind)


def unknown_key(key: str, allowed: Collection[str], at: str = "") -> Refusal:
    """The refusal of a key that nobody knows, with the nearest that there is."""
    near = difflib.get_close_matches(key, allowed, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Refusal(f"unknown key {key}", f"allowed: {', '.join(allowed)}{hint}", at)


def require_keys(table: Iterable[str], allowed: Collection[str], at: str) -> None:
    """Refuse a key that a table has not."""
    for key in table:
        if key not in allowed:
            raise unknown_key(key, allowed, at)


def require_among(value: str, allowed: Collection[str], key: str, found: str = "") -> None:
    """Refuse a text that is none of those allowed."""
    if value not in allowed:
        raise Refusal(found or f'is "{value}"', f"allowed: {', '.join(allowed)}", key)


@dataclass(frozen=True, slots=True)
class ByKind:
    """Marks a table whose keys depend on its kind, which the key `by` says."""

    kinds: Mapping[str, Collection[str]]
    by: str
    usual: str = ""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Look at the keys before the table is read."""
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def _checked(self, table: Any) -> Any:
        kind = table.get(self.by, self.usual) if isinstance(table, dict) else None
        every = dict.fromkeys((self.by, *(key for keys in self.kinds.values() for key in keys)))
        used = self.kinds.get(kind, ()) if isinstance(kind, str) else ()
        for key in table if used else ():
            if key not in every:
                raise unknown_key(key, every)
            if key not in (self.by, *used):
                allowed = f"allowed: {', '.join(used)}"
                raise Refusal(f"is not used where {self.by} is {kind}", allowed, key)
        return table

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The same in words of JSON Schema."""
        every = dict.fromkeys(key for keys in self.kinds.values() for key in keys)
        rules = [
            {
                "if": {
                    "properties": {self.by: {"const": kind}},
                    "required": [] if kind == self.usual else [self.by],
                },
                "then": {"properties": {key: False for key in every if key not in keys}},
            }
            for kind, keys in self.kinds.items()
        ]
        return {**handler(core), "allOf": rules}


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for value in values:
        if values.count(value) > 1:
            name = f'"{value}"' if isinstance(value, str) else "a value"
            raise Refusal(f"holds {name} twice", "allowed: each once")
    return values


def _finite(number: float) -> float:
    if not abs(number) < _BEYOND:
        raise Refusal("is too large or no number", "allowed: a finite number")
    return number


def _increasing(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if any(high <= low for low, high in pairwise(numbers)):
        raise Refusal("do not increase", "give increasing numbers")
    return numbers


def listed(value: object) -> object:
    """A list, be it of one."""
    return value if isinstance(value, list) else [value]


def _different(codes: tuple[Code, ...]) -> tuple[Code, ...]:
    if not codes:
        raise Refusal("is an empty list", "allowed: a value, or a list of values")
    if len({normalise(code) for code in codes}) < len(codes):
        raise Refusal("holds a value twice", "allowed: each once")
    return codes


EACH_ONCE = AfterValidator(_each_once)
INCREASING = AfterValidator(_increasing)
Text = Annotated[str, Field(pattern=r"\S")]
UNIQUE = Field(json_schema_extra={"uniqueItems": True})
Texts = Annotated[tuple[Text, ...], EACH_ONCE, UNIQUE]
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict(), Field(le=LARGEST)]
Number = Annotated[float, Strict(), AfterValidator(_finite)]
Positive = Annotated[float, Strict(), Field(gt=0), AfterValidator(_finite)]
Share = Annotated[float, Strict(), Field(gt=0, lt=1)]
Values = Annotated[tuple[T, ...], Field(min_length=1), EACH_ONCE, UNIQUE]
Codes = tuple[Code, ...]
OneOrMore = Annotated[
    Codes,
    BeforeValidator(listed, json_schema_input_type=Code | Values[Code]),
    AfterValidator(_different),
]


def require_apart(codes: Mapping[str, Iterable[Code]], *, numeric: bool = True) -> None:
    """Refuse a value of the file that stands under two keys."""
    taken: dict[str, str] = {}
    for key, values in codes.items():
        for value in values:
            other = taken.setdefault(normalise(value, numeric=numeric), key)
            if other != key:
                raise Refusal(f"holds a value that {other} holds too", "give it once", key)


def apart(*keys: str) -> AfterValidator:
    """Marks a table of which no value may stand under two of these keys."""

    def checked(table: T) -> T:
        require_apart({key: getattr(table, key) for key in keys})
        return table

    return AfterValidator(checked)
