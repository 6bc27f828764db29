"""The gap along how much a phone interview counts, with the posterior of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from coopgap.estimate import SensitivityRow
from coopgap.report.figures.canvas import BAND, FIRST, INK, LINE, SECOND, SOFT, Drawing, titled
from coopgap.report.figures.names import PHONE_BORROWED
from coopgap.report.view import View
from coopgap.report.words import category_words, shorten
from coopgap.sensitivity.phone.borrow_rows import DISCOUNTS
from coopgap.vocabulary import Check, Quantity, Version

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["borrowed"]

_WIDTH: Final = 7.2
_COLUMNS: Final = 3
_TOP, _LEFT, _GAP, _RIGHT = 0.62, 0.52, 0.22, 0.1
_CURVE, _BARS, _PANEL = 1.45, 0.42, 2.75
_FONT: Final = 7.0
_LETTERS: Final = 16.0
"""Bold letters that fit into an inch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """One outcome at one threshold, in percent."""

    title: str
    curve: tuple[tuple[float, float, float, float], ...]
    averaged: tuple[float, float, float, float] | None
    tenths: tuple[float, ...]


def borrowed(view: View, rows: Sequence[SensitivityRow]) -> Drawing | None:
    """A panel a model: curve with band above, posterior of the discount below; None without any."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(view, [row for row in rows if row.check == Check.PHONE_POWER_PRIOR])
    if not panels:
        return None
    columns = min(_COLUMNS, len(panels))
    height = _TOP + _PANEL * -(-len(panels) // columns)
    figure = Figure(figsize=(_WIDTH, height))
    FigureCanvasAgg(figure)
    titled(figure, "The gap by how much a phone interview counts", view.mark, height)
    width = (_WIDTH - _LEFT - _RIGHT - _GAP * (columns - 1)) / columns
    ends = _ends(panels)
    most = 104 * max(0.2, *(share for panel in panels for share in panel.tenths))
    for number, panel in enumerate(panels):
        line, column = divmod(number, columns)
        left = (_LEFT + column * (width + _GAP)) / _WIDTH
        top = height - _TOP - line * _PANEL - 0.32
        upper = figure.add_axes((left, (top - _CURVE) / height, width / _WIDTH, _CURVE / height))
        lower = figure.add_axes(
            (left, (top - _CURVE - 0.1 - _BARS) / height, width / _WIDTH, _BARS / height)
        )
        _curve(upper, panel, ends, first=column == 0)
        _bars(lower, panel, most, first=column == 0)
    _legend(figure.axes[0], height)
    return Drawing(
        name=PHONE_BORROWED,
        alt=(
            "Gap by how much a phone interview counts, and the posterior of that. The numbers "
            "stand in sensitivity.csv."
        ),
        figure=figure,
    )


def _panels(view: View, rows: Sequence[SensitivityRow]) -> list[_Panel]:
    found = []
    for model in view.in_order(row.model for row in rows):
        mine = [row for row in rows if row.model == model]
        at = next((row.category for row in mine if row.setting is not None), None)
        here = {
            (row.variant if row.setting is None else row.setting, row.quantity): row
            for row in mine
            if row.category == at and row.estimate is not None
        }
        gap = Quantity.RISK_DIFFERENCE
        points = [_point(x, here.get((x, gap))) for x in DISCOUNTS]
        curve = tuple(point for point in points if point is not None)
        if len(curve) < 2:
            continue
        mean = here.get((Version.POSTERIOR, "discount"))
        x = 0.5 if mean is None or mean.estimate is None else mean.estimate
        tenths = [here.get((x, "discount_probability")) for x in DISCOUNTS[:-1]]
        outcome = mine[0].outcome
        where = f": {category_words(at, view.levels(outcome))}" if at else ""
        found.append(
            _Panel(
                title=f"{view.label(outcome)}{where}",
                curve=curve,
                averaged=_point(x, here.get((Version.AVERAGED, gap))),
                tenths=tuple(0.0 if row is None else row.estimate or 0.0 for row in tenths),
            )
        )
    return found


def _point(x: float, row: SensitivityRow | None) -> tuple[float, float, float, float] | None:
    """Place along the axis, estimate and limits in points."""
    if row is None or row.estimate is None or row.lower is None or row.upper is None:
        return None
    return x, 100 * row.estimate, 100 * row.lower, 100 * row.upper


def _ends(panels: Sequence[_Panel]) -> tuple[float, float]:
    """One scale for every gap, zero on it."""
    points = [point for panel in panels for point in (*panel.curve, panel.averaged) if point]
    low = min(0.0, *(point[2] for point in points))
    high = max(0.0, *(point[3] for point in points))
    room = 0.06 * (high - low)
    return low - room, high + room


def _frame(axes: Axes, *, first: bool) -> None:
    axes.set_xlim(0, 1)
    axes.patch.set_alpha(0)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(LINE)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, length=2, width=0.8, labelsize=_FONT, labelleft=first)


def _curve(axes: Axes, panel: _Panel, ends: tuple[float, float], *, first: bool) -> None:
    _frame(axes, first=first)
    axes.set_ylim(*ends)
    axes.grid(axis="y", color=LINE, lw=0.6, zorder=0)
    axes.tick_params(labelbottom=False)
    x, middle, low, high = zip(*panel.curve, strict=True)
    axes.fill_between(x, low, high, color=BAND, lw=0, zorder=1)
    axes.axhline(0, color=INK, lw=0.9, zorder=2)
    axes.plot(x, middle, color=FIRST, lw=1.5, zorder=3)
    if panel.averaged is not None:
        at, estimate, lower, upper = panel.averaged
        axes.plot([at, at], [lower, upper], color=SECOND, lw=1.3, zorder=4, solid_capstyle="butt")
        axes.plot([at], [estimate], "s", ms=4, color=SECOND, zorder=5)
    title = _wrapped(panel.title, axes.get_position().width * _WIDTH)
    axes.set_title(title, fontsize=_FONT, fontweight="bold", color=INK, loc="left", pad=3)
    if first:
        axes.set_ylabel("gap, points", color=SOFT, fontsize=_FONT, labelpad=2)


def _wrapped(title: str, inches: float) -> str:
    """A title on two lines at most, as wide as its panel."""
    letters = int(_LETTERS * inches)
    lines = wrap(shorten(title, 2 * letters - 4), letters)
    return "\n".join([*lines[:1], shorten(" ".join(lines[1:]), letters)]).strip()


def _bars(axes: Axes, panel: _Panel, most: float, *, first: bool) -> None:
    _frame(axes, first=first)
    axes.set_ylim(0, most)
    places = [(number + 0.5) / 10 for number in range(len(panel.tenths))]
    axes.bar(places, [100 * share for share in panel.tenths], width=0.085, color=FIRST, zorder=2)
    axes.axhline(10, color=SECOND, lw=0.9, ls=(0, (4, 2)), zorder=3)
    axes.set_xlabel("part that counts", color=SOFT, fontsize=_FONT, labelpad=2)
    if first:
        axes.set_ylabel("percent", color=SOFT, fontsize=_FONT, labelpad=2)


def _legend(axes: Axes, height: float) -> None:
    """What each mark is, above the panels."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color=FIRST, lw=1.5, label="gap"),
        Patch(fc=BAND, ec="none", label="95 % interval"),
        Line2D([], [], color=SECOND, marker="s", ms=4, lw=1.3, label="averaged"),
        Patch(fc=FIRST, ec="none", label="posterior of the part"),
        Line2D([], [], color=SECOND, lw=0.9, ls=(0, (4, 2)), label="its prior"),
    ]
    axes.figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, 1 - 0.34 / height),
        ncols=len(handles),
        frameon=False,
        fontsize=7.5,
        labelcolor=INK,
        handletextpad=0.4,
        columnspacing=1.4,
    )
