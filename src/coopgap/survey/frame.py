"""A survey from a table in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from coopgap.core.errors import SurveyError
from coopgap.study.values import normalise
from coopgap.survey.arrow import plain
from coopgap.survey.columns import Refusal, choose
from coopgap.survey.raw import RawTable, distinct, says_example

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class ArrowStream(Protocol):
    """A table of pandas, polars, pyarrow, DuckDB or another library of Arrow's C interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A capsule of its columns."""


type Columns = ArrowStream | Mapping[str, Any]
"""Survey data in memory: a table, or columns by name."""


def from_dataframe(
    frame: Columns,
    columns: Sequence[str] | None = None,
    name: str | None = None,
    sha256: str | None = None,
) -> RawTable:
    """Take a survey from a table in memory.

    Parameters
    ----------
    frame
        One row a person; an index is not looked at.
    columns
        The columns wanted; all if None.
    name
        Stands where the name of a file would; the kind of table if None.
    sha256
        Of where the values come from, if that is known.

    Returns
    -------
    RawTable
        Unless given, its sha256 covers the names and values of the columns taken, in the order
        wanted.

    Raises
    ------
    SurveyError
        The data are no table, a wanted column is missing or stands twice, or there are no rows.
    """
    name = name or type(frame).__name__
    try:
        table = _table(frame, columns)
    except Refusal as refusal:
        raise SurveyError(name, refusal.found, refusal.allowed) from refusal
    return RawTable(
        name=name,
        where=name,
        sha256=sha256 or _hash_columns(table),
        n_rows=table.num_rows,
        is_example=says_example(table, name),
        table=table,
        encoding="UTF-8",
    )


def _table(frame: Columns, wanted: Sequence[str] | None) -> pa.Table:
    """The columns wanted, of the few types that a survey has."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(frame, Mapping):
        try:
            frame = pd.DataFrame(frame)
        except ValueError as error:
            raise Refusal("the columns differ in length", "give one value a person") from error
    if isinstance(frame, pd.DataFrame):
        _some_rows(len(frame))
        names = choose([str(column) for column in frame.columns], wanted)
        places = {str(column): place for place, column in enumerate(frame.columns)}
        return pa.table({key: _from_series(frame.iloc[:, places[key]]) for key in names})
    if not hasattr(frame, "__arrow_c_stream__"):
        raise Refusal("this is no table", "give a path, a DataFrame, an Arrow table or columns")
    table = pa.RecordBatchReader.from_stream(frame).read_all()
    _some_rows(table.num_rows)
    names = choose(table.column_names, wanted)
    return pa.table({key: _flat(table[key]) for key in names})


def _some_rows(n_rows: int) -> None:
    if n_rows == 0:
        raise Refusal("there are no rows", "give one row a person")


def _from_series(series: pd.Series[Any]) -> pa.ChunkedArray:
    """A column of a DataFrame as Arrow; columns of mixed types become text, value by value."""
    import pyarrow as pa

    try:
        column = pa.chunked_array([pa.Array.from_pandas(series)])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        cells = zip(series.tolist(), series.isna().tolist(), strict=True)
        texts = [None if empty else _text(value) for value, empty in cells]
        column = pa.chunked_array([pa.array(texts, type=pa.string())])
    return _flat(column)


def _text(value: Any) -> str:
    """A text as it stands, and a number of whatever type in its plain form."""
    return value if isinstance(value, str) else normalise(str(value))


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    if pa.types.is_nested(column.type):
        raise Refusal("a wanted column holds nested values", "a column holds text or numbers")
    return plain(column)


def _hash_columns(table: Any) -> str:
    digest = hashlib.sha256()
    for name in table.column_names:
        answers = distinct(table[name])
        digest.update(json.dumps([name, [repr(value) for value in answers.values]]).encode())
        digest.update(np.ascontiguousarray(answers.index, dtype="<i8").tobytes())
    return digest.hexdigest()
