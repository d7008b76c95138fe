"""Line plots stacked on a common axis, written directly as inline SVG, which is fast.

matplotlib takes half a second for one such drawing, and a page has one a recipe; it chooses the
ticks here and nothing else.

Not here: the plot with marks and labels (`zoo.report.figures`), what is drawn
(`zoo.report.curves`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from markupsafe import Markup

Line = tuple[tuple[int, ...], tuple[float, ...]]
Range = tuple[float, float]
WIDTH: Final = 330
PANEL: Final = 104
_ABOVE, _BELOW = 20, 36
_RIGHT = 8
_LETTER = 6.0
_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines on axes of their own.

    Attributes:
        label: what is above the axes.
        lines: `(steps, values)` of each; what is not finite is a gap.
        mean: a line that is drawn above the others, None for none.
        limits: the ends of the vertical axis, None for those of the lines.
    """

    label: str
    lines: tuple[Line, ...]
    mean: Line | None = None
    limits: Range | None = None


@dataclass(frozen=True, slots=True)
class _Axis:
    """What maps values to places: `low` to `start`, `high` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)


def panels_svg(
    panels: Sequence[Panel], *, colour: str, below: str, title: str, description: str
) -> Markup:
    """Return the panels as inline SVG, `WIDTH` wide, in the page's fonts and colours.

    Args:
        panels: at least one; all share the horizontal axis.
        colour: of the lines, as CSS writes it.
        below: what the horizontal axis is.
        title: the drawing's name for those who do not see it.
        description: what it shows.
    """
    height = _BELOW + PANEL * len(panels)
    ranges = [
        panel.limits or _range(v for _, line in panel.lines for v in line) for panel in panels
    ]
    ticks = [_ticks(limits, nbins=4) for limits in ranges]
    left = 8 + _LETTER * max((len(text) for found in ticks for _, text in found), default=0)
    steps = _range(step for panel in panels for line in panel.lines for step in line[0])
    across = _Axis(*steps, left, WIDTH - _RIGHT)
    columns = _ticks(steps, nbins=5, integer=True)
    drawn = []
    for number, (panel, limits, rows) in enumerate(zip(panels, ranges, ticks, strict=True)):
        down = _Axis(*limits, PANEL * (number + 1), PANEL * number + _ABOVE)
        drawn += _grid(across, down, columns, rows)
        drawn += [_line(line, across, down, colour, panel) for line in panel.lines]
        if panel.mean is not None:
            drawn.append(_path(panel.mean, across, down, f"stroke: {colour}; stroke-width: 2.2"))
        drawn.append(_text(left, PANEL * number + _ABOVE - 6, panel.label, 10.5))
    foot = PANEL * len(panels)
    drawn += [_text(across.at(v), foot + 14, text, 10, "middle") for v, text in columns]
    drawn.append(_text((left + WIDTH - _RIGHT) / 2, foot + 30, below, 11, "middle"))
    head = (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    )
    return Markup("\n".join([head, *drawn, "</svg>"]))  # noqa: S704  texts are escaped above


def _range(values: Iterable[float]) -> Range:
    """Return the ends of an axis that holds the values with a margin; never of no length."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    margin = _MARGIN * (high - low) or 0.5 * max(1.0, abs(low))
    return low - margin, high + margin


def _ticks(limits: Range, *, nbins: int, integer: bool = False) -> list[tuple[float, str]]:
    """Return round values within the limits, and how they are written."""
    from matplotlib.ticker import MaxNLocator

    steps = MaxNLocator(nbins=nbins, integer=integer, steps=[1, 2, 2.5, 5, 10]).tick_values(*limits)
    values = [float(value) for value in steps if limits[0] <= value <= limits[1]]
    texts = [f"{value:g}" for value in values]
    decimals = max((len(text.partition(".")[2]) for text in texts if "e" not in text), default=0)
    return [
        (value, (text if "e" in text else f"{value:.{decimals}f}").replace("-", "\N{MINUS SIGN}"))
        for value, text in zip(values, texts, strict=True)
    ]


def _grid(
    across: _Axis,
    down: _Axis,
    columns: Sequence[tuple[float, str]],
    rows: Sequence[tuple[float, str]],
) -> list[str]:
    """Return the lines of the axes and of their ticks, and the texts of the vertical ones."""
    left, right, foot, top = across.start, across.stop, down.start, down.stop
    thin = [f"M{across.at(value):.2f} {foot:.2f}V{top:.2f}" for value, _ in columns]
    thin += [f"M{left:.2f} {down.at(value):.2f}H{right:.2f}" for value, _ in rows]
    frame = f"M{left:.2f} {top:.2f}V{foot:.2f}H{right:.2f}"
    style = 'style="fill: none; stroke: var(--line); stroke-width: '
    lines = [f'<path d="{"".join(thin)}" {style}0.6"/>', f'<path d="{frame}" {style}1"/>']
    return lines + [_text(left - 4, down.at(value) + 3.5, text, 10, "end") for value, text in rows]


def _line(line: Line, across: _Axis, down: _Axis, colour: str, panel: Panel) -> str:
    """Return one line: thin and pale beside a mean."""
    width = "1.8" if panel.mean is None else "0.8; stroke-opacity: 0.55"
    return _path(line, across, down, f"stroke: {colour}; stroke-width: {width}")


def _path(line: Line, across: _Axis, down: _Axis, style: str) -> str:
    places, pen = [], "M"
    for step, value in zip(*line, strict=True):
        if math.isfinite(value):
            places.append(f"{pen}{across.at(step):.2f} {down.at(value):.2f}")
        pen = "L" if math.isfinite(value) else "M"
    return f'<path d="{"".join(places)}" style="fill: none; {style}"/>'


def _text(x: float, y: float, text: str, size: float, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" style="font-size: {size}px; text-anchor: {anchor}; '
        f'fill: var(--muted)">{escape(text)}</text>'
    )
