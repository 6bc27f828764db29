"""Rows of registered checks, of a context of no more than what they look at."""

from types import SimpleNamespace

from coopgap.checks.context import Context
from coopgap.checks.registry import Scope, answer, parts
from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Check

KEYS = Keys(model="m", outcome="y", source="s")
PHONE_CHECKS = (
    Check.PHONE_COMPOSITION,
    Check.PHONE_EQUIVALENCE,
    Check.PHONE_REPLACES,
    Check.PHONE_JOINS,
)
BORROW_CHECKS = (Check.PHONE_POWER_PRIOR, Check.PHONE_ROBUST_MIXTURE)


class Asked(SimpleNamespace):
    """A context with some attributes; rows are made as the real one makes them."""

    def bare(self, **numbers):
        return Context.bare(self, **numbers)

    def row(self, **numbers):
        return Context.row(self, **numbers)


def ask(check, context):
    """What the runner has of one check."""
    mine = [part for part in parts(Scope.MODEL, "full") if part.check == check]
    return [row for part in mine for row in answer(part, context)]


def ask_phone(checks, phone, keys=KEYS, *, margin=None, smallest_gap=0.05, region=None, seed=1):
    """Rows of checks of people by mode."""
    context = Asked(
        phone=phone,
        keys=keys,
        smallest_gap=smallest_gap,
        region=region,
        seed=seed,
        spec=SimpleNamespace(covariates=phone.covariates, matching=SimpleNamespace(on=())),
        study=SimpleNamespace(phone=SimpleNamespace(margin={keys.outcome: margin})),
    )
    return [row for check in checks for row in ask(check, context)]


def gap_rows_with_phone(phone, keys=KEYS, smallest_gap=0.05):
    return ask_phone(PHONE_CHECKS[2:], phone, keys, smallest_gap=smallest_gap)


def borrowed_rows(phone, keys=KEYS, smallest_gap=0.05):
    return ask_phone(BORROW_CHECKS, phone, keys, smallest_gap=smallest_gap)
