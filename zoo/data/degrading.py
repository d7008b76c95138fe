"""When and where a degradation is applied: to whole images, or to the surroundings of a sample.

Not here: the degradations (`zoo.degradations`), from a recipe to one (`zoo.recipes.degrading`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zoo.data.images import Image, hash_pixels, to_rgb
from zoo.data.resize import downscale
from zoo.data.sampling import image_generator
from zoo.errors import ShapeError

if TYPE_CHECKING:
    from zoo.degradations.base import Degradation


class LowResolution(Protocol):
    """Where low-resolution images come from, other than MATLAB's bicubic."""

    @property
    def identity(self) -> str:
        """What the images depend on besides the high-resolution images, as text."""

    def lr_image(self, path: Path, hr_image: Image, scale: int) -> Image:
        """Return the low-resolution image of a file.

        Args:
            path: the high-resolution file.
            hr_image: `(H, W, 3)` RGB or `(H, W)`, its pixels cut to a multiple of the scale.
            scale: the factor.
        """


@dataclass(frozen=True, slots=True)
class Window:
    """A square part of an image, in low-resolution pixels."""

    top: int
    left: int
    side: int


@dataclass(frozen=True, slots=True)
class Degrading:
    """A degradation other than the default, ready for use.

    Attributes:
        degradation: the component.
        text: its name and arguments, for messages.
        identity: name, all arguments and the code of a plugin, as text: what its results depend on.
    """

    degradation: Degradation
    text: str
    identity: str

    @property
    def per_sample(self) -> bool:
        """Whether it is drawn anew for each training sample."""
        return self.degradation.per_sample

    def lr_image(self, path: Path, hr_image: Image, scale: int) -> Image:  # noqa: ARG002
        """Degrade a whole image, see `degraded`."""
        return degraded(hr_image, scale, self)

    def apply(self, hr_image: Image, scale: int, rng: np.random.Generator) -> Image:
        """Degrade `(H, W, 3)` to `(H/scale, W/scale, 3)`.

        Raises:
            ShapeError: if the degradation returns something else.
        """
        made = self.degradation(hr_image, scale=scale, rng=rng)
        expected = (hr_image.shape[0] // scale, hr_image.shape[1] // scale, 3)
        if made.shape != expected or made.dtype != np.uint8:
            raise ShapeError(
                f"the degradation {self.text} makes {made.dtype} {made.shape} of "
                f"{hr_image.shape} at scale {scale}, not uint8 {expected}"
            )
        return made

    def patch(self, hr_image: Image, window: Window, scale: int, rng: np.random.Generator) -> Image:
        """Degrade a part of `(H, W, 3)` with some context, and return the part: `(side, side, 3)`.

        Args:
            hr_image: the whole high-resolution image; stays as it is.
            window: the part.
            scale: the factor.
            rng: the generator of the sample.
        """
        context = self.degradation.context
        spans = []
        for start, length in ((window.top, hr_image.shape[0]), (window.left, hr_image.shape[1])):
            first = max(0, start - context)
            last = min(length // scale, start + window.side + context)
            spans.append((first, last, start - first))
        (top, bottom, down), (left, right, across) = spans
        part = hr_image[top * scale : bottom * scale, left * scale : right * scale]
        made = self.apply(np.ascontiguousarray(part), scale, rng)
        return made[down : down + window.side, across : across + window.side]


def low_resolution(path: Path, hr_image: Image, scale: int, source: LowResolution | None) -> Image:
    """Return the low-resolution image of a file; without a source, MATLAB's bicubic."""
    if source is None:
        return downscale(hr_image, scale)
    return source.lr_image(path, hr_image, scale)


def degraded(hr_image: Image, scale: int, degrading: Degrading | None) -> Image:
    """Degrade a whole image; what is drawn depends on its pixels alone.

    Args:
        hr_image: `(H, W, 3)` RGB or `(H, W)` in 0..255, both sides multiples of the scale.
        scale: the factor.
        degrading: how; None for MATLAB's bicubic.

    Returns:
        `(H/scale, W/scale, 3)` or `(H/scale, W/scale)`. Of a grey image, the mean of the channels.
    """
    if degrading is None:
        return downscale(hr_image, scale)
    rng = image_generator(hash_pixels(hr_image))
    made = degrading.apply(to_rgb(hr_image), scale, rng)
    return made if hr_image.ndim == made.ndim else made.mean(axis=2).round().astype(np.uint8)
