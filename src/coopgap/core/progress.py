"""Progress on stderr: a spinner on a terminal, nothing in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

type Notify = Callable[[str], None]
"""Called with what is being done now."""


def silent(_stage: str) -> None:
    """Say nothing."""


class Stages:
    """Counts stages as they begin; hands their words on, and at the end their seconds."""

    def __init__(self, begin: Notify, end: Callable[[str, float], None]) -> None:
        self._begin, self._end = begin, end
        self._words, self._started = "", 0.0
        self._done = self._most = 0

    def expect(self, most: int) -> None:
        """Count from here on, out of so many stages."""
        self._done, self._most = 0, most

    def __call__(self, stage: str) -> None:
        """Begin a stage."""
        self.finish()
        self._done += 1
        counted = self._done <= self._most
        self._words = f"{self._done} of {self._most}  {stage}" if counted else stage
        self._started = time.perf_counter()
        self._begin(self._words)

    def finish(self) -> None:
        """End the stage that is under way."""
        if self._words:
            self._end(self._words, time.perf_counter() - self._started)


@contextmanager
def progress(*, quiet: bool = False, verbose: bool = False) -> Iterator[Stages]:
    """Show stages as they begin, which of how many, and the time since the start.

    `verbose` also leaves a line with the seconds of each stage, in a pipe too.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False)

    def leave(words: str, seconds: float) -> None:
        if verbose:
            console.print(f"{seconds:6.1f} s  {words}", markup=False)

    if quiet or not (console.is_terminal or verbose):
        yield Stages(silent, lambda _words, _seconds: None)
        return
    shown = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*shown, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        stages = Stages(lambda words: bar.update(task, description=words), leave)
        yield stages
        stages.finish()
