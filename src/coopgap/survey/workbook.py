"""Excel workbooks (.xlsx): one sheet, with the types that its cells have."""

from __future__ import annotations

import datetime
import io
import itertools
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from coopgap.study.values import normalise
from coopgap.survey.raw import Refusal, choose, one_part, with_notes
from coopgap.survey.text import label_rows
from coopgap.survey.values import shows_commas

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_UNPACKED: Final = 100
"""Times the file's size that its parts may take unpacked; sheets shrink to about a twentieth."""

_ALWAYS_UNPACKED: Final = 1 << 26
_FORMULA = re.compile(rb"<(\w+:)?f[ />]")


def read_workbook(path: str, wanted: Sequence[str] | None) -> pa.Table:
    """One sheet of a workbook: the one that has the columns, or the first if all are wanted."""
    import openpyxl
    import pyarrow as pa

    check_parts(path)
    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    filled = [(sheet, header) for sheet in visible if (header := _header(sheet))]
    if not filled:
        raise Refusal("no sheet of the workbook holds anything", "give a header and rows below")
    parts = [(str(sheet.title)[:60], header) for sheet, header in filled]
    place = one_part(parts, wanted, "sheets")
    (title, header), sheet = parts[place], filled[place][0]
    places = {name: header.index(name) for name in choose(header, wanted)}
    _check_formulas(path, sheet, places)
    width = len(header)
    below = itertools.islice(_filled(sheet), 1, None)
    rows = [[*row[:width], *[None] * (width - len(row))] for row in below]
    labels, n_labels = _labels(header, rows)
    cells = {name: [row[place] for row in rows[n_labels:]] for name, place in places.items()}
    texts = {name: {cell for cell in cells[name] if isinstance(cell, str)} for name in cells}
    notes = {
        "labels": labels,
        "label_rows": n_labels,
        "sheet": title if len(parts) > 1 else "",
        "decimal_commas": next((name for name in texts if shows_commas(texts[name])), ""),
    }
    table = pa.table({name: _column(column) for name, column in cells.items()})
    return with_notes(table, notes)


def check_parts(path: str) -> None:
    """Refuse a file whose parts unpack to far more than it holds, or declare entities."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        size = sum(part.compress_size for part in parts)
        unpacked = sum(part.file_size for part in parts)
        if unpacked > max(_ALWAYS_UNPACKED, _MOST_UNPACKED * size):
            raise Refusal(
                f"its parts unpack to {unpacked >> 20:,} MB from {max(size >> 20, 1):,} MB",
                "save the sheet again in a spreadsheet program, or as CSV",
            )
        for part in parts:
            with archive.open(part) as file:
                if b"<!DOCTYPE" in file.read(1024):
                    raise Refusal("a part of it declares entities", "give an Excel workbook")


def _filled(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Rows of a sheet with something in them, whatever size it says it has."""
    sheet.reset_dimensions()
    for row in sheet.iter_rows(values_only=True):
        if any(not _is_blank(cell) for cell in row):
            yield row


def _is_blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _header(sheet: Any) -> tuple[str, ...]:
    """Names in the first filled row of a sheet; none if it is empty."""
    for row in _filled(sheet):
        names = [_text(cell).strip() for cell in row]
        while not names[-1]:
            names.pop()
        return tuple(names)
    return ()


def _check_formulas(path: str, sheet: Any, places: Mapping[str, int]) -> None:
    """Refuse formulas whose results the file does not hold: they would be blanks."""
    from openpyxl.utils import get_column_letter

    with zipfile.ZipFile(path) as archive:
        content = archive.read(sheet._worksheet_path)
    if not _FORMULA.search(content):
        return
    counts = Counter(_without_result(content))
    for name, place in places.items():
        if count := counts[get_column_letter(place + 1)]:
            raise Refusal(
                f"column {name!r} has {count} formulas without a stored result",
                "open the workbook in a spreadsheet program and save it",
            )


def _without_result(content: bytes) -> Iterator[str]:
    """The column letters of each formula without a result; a result may be the empty text."""
    for _, element in ElementTree.iterparse(io.BytesIO(content)):
        kind = element.tag.rpartition("}")[2]
        if kind == "c":
            parts = {child.tag.rpartition("}")[2]: child for child in element}
            result = parts["v"].text if "v" in parts else None
            if "f" in parts and not result and element.get("t") != "str":
                yield element.get("r", "").rstrip("0123456789")
        if kind == "row":
            element.clear()


def _labels(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[dict[str, str], int]:
    """Labels by column, and the rows that hold them."""
    if not rows or any(isinstance(cell, bool | int | float) for cell in rows[0]):
        return {}, 0

    def below(n_rows: int) -> list[set[str]]:
        return [{_text(row[place]) for row in rows[n_rows:]} for place in range(len(header))]

    return label_rows(header, [[_text(cell) for cell in row] for row in rows[:2]], below)


def _text(cell: Any) -> str:
    """A cell as text: numbers in their plain form, dates as ISO, nothing for an empty one."""
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        cell = cell.date()
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    if isinstance(cell, bool | int | float):
        return normalise(cell)
    return "" if cell is None else str(cell)


def _column(cells: Iterable[Any]) -> pa.Array:
    """A column of truth values, of numbers, or of texts where there is anything else."""
    import pyarrow as pa

    values = [None if _is_blank(cell) else cell for cell in cells]
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value is None or abs(value) < 2**63 for value in values):
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    texts = [None if value is None else _text(value) for value in values]
    return pa.array(texts, pa.string()).dictionary_encode()
