"""PSNR and SSIM under the protocol, on luma and on RGB. piq computes, this module feeds it.

Two of piq's defaults would give other numbers than the literature's and are never used: its
greyscale is full-range luma (Set5 bicubic 27.11 dB, not 28.42), its SSIM downscales images of 384
pixels or more before comparing (Urban100 0.9032, not 0.6573).

piq is imported where it computes: it takes a second, which tables of kept scores need not wait for.

Not here: rounding, luma and border (`zoo.metrics.protocol`), learned metrics.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from zoo.metrics.base import Metric
from zoo.metrics.protocol import prepared_pair
from zoo.registry import register_metric

PEAK = 255.0
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
# piq adds 1e-8 to the squared error of images in [0, 1]: identical images score 80 dB.
PSNR_CAP = 80.0


class _Fidelity(Metric):
    """A score of 8-bit pixels, on luma or on all channels."""

    luma: ClassVar[bool]
    on_device = True

    def _pair(self, sr_image: Tensor, hr_image: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        return prepared_pair(sr_image, hr_image, scale, luma=self.luma, min_side=self.min_side)


class _PSNR(_Fidelity):
    """Peak signal-to-noise ratio, 10 log10(255^2 / mean squared error), at most 80 dB."""

    unit = "dB"
    value_range = (0.0, PSNR_CAP)

    @torch.inference_mode()
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        import piq

        sr_pixels, hr_pixels = self._pair(sr_image, hr_image, scale)
        return float(piq.psnr(sr_pixels.double(), hr_pixels.double(), data_range=PEAK))


class _SSIM(_Fidelity):
    """Structural similarity, Z. Wang et al., IEEE Transactions on Image Processing 13 (2004).

    11x11 Gaussian window of sigma 1.5, K1 0.01, K2 0.03, windows inside the image only, no
    downsampling; the mean over channels where there are several.

    Computed in float64 on CUDA, where float32 convolutions may silently be TF32, and in float32
    elsewhere, where float64 convolutions take 20 times as long; that moves a score by about 1e-5.
    """

    value_range = (-1.0, 1.0)
    min_side = SSIM_WINDOW

    @torch.inference_mode()
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        import piq

        sr_pixels, hr_pixels = self._pair(sr_image, hr_image, scale)
        precision = torch.float64 if sr_pixels.is_cuda else torch.float32
        score = piq.ssim(
            sr_pixels.to(precision),
            hr_pixels.to(precision),
            kernel_size=SSIM_WINDOW,
            kernel_sigma=SSIM_SIGMA,
            data_range=PEAK,
            downsample=False,
            k1=0.01,
            k2=0.03,
        )
        return float(score)


@register_metric("psnr-y")
class PSNRY(_PSNR):
    """PSNR of the luma, the field's main score."""

    label = "PSNR-Y"
    luma = True


@register_metric("ssim-y")
class SSIMY(_SSIM):
    """SSIM of the luma."""

    label = "SSIM-Y"
    luma = True


@register_metric("psnr-rgb")
class PSNRRGB(_PSNR):
    """PSNR over all channels."""

    label = "PSNR-RGB"
    luma = False


@register_metric("ssim-rgb")
class SSIMRGB(_SSIM):
    """SSIM averaged over the channels."""

    label = "SSIM-RGB"
    luma = False
