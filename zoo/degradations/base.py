"""The base class of degradations: how a low-resolution image is made from a high-resolution one.

Not here: where the random numbers come from (`zoo.data.sampling`), when a degradation is applied
(`zoo.data.degrading`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class Degradation(ABC):
    """Makes a low-resolution image. All its randomness comes from the generator it is given.

    A subclass takes keyword-only arguments.

    Attributes:
        per_sample: True: it is drawn anew for each training sample. False: zoo applies it once to
            each whole image and stores the result.
        context: low-resolution pixels around a sample that are degraded with it and then cut off,
            where the image has them. So a filter reads real pixels at the border of a sample.
        steps: the degradations that it is made of, if it is a chain: their code shapes its results.

    Example:
        >>> import numpy as np
        >>> import zoo
        >>> degradation = zoo.create("noise", kind="degradations", sigma=[5.0, 5.0])
        >>> image = np.zeros((32, 24, 3), dtype=np.uint8)
        >>> degradation(image, scale=4, rng=np.random.default_rng(0)).shape
        (8, 6, 3)
    """

    per_sample: bool = True
    context: int = 4
    steps: tuple[Degradation, ...] = ()

    def __init__(self) -> None:
        # object's own takes *args and **kwargs, which no recipe could be checked against
        super().__init__()

    @abstractmethod
    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        """Degrade one image; it stays as it is.

        Args:
            hr_image: `(H, W, 3)` RGB in 0..255, H and W multiples of `scale`.
            scale: the factor, at least 1. With 1, the result has the size of `hr_image`.
            rng: the only source of random numbers.

        Returns:
            `(H/scale, W/scale, 3)` RGB in 0..255.
        """


def to_unit(image: Image) -> Floats:
    """Return 8-bit pixels as float32 in [0, 1]."""
    return image.astype(np.float32) / np.float32(255)


def to_pixels(image: Floats) -> Image:
    """Round an image around [0, 1] to 8 bits; halves go up."""
    levels = np.clip(image, 0, 1) * np.float32(255)
    return np.asarray(np.floor(levels + np.float32(0.5)), dtype=np.uint8)


def _check_order(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    if not 0 <= low <= high:
        raise ValueError(f"[{low}, {high}] is no range: write [least, most], both at least 0")
    return limits


def _check_quality(limits: tuple[int, int]) -> tuple[int, int]:
    low, high = limits
    if not 1 <= low <= high <= 100:
        raise ValueError(f"[{low}, {high}] is no range of JPEG qualities: they go from 1 to 100")
    return limits


def _check_probability(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{value} is no probability: it must be from 0 to 1")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_check_order)]
"""Least and most of a number that is drawn uniformly."""
QualityRange = Annotated[tuple[int, int], AfterValidator(_check_quality)]
"""Least and most of a JPEG quality, both included."""
Probability = Annotated[float, AfterValidator(_check_probability)]


def uniform(limits: Range, rng: np.random.Generator) -> float:
    """Draw a number uniformly between two limits."""
    return float(rng.uniform(*limits))
