"""The scoring protocol: rounding, luma, border. Every metric sees images through these functions.

Version 1, in the order applied (the whole of it in words: benchmarks/README.md):

1. both images are clipped to [0, 1] and rounded to 8 bits, as if saved and read again;
2. for the luma scores, RGB becomes BT.601 studio luma, **rounded to 8 bits** as MATLAB's
   `rgb2ycbcr` returns it for uint8 images. It is this rounding that reproduces the published
   digits: bicubic x4 is 28.418 dB / 0.8101 on Set5 and 25.993 / 0.7023 on Set14; unrounded luma
   gives 28.430 / 0.8111 and 25.997 / 0.7029;
3. a single-channel image is scored on its raw values: it is luma already;
4. `scale` pixels are cut from each side.

Not here: the scores themselves (`zoo.metrics.fidelity`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import ShapeError

PROTOCOL_VERSION = 1


def quantize(image: Tensor) -> Tensor:
    """Round an image to 8 bits, as saving it would.

    Args:
        image: `(..., H, W)` around [0, 1], any floating type.

    Returns:
        uint8 in 0..255, same shape.
    """
    # In float32: bfloat16 has too few digits to tell all 256 levels apart. Halves go up, as in
    # MATLAB; torch.round would send them to the even neighbour. The conversion to uint8 cuts the
    # fraction off.
    levels = image.to(torch.float32).mul(255.0)
    return levels.add_(0.5).clamp_(0, 255).to(torch.uint8)


def to_luma(image: Tensor) -> Tensor:
    """Return BT.601 studio luma of an RGB image; a single channel is returned as it is.

    Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 for R, G, B in 0..255
    (ITU-R BT.601; the coefficients are those of MATLAB's `rgb2ycbcr`).

    Args:
        image: `(..., C, H, W)` uint8, C of 3 (RGB) or 1.

    Returns:
        `(..., 1, H, W)` uint8; 16..235 where it was computed.

    Raises:
        ShapeError: if the image has another number of channels.
    """
    if image.shape[-3] == 1:
        return image
    if image.shape[-3] != 3:
        raise ShapeError(f"luma needs 3 channels (RGB) or 1, got {tuple(image.shape)}")
    red, green, blue = image.to(torch.float64).unbind(dim=-3)
    luma = 16.0 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255.0
    return luma.add_(0.5).to(torch.uint8).unsqueeze(-3)


def crop_border(image: Tensor, border: int) -> Tensor:
    """Cut `border` pixels from each side: there the networks see padding, not image.

    Args:
        image: `(..., H, W)`.
        border: pixels, 0 to keep all.

    Raises:
        ShapeError: if nothing would remain.
    """
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * border:
        raise ShapeError(f"cutting {border} pixels from each side of {height}x{width} leaves none")
    return image[..., border : height - border, border : width - border]


def prepared_pair(
    sr_image: Tensor, hr_image: Tensor, scale: int, *, luma: bool = False, min_side: int = 1
) -> tuple[Tensor, Tensor]:
    """Apply the protocol to both images of a comparison.

    Args:
        sr_image: `(C, H, W)` around [0, 1], C of 3 (RGB) or 1.
        hr_image: the same shape.
        scale: pixels to cut from each side.
        luma: whether to take the luma of RGB images.
        min_side: smallest side that may remain.

    Returns:
        uint8 `(1, C', H', W')` each.

    Raises:
        ShapeError: if the images are not of one shape, not images, or too small.
    """
    if sr_image.shape != hr_image.shape or sr_image.ndim != 3:
        raise ShapeError(
            "images to compare must both be (C, H, W) and of one shape, got "
            f"{tuple(sr_image.shape)} and {tuple(hr_image.shape)}"
        )
    if sr_image.shape[0] not in (1, 3):
        raise ShapeError(f"images have 3 channels (RGB) or 1, got {tuple(sr_image.shape)}")
    if min(sr_image.shape[-2:]) - 2 * scale < min_side:
        raise ShapeError(
            f"this metric needs {min_side}x{min_side} pixels after cutting {scale} from each side, "
            f"got {tuple(sr_image.shape)}"
        )
    return _prepared(sr_image, scale, luma=luma), _prepared(hr_image, scale, luma=luma)


def _prepared(image: Tensor, scale: int, *, luma: bool) -> Tensor:
    pixels = quantize(image)
    return crop_border(to_luma(pixels) if luma else pixels, scale).unsqueeze(0)
