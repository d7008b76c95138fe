"""Whether a super-resolved image still explains its input: scores against the low-resolution image.

Here is also how an image on a GPU is downscaled there, to the same bits. Not here: how images are
downscaled otherwise, and why so (`zoo.data.resize`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.data.resize import downscale, taps
from zoo.errors import ShapeError
from zoo.metrics.base import Comparison, Metric
from zoo.metrics.protocol import quantize
from zoo.registry import register_metric

PEAK = 255.0
# piq adds 1e-8 to the squared error of images in [0, 1]: identical images score 80 dB.
PSNR_CAP = 80.0


@register_metric("lr-psnr")
class LRPSNR(Metric):
    """PSNR of the super-resolved image, downscaled as the protocol downscales, against its input.

    The LR-PSNR of Lugmayr et al., NTIRE 2021 learning the super-resolution space challenge, and of
    Park et al., SROOE, CVPR 2023. The image is rounded to 8 bits, downscaled by MATLAB's bicubic,
    and compared over all channels of the whole image: no border is cut, for the input has one too.
    The challenge asked every method for 45 dB.
    """

    label = "LR-PSNR"
    unit = "dB"
    value_range = (0.0, PSNR_CAP)
    on_device = True

    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        """Score one image against the downscaled ground truth, where no input is at hand."""
        _check(hr_image)
        lr_image = _shrunk(hr_image, scale).to(torch.float32).div(PEAK)
        return self.score(Comparison(sr_image, hr_image, lr_image, scale))

    @torch.inference_mode()
    def score(self, comparison: Comparison) -> float:
        """Score one image against what was upscaled.

        Raises:
            ShapeError: if they are not `(C, H, W)`, or one is not `scale` times the other.
        """
        import piq

        sr_image, lr_image, scale = comparison.sr_image, comparison.lr_image, comparison.scale
        _check(sr_image)
        _check(lr_image)
        channels, height, width = lr_image.shape
        if sr_image.shape != (channels, scale * height, scale * width):
            raise ShapeError(
                f"an image of {tuple(sr_image.shape)} is not {scale} times its input of "
                f"{tuple(lr_image.shape)}"
            )
        explained = _shrunk(sr_image, scale).unsqueeze(0).double()
        given = quantize(lr_image).unsqueeze(0).double()
        return float(piq.psnr(explained, given, data_range=PEAK))


def _check(image: Tensor) -> None:
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ShapeError(f"images are (C, H, W) with 3 channels or 1, got {tuple(image.shape)}")


def _shrunk(image: Tensor, scale: int) -> Tensor:
    """Return `(C, H/scale, W/scale)` uint8 of a `(C, H, W)` image around [0, 1]."""
    pixels = quantize(image)
    if pixels.is_cuda:
        return device_downscale(pixels, scale)
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    return torch.from_numpy(downscale(array, scale)).permute(2, 0, 1)


def device_downscale(pixels: Tensor, scale: int) -> Tensor:
    """Downscale as `zoo.data.resize.downscale` does, on the device of the image, to the same bits.

    The sums are those of `downscale`, tap by tap in float64. A product and its sum are two
    operations, as they are there: rounded together, a half could fall on the other side.

    Args:
        pixels: `(C, H, W)` uint8, H and W multiples of `scale`.
        scale: the factor.

    Returns:
        `(C, H/scale, W/scale)` uint8.
    """
    for dim in (1, 2):
        size = pixels.shape[dim]
        indices, weights = (
            torch.from_numpy(each).to(pixels.device) for each in taps(size, size // scale)
        )
        along = (1, -1, 1) if dim == 1 else (1, 1, -1)
        total = torch.zeros((), dtype=torch.float64, device=pixels.device)
        for index, weight in zip(indices.unbind(1), weights.unbind(1), strict=True):
            total = total + pixels.index_select(dim, index) * weight.view(along)
        pixels = total.add(0.5).floor().clamp(0, 255).to(torch.uint8)
    return pixels
