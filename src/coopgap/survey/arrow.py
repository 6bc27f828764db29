"""Columns of any Arrow type as the few types that a survey has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coopgap.survey.columns import Refusal

if TYPE_CHECKING:
    import pyarrow as pa


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as booleans, integers, floats, or dictionary-encoded text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        # The values by themselves: not every type of text can be cast inside a dictionary.
        text = pa.types.is_string_view(kind.value_type)
        kind = pa.string() if text else kind.value_type
        chunks = [chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks]
        column = pa.chunked_array(chunks, kind)
    if pa.types.is_boolean(kind) or pa.types.is_signed_integer(kind):
        return column
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return shortest(column)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_timestamp(kind) and kind.tz is None:
        import pyarrow.compute as pc

        # Days that a library has stored as their first instants, as pandas does.
        days = column.cast(pa.date32(), safe=False)
        if pc.all(pc.equal(days.cast(kind), column)).as_py():
            column = days
    if "binary" in str(kind):
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
