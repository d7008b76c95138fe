"""The perception-distortion plot: fidelity against perceived quality, seeds and their means.

The trade-off is that of Blau and Michaeli 2018: beyond some point a method gains one only by
losing the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from markupsafe import Markup

from zoo.records.record import Column, Record
from zoo.report.figures import drawing, to_svg
from zoo.report.labels import LETTER_WIDTH, Box, place_labels
from zoo.report.model import Plane, PlaneRow, Plot
from zoo.report.numbers import Writer, listing, shown_name
from zoo.report.palette import INK, LINE, PAPER, Mark
from zoo.report.scores import dataset_means

DISTORTION = "psnr_y"
PERCEPTION = ("lpips_alex", "lpips", "lite1_distance", "haarpsi")
_WIDE = (660, 440)
_NARROW = (350, 350)
_SIZE = 11.0
_LONGEST = 30
_SHRUNK = 5.0


@dataclass(frozen=True, slots=True)
class _Point:
    """A row: its mark, and `(distortion, perception)` of its seeds."""

    name: str
    mark: Mark
    seeds: tuple[tuple[float, float], ...]

    @property
    def mean(self) -> tuple[float, float]:
        return fmean(x for x, _ in self.seeds), fmean(y for _, y in self.seeds)


def perception_distortion(
    groups: Mapping[str, Sequence[Record]],
    marks: Mapping[str, Mark],
    datasets: Sequence[str],
    *,
    title: str,
) -> Plane | None:
    """Draw the plot over some datasets; None if fewer than two rows have both scores.

    Args:
        groups: scored records by row, seeds in order.
        marks: how each row is drawn.
        datasets: whose mean is drawn.
        title: what these datasets are called.
    """
    for key in PERCEPTION:
        points = _points(groups, marks, datasets, key)
        if len(points) > 1:
            columns = next(iter(groups.values()))[0].columns
            return _plane(points, columns[DISTORTION], columns[key], title)
    return None


def _points(
    groups: Mapping[str, Sequence[Record]],
    marks: Mapping[str, Mark],
    datasets: Sequence[str],
    key: str,
) -> list[_Point]:
    found = []
    for name, records in groups.items():
        means = [dataset_means(record, datasets) for record in records]
        seeds = tuple(
            (mean[DISTORTION], mean[key]) for mean in means if DISTORTION in mean and key in mean
        )
        if seeds:
            found.append(_Point(name, marks[name], seeds))
    return found


def _plane(points: Sequence[_Point], x: Column, y: Column, title: str) -> Plane:
    write_x = Writer(x, [point.mean[0] for point in points])
    write_y = Writer(y, [point.mean[1] for point in points])
    rows = tuple(
        PlaneRow(
            number,
            shown_name(point.name),
            point.mark,
            write_x.write(point.mean[0]),
            write_y.write(point.mean[1]),
        )
        for number, point in enumerate(points, 1)
    )
    heading = f"{y.label} against {x.label}"
    sides = [_best_side(points, 0, x), _best_side(points, 1, y)]
    words = listing(
        [f"the best {c.label} has {n}" for c, n in zip((x, y), sides, strict=True) if n]
    )
    description = f"{len(points)} rows on {title}: {words}. The table below has all values."
    names = [shown_name(point.name) for point in points]
    short = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]
    wide = _draw(points, short, x, y, _WIDE, heading, description)
    numbers = [str(row.number) for row in rows]
    narrow = _draw(points, numbers, x, y, _NARROW, heading, description)
    plot = Plot(heading, description, wide, narrow)
    return Plane(plot, _axis_label(x), _axis_label(y), title, rows)


def _draw(
    points: Sequence[_Point],
    texts: Sequence[str],
    x: Column,
    y: Column,
    size: tuple[int, int],
    title: str,
    description: str,
) -> Markup:
    with drawing(*size) as (figure, axes):
        for shape, group in _by_shape(points).items():
            _scatter_seeds(axes, shape, [point for point in group if len(point.seeds) > 1])
        for shape, group in _by_shape(points).items():
            axes.scatter(
                *zip(*(point.mean for point in group), strict=True),
                color=[point.mark.colour for point in group],
                marker=shape,
                s=90,
                linewidths=1.2,
                edgecolors=PAPER,
                zorder=3,
            )
        axes.set_xlabel(f"{_axis_label(x)}{_better(x, '→', '←')}")
        axes.set_ylabel(f"{_axis_label(y)}{_better(y, '→', '←')}")
        axes.margins(0.09, 0.1)
        axes.locator_params(nbins=5 if size[0] < 400 else 8)
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")  # it is laid out: each further time takes as long
        _label(axes, points, texts)
        return to_svg(figure, title=title, description=description, salt=f"plane-{size[0]}")


def _label(axes: Any, points: Sequence[_Point], texts: Sequence[str]) -> None:
    """Write the labels beside their points, joined by a line where another one could be meant."""
    from matplotlib.collections import LineCollection

    places = [(float(x), float(y)) for x, y in axes.transData.transform([p.mean for p in points])]
    frame = axes.get_window_extent()
    within = Box(frame.x0, frame.y0, frame.x1, frame.y1)
    seeds = axes.transData.transform([seed for point in points for seed in point.seeds])
    obstacles = [(float(x), float(y)) for x, y in seeds]
    corners = place_labels(places, texts, size=_SIZE, within=within, obstacles=obstacles)
    joined = []
    for point, text, (px, py), (left, bottom) in zip(points, texts, places, corners, strict=True):
        width = len(text) * _SIZE * LETTER_WIDTH
        nearest = min(max(px, left), left + width)
        centre = left + width / 2, bottom + _SIZE / 2
        far = abs(nearest - px) + abs(centre[1] - py) > 2 * _SIZE
        far = far or min(places, key=lambda place: math.dist(place, centre)) != (px, py)
        anchor = "left" if left + width / 2 > px else "right"
        edge = left if anchor == "left" else left + width
        if far:
            joined.append(_apart((px, py), (edge, centre[1])))
        axes.annotate(
            text,
            point.mean,
            xytext=(edge - px, centre[1] - py),
            textcoords="offset points",
            ha=anchor,
            va="center",
            fontsize=_SIZE,
            color=INK,
            zorder=4,
        )
    lines = LineCollection(joined, colors=LINE, linewidths=1, zorder=2, transform=None)
    axes.add_collection(lines, autolim=False)


def _apart(start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
    """Return the line from a point to its label, short of both."""
    length = math.dist(start, end) or 1.0
    ways = ((_SHRUNK, start, end), (2.0, end, start))
    return [
        (a[0] + by * (b[0] - a[0]) / length, a[1] + by * (b[1] - a[1]) / length)
        for by, a, b in ways
    ]


def _by_shape(points: Sequence[_Point]) -> dict[str, list[_Point]]:
    """Return the points of each shape: matplotlib draws them in one call."""
    groups: dict[str, list[_Point]] = {}
    for point in points:
        groups.setdefault(point.mark.shape, []).append(point)
    return groups


def _scatter_seeds(axes: Any, shape: str, points: Sequence[_Point]) -> None:
    seeds = [(seed, point.mark.colour) for point in points for seed in point.seeds]
    if seeds:
        style = {"marker": shape, "s": 24, "linewidths": 0, "alpha": 0.45}
        colours = [colour for _, colour in seeds]
        axes.scatter(*zip(*(seed for seed, _ in seeds), strict=True), color=colours, **style)


def _axis_label(column: Column) -> str:
    return f"{column.label} ({column.unit})" if column.unit else column.label


def _better(column: Column, higher: str, lower: str) -> str:
    if column.higher_is_better is None:
        return ""
    return f", better {higher}" if column.higher_is_better else f", better {lower}"


def _best_side(points: Sequence[_Point], axis: int, column: Column) -> str:
    if column.higher_is_better is None:
        return ""
    choose = max if column.higher_is_better else min
    return shown_name(choose(points, key=lambda point: point.mean[axis]).name)
