"""The Charbonnier loss, the absolute error with a smooth minimum."""

from __future__ import annotations

from pydantic import PositiveFloat
from torch import Tensor

from zoo.losses.kinds import PreciseLoss
from zoo.registry import register_loss


@register_loss("charbonnier")
class Charbonnier(PreciseLoss):
    """E[sqrt((sr - hr)^2 + epsilon^2)]: LapSRN, Lai et al., CVPR 2017, Sec. 3.2.

    The function is of Charbonnier et al., ICIP 1994. The mean is over images, channels and pixels.

    Args:
        epsilon: the difference, for images in [0, 1], above which it is nearly the absolute error.
    """

    def __init__(self, *, epsilon: PositiveFloat = 1e-3) -> None:
        super().__init__()
        self.epsilon = epsilon

    def distance(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Return the mean over `(N, 3, H, W)` images; `epsilon` if they are equal."""
        return ((sr_image - hr_image).square() + self.epsilon**2).sqrt().mean()
