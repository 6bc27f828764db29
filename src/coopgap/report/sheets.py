"""The five tables as they are: CSV and a workbook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.printed.registry import Printed
from coopgap.printed.trace import Traced
from coopgap.report.words import clean
from coopgap.vocabulary import EXAMPLE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv_text", "escape_cell", "write_csv", "write_registry", "write_workbook"]

_LONGEST = 32_767
"""Characters that a cell of a workbook holds."""

_LEADING = ("=", "+", "-", "@", "\t", "\r")


def escape_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before a sign that starts one."""
    return f"'{text}" if text.startswith(_LEADING) else text


def _escaped(cell: object) -> object:
    return escape_cell(cell) if isinstance(cell, str) else cell


def csv_text(frame: pd.DataFrame) -> str:
    """A table as CSV: empty for missing, true and false, shortest floats that read back alike.

    Parameters
    ----------
    frame
        Columns of dtype string, Int64, boolean or float64.
    """
    import pandas as pd

    plain = {}
    for name, column in frame.items():
        if pd.api.types.is_bool_dtype(column.dtype):
            plain[name] = column.map({True: "true", False: "false"}).astype(object)
        elif pd.api.types.is_string_dtype(column.dtype):
            plain[name] = pd.Series(
                [_escaped(cell) for cell in column], index=column.index, dtype=object
            )
        else:
            plain[name] = column
    text: str = pd.DataFrame(plain, columns=frame.columns).to_csv(index=False, lineterminator="\n")
    return text


def write_csv(frames: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write every table as `<name>.csv`, UTF-8 without a byte order mark."""
    paths = []
    for name, frame in frames.items():
        path = folder / f"{name}.csv"
        path.write_bytes(csv_text(frame).encode("utf-8"))
        paths.append(path)
    return paths


def write_registry(traced: Iterable[Traced], folder: Path) -> Path:
    """Write every printed number with the models it is used in, or why it is in none."""
    import pandas as pd

    records = [
        {
            "id": one.printed.id,
            "source": one.printed.place,
            "group": one.printed.group,
            "item": one.printed.item,
            "category": one.printed.category,
            "stat": one.printed.stat,
            "value": _as_printed(one.printed),
            "base_n": one.printed.base,
            "models": "; ".join(one.models),
            "reason": one.reason,
        }
        for one in traced
    ]
    frame = pd.DataFrame(records).astype({"base_n": "Int64"})
    frame["value"] = pd.Series([one["value"] for one in records], dtype=object)
    texts = frame.columns.difference(["base_n", "value"])
    frame[texts] = frame[texts].astype("string")
    return write_csv({"registry": frame}, folder)[0]


def _as_printed(number: Printed) -> int | float | None:
    """A whole number where no decimals are printed, None where nothing is."""
    if number.stat == "not printed":
        return None
    return number.value if number.decimals else int(number.value)


def write_workbook(frames: Mapping[str, pd.DataFrame], path: Path, *, mark: str = "") -> None:
    """Write every table as a sheet; text stays text, whatever it starts with.

    Parameters
    ----------
    frames
        By sheet name.
    path
        The `.xlsx` file.
    mark
        EXAMPLE DATA or empty; in the sheets' print header and the workbook's title.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    book.remove(book.active)
    book.properties.title = mark or "coopgap"
    for name, frame in frames.items():
        sheet = book.create_sheet(name)
        sheet.oddHeader.center.text = mark or None
        sheet.sheet_properties.tabColor = "E0A469" if mark == EXAMPLE else None
        for number, head in enumerate(frame.columns, start=1):
            cell = sheet.cell(row=1, column=number)
            _put(cell, str(head))
            cell.font = Font(bold=True)
            sheet.column_dimensions[get_column_letter(number)].width = max(11, len(head) + 2)
        plain = frame.astype(object).where(frame.notna(), None)
        for line, values in enumerate(plain.itertuples(index=False, name=None), start=2):
            for number, value in enumerate(values, start=1):
                _put(sheet.cell(row=line, column=number), value)
        sheet.freeze_panes = "A2"
        if len(frame):
            sheet.auto_filter.ref = sheet.dimensions
    book.save(path)


def _put(cell: Any, value: Any) -> None:
    """A value by its type; an empty text or a missing number leaves the cell empty."""
    if value is None or value == "":
        return
    if not isinstance(value, str):
        cell.value = value if abs(value) != float("inf") else str(value)
        return
    cell.value = clean(value)[:_LONGEST]
    cell.data_type = "s"
    cell.quotePrefix = value.startswith(_LEADING)
