"""Structural similarity at several scales as a loss."""

from __future__ import annotations

import math
from typing import Annotated, Final

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor

from zoo.losses.kinds import PreciseLoss, filtered
from zoo.registry import register_loss

WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales, the finest first (Z. Wang et al. 2003, Sec. 3.2)."""
C1, C2 = 0.01**2, 0.03**2
RADIUS, SIGMA = 5, 1.5
SMALLEST: Final = 1e-4
"""Least similarity of a scale: the gradient of its power is infinite at 0."""


@register_loss("ms-ssim")
class MultiScaleSSIM(PreciseLoss):
    """1 - MS-SSIM: Z. Wang, Simoncelli and Bovik, Asilomar 2003, Eq. 7; Zhao et al. 2017.

    The window is that of SSIM, 11x11 pixels of a Gaussian of sigma 1.5, inside the image only.

    Args:
        num_scales: number of scales, each half as large as the one before. Five are the paper's and
            need images of 161 pixels; four need 81, three 41, two 21. Their weights are the first
            ones of the paper, divided by their sum.
    """

    def __init__(self, *, num_scales: Annotated[int, Ge(1), Le(len(WEIGHTS))] = 5) -> None:
        super().__init__()
        self.weights = tuple(weight / sum(WEIGHTS[:num_scales]) for weight in WEIGHTS[:num_scales])
        self.min_side = 2 * RADIUS * 2 ** (num_scales - 1) + 1

    def distance(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Return the mean over `(N, 3, H, W)` images; the product of scales is of each channel."""
        product = sr_image.new_ones(())
        for scale, weight in enumerate(self.weights):
            if scale:
                sr_image, hr_image = halved(sr_image), halved(hr_image)
            similarity, contrast = similarities(sr_image, hr_image)
            is_last = scale == len(self.weights) - 1
            product = product * (similarity if is_last else contrast).clamp_min(SMALLEST) ** weight
        return 1 - product.mean()


def similarities(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return SSIM and its factor of contrast and structure, `(N, C)`, of `(N, C, H, W)` images."""
    gauss = [math.exp(-(offset**2) / (2 * SIGMA**2)) for offset in range(-RADIUS, RADIUS + 1)]
    window = [each / sum(gauss) for each in gauss]
    both = torch.stack((first, second, first.square(), second.square(), first * second))
    x, y, xx, yy, xy = filtered(filtered(both, window, -1), window, -2).unbind()
    contrast = (2 * (xy - x * y) + C2) / (xx - x.square() + yy - y.square() + C2)
    luminance = (2 * x * y + C1) / (x.square() + y.square() + C1)
    return (luminance * contrast).mean((-2, -1)), contrast.mean((-2, -1))


def halved(image: Tensor) -> Tensor:
    """Return the means of 2x2 pixels; an odd side is extended by a copy of its first pixels."""
    padding = max(image.shape[-2] % 2, image.shape[-1] % 2)
    return F.avg_pool2d(F.pad(image, (padding, 0, padding, 0), mode="replicate"), 2)
