"""The five tables as they are: CSV and parquet, whose texts no spreadsheet takes for formulas."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LEADING = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""


def escape_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before a sign that starts one."""
    return f"'{text}" if text.lstrip("'").startswith(LEADING) else text


def unescape_cell(text: str) -> str:
    """The text that `escape_cell` was given."""
    return text[1:] if text[:1] == "'" and text.lstrip("'").startswith(LEADING) else text


def csv_text(frame: pd.DataFrame) -> str:
    """A table as CSV: empty for missing, true and false, shortest floats that read back alike."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_string_dtype

    plain = frame.copy()
    for name, column in frame.items():
        if is_bool_dtype(column.dtype):
            plain[name] = column.map({True: "true", False: "false"}).astype(object)
        elif is_string_dtype(column.dtype):
            cells = column.tolist()
            told = {cell: escape_cell(cell) for cell in set(cells) if isinstance(cell, str)}
            # A list, since mapping a column would make numbers of its own type of a mixed one.
            escaped = [told.get(cell, cell) for cell in cells]
            plain[name] = pd.Series(escaped, column.index, dtype=object)
    text: str = plain.to_csv(index=False, lineterminator="\n")
    return text


def table_digest(frame: pd.DataFrame) -> str:
    """SHA-256 of a table as CSV, whatever it is kept as."""
    return hashlib.sha256(csv_text(frame).encode("utf-8")).hexdigest()


def write_csv(frames: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write every table as `<name>.csv`, UTF-8 without a byte order mark."""
    paths = []
    for name, frame in frames.items():
        path = folder / f"{name}.csv"
        path.write_bytes(csv_text(frame).encode("utf-8"))
        paths.append(path)
    return paths


def write_parquet(frames: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write every table as `<name>.parquet`."""
    paths = [folder / f"{name}.parquet" for name in frames]
    for path, frame in zip(paths, frames.values(), strict=True):
        frame.to_parquet(path, index=False)
    return paths
