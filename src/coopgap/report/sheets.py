"""The five tables as they are: CSV, parquet, and a workbook with the tables for a paper."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.core.estimate import TABLES, columns
from coopgap.core.vocabulary import EXAMPLE
from coopgap.datasets.registry import Printed
from coopgap.printed.trace import Traced
from coopgap.report.words import clean

if TYPE_CHECKING:
    import pandas as pd
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

    from coopgap.report.tables import Table

_LONGEST = 32_767
"""Characters that a cell of a workbook holds."""

_LEADING = ("=", "+", "-", "@", "\t", "\r")


def escape_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before a sign that starts one."""
    return f"'{text}" if text.lstrip("'").startswith(_LEADING) else text


def unescape_cell(text: str) -> str:
    """The text that `escape_cell` was given."""
    return text[1:] if text[:1] == "'" and text.lstrip("'").startswith(_LEADING) else text


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


def write_workbook(
    frames: Mapping[str, pd.DataFrame],
    path: Path,
    *,
    mark: str = "",
    headlines: Sequence[Mapping[str, Any]] = (),
    tables: Iterable[Table] = (),
) -> None:
    """Write the headlines, the tables for a paper, every table as it is, and what its columns mean.

    Text stays text, whatever it starts with.

    Parameters
    ----------
    frames
        By sheet name.
    path
        The `.xlsx` file.
    mark
        EXAMPLE DATA or empty; in the sheets' print header and the workbook's title.
    headlines
        Rows of the first sheet: values by head.
    tables
        One sheet each, with caption and notes.
    """
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    book.properties.title = mark or "coopgap"
    if headlines:
        heads = list(headlines[0])
        _fill(_sheet(book, "headlines", mark), heads, [[*row.values()] for row in headlines])
    for table in tables:
        _paper_sheet(_sheet(book, table.name, mark, kept=(*frames, "columns")), table)
    for name, frame in frames.items():
        plain = frame.astype(object).where(frame.notna(), None)
        rows = plain.itertuples(index=False, name=None)
        _fill(_sheet(book, name, mark), list(frame.columns), [[*row] for row in rows])
    told = [[name, *item] for name in TABLES for item in columns(name).items()]
    _fill(_sheet(book, "columns", ""), ["table", "column", "meaning"], told)
    book.save(path)


def _sheet(book: Workbook, name: str, mark: str, kept: Iterable[str] = ()) -> Worksheet:
    """A sheet of the first free name: a workbook allows 31 characters and not all of them."""
    plain = re.sub(r"[\\/*?:\[\]']", "-", clean(name)) or "table"
    taken = {sheet.lower() for sheet in (*book.sheetnames, *kept)}
    tries = (plain[:31], *(f"{plain[:27]}-{number}" for number in range(2, 1000)))
    sheet = book.create_sheet(next(one for one in tries if one.lower() not in taken))
    sheet.oddHeader.center.text = mark or None
    sheet.sheet_properties.tabColor = "E0A469" if mark == EXAMPLE else None
    return sheet


def _fill(sheet: Worksheet, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows under a header that stays in sight, can be filtered, and is repeated on paper."""
    _line(sheet, 1, heads, bold=True)
    formats = [_number_format(head) for head in heads]
    for line, row in enumerate(rows, start=2):
        for number, value in enumerate(row):
            cell = sheet.cell(row=line, column=number + 1)
            _put(cell, value)
            if isinstance(value, float):
                cell.number_format = formats[number]
            elif isinstance(value, int) and not isinstance(value, bool):
                cell.number_format = "#,##0"
    for number, head in enumerate(heads):
        texts = [str(row[number]) for row in rows[:200] if isinstance(row[number], str)]
        _set_width(sheet, number, max([11, len(head) + 4, *map(len, texts)]))
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    if rows:
        sheet.auto_filter.ref = sheet.dimensions


def _paper_sheet(sheet: Worksheet, table: Table) -> None:
    """A table for a paper as it is read: caption, cells, notes."""
    from openpyxl.styles import Alignment

    _line(sheet, 1, [table.caption], bold=True)
    _line(sheet, 2, table.header, bold=True)
    for line, row in enumerate(table.rows, start=3):
        _line(sheet, line, row, bold=line - 3 in table.strong)
    for number in range(len(table.header)):
        cells = [row[number] for row in (table.header, *table.rows)]
        _set_width(sheet, number, max(11, *(len(cell) + 2 for cell in cells)))
        for line in range(2, len(table.rows) + 3):
            side = "right" if number in table.numbers else "left"
            sheet.cell(row=line, column=number + 1).alignment = Alignment(horizontal=side)
    for line, note in enumerate(table.explained, start=len(table.rows) + 4):
        _line(sheet, line, [note])
    sheet.freeze_panes = "B3"
    sheet.print_title_rows = "2:2"


def _line(sheet: Worksheet, line: int, cells: Sequence[str], *, bold: bool = False) -> None:
    from openpyxl.styles import Font

    for number, text in enumerate(cells, start=1):
        cell = sheet.cell(row=line, column=number)
        _put(cell, text)
        cell.font = Font(bold=bold)


def _set_width(sheet: Worksheet, number: int, width: int) -> None:
    from openpyxl.utils import get_column_letter

    sheet.column_dimensions[get_column_letter(number + 1)].width = min(width, 60)


def _number_format(head: str) -> str:
    """Enough digits for a probability, fewer for a size; points and percent as they are read."""
    if head.startswith("ess_"):
        return "#,##0.0"
    if head.startswith("gap, points"):
        return "+0.0;-0.0;0.0"
    return "0.0" if head.endswith((", %", ", points")) else "0.0000"


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
