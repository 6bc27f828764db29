"""Figures of the report drawn from the kept tables of a study, without its data.

`python docs/_hooks/drawings.py` draws the README's picture again.
"""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from functools import cache
from pathlib import Path

from coopgap.app.report import _records
from coopgap.checks.multiverse.specifications import specifications
from coopgap.core.estimate import TABLES
from coopgap.report.data import Results, results_of
from coopgap.report.figures import draw
from coopgap.report.figures.canvas import drawing_style, save_png
from coopgap.study.load import load_study

ROOT = Path(__file__).resolve().parents[2]
STUDIES = {"peru": "peru", "uganda": "uganda_dairy"}
MADE: dict[str, bytes] = {}
"""Pictures of the build, by their place in the book."""


@cache
def results(run: str) -> Results:
    """What a report is made from, of the tables in `tests/golden`."""
    tables = {}
    for name in TABLES:
        path = ROOT / "tests" / "golden" / run / f"{name}.csv.gz"
        text = gzip.decompress(path.read_bytes()).decode()
        lines = list(csv.reader(io.StringIO(text, newline="")))
        # Booleans are written as Python has them there.
        lines = [[{"True": "true", "False": "false"}.get(x, x) for x in line] for line in lines]
        tables[name] = _records(path, TABLES[name], *lines)
    study = load_study(STUDIES[run])
    listed = {
        spec.name: [
            {"variant": one.id, "choices": dict(one.choices), "is_declared": one.is_declared}
            for one in specifications(study, spec).listed
        ]
        for spec in study.models
        if spec.multiverse is not None
    }
    return results_of(tables, study, {"multiverse": listed, "is_example": run == "peru"})


def drawn(run: str, kind: str, model: str = "", up: str = "") -> str:
    """A figure of the report as a picture of the book; `up` leads from the page to its root."""
    found = results(run)
    answer = next((one for one in found.answers if one.model == model), None)
    with drawing_style(), tempfile.TemporaryDirectory() as folder:
        drawing = draw(kind, found, answer)
        if drawing is None:
            raise LookupError(f"{run} has no figure {kind} of {model}")
        path = Path(folder) / "figure.png"
        save_png(drawing, path)
        name = f"assets/made/{run}-{drawing.name}.png"
        MADE[name] = path.read_bytes()
    return f"![{drawing.alt}]({up}{name})"


PICTURE = ROOT / "reports" / "readme" / "uganda_income_by_district.png"


def picture() -> bytes:
    """The README's picture, as PNG."""
    drawn("uganda", "regions", "income")
    return MADE["assets/made/uganda-regions_income.png"]


if __name__ == "__main__":
    PICTURE.write_bytes(picture())
