"""Read a survey file in a process of its own, so that a crash of the reader is only a message.

Takes one JSON request on standard input. On exit 0 standard output is an Arrow stream whose
schema metadata hold labels as JSON; on exit 3 it is a JSON refusal. Any other exit means that the
file broke the reader.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NoReturn

from coopgap.survey.raw import Refusal, choose, plain, with_notes
from coopgap.survey.read import REFUSED
from coopgap.survey.statistical import read_statistical
from coopgap.survey.text import read_csv
from coopgap.survey.workbook import read_workbook

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES_A_CELL: Final = 24
"""A value as it is read, as it is made plain and as it is sent."""

_MOST_THREADS: Final = 4

_READERS: Final = {
    "csv": ("pyarrow.csv", "charset_normalizer"),
    "parquet": ("pyarrow.parquet",),
    "xlsx": ("openpyxl",),
}


def limit(memory: int, seconds: int) -> None:
    """Bound further address space and processor time, and leave no core dump, where possible."""
    try:
        import resource
    except ImportError:
        return
    space = memory + _address_space()
    for name, value in (("RLIMIT_CORE", 0), ("RLIMIT_AS", space), ("RLIMIT_CPU", seconds)):
        what = getattr(resource, name, None)
        if what is None:
            continue
        _, hard = resource.getrlimit(what)
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(what, (soft, soft))
        except (OSError, ValueError):
            continue


def _address_space() -> int:
    """What the process has taken so far; much where the system does not say."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 8 << 30
    return int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def read_parquet(path: str, wanted: Sequence[str] | None, memory: int) -> pa.Table:
    """Parquet by pyarrow, its pages' checksums verified where it has them.

    Equal rows take no room in a file, and are refused past `memory`.
    """
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


def _import_reader(kind: str) -> None:
    """Libraries take address space of their own, which is no part of a file's limit."""
    for name in _READERS.get(kind, ("pyreadstat", "pandas")):
        import_module(name)
    import pyarrow as pa

    # Each thread takes address space, whatever the file.
    pa.set_cpu_count(min(pa.cpu_count(), _MOST_THREADS))


def main(out: BinaryIO) -> int:
    """Serve the one request on standard input; the answer goes to `out`."""
    import pyarrow as pa

    request = json.load(sys.stdin.buffer)
    _import_reader(request["kind"])
    limit(request["memory"], request["seconds"])
    try:
        table = read(request).unify_dictionaries()
    except MemoryError:
        found = f"reading it takes more than {request['memory'] >> 20:,} MB of memory"
        out.write(json.dumps({"found": found, "allowed": "give a sound file"}).encode())
        return REFUSED
    except Refusal as refusal:
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
