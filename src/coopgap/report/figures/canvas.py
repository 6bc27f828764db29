"""One way of drawing for every figure: rows of labels at the left, marks, values at the right."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.transforms import blended_transform_factory
from PIL import Image

from coopgap.report.words import shorten

INK, SOFT, LINE, BAND = "#1b1f24", "#57606a", "#d4d8dd", "#dde9f2"
FIRST, SECOND = "#0069a8", "#b84e00"
"""Blue and vermilion: told apart by everybody, and in grey."""

_MARK_INK, _MARK_WASH, _MARK_LINE = "#7a3300", "#fdeedd", "#e0a469"

_PROPERTIES = {
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    BAND: "--band",
    FIRST: "--a",
    SECOND: "--b",
    _MARK_INK: "--mark-ink",
    _MARK_WASH: "--mark-wash",
    _MARK_LINE: "--mark-line",
    "#ffffff": "--paper",
}
"""Colours of a drawing by the page's CSS properties, which change with light and dark."""

_WIDTH, _ROW, _TOP, _BOTTOM = 7.2, 0.225, 0.44, 0.48
_SIZE = 8.0
_LABELS, _VALUES = 3.15, 2.2
_DPI = 192
_CHARACTER = 0.014
"""Part of the axis that one character of a legend takes."""

