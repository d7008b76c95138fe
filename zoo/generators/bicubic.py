"""Bicubic upscaling, as MATLAB's `imresize` does it: the baseline of every table.

`bicubic_upscale` is differentiable and works on batches in [0, 1], in float; it is also the image a
generator with `interpolation_skip` adds to its output. The 8-bit downscaling that makes the
low-resolution images is in `zoo.data`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.generators.base import Generator
from zoo.registry import register_generator

CUBIC_A = -0.5
REACH = 2


def cubic_kernel(distance: float) -> float:
    """Return the weight of a sample at `distance` pixels (Keys 1981, Eq. 4 and 15, a = -1/2)."""
    x = abs(distance)
    if x <= 1:
        return (CUBIC_A + 2) * x**3 - (CUBIC_A + 3) * x**2 + 1
    if x < REACH:
        return CUBIC_A * (x**3 - 5 * x**2 + 8 * x - 4)
    return 0.0


def phase_weights(scale: int) -> list[list[float]]:
    """Return the weights of the samples at offsets -2 to 2 for each of the `scale` output phases.

    Output pixel `scale * i + phase` has its centre at `i + (phase + 0.5) / scale - 0.5` in input
    pixels: less than half a pixel from pixel i, so five samples hold the four that count.
    """
    centres = [(phase + 0.5) / scale - 0.5 for phase in range(scale)]
    offsets = range(-REACH, REACH + 1)
    return [[cubic_kernel(centre - offset) for offset in offsets] for centre in centres]


def bicubic_upscale(image: Tensor, scale: int) -> Tensor:
    """Upscale a batch of images by bicubic interpolation (a = -0.5), edges clamped.

    `torch.nn.functional.interpolate` uses a = -0.75, which is another image.
    Here each axis is a handful of scaled additions: exact in float32 where a convolution would be
    rounded to TF32 or autocast to bfloat16, and exportable.

    Args:
        image: `(N, C, h, w)`, any range, any h, w >= 1. Half precision is computed in float32.
        scale: the upscaling factor.

    Returns:
        `(N, C, scale * h, scale * w)` in the dtype of `image`; may overshoot the range of `image`.
    """
    precise = image.to(torch.promote_types(image.dtype, torch.float32))
    return _upscale_axis(_upscale_axis(precise, scale, dim=2), scale, dim=3).to(image.dtype)


def _upscale_axis(image: Tensor, scale: int, dim: int) -> Tensor:
    margin = (0, 0, REACH, REACH) if dim == 2 else (REACH, REACH, 0, 0)
    padded = F.pad(image, margin, mode="replicate")
    shifted = [padded.narrow(dim, k, image.shape[dim]) for k in range(2 * REACH + 1)]
    phases = [_weighted_sum(shifted, weights) for weights in phase_weights(scale)]
    return torch.stack(phases, dim + 1).flatten(dim, dim + 1)


def _weighted_sum(terms: list[Tensor], weights: list[float]) -> Tensor:
    total: Tensor | None = None
    for term, weight in zip(terms, weights, strict=True):
        if math.isclose(weight, 0.0, abs_tol=1e-12):
            continue
        total = term * weight if total is None else torch.add(total, term, alpha=weight)
    if total is None:
        raise ValueError("an interpolation needs at least one sample with weight")
    return total


@register_generator("bicubic")
class Bicubic(Generator):
    """Bicubic interpolation as a generator: nothing to train.

    Args:
        scale: the upscaling factor.
    """

    trainable = False
    calibrates = True

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale)

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)`, not clamped."""
        return bicubic_upscale(lr_image, self.scale)
