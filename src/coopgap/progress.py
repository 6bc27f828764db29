"""Progress on stderr: a spinner on a terminal, nothing in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Notify", "progress", "silent"]

type Notify = Callable[[str], None]
"""Called with what is being done now."""


def silent(_stage: str) -> None:
    """Say nothing."""


@contextmanager
def progress(*, quiet: bool = False, verbose: bool = False) -> Iterator[Notify]:
    """Show stages as they begin.

    Parameters
    ----------
    quiet
        Show nothing.
    verbose
        Also leave a line with the seconds of each stage, in a pipe too.

    Yields
    ------
    Notify
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if quiet or not (console.is_terminal or verbose):
        yield silent
        return
    started = time.perf_counter()
    current = ""

    def finish() -> None:
        if verbose and current:
            console.print(f"{time.perf_counter() - started:6.1f} s  {current}", markup=False)

    with console.status("starting") as status:

        def notify(stage: str) -> None:
            nonlocal started, current
            finish()
            started, current = time.perf_counter(), stage
            status.update(stage)

        yield notify
        finish()
