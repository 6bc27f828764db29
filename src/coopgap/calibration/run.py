"""Replicates in a folder, one file each: what is there is kept, what is missing is made."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from coopgap.calibration.replicate import Setup, replicate
from coopgap.core.errors import OutputError
from coopgap.core.executor import cores, executor
from coopgap.core.progress import Notify

SETUP_FILE: Final = "setup.json"
_AHEAD: Final = 4


def setup_digest(setup: Setup) -> str:
    """SHA-256 of everything that decides the replicates but their number."""
    # Only how many people a cell has is used of their answers.
    people = setup.cells.counts.sum(axis=1, keepdims=True)
    plain = asdict(setup) | {"cells": replace(setup.cells, counts=people).digest}
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def run_replicates(
    folder: Path,
    setup: Setup,
    sims: int,
    *,
    jobs: int | None,
    scheduler: str | None,
    notify: Notify,
) -> int:
    """Make the replicates 0 to `sims` - 1 that the folder does not hold yet.

    Parameters
    ----------
    folder
        Made if absent.
    setup
        What all replicates share.
    sims
        How many there are to be.
    jobs, scheduler
        As `coopgap.core.executor.executor`.
    notify
        Called with what is being done.

    Returns
    -------
    int
        Replicates made.

    Raises
    ------
    OutputError
        If the folder holds replicates of another setup, or something else.
    """
    _claim(folder, setup)
    missing = [number for number in range(sims) if _read(_path(folder, number)) is None]
    if not missing:
        return 0
    with executor(jobs, scheduler) as pool:
        numbers, pending, done = iter(missing), set[Future[dict[str, Any]]](), 0
        ahead = _AHEAD * cores(jobs)
        while True:
            # A few at a time: an interrupted run has little under way.
            for number in islice(numbers, ahead - len(pending)):
                pending.add(pool.submit(replicate, setup, number))
            if not pending:
                return done
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            for one in finished:
                found = one.result()
                _write(_path(folder, found["number"]), found)
                done += 1
            notify(f"{done} of {len(missing)} replicates")


def read_replicates(folder: Path, sims: int) -> list[Mapping[str, Any]]:
    """The replicates 0 to `sims` - 1 that a folder holds, in order."""
    found = (_read(_path(folder, number)) for number in range(sims))
    return [one for one in found if one is not None]


def _claim(folder: Path, setup: Setup) -> None:
    """Make the folder, or find it made for the same setup."""
    digest = setup_digest(setup)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = folder / SETUP_FILE
        if known.exists():
            if json.loads(known.read_text(encoding="utf-8")).get("digest") != digest:
                raise OutputError(
                    str(folder), "holds replicates of another setup", "name another folder"
                )
        elif any(folder.iterdir()):
            raise OutputError(
                str(folder), "holds files that are no replicates", "name a new or empty folder"
            )
        else:
            _write(known, {"digest": digest})
    except (OSError, ValueError) as error:
        raise OutputError(str(folder), f"cannot be used: {error}", "name a new folder") from error


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


def _write(path: Path, values: Mapping[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _read(path: Path) -> Mapping[str, Any] | None:
    """A replicate; None where it is absent or was damaged, so that it is made anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "ranks" in found else None
