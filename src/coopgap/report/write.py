"""Write a run into a folder."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.errors import OutputError
from coopgap.report.shape import RUN, Shape
from coopgap.report.tables import write_csv, write_workbook
from coopgap.report.view import View, make_view
from coopgap.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_report"]

_FORMATS = ("csv", "html", "md", "xlsx", "tex", "docx")


def write_report(
    frames: Mapping[str, pd.DataFrame],
    study: Study,
    meta: Mapping[str, Any],
    folder: Path,
    formats: Collection[str],
    shape: Shape = RUN,
) -> list[Path]:
    """Write tables, figures, report and run.json.

    Parameters
    ----------
    frames
        The five tables by name, as `coopgap.estimate.to_frame` makes them.
    study
        The study they answer.
    meta
        What run.json is to hold.
    folder
        An existing folder.
    formats
        Any of csv, html, md, xlsx, tex, docx; csv is always written.
    shape
        What the report is made of; that of a run unless given.

    Returns
    -------
    list of Path
        What was written, in the order it was.

    Raises
    ------
    OutputError
        If a format is unknown.
    """
    unknown = sorted(set(formats) - set(_FORMATS))
    if unknown:
        raise OutputError("formats", f"no format {unknown[0]}", f"allowed: {', '.join(_FORMATS)}")
    view = make_view(frames, study, meta)
    written = [*write_csv(frames, folder), _write_meta(meta, folder)]
    if "xlsx" in formats:
        write_workbook(frames, folder / "tables.xlsx", mark=view.mark)
        written.append(folder / "tables.xlsx")
    if {"html", "md"} & set(formats):
        written += _write_pages(view, folder, formats, shape)
    if {"tex", "docx"} & set(formats):
        written += _write_documents(view, folder, formats, shape)
    return written


def _write_meta(meta: Mapping[str, Any], folder: Path) -> Path:
    path = folder / "run.json"
    text = json.dumps(dict(meta), indent=2, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def _write_pages(view: View, folder: Path, formats: Collection[str], shape: Shape) -> list[Path]:
    """Figures, and the pages that show them."""
    from coopgap.report.figures.canvas import drawing_style, drawn_words, save_png, svg_text
    from coopgap.report.markdown import markdown_page
    from coopgap.report.page import html_page

    written = []
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    inline: dict[str, str] = {}
    said: list[str] = []
    with drawing_style():
        for drawing in shape.drawings(view):
            path = figures / f"{drawing.name}.png"
            save_png(drawing, path)
            written.append(path)
            said += drawn_words(drawing)
            inline[drawing.name] = svg_text(drawing) if "html" in formats else ""
    found = shape.sections(view, tuple(inline), said)
    if "html" in formats:
        written.append(_write(folder / "report.html", html_page(view, inline, found)))
    if "md" in formats:
        written.append(_write(folder / "report.md", markdown_page(view, found)))
    return written


def _write_documents(
    view: View, folder: Path, formats: Collection[str], shape: Shape
) -> list[Path]:
    from coopgap.report.documents import latex_tables, write_word

    written = []
    tables = shape.tables(view)
    if "tex" in formats:
        written.append(_write(folder / "tables.tex", latex_tables(view, tables)))
    if "docx" in formats:
        write_word(view, tables, folder / "tables.docx")
        written.append(folder / "tables.docx")
    return written


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
