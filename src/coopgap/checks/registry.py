"""The checks of a run: each is registered beside the function that makes its rows, and run here.

A check is one module of this package, or a few functions of one, and one template of the report.
The function takes a context and gives rows; what every row says of itself, and the row that stands
for a check without an answer, are added here.
"""

from __future__ import annotations

import hashlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import Any, Final, Literal

from coopgap.core.errors import CoopgapError, NotEstimable
from coopgap.core.estimate import DiagnosticRow, SensitivityRow
from coopgap.core.vocabulary import Verdict

type Cost = Literal["quick", "full"]
type Answer = SensitivityRow | DiagnosticRow

_LAST: Final = 1000


class Topic(StrEnum):
    """What may change an answer: the report shows a check under one of these."""

    BALANCE = "balance"
    ODDS = "proportional odds"
    PHONE = "phone"
    MISSING = "missing"
    UNMEASURED = "unmeasured"
    VARIANTS = "variants"
    REGIONS = "regions"


class Scope(StrEnum):
    """What a function is run for, and so its context."""

    MODEL = "each model"
    MODELS = "all models together"
    FIT = "each model by region"
    REFIT = "each model by region that passed, fitted again"
    GAPS = "all headline gaps together"


class Unanswered(CoopgapError):
    """A check has no answer here: it becomes a row without numbers, with the reason."""

    verdict = Verdict.NOT_APPLICABLE

    def __init__(self, reason: str, **keys: Any) -> None:
        self.reason = reason
        self.keys = keys
        super().__init__(reason)


class NotApplicable(Unanswered):
    """The question does not arise, such as one of zones in a study without any."""


class NotAssessed(Unanswered):
    """The question arises and cannot be answered, such as one of a gap without an estimate."""

    verdict = Verdict.NOT_ASSESSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A function that makes rows of a check, and what plans and reports say of the check.

    Attributes
    ----------
    name
        As in `check` of sensitivity.csv, and the name of its template; empty for a function that
        makes diagnostics alone.
    title, question, formula
        A heading, what it asks in a sentence, and what it computes in a line, with Δ for a gap, SE
        for its standard error and t for a quantile; of the first function of a check alone.
    topic
        Where the report shows it; None where it has a place of its own.
    cost
        `full` where it takes many fits.
    needs
        Each takes the context and raises `Unanswered` where the check has no answer.
    of_model
        Whether the row that stands for no answer has the keys of the model alone, not those of
        its headline.
    wants
        Requests of refits by name, of a context of `Scope.FIT`: their fits stand in `refits` of
        the context that the function is given.
    place
        Its number in the table, and under its topic in the report. Of equal numbers, by name.
    """

    name: str
    make: Callable[..., Iterable[Answer]]
    title: str = ""
    question: str = ""
    formula: str = ""
    topic: Topic | None = Topic.VARIANTS
    cost: Cost = "quick"
    scope: Scope = Scope.MODEL
    needs: tuple[Callable[..., None], ...] = ()
    of_model: bool = False
    wants: Callable[..., Mapping[str, Any]] = lambda _: {}
    place: tuple[int, int] = (_LAST, _LAST)


_parts: Final[list[Part]] = []


def check[F: Callable[..., Iterable[Answer]]](name: str, **about: Any) -> Callable[[F], F]:
    """Register a check's function; keywords as in `Part`. A second one of a check has no title."""

    def registered(make: F) -> F:
        part = Part(name=name, make=make, **about)
        if part.title and any(other.title and other.name == name for other in _parts):
            raise ValueError(f"the check {name} is registered twice")
        _parts.append(part)
        return make

    return registered


@cache
def _registered() -> list[Part]:
    """Every function in the order of the table, once each module of this package is imported."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        import_module(module.name)
    return sorted(_parts, key=lambda part: (part.place[0], part.name))


@cache
def checks() -> dict[str, Part]:
    """Every check by name, in the order of the table."""
    return {part.name: part for part in _registered() if part.title}


@cache
def on_page(*topics: Topic) -> tuple[str, ...]:
    """The checks that stand under a topic, or under any, in the order of the report."""
    topics_at = {topic: number for number, topic in enumerate(topics or Topic)}
    shown = [
        (topics_at[part.topic], part.place[1], name)
        for name, part in checks().items()
        if part.topic in topics_at
    ]
    return tuple(name for _, _, name in sorted(shown))


def parts(scope: Scope, cost: Cost) -> list[Part]:
    """What is run for a scope: with `full` everything, in the order of the table."""
    return [part for part in _registered() if part.scope is scope and cost in ("full", part.cost)]


def answers(context: Any, scope: Scope, cost: Cost) -> Iterator[Answer]:
    """Every row that the checks of a scope have for one context."""
    for part in parts(scope, cost):
        yield from answer(part, context)


def answer(part: Part, context: Any) -> Iterator[Answer]:
    """The rows of one function, with the name of its check; last a reason, if it gives one."""
    try:
        for need in part.needs:
            need(context)
        for row in part.make(context):
            if isinstance(row, SensitivityRow) and not row.check:
                yield replace(row, check=part.name)
            else:
                yield row
    except (Unanswered, NotEstimable) as error:
        if isinstance(error, NotEstimable):
            error = NotAssessed(f"Not estimable: {error.reason}.")
        base = context.bare if part.of_model else context.row
        row = base(verdict=error.verdict, note=error.reason, **error.keys)
        yield replace(row, check=part.name)


def derived_seed(text: str, n_bytes: int) -> int:
    """A seed of its own for what a text names."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:n_bytes])
