"""Images side by side, each below its name: low resolution first, ground truth last.

Not here: which images (`zoo.train.validation`), how a file is written (`zoo.data.images`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from zoo.data.images import Image, to_rgb

NAMES = ("LR", "bicubic", "SR", "HR")
"""The order of the panels of one image, here and in the report."""
GAP = 8
NAME_HEIGHT = 20
_FONT_SIZE = 13


def side_by_side(panels: Mapping[str, Image]) -> Image:
    """Set images of one size side by side on white, each below its name.

    Args:
        panels: `(H, W, 3)` RGB or `(H, W)` in 0..255, by name.

    Returns:
        `(NAME_HEIGHT + H, n * W + (n - 1) * GAP, 3)`.
    """
    height, width = next(iter(panels.values())).shape[:2]
    size = (len(panels) * (width + GAP) - GAP, NAME_HEIGHT + height)
    canvas = PillowImage.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_FONT_SIZE)
    for number, (name, pixels) in enumerate(panels.items()):
        left = number * (width + GAP)
        draw.text((left + 1, 1), name, fill="black", font=font)
        canvas.paste(PillowImage.fromarray(to_rgb(pixels)), (left, NAME_HEIGHT))
    return np.asarray(canvas)


def enlarged(lr_image: Image, scale: int) -> Image:
    """Enlarge an image by repeating its pixels: it is seen as it is."""
    return lr_image.repeat(scale, axis=0).repeat(scale, axis=1)
