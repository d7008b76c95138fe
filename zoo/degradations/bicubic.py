"""The field's standard degradation: MATLAB's bicubic downscaling."""

from __future__ import annotations

import numpy as np

from zoo.data.resize import downscale
from zoo.degradations.base import Degradation, Image
from zoo.registry import register_degradation


@register_degradation("bicubic")
class Bicubic(Degradation):
    """MATLAB's `imresize` with its bicubic kernel and antialiasing, bit for bit (the default)."""

    per_sample = False

    def __init__(self) -> None:
        super().__init__()

    def __call__(
        self,
        hr_image: Image,
        *,
        scale: int,
        rng: np.random.Generator,  # noqa: ARG002  draws nothing
    ) -> Image:
        """Downscale `(H, W, 3)` to `(H/scale, W/scale, 3)`; draws nothing."""
        return downscale(hr_image, scale)
