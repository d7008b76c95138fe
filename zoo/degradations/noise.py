"""Gaussian and Poisson noise."""

from __future__ import annotations

import math

import numpy as np

from zoo.data.images import LUMA
from zoo.data.resize import downscale
from zoo.degradations.base import (
    Degradation,
    Floats,
    Image,
    Probability,
    Range,
    to_pixels,
    to_unit,
    uniform,
)
from zoo.registry import register_degradation


def with_gaussian(
    image: Floats, sigma: float, rng: np.random.Generator, *, grey: bool = False
) -> Floats:
    """Add Gaussian noise to an image around [0, 1].

    Args:
        image: `(H, W, 3)`.
        sigma: standard deviation, in 8-bit levels.
        rng: the source of random numbers.
        grey: whether all channels get the same noise.
    """
    shape = (*image.shape[:2], 1 if grey else image.shape[2])
    noise = rng.standard_normal(shape, dtype=np.float32)
    return image + noise * np.float32(sigma / 255)


def with_poisson(
    image: Floats, strength: float, rng: np.random.Generator, *, grey: bool = False
) -> Floats:
    """Add Poisson noise of the image's own intensity to an image around [0, 1].

    The number of levels is that of the image, rounded up to a power of two, as in Real-ESRGAN's
    released code; so most images have the shot noise of at most 256 photons.

    Args:
        image: `(H, W, 3)`.
        strength: factor of the noise; 1 is Poisson's own.
        rng: the source of random numbers.
        grey: whether all channels get the noise of the luma.
    """
    pixels = to_pixels(image)
    levels = 2.0 ** math.ceil(math.log2(max(2, len(np.unique(pixels)))))
    clean = to_unit(pixels)
    if grey:
        clean = (clean @ np.array(LUMA, dtype=np.float32))[:, :, None]
    noise = rng.poisson(clean * levels) / levels - clean
    return image + noise.astype(np.float32) * np.float32(strength)


@register_degradation("noise")
class Noise(Degradation):
    """MATLAB's bicubic downscaling, then Gaussian noise.

    Args:
        sigma: least and most standard deviation, in 8-bit levels.
        grey_probability: how often all channels get the same noise.
    """

    def __init__(self, *, sigma: Range = (1.0, 25.0), grey_probability: Probability = 0.4) -> None:
        super().__init__()
        self.sigma = sigma
        self.grey_probability = grey_probability

    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        """Degrade `(H, W, 3)` to `(H/scale, W/scale, 3)`; draws strength, colour and noise."""
        sigma, grey = uniform(self.sigma, rng), rng.random() < self.grey_probability
        lr_image = to_unit(downscale(hr_image, scale))
        return to_pixels(with_gaussian(lr_image, sigma, rng, grey=grey))
