"""Resizing without antialiasing, as blind degradations use it to make the aliasing of real images.

Not here: MATLAB's antialiased bicubic (`zoo.data.resize`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from zoo.degradations.base import Floats

Method = Literal["nearest", "area", "bilinear", "bicubic"]
Taps = tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]
_SHARPNESS: Final = -0.75
"""Of the cubic kernel, as in OpenCV and PyTorch."""


def resample(image: Floats, height: int, width: int, method: Method) -> Floats:
    """Resize `(H, W, C)` to `(height, width, C)`; values may leave [0, 1] with `bicubic`."""
    return _along(_along(image, height, method, 0), width, method, 1)


def _along(image: Floats, size: int, method: Method, axis: int) -> Floats:
    if image.shape[axis] == size:
        return image
    indices, weights = _TAPS[method](image.shape[axis], size)
    shape = [1, 1, 1]
    shape[axis] = size
    terms = (
        image.take(indices[:, tap], axis=axis) * weights[:, tap].reshape(shape)
        for tap in range(indices.shape[1])
    )
    return np.asarray(sum(terms), dtype=np.float32)


def _area(old: int, new: int) -> Taps:
    """Average the pixels below each output pixel, by the share that it covers."""
    edges = np.arange(new + 1) * (old / new)
    first = np.floor(edges[:-1]).astype(np.intp)
    count = int(np.ceil(old / new)) + 1
    indices = first[:, None] + np.arange(count)
    covered = np.minimum(indices + 1, edges[1:, None]) - np.maximum(indices, edges[:-1, None])
    weights = np.clip(covered, 0, None)
    return _finished(indices, weights / weights.sum(axis=1, keepdims=True), old)


def _nearest(old: int, new: int) -> Taps:
    """Take the pixel at the start of what an output pixel covers."""
    indices = np.floor(np.arange(new) * (old / new)).astype(np.intp)[:, None]
    return _finished(indices, np.ones((new, 1)), old)


def _bilinear(old: int, new: int) -> Taps:
    start, offset = _start(old, new)
    return _finished(start + np.arange(2), np.concatenate([1 - offset, offset], axis=1), old)


def _bicubic(old: int, new: int) -> Taps:
    start, offset = _start(old, new)
    places = np.arange(-1, 3)
    distance = np.abs(offset - places)
    a = _SHARPNESS
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
    return _finished(start + places, weights, old)


def _start(old: int, new: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Return the pixel before each output pixel's centre, and how far behind it the centre is."""
    centres = (np.arange(new)[:, None] + 0.5) * (old / new) - 0.5
    start = np.floor(centres).astype(np.intp)
    return start, centres - start


def _finished(indices: npt.NDArray[np.intp], weights: npt.NDArray[np.float64], old: int) -> Taps:
    return np.clip(indices, 0, old - 1), weights.astype(np.float32)


_TAPS: Final[dict[Method, Callable[[int, int], Taps]]] = {
    "nearest": _nearest,
    "area": _area,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
}
