"""Write a run into a folder."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.errors import OutputError
from coopgap.report.data import Results, make_results
from coopgap.report.sheets import write_csv, write_workbook
from coopgap.report.words import clean
from coopgap.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "html", "md", "xlsx", "tex", "docx")


def write_report(
    frames: Mapping[str, pd.DataFrame],
    study: Study,
    meta: Mapping[str, Any],
    folder: Path,
    formats: Collection[str],
    template: str = "report.md.j2",
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
        Any of `FORMATS`; csv is always written.
    template
        Of the pages.

    Returns
    -------
    list of Path
        What was written, in the order it was.

    Raises
    ------
    OutputError
        If a format is unknown.
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise OutputError("formats", f"no format {unknown[0]}", f"allowed: {', '.join(FORMATS)}")
    results = make_results(frames, study, meta)
    written = [*write_csv(frames, folder), _write_meta(meta, folder)]
    if "xlsx" in formats:
        write_workbook(frames, folder / "tables.xlsx", mark=results.mark)
        written.append(folder / "tables.xlsx")
    if {"html", "md"} & set(formats):
        written += _write_pages(results, folder, formats, template)
    return written


def _write_meta(meta: Mapping[str, Any], folder: Path) -> Path:
    text = json.dumps(dict(meta), indent=2, ensure_ascii=False)
    return _write(folder / "run.json", f"{text}\n")


def _write_pages(
    results: Results, folder: Path, formats: Collection[str], template: str
) -> list[Path]:
    """Figures, and the pages that show them."""
    from coopgap.report.content import Content
    from coopgap.report.figures import draw
    from coopgap.report.figures.canvas import drawing_style, save_png, svg_text
    from coopgap.report.methods import bibliography
    from coopgap.report.pages import html_page

    content = Content(results, draw)
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    with drawing_style():
        text = content.render(template)
        written = [figures / f"{name}.png" for name in content.drawings]
        inline = {}
        for path, drawing in zip(written, content.drawings.values(), strict=True):
            save_png(drawing, path)
            if "html" in formats:
                inline[f"figures/{path.name}"] = svg_text(drawing)
    if "html" in formats:
        title = clean(results.study.title) + (f" ({results.mark})" if results.mark else "")
        page = html_page(text, title=title, drawings=inline)
        written.append(_write(folder / "report.html", page))
    if "md" in formats:
        written.append(_write(folder / "report.md", text))
    written.append(_write(folder / "references.bib", bibliography(results)))
    return written


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
