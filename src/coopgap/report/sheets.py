"""The five tables as CSV, parquet and a workbook; columns and checks as Markdown for the book."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.checks.registry import checks
from coopgap.core.estimate import TABLES, columns
from coopgap.core.vocabulary import Quantity
from coopgap.report.lookat import doubts
from coopgap.report.words import clean

if TYPE_CHECKING:
    import pandas as pd
    from openpyxl import Workbook
    from openpyxl.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

    from coopgap.report.data import Answer, Results
    from coopgap.report.tables import Table


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


def column_dictionary() -> str:
    """Every column of every output table with its meaning, one Markdown table each."""
    parts = []
    for name in TABLES:
        texts = {column: doc.replace("|", "\\|") for column, doc in columns(name).items()}
        rows = [f"| `{column}` | {doc} |" for column, doc in texts.items()]
        parts.append("\n".join([f"### {name}.csv", "", "| column | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def check_dictionary() -> str:
    """Every check with what it asks, and with which `--checks` it is run."""
    rows = [f"| `{one.name}` | {one.question} | {one.cost} |" for one in checks().values()]
    return "\n".join(["| check | question | `--checks` |", "|---|---|---|", *rows]) + "\n"


_LONGEST = 32_767
"""Characters that a cell of a workbook holds."""


def write_workbook(
    frames: Mapping[str, pd.DataFrame],
    path: Path,
    *,
    mark: str = "",
    headlines: Sequence[Mapping[str, Any]] = (),
    tables: Iterable[Table] = (),
) -> None:
    """Write the headlines, the tables for a paper, every table as it is, and what its columns mean.

    The mark, EXAMPLE DATA or empty, is the title and stands in the header of printed sheets.
    """
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    book.properties.title = mark or "coopgap"
    if headlines:
        rows = [[*row.values()] for row in headlines]
        _fill(_sheet(book, "headlines", mark), [*headlines[0]], rows)
    for table in tables:
        sheet = _sheet(book, table.name, mark, kept=(*frames, "columns"))
        _put(sheet["A1"], table.caption, bold=True)
        _fill(sheet, table.header, table.rows, top=2, numbers=table.numbers, strong=table.strong)
        for line, note in enumerate(table.explained, start=len(table.rows) + 4):
            _put(sheet.cell(line, 1), note)
    for name, frame in frames.items():
        plain = frame.astype(object).where(frame.notna(), None)
        _fill(_sheet(book, name, mark), [*frame.columns], plain.to_numpy().tolist())
    told = [[name, *item] for name in TABLES for item in columns(name).items()]
    _fill(_sheet(book, "columns", ""), ["table", "column", "meaning"], told)
    book.save(path)


def headline_rows(results: Results) -> list[dict[str, Any]]:
    """The headlines as numbers, by head: the first sheet of a workbook; no empty columns."""
    rows = [_headline_row(results, answer) for answer in results.headlines]
    return [{k: v for k, v in row.items() if any(r[k] is not None for r in rows)} for row in rows]


def _headline_row(results: Results, answer: Answer) -> dict[str, Any]:
    row = answer.headline
    is_whole = row is not None and row.quantity == Quantity.SUPERIORITY
    gap, superiority = (None, row) if is_whole else (row, None)
    shares = {
        f"{results.members}, %": answer.share(""),
        f"{results.others}, %": answer.share("comparison"),
        **{_named(name, "gap, points"): getattr(gap, name, None) for name in _LIMITS},
        **{_named(name, "superiority, %"): getattr(superiority, name, None) for name in _LIMITS},
    }
    return {
        "outcome": answer.title,
        **{head: None if share is None else 100 * share for head, share in shares.items()},
        "interval probability": row and row.interval_prob,
        "p_value": row and row.p_value,
        "p_adjusted": row and row.p_adjusted,
        results.members: row and row.n_member,
        results.others: row and row.n_comparison,
        "ess_comparison": row and row.ess_comparison,
        "status": str(row.status) if row else "not estimated",
        "look at": doubts(answer),
    }


_LIMITS = ("estimate", "lower", "upper")


def _named(name: str, measure: str) -> str:
    return measure if name == "estimate" else f"{name}, {measure}"


def _sheet(book: Workbook, name: str, mark: str, kept: Iterable[str] = ()) -> Worksheet:
    """A sheet of the first free name: a workbook allows 31 characters and not all of them."""
    plain = re.sub(r"[\\/*?:\[\]']", "-", clean(name)) or "table"
    taken = {sheet.lower() for sheet in (*book.sheetnames, *kept)}
    tries = (plain[:31], *(f"{plain[:27]}-{number}" for number in range(2, 1000)))
    sheet = book.create_sheet(next(one for one in tries if one.lower() not in taken))
    sheet.oddHeader.center.text = mark or None
    return sheet


def _fill(
    sheet: Worksheet,
    heads: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    top: int = 1,
    numbers: Set[int] = frozenset(),
    strong: Set[int] = frozenset(),
) -> None:
    """Rows under a head that stays in sight, is repeated on paper and, at the top, filters."""
    from openpyxl.styles import Alignment
    from openpyxl.utils import get_column_letter

    for at, row in enumerate((heads, *rows)):
        for n, value in enumerate(row):
            cell = sheet.cell(top + at, n + 1)
            _put(cell, value, head=heads[n], bold=at == 0 or at - 1 in strong)
            if n in numbers:
                cell.alignment = Alignment(horizontal="right")
    for n, head in enumerate(heads):
        longest = max(
            [len(head) + 4, *(len(row[n]) + 2 for row in rows if isinstance(row[n], str))]
        )
        sheet.column_dimensions[get_column_letter(n + 1)].width = min(max(longest, 11), 60)
    sheet.freeze_panes = "A2" if top == 1 else f"B{top + 1}"
    sheet.print_title_rows = f"{top}:{top}"
    if rows and top == 1:
        sheet.auto_filter.ref = sheet.dimensions


def _put(cell: Cell, value: Any, *, head: str = "", bold: bool = False) -> None:
    """A value by its type; an empty text or a missing number leaves the cell empty."""
    from openpyxl.styles import Font

    if isinstance(value, str) and value:
        # Text stays text, whatever it starts with.
        cell.value = clean(value)[:_LONGEST]
        cell.data_type = "s"
        cell.quotePrefix = value.startswith(LEADING)
    elif isinstance(value, float):
        cell.value = value if isfinite(value) else str(value)
        cell.number_format = next(form for end, form in _FORMATS.items() if head.endswith(end))
    elif isinstance(value, int):
        cell.value = value
        cell.number_format = "General" if isinstance(value, bool) else "#,##0"
    if bold:
        cell.font = Font(bold=True)


_FORMATS = {
    "gap, points": "+0.0;-0.0;0.0",
    ", %": "0.0",
    **dict.fromkeys(("ess_comparison", "ess_bulk", "ess_tail"), "#,##0.0"),
    "": "0.0000",
}
"""By how a head ends: points and percent as they are read, enough digits for a probability."""
