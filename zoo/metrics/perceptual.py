"""Perceptual scores that need no trained network, on RGB under the protocol. piq computes.

Not here: learned distances.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.metrics.base import Metric
from zoo.metrics.protocol import prepared_pair
from zoo.registry import register_metric

PEAK = 255.0


@register_metric("haarpsi")
class HaarPSI(Metric):
    """Haar wavelet perceptual similarity, 1 for equal images.

    Reisenhofer et al., Signal Processing: Image Communication 61 (2018), arXiv:1607.06140: local
    similarities of Haar coefficients of luma at two scales, weighted by the coarsest, and chroma;
    images are halved first, as in the paper.
    """

    label = "HaarPSI"
    min_side = 16
    on_device = True

    @torch.inference_mode()
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        """Score one image, see `Metric`."""
        import piq

        sr_pixels, hr_pixels = prepared_pair(sr_image, hr_image, scale, min_side=self.min_side)
        return float(piq.haarpsi(sr_pixels.float(), hr_pixels.float(), data_range=PEAK))


@register_metric("ms-gmsd")
class MSGMSD(Metric):
    """Multi-scale gradient magnitude similarity deviation, 0 for equal images.

    B. Zhang et al., ICASSP 2017: the spread of gradient similarity over the image at four scales,
    on luma. The protocol leaves piq's chromatic variant off.
    """

    label = "MS-GMSD"
    higher_is_better = False
    min_side = 17
    on_device = True

    @torch.inference_mode()
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        """Score one image, see `Metric`."""
        import piq

        sr_pixels, hr_pixels = prepared_pair(sr_image, hr_image, scale, min_side=self.min_side)
        score = piq.multi_scale_gmsd(sr_pixels.float(), hr_pixels.float(), data_range=PEAK)
        return float(score)
