"""LDL, a loss where the generated image has artefacts rather than details."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.losses.kinds import Seen, StepLoss
from zoo.registry import register_loss

RADIUS: Final = 3
"""Of the window of the local variance: 7x7 pixels."""
ROOT: Final = 5
"""The patch's variance enters by its fifth root."""


@register_loss("ldl")
class LocallyDiscriminative(StepLoss):
    """Absolute error, weighted by how likely a pixel is an artefact: Liang et al., CVPR 2022.

    With R the residual, the sum over channels of |hr - sr|, the weight of a pixel is
    Var(R of the image)^(1/5) * Var(R of its 7x7 neighbours), and 0 where what the moving average of
    the generator makes has a larger residual than sr (Sec. 3.2 and 3.3). The paper's weight of the
    loss is 1. No gradient flows through the weights; in the authors' code one does,
    which is infinite where an image has no error.
    """

    min_side = RADIUS + 1

    def distance(self, sr_image: Tensor, hr_image: Tensor, seen: Seen) -> Tensor:
        """Return the mean over `(N, 3, H, W)` images."""
        with torch.no_grad():
            residual = (hr_image - sr_image).abs().sum(1, keepdim=True)
            stable = (hr_image - seen.average().to(hr_image)).abs().sum(1, keepdim=True)
            image_weight = residual.var((1, 2, 3), keepdim=True) ** (1 / ROOT)
            weight = image_weight * local_variance(residual) * (residual >= stable)
        return (weight * (sr_image - hr_image)).abs().mean()


def local_variance(plane: Tensor) -> Tensor:
    """Return the unbiased variance of each pixel's neighbours, mirrored at the border.

    Args:
        plane: `(N, 1, H, W)`, larger than the radius of the window.
    """
    side = 2 * RADIUS + 1
    padded = F.pad(plane, (RADIUS,) * 4, mode="reflect")
    return padded.unfold(2, side, 1).unfold(3, side, 1).flatten(-2).var(-1)
