"""`coopgap report`: read a saved run back and make its pages again without fitting."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from coopgap.app.result import Run
from coopgap.core.atomic import PROGRAM, STUDY_FOLDER, replace_folder
from coopgap.core.errors import OutputError, shortened
from coopgap.core.estimate import TABLES, Row, to_frame
from coopgap.report.data import results_of
from coopgap.report.sheets import csv_text, table_digest, unescape_cell, write_csv
from coopgap.report.write import write_results
from coopgap.study.load import load_study
from coopgap.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

_AGAIN = "fit it again"


def rewrite(
    folder: str | Path, formats: Collection[str] = ("html", "md"), figures: Collection[str] = ()
) -> list[Path]:
    """Write a saved run's report again; what else its folder holds stays."""
    target = Path(folder)
    study, meta, tables = _saved(target)
    results = results_of({name: table.rows for name, table in tables.items()}, study, meta)

    def frames() -> dict[str, pd.DataFrame]:
        return {name: table.frame for name, table in tables.items()}

    with replace_folder(target) as temporary:
        written = []
        for name, table in tables.items():
            written.append(temporary / f"{name}.csv")
            if not table.is_written:
                write_csv({name: table.frame}, temporary)
        written += write_results(
            results, frames, temporary, formats, figures=figures, earlier=target
        )
        names = [path.relative_to(temporary) for path in written]

        def known(where: str, found: list[str]) -> set[str]:
            here = temporary / Path(where).relative_to(target)
            return {name for name in found if (here / name).is_file()}

        shutil.copytree(target, temporary, dirs_exist_ok=True, symlinks=True, ignore=known)
    return [target / name for name in names]


def read_run(folder: Path) -> Run:
    """A saved run, without its draws; a table without CSV is read from parquet."""
    study, meta, tables = _saved(folder)
    frames: dict[str, Any] = {name: table.frame for name, table in tables.items()}
    return Run(study=study, meta=meta, **frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table as records; `is_written` where its file is what would be written of them."""

    name: str
    rows: Sequence[Row]
    is_written: bool

    @property
    def frame(self) -> pd.DataFrame:
        return to_frame(self.name, self.rows)


def _saved(folder: Path) -> tuple[Study, dict[str, Any], dict[str, _Table]]:
    """The study, run.json and the tables, each table what run.json says was written."""
    meta = _meta(folder)
    study = _study(folder, meta)
    digests, tables = meta.get("tables_sha256", {}), {}
    for name in TABLES:
        path = folder / f"{name}.csv"
        tables[name] = table = _table(path, name, digests.get(name))
        # A file that was set out otherwise, such as by a spreadsheet, may hold the same table.
        if not table.is_written and digests.get(name) != table_digest(table.frame):
            raise _damaged(path, "is not the table that was written")
    return study, meta, tables


def _meta(folder: Path) -> dict[str, Any]:
    where = shortened(folder)
    allowed = "name a folder that coopgap fit wrote"
    try:
        if not folder.is_dir():
            raise OutputError(where, "is no folder", allowed)
        meta = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OutputError(where, "holds no run.json", allowed) from error
    except OSError as error:
        raise OutputError(where, f"cannot be read: {error.strerror}", allowed) from error
    except ValueError as error:  # also a path that no system has
        raise OutputError(f"{where}: run.json", "is damaged", _AGAIN) from error
    if not isinstance(meta, dict) or meta.get("program") != PROGRAM:
        raise OutputError(where, "is no run of coopgap", allowed)
    if not isinstance(meta.get("tables_sha256", {}), dict):
        raise OutputError(f"{where}: run.json", "is damaged", _AGAIN)
    if "study" not in meta:
        raise OutputError(where, "is a run of printed numbers", "make it again by coopgap printed")
    return meta


def _study(folder: Path, meta: dict[str, Any]) -> Study:
    kept = folder / STUDY_FOLDER
    where = shortened(kept)
    if not kept.is_dir():
        raise OutputError(where, "is absent: the study that was run", _AGAIN)
    study = load_study(kept)
    if study.sha256 != meta.get("study_sha256"):
        raise OutputError(where, "is not the study that was run", f"put that back, or {_AGAIN}")
    return replace(study, name=str(meta["study"]))


def _table(path: Path, name: str, digest: str | None) -> _Table:
    is_there = path.exists()
    try:
        content = path.read_bytes() if is_there else _parquet_text(path).encode("utf-8")
        text = content.decode("utf-8")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise _damaged(path, "cannot be read") from error
    if not lines:
        raise _damaged(path, "is empty")
    names = [item.name for item in fields(TABLES[name])]
    same = is_there and hashlib.sha256(content).hexdigest() == digest and lines[0] == names
    return _Table(name=name, rows=_records(path, TABLES[name], *lines), is_written=same)


def _parquet_text(path: Path) -> str:
    import pandas as pd

    parquet = path.with_suffix(".parquet")
    if not parquet.exists():
        raise _damaged(path, "is absent")
    return csv_text(pd.read_parquet(parquet))


def _records(
    path: Path, kind: type[Row], header: Sequence[str], *lines: Sequence[str]
) -> list[Row]:
    names = [item.name for item in fields(kind)]
    absent = [name for name in names if name not in header]
    if absent:
        raise _damaged(path, f"has no column {absent[0]}")
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise _damaged(path, f"row {number} has {len(line)} of {len(header)} cells")
    hints = get_type_hints(kind)
    columns = []
    for name in names:
        at, read, values = header.index(name), _reader(hints[name]), list[Any]()
        try:
            for line in lines:
                values.append(read(line[at]))
        except (KeyError, ValueError) as error:
            found = f"column {name}, row {len(values) + 2} holds what coopgap does not write"
            raise _damaged(path, found) from error
        columns.append(values)
    return [kind(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _reader(hint: Any) -> Callable[[str], Any]:
    """How a cell is read that stands for a value of this type; words are text, as in a frame."""
    kinds = get_args(hint) or (hint,)
    numbers: dict[type, Callable[[str], Any]] = {
        bool: {"true": True, "false": False}.__getitem__,
        int: int,
        float: float,
    }
    read = next((numbers[kind] for kind in kinds if kind in numbers), None)
    if read is None:
        return unescape_cell
    return lambda text: read(text) if text else None


def _damaged(path: Path, found: str) -> OutputError:
    return OutputError(shortened(path), found, f"it is damaged or of another version: {_AGAIN}")
