"""Read a survey file in a process of its own, so that a crash of the reader is only a message.

Takes one JSON request on standard input. On exit 0 standard output is an Arrow stream whose
schema metadata hold labels as JSON; on exit 3 it is a JSON refusal. Any other exit means that the
file broke the reader.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from coopgap.survey.columns import REFUSED, Refusal, choose, with_notes
from coopgap.survey.csv_text import read_csv

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["main", "plain", "read"]


def limit(memory: int, seconds: int) -> None:
    """Bound address space and processor time, and leave no core dump, where the system can."""
    try:
        import resource
    except ImportError:
        return
    for name, value in (("RLIMIT_CORE", 0), ("RLIMIT_AS", memory), ("RLIMIT_CPU", seconds)):
        what = getattr(resource, name, None)
        if what is None:
            continue
        _, hard = resource.getrlimit(what)
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(what, (soft, soft))
        except (OSError, ValueError):
            continue


def read_statistical(path: str, kind: str, wanted: Sequence[str] | None) -> pa.Table:
    """SPSS or Stata by pyreadstat: raw codes, with labels and user-missing ranges beside them.

    Stata's extended missing values (.a to .z) are empty, as its own commands treat them, and are
    counted by letter; SPSS user-missing codes come as they are, for the codebook to decide.
    """
    import pyarrow as pa
    import pyreadstat

    read: Any = pyreadstat.read_dta if kind == "dta" else pyreadstat.read_sav
    _, meta = read(path, metadataonly=True)
    names = choose(meta.column_names, wanted)
    options: dict[str, Any] = {
        "usecols": names,
        "output_format": "dict",
        "apply_value_formats": False,
        "disable_datetime_conversion": True,
        "user_missing": True,
    }
    values, meta = read(path, **options)
    extended = _take_extended(values, meta) if kind == "dta" else []
    kept = set(names)
    notes = {
        "labels": {name: text for name, text in meta.column_names_to_labels.items() if text},
        "value_labels": {
            name: [(code, text) for code, text in labels.items() if not isinstance(code, str)]
            if kind == "dta"
            else list(labels.items())
            for name, labels in meta.variable_value_labels.items()
            if name in kept
        },
        "user_missing": {
            name: [(span["lo"], span["hi"]) for span in spans]
            for name, spans in meta.missing_ranges.items()
            if name in kept
        },
        "extended": extended,
        "encoding": meta.file_encoding,
    }
    single = {name for name, kind in meta.readstat_variable_types.items() if kind == "float"}
    return with_notes(
        pa.table(
            {
                name: shortest(pa.array(values[name], pa.float32()))
                if name in single
                else pa.array(values[name])
                for name in names
            }
        ),
        notes,
    )


def _take_extended(values: dict[str, list[Any]], meta: Any) -> list[dict[str, Any]]:
    """Empty the cells of extended missing values, which come as letters, and count them."""
    found = []
    for name in meta.missing_user_values:
        if name not in values:
            continue
        counts = Counter(value for value in values[name] if isinstance(value, str))
        values[name] = [None if isinstance(value, str) else value for value in values[name]]
        labels = meta.variable_value_labels.get(name, {})
        found += [
            {
                "column": name,
                "code": f".{letter}",
                "label": labels.get(letter, ""),
                "count": count,
            }
            for letter, count in sorted(counts.items())
        ]
    return found


def read_parquet(path: str, wanted: Sequence[str] | None) -> pa.Table:
    """Parquet by pyarrow."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
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
        table = file.read(columns=names).select(names)
    table = pa.table({name: plain(table[name]) for name in names})
    return with_notes(table, {"encoding": "UTF-8"})


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as booleans, integers, floats, or dictionary-encoded text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_boolean(kind) or pa.types.is_signed_integer(kind):
        return column
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return shortest(column)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise Refusal("a wanted column holds binary data", "a column holds text or numbers")
    return column.cast(pa.string()).dictionary_encode()


def shortest(column: Any) -> pa.ChunkedArray:
    """Numbers of single or half precision as the shortest decimals that they stand for."""
    import numpy as np
    import pyarrow as pa

    numbers = column.to_numpy(zero_copy_only=False)
    distinct, places = np.unique(numbers, return_inverse=True)
    decimals = np.array([float(str(number)) for number in distinct])
    return pa.chunked_array([pa.array(decimals[places], pa.float64(), from_pandas=True)])


def read(request: dict[str, Any]) -> pa.Table:
    """Table for a request with the keys path, kind, columns and encoding."""
    path, wanted = request["path"], request["columns"]
    match request["kind"]:
        case "csv":
            table = read_csv(path, wanted, request["encoding"])
        case "parquet":
            table = read_parquet(path, wanted)
        case kind:
            table = read_statistical(path, kind, wanted)
    if table.num_rows == 0:
        raise Refusal("the file has no rows", "give one row a person")
    return table


def main(out: BinaryIO) -> int:
    """Serve the one request on standard input; the answer goes to `out`."""
    import pyarrow as pa

    request = json.load(sys.stdin.buffer)
    limit(request["memory"], request["seconds"])
    try:
        table = read(request).unify_dictionaries()
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
    sys.exit(code)


if __name__ == "__main__":
    _run()
