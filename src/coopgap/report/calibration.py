"""Write a calibration: a table of its gaps, their ranks and their empirical distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from coopgap.calibration.replicate import RANKED_DRAWS
from coopgap.calibration.summary import SHOWN, RankRow, band, ranks_by_quantity, to_frame, uniform
from coopgap.core.arrays import IntArray
from coopgap.report.figures.canvas import BAND, FIRST, INK, Drawing, drawing_style, save_png
from coopgap.report.words import clean

_COLUMNS: Final = 5
_BINS: Final = 20


def rank_panels(name: str, ranks: Mapping[str, IntArray]) -> list[Drawing]:
    """Two drawings with a panel a gap."""
    return [
        _panels(
            f"{name}-ranks",
            f"Rank of the true gap among {RANKED_DRAWS} posterior draws; band: 95 % of the bins "
            "of a calibrated model",
            ranks,
            _histogram,
        ),
        _panels(
            f"{name}-ecdf",
            "Empirical distribution of the ranks minus the uniform one; band: holds all of it in "
            "95 % of calibrations of a calibrated model",
            ranks,
            _difference,
        ),
    ]


def _panels(
    name: str, title: str, ranks: Mapping[str, IntArray], draw: Callable[[Axes, IntArray], None]
) -> Drawing:
    lines = -(-len(ranks) // _COLUMNS)
    figure = Figure(figsize=(9.6, 0.5 + 1.35 * lines), layout="constrained")
    axes = figure.subplots(lines, _COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    for place, (key, found) in zip(axes, ranks.items(), strict=False):
        draw(place, found)
        quantity, category, group = key.split("|")
        words = " ".join((quantity.replace("_", " "), category)).strip()
        place.set_title(f"{clean(group)}\n{clean(words)}", fontsize=6.5, color=INK)
        place.tick_params(labelsize=5.5)
    for place in axes[len(ranks) :]:
        place.set_visible(False)
    figure.suptitle(title, fontsize=7.5, color=INK)
    return Drawing(name=name, alt=title, figure=figure)


def _histogram(axes: Axes, ranks: IntArray) -> None:
    low, high = (float(stats.binom.ppf(p, ranks.size, 1 / _BINS)) for p in (0.025, 0.975))
    axes.axhspan(low, high, color=BAND)
    counts, edges = np.histogram(uniform(ranks), bins=_BINS, range=(0.0, 1.0))
    axes.stairs(counts, edges, color=FIRST, lw=1.0)


def _difference(axes: Axes, ranks: IntArray) -> None:
    points, ecdf, lower, upper = band(uniform(ranks), SHOWN)
    axes.fill_between(points, lower - points, upper - points, color=BAND, step="mid")
    axes.step(points, ecdf - points, where="mid", color=FIRST, lw=1.0)


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
