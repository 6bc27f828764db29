"""What every command does around its work: arguments; one line and exit 2, 130, 143, 1."""

from __future__ import annotations

import argparse
import errno
import gc
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from coopgap.core.errors import InputError, WorkerError, shortened

FAULT = 1
INPUT_ERROR = 2
INTERRUPTED = 130
TERMINATED = 143

_MACHINE: Final = {
    errno.ENOSPC: "make room, or name another --out",
    errno.EDQUOT: "make room, or name another --out",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ENOMEM: "give it more memory (ulimit -v), or fewer --jobs",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.EROFS: "name another --out",
}
"""What a machine may refuse at any moment, and what helps; nothing of it is a fault of coopgap."""

_NO_MEMORY: Final = ("failed to map segment", "can't start new thread")


class _Terminated(KeyboardInterrupt):
    """SIGTERM: everything that Ctrl-C cleans up is cleaned up."""


def at_least(least: int) -> Callable[[str], int]:
    """Type of an argument: a whole number not below `least`."""

    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    integer.__name__ = "whole number"
    return integer


def some_of(allowed: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Type of an argument: some of the words allowed, separated by commas."""

    def names(text: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        unknown = [name for name in found if name not in allowed]
        if unknown or not found:
            raise argparse.ArgumentTypeError(
                f"{', '.join(unknown) or 'nothing'}; allowed: {', '.join(allowed)}"
            )
        return found

    names.__name__ = "list"
    return names


_OBJECTS: Final = 100_000
"""New objects after which cycles are looked for: of the thousands of records of a run none makes
one, and looking takes a twentieth of its time."""


def run_command(work: Callable[[], int]) -> int:
    """Do a command's work and turn what goes wrong into an exit code.

    That of the work where it ends by itself; 2 with one line on stderr where the input cannot be
    used or the machine has no room for the work; 130 where interrupted and 143 where terminated;
    1 with the traceback for a fault of coopgap.
    """
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    try:
        with _terminable():
            return work()
    except InputError as error:
        return _refused(str(error))
    except _Terminated:
        print("coopgap: terminated; nothing was written", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print("coopgap: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place that turns a fault into exit 1
        reason = _of_the_machine(error)
        if reason is not None:
            return _refused(reason)
        traceback.print_exc()
        return FAULT


def _refused(line: str) -> int:
    print(f"coopgap: {line}", file=sys.stderr)
    return INPUT_ERROR


def _of_the_machine(error: BaseException) -> str | None:
    """One line for an error that comes of the machine's limits."""
    more = _MACHINE[errno.ENOMEM]
    # Errors of the loader and of the interpreter have no type for want of memory.
    if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
        return f"the memory allowed is not enough; {more}"
    if isinstance(error, WorkerError):
        return f"{error}: it was killed, or the memory allowed is not enough; {more}"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        where = shortened(error.filename or "")
        found = f"{where}: {error.strerror}" if where else str(error.strerror)
        return f"{found}; {_MACHINE[error.errno]}"
    # An import, a thread or a library's own error may stand in front of it.
    behind = error.__cause__ or error.__context__
    return None if behind is None else _of_the_machine(behind)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM raises as Ctrl-C does, once: what cleans up is not cut short by a second one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)
        raise _Terminated

    former = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
