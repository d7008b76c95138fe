"""Losses of spatial derivatives: of edges between two images, of the variation within one."""

from __future__ import annotations

from torch import Tensor

from zoo.losses.kinds import PreciseLoss, Regulariser, filtered
from zoo.registry import register_loss

FLAT = 1e-6
"""Added to the squared slope: a square root has no derivative at 0."""


@register_loss("gradient")
class Gradient(PreciseLoss):
    """Mean absolute difference of gradient maps: Ma et al., SPSR, CVPR 2020, Sec. 3.3.

    A map has the length of the gradient at each pixel of each channel. The derivatives are Sobel's,
    divided by 8 so that a ramp has its own slope. The paper takes I(x + 1) - I(x - 1), which is
    twice the slope, so its weight of 0.01 is 0.02 here.
    """

    min_side = 3

    def distance(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Return the mean over the inner pixels of `(N, 3, H, W)` images."""
        return (sobel(sr_image) - sobel(hr_image)).abs().mean()


@register_loss("total-variation")
class TotalVariation(Regulariser):
    """Mean absolute difference of neighbours, which favours flat areas: Rudin et al., 1992.

    Rudin, Osher and Fatemi, Physica D 60, in the anisotropic form: the sum of the means over
    horizontal and over vertical neighbours of the generated image.
    """

    min_side = 2

    def distance(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:  # noqa: ARG002
        """Return the total variation of `(N, 3, H, W)` generated images, for each pixel."""
        across, down = sr_image.diff(dim=-1), sr_image.diff(dim=-2)
        return across.abs().mean() + down.abs().mean()


def sobel(image: Tensor) -> Tensor:
    """Return the length of Sobel's gradient, `(N, C, H - 2, W - 2)`, in the image's unit a pixel.

    Args:
        image: `(N, C, H, W)`.
    """
    smooth, slope = (0.25, 0.5, 0.25), (-0.5, 0.0, 0.5)
    across = filtered(filtered(image, slope, -1), smooth, -2)
    down = filtered(filtered(image, smooth, -1), slope, -2)
    return (across.square() + down.square() + FLAT).sqrt()
