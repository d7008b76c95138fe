"""Where the labels of a scatter plot go so that they lie neither on each other nor on points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LETTER_WIDTH = 0.62
"""Width of an average letter in sizes of its font, of a wide font to be safe."""
_RADII = (11.0, 19.0, 29.0, 41.0, 55.0, 71.0)
_ANGLES = (0, 180, 25, -25, 155, -155, 90, -90, 55, -55, 125, -125)
_POINT = 5.0
_SMALL = 3.0
_GAP = 1.5


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its edges."""

    left: float
    bottom: float
    right: float
    top: float


def place_labels(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    *,
    size: float,
    within: Box,
    obstacles: Sequence[tuple[float, float]] = (),
) -> list[tuple[float, float]]:
    """Return the left lower corner of each label: the nearest free place around its point.

    The most crowded points choose first. Where no place is free, the one with the least overlap is
    taken.

    Args:
        points: `(x, y)` of each point, y upwards, in the unit of `size`.
        texts: the labels.
        size: font size.
        within: where labels may lie.
        obstacles: further points that labels shall not cover.
    """
    dots, small = _squares(points, _POINT), _squares(obstacles, _SMALL)
    order = sorted(range(len(points)), key=lambda n: -_crowd(points, n))
    boxes: dict[int, Box] = {}
    for number in order:
        labels = _edges(list(boxes.values()))
        others = np.concatenate([np.delete(dots, number, axis=0), small, labels])
        candidates = _candidates(points[number], len(texts[number]) * size * LETTER_WIDTH, size)
        costs = 100 * _costs(candidates, others, within) + np.arange(len(candidates))
        boxes[number] = candidates[int(costs.argmin())]
    return [(boxes[n].left, boxes[n].bottom) for n in range(len(points))]


def _squares(points: Sequence[tuple[float, float]], half: float) -> Floats:
    return _edges([Box(x - half, y - half, x + half, y + half) for x, y in points])


def _edges(boxes: Sequence[Box]) -> Floats:
    """Return `[box, 4]`: left, bottom, right and top."""
    edges = [(box.left, box.bottom, box.right, box.top) for box in boxes]
    return np.array(edges, dtype=np.float64).reshape(-1, 4)


def _candidates(point: tuple[float, float], width: float, height: float) -> list[Box]:
    """Return the places around a point, the best liked first."""
    found = []
    for radius in _RADII:
        for angle in _ANGLES:
            cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            x = point[0] + radius * cosine - (width if cosine < -0.1 else 0)
            x -= width / 2 if abs(cosine) <= 0.1 else 0
            y = point[1] + radius * sine - height / 2
            found.append(Box(x - _GAP, y - _GAP, x + width + _GAP, y + height + _GAP))
    return found


def _costs(boxes: Sequence[Box], others: Floats, within: Box) -> Floats:
    """Return of each box the area that lies on others or outside; of all at once, for speed."""
    edges = _edges(boxes)
    left, bottom, right, top = edges.T
    outside = (right - left) * (top - bottom) - _overlaps(edges, _edges([within]))[:, 0]
    return np.asarray(outside + _overlaps(edges, others).sum(axis=1), dtype=np.float64)


def _overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return `[box, other]`: the area that both cover."""
    left, bottom, right, top = boxes.T[..., None]
    width = np.minimum(right, others[:, 2]) - np.maximum(left, others[:, 0])
    height = np.minimum(top, others[:, 3]) - np.maximum(bottom, others[:, 1])
    return np.asarray(width.clip(0) * height.clip(0), dtype=np.float64)


def _crowd(points: Sequence[tuple[float, float]], number: int) -> float:
    x, y = points[number]
    return sum(1 / (1 + math.hypot(x - a, y - b)) for n, (a, b) in enumerate(points) if n != number)
