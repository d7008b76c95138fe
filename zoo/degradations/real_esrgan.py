"""The second-order degradation of Real-ESRGAN.

Wang et al., "Real-ESRGAN: Training real-world blind super-resolution with pure synthetic data",
ICCVW 2021, Sec. 3 and 4.1: twice blur, resize, noise and JPEG, then a sinc filter. The paper trains
on a differentiable JPEG; this one uses Pillow's codec.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

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
from zoo.degradations.kernels import FAMILIES, filtered, sinc
from zoo.degradations.noise import with_gaussian, with_poisson
from zoo.degradations.resampling import Method, resample
from zoo.registry import register_degradation

_T = TypeVar("_T")
Direction = Literal["up", "down", "keep"]
KERNELS: Final = {
    "iso": 0.45,
    "aniso": 0.25,
    "generalized-iso": 0.12,
    "generalized-aniso": 0.03,
    "plateau-iso": 0.12,
    "plateau-aniso": 0.03,
}
"""Probability of each family where the kernel is no sinc filter."""
SIZES: Final = tuple(range(7, 22, 2))
"""Sides of kernels, in pixels, all alike probable."""
LEAST_SIGMA: Final = 0.01
"""Standard deviation in pixels that stands for 0: such a kernel does not blur."""
METHODS: Final[tuple[Method, ...]] = ("area", "bilinear", "bicubic")
GENERALIZED, PLATEAU = (0.5, 4.0), (1.0, 2.0)
"""Limits of the shape of a kernel; below and above 1 are alike probable."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A drawn kernel: its family (`sinc`, or of `KERNELS`) and its weights."""

    family: str
    weights: Floats


@dataclass(frozen=True, slots=True)
class Order:
    """What one order of the degradation does.

    Attributes:
        kernel: None if it does not blur.
        direction: whether it enlarges, shrinks or keeps the size.
        factor: by which it resizes.
        method: of resizing.
        noise: family of the noise.
        strength: of the noise, see `zoo.degradations.noise`.
        grey: whether all channels get the same noise.
        quality: of JPEG.
    """

    kernel: Kernel | None
    direction: Direction
    factor: float
    method: Method
    noise: Literal["gaussian", "poisson"]
    strength: float
    grey: bool
    quality: int


@dataclass(frozen=True, slots=True)
class Draw:
    """All that is drawn for an image but the noise itself.

    Attributes:
        orders: the first and the second order.
        sinc: the last filter, None if there is none.
        is_sinc_first: whether it comes before the second JPEG compression.
        method: of the last resizing.
    """

    orders: tuple[Order, Order]
    sinc: Kernel | None
    is_sinc_first: bool
    method: Method


@dataclass(frozen=True, slots=True)
class _Limits:
    """What distinguishes the two orders."""

    blur: float
    sigma: Range
    directions: tuple[float, float, float]
    resize: Range
    noise: Range
    poisson: Range


