"""Write a calibration: a table of its gaps, their ranks and their empirical distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coopgap.calibration.summary import RankRow, ranks_by_quantity, to_frame
from coopgap.report.figures.calibration import rank_panels
from coopgap.report.figures.canvas import drawing_style, save_png


def write_calibration(
    folder: Path, name: str, rows: Sequence[RankRow], replicates: Sequence[Mapping[str, Any]]
) -> list[Path]:
    """Write `NAME.csv` and two pictures into an existing folder."""
    table = folder / f"{name}.csv"
    to_frame(rows).to_csv(table, index=False, lineterminator="\n")
    written = [table]
    ranks = ranks_by_quantity(replicates)
    if not ranks:
        return written
    with drawing_style():
        for drawing in rank_panels(name, ranks):
            path = folder / f"{drawing.name}.png"
            save_png(drawing, path)
            written.append(path)
    return written
