"""How a sentence names what a row estimates."""

from __future__ import annotations

from coopgap.estimate import SensitivityRow
from coopgap.report.values import estimate_words
from coopgap.vocabulary import Quantity

__all__ = ["interval", "name", "value"]


def name(row: SensitivityRow) -> str:
    """What the row estimates, as the subject of a sentence."""
    if row.quantity == Quantity.SUPERIORITY:
        return "the chance that a member stands higher"
    return "the gap"


def value(row: SensitivityRow) -> str:
    """The estimate with its unit."""
    return estimate_words(row.quantity, row.estimate) + _unit(row)


def interval(row: SensitivityRow) -> str:
    """The estimate with its unit and its interval."""
    limits = estimate_words(row.quantity, row.estimate, row.lower, row.upper)
    first, bracket, rest = limits.partition(" (")
    return f"{first}{_unit(row)}{bracket}{rest}"


def _unit(row: SensitivityRow) -> str:
    return " points" if row.quantity == Quantity.RISK_DIFFERENCE else ""
