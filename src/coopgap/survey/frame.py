"""A survey from a DataFrame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from coopgap.errors import SurveyError
from coopgap.survey.arrow import plain
from coopgap.survey.columns import Refusal, choose
from coopgap.survey.raw import RawTable, distinct, says_example

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_dataframe"]


def from_dataframe(
    frame: pd.DataFrame,
    columns: Sequence[str] | None = None,
    name: str = "DataFrame",
    sha256: str | None = None,
) -> RawTable:
    """Take a survey from a DataFrame.

    Parameters
    ----------
    frame
        One row a person; its index is not looked at.
    columns
        The columns wanted; all if None.
    name
        Stands where the name of a file would.
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
        A wanted column is missing or stands twice, or there are no rows.
    """
    import pyarrow as pa

    if len(frame) == 0:
        raise SurveyError(name, "there are no rows", "give one row a person")
    try:
        names = choose([str(column) for column in frame.columns], columns)
        places = {str(column): place for place, column in enumerate(frame.columns)}
        table = pa.table({key: _from_series(frame.iloc[:, places[key]]) for key in names})
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


def _from_series(series: pd.Series[Any]) -> Any:
    """A column of a DataFrame as Arrow; columns of mixed types become text, value by value."""
    import pyarrow as pa

    try:
        column = pa.chunked_array([pa.Array.from_pandas(series)])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        cells = zip(series.tolist(), series.isna().tolist(), strict=True)
        texts = [None if empty else str(value) for value, empty in cells]
        column = pa.chunked_array([pa.array(texts, type=pa.string())])
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
