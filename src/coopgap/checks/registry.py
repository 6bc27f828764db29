"""The checks of a run: each is registered beside the function that makes its rows, and run here.

A check is one module of this package, or a few functions of one, and one template of the report.
The function takes a context and gives rows; what every row says of itself, and the row that stands
for a check without an answer, are added here.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
class Entry:
    """One check as plans and reports describe it.

    Attributes
    ----------
    name
        As in `check` of sensitivity.csv; the template of the report has the same name.
    title
        A heading.
    question
        What it asks, a sentence.
    topic
        Where the report shows it; None where it has a place of its own.
    cost
        `full` where it takes many fits.
    scope
        What it is run for.
    order, page
        Its place in the table, and under its topic in the report.
    """

    name: str
    title: str
    question: str
    topic: Topic | None
    cost: Cost
    scope: Scope
    order: int
    page: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A function that makes rows of one check; of diagnostics alone where `check` is empty."""

    check: str
    make: Callable[..., Iterable[Answer]]
    cost: Cost
    scope: Scope
    order: int
    needs: tuple[Callable[..., None], ...]
    of_model: bool
    wants: Callable[..., Mapping[str, Any]]


_checks: Final[dict[str, Entry]] = {}
_parts: Final[list[Part]] = []


def _nothing(_: object) -> Mapping[str, Any]:
    """No refits."""
    return {}


def check[F: Callable[..., Iterable[Answer]]](
    name: str,
    *,
    title: str,
    question: str,
    topic: Topic | None = Topic.VARIANTS,
    cost: Cost = "quick",
    scope: Scope = Scope.MODEL,
    needs: Sequence[Callable[..., None]] = (),
    of_model: bool = False,
    wants: Callable[..., Mapping[str, Any]] = _nothing,
    order: int = _LAST,
    page: int = _LAST,
) -> Callable[[F], F]:
    """Register a check with the function that makes its rows.

    Parameters
    ----------
    name, title, question, topic, cost, scope, order, page
        As in `Entry`. Checks of equal order stand by name.
    needs
        Each takes the context and raises `NotApplicable` or `NotAssessed` where the check has no
        answer.
    of_model
        Whether the row that stands for no answer has the keys of the model alone, not those of
        its headline.
    wants
        Requests of refits by name, of a context of `Scope.FIT`: their fits stand in `refits` of
        the context that the function is given.
    """
    if name in _checks:
        raise ValueError(f"the check {name} is registered twice")
    _checks[name] = Entry(
        name=name,
        title=title,
        question=question,
        topic=topic,
        cost=cost,
        scope=scope,
        order=order,
        page=page,
    )
    return rows_of(
        name, cost=cost, scope=scope, needs=needs, of_model=of_model, wants=wants, order=order
    )


def rows_of[F: Callable[..., Iterable[Answer]]](
    name: str,
    *,
    cost: Cost = "quick",
    scope: Scope = Scope.MODEL,
    needs: Sequence[Callable[..., None]] = (),
    of_model: bool = False,
    wants: Callable[..., Mapping[str, Any]] = _nothing,
    order: int = _LAST,
) -> Callable[[F], F]:
    """Register one more function for a check, or with an empty name for diagnostics alone."""

    def registered(make: F) -> F:
        _parts.append(
            Part(
                check=name,
                make=make,
                cost=cost,
                scope=scope,
                order=order,
                needs=tuple(needs),
                of_model=of_model,
                wants=wants,
            )
        )
        return make

    return registered


@cache
def _loaded() -> None:
    """Import every module of this package: each registers what it has."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        import_module(module.name)


@cache
def checks() -> dict[str, Entry]:
    """Every check by name, in the order of the table."""
    _loaded()
    return {
        one.name: one for one in sorted(_checks.values(), key=lambda one: (one.order, one.name))
    }


@cache
def on_page(*topics: Topic) -> tuple[str, ...]:
    """The checks that stand under a topic, or under any, in the order of the report."""
    found = [
        (order, one.page, one.name)
        for order, topic in enumerate(topics or Topic)
        for one in checks().values()
        if one.topic is topic
    ]
    return tuple(name for _, _, name in sorted(found))


def parts(scope: Scope, cost: Cost) -> list[Part]:
    """What is run for a scope: with `full` everything, in the order of the table."""
    _loaded()
    found = [one for one in _parts if one.scope is scope and cost in ("full", one.cost)]
    return sorted(found, key=lambda one: (one.order, one.check))


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
                yield replace(row, check=part.check)
            else:
                yield row
    except (Unanswered, NotEstimable) as error:
        reason: dict[str, Any]
        if isinstance(error, Unanswered):
            reason = {"verdict": error.verdict, "note": error.reason, **error.keys}
        else:
            note = f"Not estimable: {error.reason}."
            reason = {"verdict": Verdict.NOT_ASSESSED, "note": note}
        base = context.bare if part.of_model else context.row
        yield replace(base(**reason), check=part.check)
