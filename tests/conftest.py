"""Each process of the tests has a cache of compiled code of its own: numba's cannot be shared."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from coopgap.core.executor import own_cache

own_cache()

ROOT = Path(__file__).parents[1]
HOOKS = ROOT / "docs" / "_hooks"


@pytest.fixture(scope="session")
def page() -> Callable[[str], str]:
    """Pages of the book by name, as the build makes them but for cells that it runs."""
    if str(HOOKS) not in sys.path:
        sys.path.insert(0, str(HOOKS))
    import book

    @cache
    def rendered(name: str) -> str:
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        return book.render(text, name, cells=False)

    return rendered
