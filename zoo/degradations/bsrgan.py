"""The shuffled degradation of BSRGAN.

Zhang et al., "Designing a practical degradation model for deep blind image super-resolution",
ICCV 2021, Sec. 3: two blurs, a downscaling, Gaussian noise, JPEG and camera sensor noise in random
order, then JPEG. For the sensor noise, the paper uses the colour matrices and tone curves of
particular cameras; this one uses the simple camera of Brooks et al., "Unprocessing images for
learned raw denoising", CVPR 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from zoo.degradations.base import (
    Degradation,
    Floats,
    Image,
    Probability,
    QualityRange,
    Range,
    to_pixels,
    to_unit,
    uniform,
)
from zoo.degradations.jpeg import compressed_floats, draw_quality
from zoo.degradations.kernels import filtered, gaussian
from zoo.degradations.noise import with_gaussian
from zoo.degradations.resampling import Method, resample
from zoo.registry import register_degradation

Step = Callable[[Floats], Floats]
_SMOOTH: tuple[Method, Method] = ("bilinear", "bicubic")
_GAINS = ((1.9, 2.4), (1.5, 1.9))
"""Limits of the white balance of red and blue (Brooks et al., Sec. 3.3)."""
_SHOT = (0.0001, 0.012)
"""Limits of the shot noise, drawn by its logarithm (Brooks et al., Sec. 3.1)."""


@register_degradation("bsrgan")
class BSRGAN(Degradation):
    """BSRGAN's degradation: six kinds in random order, JPEG last.

    Args:
        noise: least and most standard deviation of Gaussian noise, in 8-bit levels.
        quality: least and most JPEG quality.
        jpeg_probability: how often JPEG compresses before the last time.
        sensor_probability: how often there is sensor noise.
        halving_probability: at scale 4, how often the image is halved before all else.
    """

    def __init__(
        self,
        *,
        noise: Range = (1.0, 25.0),
        quality: QualityRange = (30, 95),
        jpeg_probability: Probability = 0.75,
        sensor_probability: Probability = 0.25,
        halving_probability: Probability = 0.25,
    ) -> None:
        super().__init__()
        self._noise, self._quality = noise, quality
        self._jpeg, self._sensor = jpeg_probability, sensor_probability
        self._halving = halving_probability

    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        """Degrade `(H, W, 3)` to `(H/scale, W/scale, 3)`."""
        height, width = (side // scale for side in hr_image.shape[:2])
        image = to_unit(hr_image)
        if scale == 4 and rng.random() < self._halving:
            scale = 2
            image = resample(image, 2 * height, 2 * width, _SMOOTH[int(rng.integers(2))])
        for step in self._steps(height, width, scale, rng):
            image = np.clip(step(image), 0, 1)
        return to_pixels(compressed_floats(image, draw_quality(self._quality, rng)))

    def _steps(self, height: int, width: int, scale: int, rng: np.random.Generator) -> list[Step]:
        """Return the steps before the last JPEG, in the order in which they are applied."""
        steps: list[Step] = [
            lambda image: _blurred(image, scale, rng, isotropic=True),
            lambda image: _blurred(image, scale, rng, isotropic=False),
            lambda image: _shrunk(image, height, width, scale, rng),
            lambda image: _with_noise(image, uniform(self._noise, rng), rng),
        ]
        if rng.random() < self._jpeg:
            quality = draw_quality(self._quality, rng)
            steps.append(lambda image: compressed_floats(image, quality))
        if rng.random() < self._sensor:
            steps.append(lambda image: with_sensor_noise(image, rng))
        return [steps[index] for index in rng.permutation(len(steps))]


def _blurred(image: Floats, scale: int, rng: np.random.Generator, *, isotropic: bool) -> Floats:
    """Blur with a kernel of 7 to 21 pixels whose width grows with the scale."""
    size = 2 * int(rng.integers(3, 10, endpoint=True)) + 1
    if isotropic:
        sigma = uniform((0.1, 2 + 0.2 * scale), rng)
        return filtered(image, gaussian(size, (sigma, sigma)))
    first, second = (math.sqrt(uniform((0.5, 4 + scale), rng)) for _ in range(2))
    return filtered(image, gaussian(size, (first, second), angle=uniform((0, math.pi), rng)))


def _shrunk(image: Floats, height: int, width: int, scale: int, rng: np.random.Generator) -> Floats:
    """Downscale by nearest, bilinear or bicubic interpolation, or in two steps; all as probable."""
    way = int(rng.integers(4))
    if way == 0:  # the nearest pixel is off the centre by half of scale - 1: the kernel is too
        sigma = uniform((0.1, 0.6 * scale), rng)
        kernel = gaussian(21, (sigma, sigma), shift=-0.5 * (scale - 1))
        return resample(filtered(image, kernel), height, width, "nearest")
    if way == 3:
        share = uniform((0.5, float(scale)), rng)
        first, second = (_SMOOTH[int(rng.integers(2))] for _ in range(2))
        rows, columns = (max(1, int(side * share)) for side in (height, width))
        return resample(resample(image, rows, columns, first), height, width, second)
    return resample(image, height, width, _SMOOTH[way - 1])


def _with_noise(image: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """Add Gaussian noise: correlated between channels (0.2), independent (0.4) or grey (0.4)."""
    kind = rng.random()
    if kind >= 0.2:
        return with_gaussian(image, sigma, rng, grey=kind >= 0.6)
    mixing = np.linalg.qr(rng.standard_normal((3, 3)))[0] * np.sqrt(rng.random(3))
    noise = rng.standard_normal(image.shape, dtype=np.float32) @ mixing.T.astype(np.float32)
    return image + noise * np.float32(sigma / 255)


def with_sensor_noise(image: Floats, rng: np.random.Generator) -> Floats:
    """Add the noise of a camera sensor with a colour filter array, before its white balance.

    Args:
        image: `(H, W, 3)` sRGB in [0, 1].
        rng: the source of random numbers.
    """
    red, blue = (uniform(limits, rng) for limits in _GAINS)
    gains = np.array([red, 1.0, blue], dtype=np.float32)
    shot = math.exp(uniform((math.log(_SHOT[0]), math.log(_SHOT[1])), rng))
    read = math.exp(2.18 * math.log(shot) + 1.2 + 0.26 * float(rng.standard_normal()))
    raw = image**2.2 / gains
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    raw = raw + noise * np.sqrt(np.clip(raw, 0, None) * shot + read, dtype=np.float32)
    return np.asarray(np.clip(_demosaiced(raw) * gains, 0, 1) ** (1 / 2.2), dtype=np.float32)


def _demosaiced(raw: Floats) -> Floats:
    """Keep one channel of each pixel (RGGB) and interpolate the others bilinearly."""
    rows, columns = (np.arange(side) % 2 for side in raw.shape[:2])
    place = rows[:, None] + columns
    masks = np.stack([place == number for number in range(3)], axis=2).astype(np.float32)
    kernel = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=np.float32)
    weights = np.maximum(filtered(masks, kernel), 1e-6)
    return np.asarray(filtered(raw * masks, kernel) / weights, dtype=np.float32)
