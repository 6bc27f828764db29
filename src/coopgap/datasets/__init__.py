"""What is shipped or given beside a survey: registries of published numbers.

By hand `peru_example`, `peru_population` and `published` give them as frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coopgap.api.data import peru_example, peru_population, published

__all__ = ["peru_example", "peru_population", "published"]


def __getattr__(name: str) -> Any:
    """The public functions, which stand above all that they call."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from coopgap.api import data

    return getattr(data, name)
