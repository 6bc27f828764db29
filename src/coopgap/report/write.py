"""Write a run into a folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from coopgap.core.atomic import FIGURES, FORMATS, RUN_FILE, STUDY_FOLDER
from coopgap.core.errors import OutputError, require_formats
from coopgap.report.appendix import bibliography
from coopgap.report.data import Results, make_results
from coopgap.report.paper import paper_tables
from coopgap.report.sheets import headline_rows, write_csv, write_parquet, write_workbook
from coopgap.report.words import clean
from coopgap.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    from coopgap.report.figures.canvas import Drawing
    from coopgap.report.pages import Content


def write_report(
    frames: Mapping[str, pd.DataFrame],
    study: Study,
    meta: Mapping[str, Any],
    folder: Path,
    formats: Collection[str],
    template: str = "report.md.j2",
    figures: Collection[str] = (),
    earlier: Path | None = None,
) -> list[Path]:
    """Write a run's tables, figures, pages, run.json and study into an existing folder.

    `formats` are any of `coopgap.core.atomic.FORMATS`, csv is always written; `figures` are formats
    that figures have beside PNG; `earlier` is a folder whose figures stand for those that would be
    drawn alike.
    """
    _refuse_formats(formats, figures)
    written = write_csv(frames, folder)
    hashes = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in written}
    # As read back from the file, so that a report made again is the same.
    meta = json.loads(json.dumps({**meta, "tables_sha256": hashes}))
    results = make_results(frames, study, meta)
    return written + write_results(
        results, lambda: frames, folder, formats, template, figures, earlier
    )


def write_results(
    results: Results,
    frames: Callable[[], Mapping[str, pd.DataFrame]],
    folder: Path,
    formats: Collection[str],
    template: str = "report.md.j2",
    figures: Collection[str] = (),
    earlier: Path | None = None,
) -> list[Path]:
    """Write all but the tables as CSV; `frames` gives them where a format needs them."""
    _refuse_formats(formats, figures)
    written = _write_study(results.study, folder)
    meta = {name: value for name, value in results.meta.items() if name != _DRAWN}
    if "parquet" in formats:
        written += write_parquet(frames(), folder)
    if figures or {"html", "md"} & set(formats):
        pages, meta[_DRAWN] = _write_pages(results, folder, formats, template, figures, earlier)
        written += pages
    text = json.dumps(meta, indent=2, ensure_ascii=False)
    written.insert(0, _write(folder / RUN_FILE, f"{text}\n"))
    if {"xlsx", "tex", "docx"} & set(formats):
        written += _write_documents(results, frames, folder, formats)
    return written


def _refuse_formats(formats: Collection[str], figures: Collection[str]) -> None:
    for what, asked, allowed in (("formats", formats, FORMATS), ("figures", figures, FIGURES)):
        unknown = sorted(set(asked) - set(allowed))
        if unknown:
            raise OutputError(what, f"no format {unknown[0]}", f"allowed: {', '.join(allowed)}")
    require_formats(formats)


def _write_study(study: Study, folder: Path) -> list[Path]:
    """The files that the study was read from, for a report made again; never the survey."""
    kept = folder / STUDY_FOLDER
    if study.files:
        kept.mkdir(exist_ok=True)
    for name, content in study.files.items():
        (kept / name).write_bytes(content)
    return [kept / name for name in study.files]


def _write_pages(
    results: Results,
    folder: Path,
    formats: Collection[str],
    template: str,
    figures: Collection[str],
    earlier: Path | None,
) -> tuple[list[Path], dict[str, list[str]]]:
    """Figures, and the pages that show them; with the digests of each figure."""
    from coopgap.report.figures.canvas import drawing_style, svg_text
    from coopgap.report.pages import html_page

    content = _content(results)
    shelf = folder / "figures"
    shelf.mkdir(exist_ok=True)
    with drawing_style():
        text = content.render(template)
        drawings = content.drawings
        inline = {f"figures/{name}.png": svg_text(one) for name, one in drawings.items()}
        digests = _save_pngs(drawings, inline, folder, earlier)
        written = [folder / name for name in inline]
        written += [
            _save_figure(drawing, shelf / f"{name}.{kind}", kind)
            for kind in figures
            for name, drawing in drawings.items()
        ]
    if "html" in formats:
        title = clean(results.study.title) + (f" ({results.mark})" if results.mark else "")
        page = html_page(text, title=title, drawings=inline)
        written.append(_write(folder / "report.html", page))
    if "md" in formats:
        written.append(_write(folder / "report.md", text))
    cited = bibliography(results)
    if cited.strip():
        written.append(_write(folder / "references.bib", cited))
    return written, digests


_DRAWN: Final = "figures_sha256"
"""In run.json: by figure, the SHA-256 of its drawing as SVG and of its PNG."""


def _save_pngs(
    drawings: Mapping[str, Drawing],
    inline: Mapping[str, str],
    folder: Path,
    earlier: Path | None,
) -> dict[str, list[str]]:
    """Write each drawing as PNG; an earlier one of the same drawing is taken as it is."""
    from matplotlib import __version__ as version

    from coopgap.report.figures.canvas import save_png

    kept = _drawn_before(earlier)
    digests = {}
    for (path, svg), (name, drawing) in zip(inline.items(), drawings.items(), strict=True):
        digest = hashlib.sha256(f"{version} {svg}".encode()).hexdigest()
        png = kept.get(digest)
        if png is None:
            save_png(drawing, folder / path)
            png = (folder / path).read_bytes()
        else:
            (folder / path).write_bytes(png)
        digests[name] = [digest, hashlib.sha256(png).hexdigest()]
    return digests


def _drawn_before(earlier: Path | None) -> dict[str, bytes]:
    """By the digest of its drawing, each PNG of a former run that is what was written."""
    if earlier is None:
        return {}
    found = {}
    try:
        drawn = json.loads((earlier / RUN_FILE).read_text(encoding="utf-8")).get(_DRAWN, {})
        for name, (digest, written) in drawn.items():
            png = (earlier / "figures" / f"{name}.png").read_bytes()
            if hashlib.sha256(png).hexdigest() == written:
                found[digest] = png
    except (OSError, ValueError, TypeError, AttributeError):
        pass  # what cannot be read is drawn
    return found


def _content(results: Results) -> Content:
    from coopgap.report.figures import draw
    from coopgap.report.pages import Content

    return Content(results, draw)


def _save_figure(drawing: Drawing, path: Path, kind: str) -> Path:
    """A drawing by itself on white; no date, so that two runs write the same bytes."""
    undated = {"svg": {"Date": None, "Title": drawing.alt}, "pdf": {"CreationDate": None}}
    drawing.figure.savefig(path, format=kind, facecolor="#ffffff", metadata=undated[kind])
    return path


def _write_documents(
    results: Results,
    frames: Callable[[], Mapping[str, pd.DataFrame]],
    folder: Path,
    formats: Collection[str],
) -> list[Path]:
    """A workbook, LaTeX and Word: the tables for a paper."""
    written, tables = [], paper_tables(results)
    if "xlsx" in formats:
        path = folder / "tables.xlsx"
        head = headline_rows(results)
        write_workbook(frames(), path, mark=results.mark, headlines=head, tables=tables)
        written.append(path)
    if "tex" in formats:
        from coopgap.report.documents import write_latex

        written += write_latex(results, tables, folder)
    if "docx" in formats:
        from coopgap.report.word import write_word

        path = folder / "tables.docx"
        write_word(_content(results), tables, path)
        written.append(path)
    return written


def notebook_html(results: Results) -> str:
    """The summary with its figures as a fragment; what it would link to is not there."""
    from coopgap.report.figures.canvas import drawing_style, svg_text
    from coopgap.report.pages import html_fragment

    content = _content(results)
    with drawing_style():
        text = content.render("summary.md.j2")
        drawings = {f"figures/{name}.png": svg_text(one) for name, one in content.drawings.items()}
        fragment = html_fragment(text, drawings)
    return re.sub(r'<a href="#[^"]*">(.*?)</a>', r"\1", fragment, flags=re.DOTALL)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
