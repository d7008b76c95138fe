"""JPEG compression, by Pillow's codec."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as PillowImage

from zoo.data.resize import downscale
from zoo.degradations.base import Degradation, Floats, Image, QualityRange, to_pixels, to_unit
from zoo.registry import register_degradation


def compressed(image: Image, quality: int) -> Image:
    """Return `(H, W, 3)` RGB after JPEG compression with 4:2:0 chroma, quality from 1 to 100."""
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    with PillowImage.open(buffer) as picture:
        return np.array(picture)


def compressed_floats(image: Floats, quality: int) -> Floats:
    """Round an image around [0, 1] to 8 bits, compress it, and return it in [0, 1]."""
    return to_unit(compressed(to_pixels(image), quality))


def draw_quality(limits: QualityRange, rng: np.random.Generator) -> int:
    """Draw a whole number, limits included."""
    return int(rng.integers(limits[0], limits[1], endpoint=True))


@register_degradation("jpeg")
class JPEG(Degradation):
    """MATLAB's bicubic downscaling, then JPEG compression with 4:2:0 chroma.

    With a single `quality` nothing is drawn, and each whole image is degraded once.

    Args:
        quality: least and most quality as Pillow (libjpeg) counts it.
    """

    def __init__(self, *, quality: QualityRange = (30, 95)) -> None:
        super().__init__()
        self.quality = quality
        self.per_sample = quality[0] < quality[1]

    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        """Degrade `(H, W, 3)` to `(H/scale, W/scale, 3)`; draws the quality."""
        return compressed(downscale(hr_image, scale), draw_quality(self.quality, rng))