_NARROW = 6.0
"""Inches up to which a figure is legible when it is as wide as a telephone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure with the words that stand for it."""

    name: str
    alt: str
    figure: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Axes with one unit a row, counted downwards from 0."""

    figure: Figure
    axes: Axes

    def label(self, row: float, text: str, *, bold: bool = False, color: str = INK) -> None:
        """Words left of the axes."""
        self._words(-0.02, row, _fitted(text, _LABELS - 0.15), "right", color, bold)

    def above(self, row: float, text: str, *, color: str = INK) -> None:
        """Words over the whole width, above a row."""
        self.figure.text(
            0.012,
            row + 0.2,
            _fitted(text, self.figure.get_figwidth() - 0.3),
            transform=blended_transform_factory(self.figure.transFigure, self.axes.transData),
            ha="left",
            va="center",
            color=color,
            fontweight="bold",
            bbox={"fc": "#ffffff", "ec": "none", "pad": 0.6},
        )

    def heading(self, row: float, text: str) -> None:
        """Words that open a group of rows."""
        self.label(row, text, bold=True)

    def value(self, row: float, text: str, *, bold: bool = False, color: str = INK) -> None:
        """Words right of the axes."""
        self._words(1.02, row, _fitted(text, _VALUES - 0.15), "left", color, bold)

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        """Marks with their names in the first row, one after the other."""
        at = 0.0
        for text, color in entries:
            self._words(at, 0, text, "left", color, True)
            at += _CHARACTER * len(text) + 0.05

    def _words(self, at: float, row: float, text: str, side: str, color: str, bold: bool) -> None:
        self.axes.text(
            at,
            row,
            text,
            transform=self.axes.get_yaxis_transform(),
            ha=side,
            va="center",
            color=color,
            fontweight="bold" if bold else "normal",
        )

    def mark(
        self,
        row: float,
        estimate: float,
        limits: tuple[float, float] | None,
        *,
        color: str = INK,
        hollow: bool = False,
        shape: str = "o",
    ) -> None:
        """A point with its interval."""
        if limits is not None:
            self.axes.plot(limits, (row, row), color=color, lw=1.5, solid_capstyle="butt", zorder=3)
        self.axes.plot(
            [estimate],
            [row],
            shape,
            ms=5,
            mfc="#ffffff" if hollow else color,
            mec=color,
            mew=1.2,
            zorder=4,
        )

    def band(self, row: float, half: float) -> None:
        """A margin around zero."""
        self.axes.add_patch(
            Rectangle((-half, row - 0.5), 2 * half, 1, fc=BAND, ec="none", zorder=0.5)
        )

    def zero(self) -> None:
        """The line of no gap."""
        self.axes.axvline(0.0, color=INK, lw=0.9, zorder=1)


@contextmanager
def drawing_style() -> Iterator[None]:
    """Settings of every drawing; text is never mathematics, and missing glyphs stay silent."""
    settings: Any = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": _SIZE,
        "text.parse_math": False,
        "text.usetex": False,
        "axes.unicode_minus": True,
        "svg.fonttype": "none",
        "svg.hashsalt": "coopgap",
        "path.simplify": False,
    }
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from", category=UserWarning)
        yield


def canvas(
    rows: float,
    title: str,
    axis: str,
    *,
    mark: str,
    labels: Sequence[str],
    values: Sequence[str] = (),
    width: float = _WIDTH,
) -> Canvas:
    """An empty figure of a number of rows; labels and values are what needs room beside it.

    The type keeps its size, so that a narrow figure can be read on a narrow screen.
    """
    height = _TOP + _BOTTOM + _ROW * max(rows, 1)
    figure = _titled(title, mark, width, height)
    left = _room(labels, _LABELS, 0.9)
    right = _room(values, _VALUES, 0.25)
    axes = figure.add_axes(
        (
            left / width,
            _BOTTOM / height,
            (width - left - right) / width,
            1 - (_TOP + _BOTTOM) / height,
        )
    )
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks([])
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(axis="x", colors=SOFT, length=3, width=0.8)
    axes.grid(axis="x", color=LINE, lw=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.set_xlabel(shorten(axis, 80), color=SOFT, labelpad=5)
    return Canvas(figure=figure, axes=axes)


def panel(title: str, mark: str, *, height: float, width: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, `width` inches wide, and room for a legend beside it."""
    figure = _titled(title, mark, _WIDTH, height)
    axes = figure.add_axes((0.62 / _WIDTH, 0.55 / height, width / _WIDTH, (height - 1.1) / height))
    axes.patch.set_alpha(0)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(LINE)
    axes.tick_params(colors=SOFT, length=3, width=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _titled(title: str, mark: str, width: float, height: float) -> Figure:
    """An empty figure with its title and, if there is one, the mark at its top."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    at = 1 - 0.1 / height
    bold: Any = {"fontweight": "bold", "va": "top"}
    title = shorten(title, 74 if mark else 92)
    figure.text(0.012, at, title, color=INK, fontsize=9.5, **bold)
    if mark:
        box = {"boxstyle": "square,pad=0.35", "fc": _MARK_WASH, "ec": _MARK_LINE, "lw": 0.8}
        figure.text(0.985, at, mark, color=_MARK_INK, fontsize=7.5, ha="right", bbox=box, **bold)
    return figure


def _room(words: Sequence[str], most: float, least: float) -> float:
    """Inches for the longest of some words, within bounds."""
    longest = max((_inches(word) for word in words), default=0.0)
    return min(max(longest + 0.22, least), most)


@lru_cache(maxsize=4096)
def _inches(text: str) -> float:
    """Width of words as they are drawn, bold to be safe."""
    if not text:
        return 0.0
    font = FontProperties(family="DejaVu Sans", weight="bold", size=_SIZE)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def _fitted(text: str, inches: float) -> str:
    """Words cut to a width, with an ellipsis where something is missing."""
    line = shorten(text, 200)
    while len(line) > 1 and _inches(line) > inches:
        line = shorten(line, len(line) - 1 - int((_inches(line) - inches) / 0.1))
    return line


def save_png(drawing: Drawing, path: Path) -> None:
    """Write a drawing on white, at two pixels a point of the page, in at most 256 colours.

    At this size type needs no hints, which take a third of the time.
    """
    buffer = BytesIO()
    with rc_context({"text.hinting": "none"}):
        drawing.figure.savefig(buffer, format="raw", dpi=_DPI, facecolor="#ffffff")
    width, height = (int(_DPI * inches) for inches in drawing.figure.get_size_inches())
    whole = Image.frombuffer("RGBA", (width, height), buffer.getvalue()).convert("RGB")
    few = whole.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    # The colour that stands for paper and for what is nearly so is a shade too dark.
    palette = few.getpalette() or []
    paper = max(range(0, len(palette), 3), key=lambda at: sum(palette[at : at + 3]))
    palette[paper : paper + 3] = [255, 255, 255]
    few.putpalette(palette)
    few.save(path, dpi=(_DPI, _DPI))


def svg_text(drawing: Drawing) -> str:
    """A drawing as inline SVG: transparent, in the page's own colours and type."""
    buffer = StringIO()
    empty = {"Date": None, "Creator": None, "Format": None, "Type": None}
    drawing.figure.savefig(buffer, format="svg", transparent=True, metadata=empty)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for color, name in _PROPERTIES.items():
        text = re.sub(rf"(: ?){color}", rf"\1var({name}, {color})", text)
    text = re.sub(r"(font: [^;\"']*?)'DejaVu Sans'[^;\"]*", r"\1system-ui, sans-serif", text)
    alt = escape(drawing.alt)
    inches = drawing.figure.get_figwidth()
    size = f"max-width:{6.2 * inches:.0f}rem" + (";min-width:30rem" if inches > _NARROW else "")
    return re.sub(
        r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>",
        lambda found: (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{found[1]}" style="{size}" role="img" aria-label="{alt}">'
        ),
        text,
        count=1,
    )
