"""A Gaussian blur before downscaling."""

from __future__ import annotations

import math

import numpy as np

from zoo.data.resize import downscale
from zoo.degradations.base import Degradation, Image, Range, to_pixels, to_unit, uniform
from zoo.degradations.kernels import filtered, gaussian
from zoo.registry import register_degradation


@register_degradation("blur")
class Blur(Degradation):
    """Isotropic Gaussian blur, then MATLAB's bicubic downscaling.

    With a single `sigma` nothing is drawn, and each whole image is degraded once.

    Args:
        sigma: least and most standard deviation, in high-resolution pixels.
    """

    def __init__(self, *, sigma: Range = (0.2, 3.0)) -> None:
        super().__init__()
        self.sigma = sigma
        self.per_sample = sigma[0] < sigma[1]

    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        """Degrade `(H, W, 3)` to `(H/scale, W/scale, 3)`; draws sigma."""
        sigma = uniform(self.sigma, rng)
        if sigma > 0:
            kernel = gaussian(2 * math.ceil(3 * sigma) + 1, (sigma, sigma))
            hr_image = to_pixels(filtered(to_unit(hr_image), kernel))
        return downscale(hr_image, scale)
