"""The difference between neighbouring tiles, measured at every seam.

A window sees beyond what it answers for; what it would have said of its neighbour's first pixels is
kept and compared with what the neighbour says. Each side of a seam lacks another part of the
image, so a difference of theirs is one from the whole image too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.upscaling.layout import Span


class SeamGauge:
    """Compares each tile with its left and upper neighbours.

    Tiles come row by row, left to right. One row of pixels of the image is kept at a time.

    Args:
        scale: upscaling factor.

    Attributes:
        largest: the largest difference so far, of values in [0, 1].
    """

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.largest = 0.0
        self._beside: Tensor | None = None
        self._above: dict[int, Tensor] = {}

    def see(self, answer: Tensor, down: Span, across: Span) -> None:
        """Take in what the network says of a whole window.

        Args:
            answer: `(1, 3, scale * rows, scale * columns)` of the window.
            down: the window's rows.
            across: its columns.
        """
        scale = self.scale
        top, bottom = ((row - down.start) * scale for row in (down.first, down.last))
        left, right = ((column - across.start) * scale for column in (across.first, across.last))
        if across.first > across.start and self._beside is not None:
            self._compare(self._beside, answer[..., top:bottom, left : left + scale])
        if down.first > down.start:
            self._compare(self._above[across.first], answer[..., top : top + scale, left:right])
        self._beside = answer[..., top:bottom, right : right + scale].clone()
        self._above[across.first] = answer[..., bottom : bottom + scale, left:right].clone()

    def _compare(self, expected: Tensor, found: Tensor) -> None:
        step = (expected.clamp(0, 1) - found.clamp(0, 1)).abs().max()
        self.largest = max(self.largest, float(torch.nan_to_num(step, nan=1.0)))
