"""The position of tiles: windows of one size, and the part of the image that each one outputs.

Plain integers, in pixels of the input. Not here: how much context a network needs
(`zoo.upscaling.context`) and running it (`zoo.upscaling.tiles`).

Windows start at multiples of `ALIGNMENT`, so that networks that halve the image or cut it into
windows of 2, 4, 8 or 16 pixels see the grid they would see in the whole image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Final, TypeAlias

ALIGNMENT: Final = 16


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis.

    Attributes:
        start: first pixel that the network sees.
        stop: one past the last pixel that the network sees.
        first: first pixel that this tile answers for.
        last: one past the last pixel that this tile answers for.
    """

    start: int
    stop: int
    first: int
    last: int

    def own(self, scale: int) -> slice:
        """Return the part of the tile's output that it answers for."""
        return slice((self.first - self.start) * scale, (self.last - self.start) * scale)


Tile: TypeAlias = tuple[Span, Span]
"""Rows and columns of one window."""


def aligned(size: int) -> int:
    """Round up to a multiple of the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def smallest_side(context: int) -> int:
    """Return the smallest window that has something between its two margins, wherever it starts.

    One alignment is what tiles advance by, the other what shortening a window may cost.
    """
    return 2 * context + 2 * ALIGNMENT


def spans(size: int, side: int, context: int) -> list[Span]:
    """Lay windows of one length over an axis.

    Each pixel is answered for by exactly one window, which sees at least `context` pixels beyond it
    on both sides, or the image's own edge. All windows have the same length.

    Args:
        size: pixels along the axis.
        side: the longest window allowed, at least `smallest_side(context)`.
        context: pixels a window sees beyond what it answers for.
    """
    if size <= side:
        return [Span(0, size, 0, size)]
    # Shortened until the last window, which ends with the picture, starts on the grid too.
    side -= (side - size) % ALIGNMENT
    steps = (size - side) // ALIGNMENT
    num_gaps = -(-steps // _longest_step(side, context))
    # The same number of windows, no longer than they have to be: what overlaps is computed twice.
    while -(-(steps + 1) // num_gaps) <= _longest_step(side - ALIGNMENT, context):
        steps, side = steps + 1, side - ALIGNMENT
    starts = [ALIGNMENT * (steps * index // num_gaps) for index in range(num_gaps + 1)]
    seams = [(left + side + right) // 2 for left, right in pairwise(starts)]
    return [
        Span(start, start + side, first, last)
        for start, first, last in zip(starts, [0, *seams], [*seams, size], strict=True)
    ]


def squares(height: int, width: int, side: int, context: int) -> list[Tile]:
    """Lay windows over an image, row by row, none longer than a side in either direction.

    Args:
        height: rows of the image.
        width: its columns.
        side: see `spans`.
        context: see `spans`.
    """
    return list(product(spans(height, side, context), spans(width, side, context)))


def least_overlap(height: int, width: int, pixels: int, context: int) -> list[Tile]:
    """Lay windows of at most so many pixels over an image so that few are computed twice.

    Tried are squares and, for each width, the highest window; the shape with the fewest pixels in
    all windows together is taken. The smallest square that leaves something beside its context is
    allowed whatever its pixels.

    Args:
        height: rows of the image.
        width: its columns.
        pixels: the largest window allowed.
        context: pixels a window sees beyond what it answers for.
    """
    least = smallest_side(context)
    best = squares(height, width, max(least, math.isqrt(pixels)), context)
    for columns in range(least, aligned(max(width, least)) + 1, ALIGNMENT):
        across = spans(width, columns, context)
        rows = pixels // (across[0].stop - across[0].start)
        if rows < min(least, height):
            break
        tiles = list(product(spans(height, rows, context), across))
        if computed(tiles) < computed(best):
            best = tiles
    return best


def computed(tiles: list[Tile]) -> int:
    """Return the pixels of all windows, those that several of them see as often."""
    down, across = tiles[0]
    return len(tiles) * (down.stop - down.start) * (across.stop - across.start)


def _longest_step(side: int, context: int) -> int:
    """Return how far a window may be from the next, in units of the alignment."""
    return (side - 2 * context) // ALIGNMENT
