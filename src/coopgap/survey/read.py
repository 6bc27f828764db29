"""From a survey file to a table of raw answers, read in a child process with limits."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coopgap.core.errors import SurveyError, require_extra
from coopgap.survey.raw import MARK, ExtendedMissing, RawTable, distinct, says_example

FORMATS: Mapping[str, str] = {
    ".sav": "SPSS",
    ".zsav": "SPSS",
    ".dta": "Stata",
    ".sas7bdat": "SAS",
    ".xpt": "SAS transport",
    ".csv": "CSV",
    ".xlsx": "Excel",
    ".parquet": "Parquet",
}
"""File formats by extension."""

REFUSED: Final = 3
"""Exit code of a reading process that refuses a file, with the reason on standard output."""

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes beyond those of the libraries that read, and seconds of computing and of waiting."""

    memory: int
    seconds: int

    @classmethod
    def for_size(cls, size: int) -> Limits:
        """Limits that a sound file of `size` bytes stays far below."""
        return cls(memory=768 * _MIB + 80 * size, seconds=120 + size // 100_000)


def read_table(
    path: Path,
    columns: Sequence[str] | None,
    encoding: str | None = None,
    limits: Limits | None = None,
) -> RawTable:
    """Read a survey file in a child process.

    Parameters
    ----------
    path
        An SPSS (.sav, .zsav), Stata (.dta), SAS (.sas7bdat, .xpt), CSV (.csv), Excel (.xlsx) or
        Parquet (.parquet) file.
    columns
        The columns wanted; all if None. `provenance` comes along wherever there is one.
    encoding
        Of the text in a CSV, SPSS, Stata or SAS file; declared there, or detected, if None.
    limits
        On memory and time; `Limits.for_size` if None.

    Raises
    ------
    SurveyError
        The file is missing, is not what its extension says, is damaged, has no rows, or lacks a
        wanted column (the nearest names are given).
    """
    size = _check_file(path)
    _check_content(path)
    if path.suffix.lower() == ".xlsx":
        require_extra("xlsx", str(path))
    limits = limits or Limits.for_size(size)
    table = _read_in_child(path, columns, encoding, limits)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    marks = distinct(table[MARK]) if MARK in table.column_names else None
    return RawTable(
        name=path.name,
        where=str(path),
        sha256=sha256,
        is_example=says_example(marks, str(path)),
        n_rows=table.num_rows,
        data=dict(zip(table.column_names, table.columns, strict=True)),
        **_notes(table),
    )


def _notes(table: Any) -> dict[str, Any]:
    """Fields of a `RawTable` that its reader wrote as JSON, which has no tuples and no codes."""
    notes: dict[str, Any] = json.loads((table.schema.metadata or {}).get(b"coopgap", b"{}"))
    labels = notes.get("value_labels", {}).items()
    spans = notes.get("user_missing", {}).items()
    return notes | {
        "value_labels": {
            name: {code: str(label) for code, label in pairs} for name, pairs in labels
        },
        "user_missing": {name: tuple(map(tuple, ends)) for name, ends in spans},
        "extended": tuple(ExtendedMissing(**item) for item in notes.get("extended", ())),
    }


def _check_file(path: Path) -> int:
    """Size of a readable, non-empty file with a known extension."""
    where = str(path)
    if path.is_dir():
        raise SurveyError(where, "this is a folder", "give a survey file")
    if path.suffix.lower() not in FORMATS:
        found = f"extension {path.suffix!r}" if path.suffix else "no extension"
        raise SurveyError(where, found, "a survey file ends in " + ", ".join(FORMATS))
    if not path.exists():
        raise SurveyError(where, "no such file", "give the path of a survey file")
    if not path.is_file():
        raise SurveyError(where, "this is not a regular file", "give a survey file")
    size = path.stat().st_size
    if size == 0:
        raise SurveyError(where, "the file is empty", "give a header and one row a person")
    return size


_MAGIC = (
    (b"$FL2", "SPSS"),
    (b"$FL3", "SPSS"),
    (b"<stata_dta>", "Stata"),
    (bytes(12) + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf", "SAS"),
    (b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!", "SAS transport"),
    (b"HEADER RECORD*******LIBV8   HEADER RECORD!!!!!!!", "SAS transport"),
    (b"**COMPRESSED** **COMPRESSED**", "a SAS file of PROC CPORT"),
    (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old or an encrypted Excel workbook"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
)
_OLD_STATA = tuple(bytes([version]) for version in (104, 105, 108, 110, 111, 113, 114, 115))


def _check_content(path: Path) -> None:
    """Refuse content that is not what the extension says, before any reader sees it."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise SurveyError(str(path), "it cannot be opened", "check its permissions") from error
    wanted = FORMATS[path.suffix.lower()]
    if wanted == "Stata" and head[:1] in _OLD_STATA and head[1:2] in (b"\x01", b"\x02"):
        return
    if wanted == "Excel" and head.startswith(b"PK\x03\x04"):
        return
    found = next((name for mark, name in _MAGIC if head.startswith(mark)), None)
    if found is None:
        wide = head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
        found = "binary data of an unknown kind" if b"\0" in head and not wide else "CSV"
    if found != wanted:
        named = "text" if found == "CSV" else found
        raise SurveyError(
            str(path),
            f"the content is {named}, not {wanted}",
            f"a file that ends in {path.suffix} holds {wanted}",
        )


def _command() -> list[str]:
    return [sys.executable, "-P", "-m", "coopgap.survey.reader_process"]


def _environment() -> dict[str, str]:
    """The child finds this coopgap, however the parent found it.

    Its allocators take no address space in advance, so that a limit on that is one on memory.
    """
    folder = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([folder, path] if path else [folder]),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "1",
    }


def _read_in_child(
    path: Path, columns: Sequence[str] | None, encoding: str | None, limits: Limits
) -> Any:
    import pyarrow as pa

    where, kind = str(path), FORMATS[path.suffix.lower()]
    request = {
        "path": str(path.resolve()),
        "kind": path.suffix.lower()[1:],
        "columns": None if columns is None else list(dict.fromkeys(columns)),
        "encoding": encoding,
        "memory": limits.memory,
        "seconds": limits.seconds,
    }
    try:
        done = subprocess.run(
            _command(),
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=limits.seconds,
            env=_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SurveyError(
            where, f"reading took more than {limits.seconds} seconds", f"give a sound {kind} file"
        ) from error
    if done.returncode == REFUSED:
        refusal = json.loads(done.stdout)
        raise SurveyError(where, refusal["found"], refusal["allowed"])
    if b"ModuleNotFoundError" in done.stderr[-500:]:
        raise ImportError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    if done.returncode != 0:
        raise _damaged(where, kind)
    try:
        table = pa.ipc.open_stream(pa.BufferReader(done.stdout)).read_all()
        table.validate(full=True)
    except pa.ArrowException as error:
        raise _damaged(where, kind) from error
    return table


def _damaged(where: str, kind: str) -> SurveyError:
    return SurveyError(
        where,
        f"it cannot be read as {kind}: it is damaged, or needs too much memory",
        f"give a sound {kind} file",
    )
