"""Tests an imported network on a smooth image: does it upscale at all?

Weights that fit by name and shape may still be used wrongly: another range of values, another order
of channels, a skip that is not visible in the file. On a smooth image, every super-resolution
network gives nearly the same as bicubic interpolation, so such an error shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.generators.base import Generator
from zoo.generators.bicubic import bicubic_upscale

SIDE = 64
"""Real networks correlate by 0.96 and more at this size; at 32 pixels a sound x2 one by 0.83."""
MIN_CORRELATION = 0.9
MAX_DIFFERENCE = 0.15
_MARGIN = 3
_RANGE_TOLERANCE = 0.25


@dataclass(frozen=True, slots=True)
class Trial:
    """How a network's enlargement of a smooth image compares with the bicubic one.

    Attributes:
        correlation: of the values, each channel with the same channel.
        difference: root mean square of the difference, of images in [0, 1].
        guess: the usual reason of a failure, where the numbers show it; it begins with `; `.
        is_finite: whether all values are.
    """

    correlation: float
    difference: float
    guess: str = ""
    is_finite: bool = True

    @property
    def passed(self) -> bool:
        """Whether the image is recognisable, in the right range and colours."""
        near = self.correlation >= MIN_CORRELATION and self.difference <= MAX_DIFFERENCE
        return near and self.is_finite

    @property
    def problem(self) -> str:
        """What is wrong with a network that has not passed, as a clause."""
        return (
            "its network does not upscale a smooth test image: the correlation of its output with "
            f"bicubic is {self.correlation:.3f} (minimum {MIN_CORRELATION}), and their difference "
            f"is {self.difference:.3g} (maximum {MAX_DIFFERENCE}){self.guess}"
        )


def smooth_image(side: int = SIDE) -> Tensor:
    """Return `(1, 3, side, side)` in [0.2, 0.8]: three smooth patterns that do not correlate."""
    steps = torch.arange(side, dtype=torch.float32) / (side - 1)
    down, across = torch.meshgrid(steps, steps, indexing="ij")
    red = 0.2 + 0.6 * across
    green = 0.5 + 0.3 * torch.cos(2 * math.pi * down)
    blue = 0.5 - 0.3 * torch.cos(math.pi * down) * torch.cos(2 * math.pi * across)
    return torch.stack([red, green, blue])[None]


@torch.no_grad()
def try_generator(generator: Generator) -> Trial:
    """Enlarge a smooth image and compare it with the bicubic enlargement, borders excluded.

    Args:
        generator: in evaluation mode, on the CPU.
    """
    image, scale = smooth_image(), generator.scale
    inner = slice(_MARGIN * scale, -_MARGIN * scale)
    expected = bicubic_upscale(image, scale)[..., inner, inner]
    actual = generator(image)[..., inner, inner]
    found = _compare(actual, expected)
    if found.passed:
        return found
    return replace(found, guess=_guess(actual, expected))


def _compare(actual: Tensor, expected: Tensor) -> Trial:
    difference = float((actual - expected).square().mean().sqrt())
    is_finite = bool(actual.isfinite().all())
    return Trial(_correlation(actual, expected), difference, is_finite=is_finite)


def _correlation(first: Tensor, second: Tensor) -> float:
    """Return the least correlation of any channel; 0 for a constant or broken one."""
    worst = 1.0
    for one, other in zip(first.unbind(1), second.unbind(1), strict=True):
        pair = torch.stack([one.flatten(), other.flatten()])
        worst = min(worst, float(torch.corrcoef(pair)[0, 1].nan_to_num(0.0)))
    return worst


def _guess(actual: Tensor, expected: Tensor) -> str:
    """Name the usual reason where the numbers show it."""
    if not bool(actual.isfinite().all()):
        return "; it has NaN or infinite values"
    if _compare(actual.flip(1), expected).passed:
        return "; its channels are in the order BGR, not RGB"
    if _compare(actual + expected, expected).passed:
        return (
            "; it is a residual: use --set interpolation_skip=true if the generator has this "
            "argument"
        )
    slope, offset = _line(actual, expected)
    if _correlation(actual, expected) >= MIN_CORRELATION:
        if abs(slope - 2) < _RANGE_TOLERANCE and abs(offset + 1) < _RANGE_TOLERANCE:
            return "; its output is in [-1, 1], not [0, 1]"
        return f"; it is about {slope:.3g} times the image plus {offset:.3g}"
    return ""


def _line(actual: Tensor, expected: Tensor) -> tuple[float, float]:
    """Return slope and offset of the least-squares line from expected to actual values."""
    centred = expected - expected.mean()
    slope = float((centred * actual).sum() / centred.square().sum())
    return slope, float(actual.mean()) - slope * float(expected.mean())
