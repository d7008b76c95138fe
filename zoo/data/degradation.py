"""Whether a low-resolution image is its high-resolution image downscaled by MATLAB's bicubic.

Not here: the downscaling itself (`zoo.data.resize`), what a suite does about a difference
(`zoo.bench.suites`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from zoo.data.resize import downscale

Image = npt.NDArray[np.uint8]
ROUNDING_LEVELS: Final = 2
"""8-bit levels by which two programs may differ that compute the same: MATLAB rounds between its
two passes, others do not."""
MOST_SHIFT: Final = 2
"""Low-resolution pixels by which the best fit is looked for, up, down and to both sides."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a low-resolution image is from its high-resolution image downscaled.

    Attributes:
        largest: absolute difference of a pixel's channel, in 8-bit levels.
        mean: over pixels and channels, in 8-bit levels.
        shift: rows down and columns right by which the image is shifted, where moving it back by
            them at least halves the mean; else none.
    """

    largest: int
    mean: float
    shift: tuple[int, int]

    def describe(self) -> str:
        """Return the difference in words."""
        told = f"largest difference {self.largest} levels, mean {self.mean:.2f}"
        if self.shift == (0, 0):
            return f"{told}; no shift within {MOST_SHIFT} pixels halves it"
        ways = (("row", "down", "up"), ("column", "right", "left"))
        moves = [
            f"{abs(by)} {what}{'s' if abs(by) > 1 else ''} {there if by > 0 else back}"
            for by, (what, there, back) in zip(self.shift, ways, strict=True)
            if by
        ]
        return f"{told}; it is shifted by {' and '.join(moves)}"


def difference(lr_image: Image, hr_image: Image, scale: int) -> Difference | None:
    """Compare a low-resolution image with MATLAB's bicubic of its high-resolution image.

    Args:
        lr_image: `(h, w, 3)` or `(h, w)` in 0..255.
        hr_image: `(h*scale, w*scale, 3)` or `(h*scale, w*scale)`.
        scale: the factor.

    Returns:
        None if they are the same up to rounding.
    """
    own = downscale(hr_image, scale)
    distance = np.abs(lr_image.astype(np.int16) - own)
    if distance.max() <= ROUNDING_LEVELS:
        return None
    return Difference(int(distance.max()), float(distance.mean()), _best_shift(lr_image, own))


def _best_shift(image: Image, own: Image) -> tuple[int, int]:
    """Return the shift that leaves the least mean difference, none where that is not half."""
    most = min(MOST_SHIFT, *(side - 1 for side in own.shape[:2]))
    reach = range(-most, most + 1)
    distances = {}
    for down in reach:
        for right in reach:
            moved = image[_rows(down), _rows(right)].astype(np.int16)
            still = own[_rows(-down), _rows(-right)]
            distances[down, right] = float(np.abs(moved - still).mean())
    best = min(distances, key=distances.__getitem__)
    return best if 2 * distances[best] <= distances[0, 0] else (0, 0)


def _rows(shift: int) -> slice:
    """Return the part of an axis that remains when something is moved back by a shift."""
    return slice(max(shift, 0), min(shift, 0) or None)
