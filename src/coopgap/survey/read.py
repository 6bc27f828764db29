"""From a survey file to a table of raw answers, read in a process of its own with limits.

A crash of a reader is then only a message. That process runs this module: one JSON request on
standard input; on exit 0 an Arrow stream whose schema metadata hold labels as JSON, on `REFUSED` a
JSON refusal; any other exit means that the file broke the reader.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NoReturn

from coopgap.core.errors import SurveyError, require_extra
from coopgap.survey.raw import (
    MARK,
    ExtendedMissing,
    RawTable,
    Refusal,
    choose,
    distinct,
    plain,
    says_example,
    with_notes,
)

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS: Final[Mapping[str, str]] = {
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
_MIB: Final = 1 << 20
_BYTES_A_CELL: Final = 24
"""A value as it is read, as it is made plain and as it is sent."""

_MOST_THREADS: Final = 4
_LIBRARIES: Final = {
    "csv": ("pyarrow.csv", "charset_normalizer"),
    "parquet": ("pyarrow.parquet",),
    "xlsx": ("openpyxl",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes beyond those of the libraries that read, and seconds of computing and of waiting."""

    memory: int
    seconds: int


def read_table(
    path: Path,
    columns: Sequence[str] | None,
    encoding: str | None = None,
    limits: Limits | None = None,
) -> RawTable:
    """Read the columns wanted of a survey file, all if None, in a child process.

    `provenance` comes along wherever there is one. An encoding is found unless it is named.
    """
    size = _check_file(path)
    _check_content(path)
    if path.suffix.lower() == ".xlsx":
        require_extra("xlsx", str(path))
    # A sound file of this size stays far below.
    limits = limits or Limits(memory=768 * _MIB + 80 * size, seconds=120 + size // 100_000)
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


_ZIP: Final = "a zip archive or an Excel workbook"
_MAGIC: Final = (
    (b"$FL2", "SPSS"),
    (b"$FL3", "SPSS"),
    (b"<stata_dta>", "Stata"),
    (bytes(12) + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf", "SAS"),
    (b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!", "SAS transport"),
    (b"HEADER RECORD*******LIBV8   HEADER RECORD!!!!!!!", "SAS transport"),
    (b"**COMPRESSED** **COMPRESSED**", "a SAS file of PROC CPORT"),
    (b"PAR1", "Parquet"),
    (b"PK\x03\x04", _ZIP),
    (b"\xd0\xcf\x11\xe0", "an old or an encrypted Excel workbook"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
)
_OLD_STATA: Final = tuple(bytes([version]) for version in (104, 105, 108, 110, 111, 113, 114, 115))


def _check_content(path: Path) -> None:
    """Refuse content that is not what the extension says, before any reader sees it."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise SurveyError(str(path), "it cannot be opened", "check its permissions") from error
    wanted = FORMATS[path.suffix.lower()]
    old_stata = head[:1] in _OLD_STATA and head[1:2] in (b"\x01", b"\x02")
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
    other = "binary data of an unknown kind" if b"\0" in head and not wide else "CSV"
    found = next((name for mark, name in _MAGIC if head.startswith(mark)), other)
    workbook = wanted == "Excel" and found == _ZIP
    if not (found == wanted or workbook or (wanted == "Stata" and old_stata)):
        named = "text" if found == "CSV" else found
        raise SurveyError(
            str(path),
            f"the content is {named}, not {wanted}",
            f"a file that ends in {path.suffix} holds {wanted}",
        )


def _command() -> list[str]:
    return [sys.executable, "-P", "-m", "coopgap.survey.read"]


def _environment() -> dict[str, str]:
    """The child finds this coopgap, and its allocators take no address space in advance."""
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
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


def limit(memory: int, seconds: int) -> None:
    """Bound further address space and processor time, and leave no core dump, where possible."""
    try:
        import resource
    except ImportError:
        return
    space = memory + _address_space()
    for name, value in (("RLIMIT_CORE", 0), ("RLIMIT_AS", space), ("RLIMIT_CPU", seconds)):
        with suppress(AttributeError, OSError, ValueError):
            what = getattr(resource, name)
            _, hard = resource.getrlimit(what)
            soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(what, (soft, soft))


def _address_space() -> int:
    """What the process has taken so far; much where the system does not say."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 8 << 30
    return int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def read_parquet(path: str, wanted: Sequence[str] | None, memory: int) -> pa.Table:
    """Parquet by pyarrow, checksums verified; rows that need more than `memory` are refused."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path, page_checksum_verification=True) as file:
        schema = file.schema_arrow
        every = [name for name in schema.names if not name.startswith("__index_level_")]
        if wanted is None:
            every = [name for name in every if not pa.types.is_nested(schema.field(name).type)]
        names = choose(every, wanted)
        nested = [name for name in names if pa.types.is_nested(schema.field(name).type)]
        if nested:
            raise Refusal(
                f"column {nested[0]!r} holds nested values", "a column holds text or numbers"
            )
        rows = file.metadata.num_rows
        if rows * len(names) * _BYTES_A_CELL > memory:
            raise Refusal(
                f"its {rows:,} rows of {len(names)} columns need more than {memory >> 20:,} MB",
                "give fewer rows or a file of another format",
            )
        table = file.read(columns=names).select(names)
    table = pa.table({name: plain(table[name]) for name in names})
    return with_notes(table, {"encoding": "UTF-8"})


def read(request: dict[str, Any]) -> pa.Table:
    """Table for a request with the keys path, kind, columns and encoding."""
    from coopgap.survey.statistical import read_statistical
    from coopgap.survey.text import read_csv
    from coopgap.survey.workbook import read_workbook

    path, wanted = request["path"], request["columns"]
    match request["kind"]:
        case "csv":
            table = read_csv(path, wanted, request["encoding"])
        case "xlsx":
            table = read_workbook(path, wanted)
        case "parquet":
            table = read_parquet(path, wanted, request["memory"])
        case kind:
            table = read_statistical(path, kind, wanted, request["encoding"])
    if table.num_rows == 0:
        raise Refusal("the file has no rows", "give one row a person")
    return table


def main(out: BinaryIO) -> int:
    """Serve the one request on standard input; the answer goes to `out`."""
    import pyarrow as pa

    request = json.load(sys.stdin.buffer)
    # Libraries, and each thread, take address space of their own, which is no part of a file's.
    for name in _LIBRARIES.get(request["kind"], ("pyreadstat", "pandas")):
        import_module(name)
    pa.set_cpu_count(min(pa.cpu_count(), _MOST_THREADS))
    limit(request["memory"], request["seconds"])
    try:
        table = read(request).unify_dictionaries()
    except (MemoryError, Refusal) as error:
        found = f"reading it takes more than {request['memory'] >> 20:,} MB of memory"
        refusal = error if isinstance(error, Refusal) else Refusal(found, "give a sound file")
        out.write(json.dumps({"found": refusal.found, "allowed": refusal.allowed}).encode())
        return REFUSED
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return 0


def _run() -> NoReturn:
    # Libraries may print: only the answer may reach the pipe.
    answer = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(answer, "wb") as out:
        code = main(out)
    # Threads of a library may still be starting, and the ordinary end would abort on them.
    os._exit(code)


if __name__ == "__main__":
    _run()
