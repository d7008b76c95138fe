"""Losses between spectra: of the two-dimensional Fourier transform of each channel."""

from __future__ import annotations

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from zoo.losses.kinds import PreciseLoss
from zoo.registry import register_loss


@register_loss("fft")
class Fourier(PreciseLoss):
    """Mean absolute difference of spectra: Cho et al., MIMO-UNet, ICCV 2021, Sec. 3.4.

    It is the mean over frequencies, and over their real and imaginary parts. As in the paper the
    transform is not normalised: the value grows with the side of the images. The paper's weight,
    beside an absolute error of weight 1, is 0.1.
    """

    def distance(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Return the mean over all frequencies of `(N, 3, H, W)` images."""
        return torch.view_as_real(torch.fft.fft2(sr_image - hr_image)).abs().mean()


@register_loss("focal-frequency")
class FocalFrequency(PreciseLoss):
    """Squared difference of spectra, most of all where it is large: Jiang et al., ICCV 2021.

    A frequency has the weight |F(sr) - F(hr)|^alpha, divided by the largest of its channel; no
    gradient flows through the weight (Sec. 3.2). The transform is orthonormal.

    Args:
        alpha: how much the weights favour frequencies that are hard to generate; 0 is the squared
            error.
    """

    def __init__(self, *, alpha: NonNegativeFloat = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def distance(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Return the weighted mean over all frequencies of `(N, 3, H, W)` images."""
        spectrum = torch.view_as_real(torch.fft.fft2(sr_image - hr_image, norm="ortho"))
        power = spectrum.square().sum(-1)
        weight = power.detach() ** (self.alpha / 2)
        largest = weight.amax((-2, -1), keepdim=True)
        return (weight / largest.clamp_min(torch.finfo(weight.dtype).tiny) * power).mean()
