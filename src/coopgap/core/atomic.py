"""Output folders: what they may hold, and that they appear whole or not at all."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coopgap.core.errors import OutputError, shortened

RUN_FILE = "run.json"
PROGRAM = "coopgap"
"""`program` in run.json, by which an earlier output folder is known."""

FORMATS = ("csv", "html", "md", "xlsx", "tex", "docx", "parquet")
"""Formats a run can be saved in."""

FIGURES = ("svg", "pdf")
"""Formats that figures can have beside PNG."""

STUDY_FOLDER = "study"
"""Where a saved run keeps the study it was made from."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def check_target(target: Path) -> None:
    """Refuse an output folder before any work.

    Raises `OutputError` if it is a file, holds something that is not an earlier run, or its parent
    cannot be written.
    """
    if "\0" in str(target):
        raise OutputError(shortened(target), "is no path of this system", "name a folder")
    try:
        _recover(target)
        _check_kind(target)
        parent = target.absolute().parent
        while not parent.exists():
            parent = parent.parent
        if not parent.is_dir():
            raise OutputError(
                str(target), f"{parent} is not a folder", "name a folder that can be made"
            )
        probe = parent / f".coopgap.{os.getpid()}.{secrets.token_hex(4)}"
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise OutputError(
            shortened(target), f"cannot be written: {error.strerror}", "name a folder you may write"
        ) from error


def check_new(target: Path) -> None:
    """Refuse an output folder that holds anything at all, as `check_target` refuses others."""
    check_target(target)
    if target.is_dir() and any(target.iterdir()):
        raise OutputError(str(target), "is not empty", "name a new or empty folder")


def _check_kind(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise OutputError(str(target), "is not a folder", "name a new or empty folder")
    if target.is_dir() and any(target.iterdir()) and not _is_run(target):
        raise OutputError(
            str(target), "holds files that are not a coopgap run", "name a new or empty folder"
        )


def _is_run(folder: Path) -> bool:
    try:
        meta = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(meta, dict) and meta.get("program") == PROGRAM


@contextmanager
def replace_folder(target: Path) -> Iterator[Path]:
    """Fill a temporary folder beside `target`, then swap it in; raises as `check_target`.

    If the block raises, the folder is removed and `target` stays as it was. Where the system can
    exchange two folders in one step, a kill at any moment leaves the former output or the new one;
    elsewhere the former is first set aside under a name from which the next run puts it back.
    """
    check_target(target)
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    temporary = _beside(target, "new")
    temporary.mkdir()
    try:
        yield temporary
        _sync(temporary)
        _check_kind(target)
        _swap(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{kind}.{os.getpid()}.{secrets.token_hex(4)}")


def _leftovers(target: Path, kind: str) -> list[Path]:
    """Folders of runs that are no longer alive."""
    prefix = f".{target.name}.{kind}."
    parent = target.absolute().parent
    found = parent.iterdir() if parent.is_dir() else ()
    named = [path for path in found if path.name.startswith(prefix)]
    return [path for path in named if not _alive(path.name[len(prefix) :].partition(".")[0])]


def _alive(pid: str) -> bool:
    if not pid.isdigit() or int(pid) == os.getpid():
        return False
    if sys.platform == "win32":
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _recover(target: Path) -> None:
    """Put back a former output that a killed run had set aside."""
    aside = _leftovers(target, "old")
    if aside and not target.exists():
        aside[0].rename(target.absolute())


def _sweep(target: Path) -> None:
    for kind in ("new", "old"):
        for path in _leftovers(target, kind):
            shutil.rmtree(path, ignore_errors=True)


def _sync(folder: Path) -> None:
    if sys.platform == "win32":
        return
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _swap(new: Path, target: Path) -> None:
    if not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        aside = _beside(target, "old")
        target.rename(aside)
        new.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None, use_errno=True)
    rename = getattr(library, "renameat2", None)
    if rename is None:
        return False
    done: int = rename(
        _AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE
    )
    return done == 0
