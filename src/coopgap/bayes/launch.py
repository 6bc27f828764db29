"""Fit hierarchical models in processes of their own, as many at a time as asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coopgap.bayes.records import HierarchicalFit, RegionCells
from coopgap.bayes.worker import Request, read_fit, write_request
from coopgap.errors import CoopgapError

__all__ = ["Job", "WorkerError", "fit_all"]


class WorkerError(CoopgapError):
    """A worker process ended without a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One model to fit; `request` as in `coopgap.bayes.worker`."""

    name: str
    cells: RegionCells
    request: Request


def fit_all(jobs: Sequence[Job], n_processes: int | None = None) -> list[HierarchicalFit]:
    """Fit several models, in the order given.

    Parameters
    ----------
    jobs
        Models and choices.
    n_processes
        At most so many at a time; the machine's cores if None.

    Raises
    ------
    WorkerError
        If a process ends without a result, with what it wrote on stderr.
    """
    if not jobs:
        return []
    most = min(len(jobs), n_processes or os.cpu_count() or 1)
    with (
        tempfile.TemporaryDirectory(prefix="coopgap-") as folder,
        ThreadPoolExecutor(most) as pool,
        _processes(pool) as running,
    ):

        def fit(numbered: tuple[int, Job]) -> HierarchicalFit:
            number, job = numbered
            return _run(job, Path(folder) / str(number), running)

        return list(pool.map(fit, enumerate(jobs)))


@contextmanager
def _processes(pool: ThreadPoolExecutor) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Children that end when the block is left by an error or Ctrl-C."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        yield running
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in running:
            if process.poll() is None:
                process.kill()


def _run(job: Job, stem: Path, running: list[subprocess.Popen[bytes]]) -> HierarchicalFit:
    source, target, said = (stem.with_suffix(end) for end in (".in.npz", ".out.npz", ".txt"))
    write_request(source, job.cells, job.request)
    with said.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "coopgap.bayes.worker", str(source), str(target)],
            # Held open for as long as this process lives: the worker ends with it.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            # One thread each: two models share the cores, and sums keep one order.
            env=os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        )
        running.append(process)
        code = process.wait()
        if process.stdin is not None:
            process.stdin.close()
    if code != 0 or not target.exists():
        words = said.read_text(encoding="utf-8", errors="replace")
        raise WorkerError(f"{job.name}: the sampling process ended with {code}\n{words}")
    return read_fit(target)
