"""How much fine detail a super-resolved image has: scores of the spectrum of its luma."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.metrics.base import Metric
from zoo.metrics.protocol import prepared_pair
from zoo.registry import register_metric

# Power of the error of rounding to whole grey levels, in grey levels squared: no 8-bit image says
# anything about detail weaker than this.
ROUNDING_POWER = 1.0 / 12.0


@register_metric("hf-energy")
class HighFrequencyEnergy(Metric):
    """Energy above the input's Nyquist frequency against the ground truth's, in dB.

    10 log10((E(sr) + 1/12) / (E(hr) + 1/12)), where E is the power per pixel, in grey levels
    squared, of the luma's components that the input's pixel grid cannot carry: those with a
    frequency of more than 0.5 / scale cycles per pixel along either side. 0 dB is right, negative
    is too smooth, positive too rough. It tells how much detail there is, not whether it is true.

    The luma, rounded to 8 bits and without its border, loses its mean and is multiplied by a Hann
    window, so that opposite borders do not meet in a step (Harris, Proceedings of the IEEE 66,
    1978). 1/12 is the power of the rounding error; it keeps flat images finite and the score within
    60 dB of 0.
    """

    label = "HF energy"
    unit = "dB"
    higher_is_better = None
    value_range = (-60.0, 60.0)
    min_side = 16
    on_device = True

    @torch.inference_mode()
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        """Score one image, see `Metric`."""
        pair = prepared_pair(sr_image, hr_image, scale, luma=True, min_side=self.min_side)
        sr_power, hr_power = (high_frequency_power(luma[0, 0], scale) for luma in pair)
        return 10 * math.log10((sr_power + ROUNDING_POWER) / (hr_power + ROUNDING_POWER))


def high_frequency_power(luma: Tensor, scale: int) -> float:
    """Return the power per pixel above the Nyquist frequency of a grid `scale` times coarser.

    White noise of variance v gives v times the share of frequencies above, whatever the size.

    Args:
        luma: `(H, W)` in 0..255.
        scale: the factor; at 1 there is nothing above.

    Returns:
        Grey levels squared.
    """
    height, width = luma.shape
    rows, columns = (
        torch.hann_window(side, periodic=False, dtype=torch.float64, device=luma.device)
        for side in (height, width)
    )
    window = rows[:, None] * columns
    values = luma.to(torch.float64)
    spectrum = torch.fft.rfft2((values - values.mean()) * window)
    vertical = torch.fft.fftfreq(height, device=luma.device).abs()[:, None]
    horizontal = torch.fft.rfftfreq(width, device=luma.device)
    nyquist = 0.5 / scale
    high = (vertical > nyquist) | (horizontal > nyquist)
    # A real image's spectrum is symmetric; rfft2 leaves out the mirror images of all columns but
    # the first and, for even widths, the last.
    mirrored = torch.full((spectrum.shape[1],), 2.0, dtype=torch.float64, device=luma.device)
    mirrored[0] = 1.0
    if width % 2 == 0:
        mirrored[-1] = 1.0
    energy = (spectrum.abs().square() * mirrored * high).sum()
    return float(energy / (height * width * window.square().sum()))
