"""What stands beside the estimates of one model; by hand `e_value`, `rosenbaum` and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coopgap.api.checks import available, e_value, robustness_value, rosenbaum

__all__ = ["available", "e_value", "robustness_value", "rosenbaum"]


def __getattr__(name: str) -> Any:
    """The public functions, which stand above all that they call."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from coopgap.api import checks

    return getattr(checks, name)
