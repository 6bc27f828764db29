"""Where work that splits into independent tasks is done: processes here, or a Dask cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from threading import Thread
from typing import Final

from coopgap.core.errors import InputError, WorkerError, require_extra

_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
"""Processes share the cores, and sums keep one order."""


_LOOK_EVERY: Final = 0.25
"""Seconds."""

_ANSWER_WITHIN: Final = 10.0
"""Seconds that a scheduler has to answer."""


def cores(jobs: int | None) -> int:
    """Processes asked for; the cores this process may use if None."""
    return jobs or os.cpu_count() or 1


@contextmanager
def executor(jobs: int | None = None, scheduler: str | None = None) -> Iterator[Executor]:
    """Give something to submit tasks to: `jobs` processes here, or a Dask `scheduler`'s own.

    Processes start without the caller's `__main__`, each with a compile cache of its own, and end
    with the block. Raises `InputError` where no scheduler answers, `WorkerError` where a process
    ends without a result.
    """
    if scheduler is not None:
        with _cluster(scheduler) as pool:
            yield pool
        return
    from loky import ProcessPoolExecutor
    from loky.process_executor import TerminatedWorkerError

    pool = ProcessPoolExecutor(cores(jobs), initializer=_start_worker, env=_ONE_THREAD)
    try:
        yield pool
    except TerminatedWorkerError as error:
        raise WorkerError("a process ended without a result") from error
    finally:
        pool.shutdown(wait=True, kill_workers=True)


@contextmanager
def _cluster(scheduler: str) -> Iterator[Executor]:
    require_extra("scheduler", "--scheduler")
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_ANSWER_WITHIN)
    except (OSError, ValueError) as error:
        raise InputError(
            "--scheduler", f"nothing answers at {scheduler}", "allowed: tcp://HOST:PORT"
        ) from error
    with client:
        client.run(own_cache)
        yield client.get_executor()


def _start_worker() -> None:
    own_cache()
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent has ended, however it did: nobody waits for results."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)


def own_cache() -> None:
    """Give this process a persistent cache of compiled code that no other process uses meanwhile.

    Numba's cache is not safe between processes, so each takes the first numbered cache that is
    free and holds its lock until it ends. It must be called before a kernel is imported.
    """
    from filelock import FileLock, Timeout
    from platformdirs import user_cache_path

    if _held:
        return
    root = user_cache_path("coopgap", appauthor=False) / "compiled"
    root.mkdir(parents=True, exist_ok=True)
    for number in range(1000):
        lock = FileLock(root / f"{number}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        _held.append(lock)
        os.environ["NUMBA_CACHE_DIR"] = str(root / str(number))
        return
    raise RuntimeError(f"no free compile cache under {root}")


_held: Final[list[object]] = []
"""The lock of this process's cache, for as long as the process lives."""