@register_degradation("real-esrgan")
class RealESRGAN(Degradation):
    """Real-ESRGAN's second-order degradation with the paper's probabilities (Sec. 4.1).

    Arguments that start with `second_` are those of the second order.

    Args:
        sigma: least and most standard deviation of blur kernels, in pixels.
        resize: least and most factor of resizing.
        noise: least and most standard deviation of Gaussian noise, in 8-bit levels.
        poisson: least and most factor of Poisson noise.
        second_blur_probability: how often the second order blurs.
        sinc_probability: how often a blur kernel is a sinc filter.
        gaussian_probability: how often noise is Gaussian; otherwise it is Poisson's.
        grey_probability: how often all channels get the same noise.
        quality: least and most JPEG quality.
        final_sinc_probability: how often a sinc filter ends it.
    """

    def __init__(
        self,
        *,
        sigma: Range = (0.2, 3.0),
        resize: Range = (0.15, 1.5),
        noise: Range = (1.0, 30.0),
        poisson: Range = (0.05, 3.0),
        second_sigma: Range = (0.2, 1.5),
        second_resize: Range = (0.3, 1.2),
        second_noise: Range = (1.0, 25.0),
        second_poisson: Range = (0.05, 2.5),
        second_blur_probability: Probability = 0.8,
        sinc_probability: Probability = 0.1,
        gaussian_probability: Probability = 0.5,
        grey_probability: Probability = 0.4,
        quality: QualityRange = (30, 95),
        final_sinc_probability: Probability = 0.8,
    ) -> None:
        super().__init__()
        self._limits = (
            _Limits(1.0, sigma, (0.2, 0.7, 0.1), resize, noise, poisson),
            _Limits(
                second_blur_probability,
                second_sigma,
                (0.3, 0.4, 0.3),
                second_resize,
                second_noise,
                second_poisson,
            ),
        )
        self._sinc, self._gaussian, self._grey = (
            sinc_probability,
            gaussian_probability,
            grey_probability,
        )
        self._quality, self._final_sinc = quality, final_sinc_probability

    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        """Degrade `(H, W, 3)` to `(H/scale, W/scale, 3)`."""
        height, width = (side // scale for side in hr_image.shape[:2])
        draw = self.draw(rng)
        first, second = draw.orders
        image = _with_noise(_resized(_blurred(to_unit(hr_image), first), first), first, rng)
        image = _blurred(compressed_floats(image, first.quality), second)
        image = _with_noise(_resized(image, second, (height, width)), second, rng)
        if not draw.is_sinc_first:
            image = compressed_floats(image, second.quality)
        image = resample(image, height, width, draw.method)
        if draw.sinc is not None:
            image = filtered(image, draw.sinc.weights)
        if draw.is_sinc_first:
            image = compressed_floats(image, second.quality)
        return to_pixels(image)

    def draw(self, rng: np.random.Generator) -> Draw:
        """Draw what is done to an image."""
        first, second = (self._order(limits, rng) for limits in self._limits)
        has_sinc = rng.random() < self._final_sinc
        last = _sinc(_one_of(SIZES, rng), math.pi / 3, rng) if has_sinc else None
        return Draw((first, second), last, rng.random() < 0.5, _one_of(METHODS, rng))

    def _order(self, limits: _Limits, rng: np.random.Generator) -> Order:
        kernel = self._kernel(limits.sigma, rng) if rng.random() < limits.blur else None
        directions: tuple[Direction, ...] = get_args(Direction)
        direction = directions[_index(limits.directions, rng)]
        low, high = limits.resize
        middle = min(max(1.0, low), high)
        reach = {"up": (middle, high), "down": (low, middle), "keep": (1.0, 1.0)}[direction]
        is_gaussian = rng.random() < self._gaussian
        return Order(
            kernel=kernel,
            direction=direction,
            factor=uniform(reach, rng),
            method=_one_of(METHODS, rng),
            noise="gaussian" if is_gaussian else "poisson",
            strength=uniform(limits.noise if is_gaussian else limits.poisson, rng),
            grey=rng.random() < self._grey,
            quality=draw_quality(self._quality, rng),
        )

    def _kernel(self, sigma: Range, rng: np.random.Generator) -> Kernel:
        size = _one_of(SIZES, rng)
        if rng.random() < self._sinc:
            return _sinc(size, math.pi / 3 if size < 13 else math.pi / 5, rng)
        family = tuple(KERNELS)[_index(tuple(KERNELS.values()), rng)]
        function, is_anisotropic, has_shape = FAMILIES[family]
        # A blur of 0 pixels is none; the kernels divide by sigma.
        first, second = (max(uniform(sigma, rng), LEAST_SIGMA) for _ in range(2))
        angle = uniform((-math.pi, math.pi), rng)
        limits = PLATEAU if family.startswith("plateau") else GENERALIZED
        half = (limits[0], 1.0) if rng.random() < 0.5 else (1.0, limits[1])
        shape = uniform(half, rng)
        axes = (first, second if is_anisotropic else first)
        return Kernel(family, function(size, axes, angle=angle, shape=shape if has_shape else 1.0))


def _sinc(size: int, least: float, rng: np.random.Generator) -> Kernel:
    """Draw a sinc filter; `least` is the lowest cut-off frequency, in radians per pixel."""
    return Kernel("sinc", sinc(size, uniform((least, math.pi), rng)))


def _one_of(choices: Sequence[_T], rng: np.random.Generator) -> _T:
    return choices[int(rng.integers(len(choices)))]


def _index(probabilities: Sequence[float], rng: np.random.Generator) -> int:
    """Draw a position by its probability; rounding may leave their sum a hair below 1."""
    place = np.searchsorted(np.cumsum(probabilities), rng.random(), side="right")
    return min(int(place), len(probabilities) - 1)


def _blurred(image: Floats, order: Order) -> Floats:
    return image if order.kernel is None else filtered(image, order.kernel.weights)


def _resized(image: Floats, order: Order, size: tuple[int, int] | None = None) -> Floats:
    """Resize by an order's factor: of the image's own size, or of the one given."""
    height, width = size or image.shape[:2]
    height, width = (max(1, int(side * order.factor)) for side in (height, width))
    return resample(image, height, width, order.method)


def _with_noise(image: Floats, order: Order, rng: np.random.Generator) -> Floats:
    image = np.clip(image, 0, 1)
    add = with_gaussian if order.noise == "gaussian" else with_poisson
    return np.clip(add(image, order.strength, rng, grey=order.grey), 0, 1)
