"""Whether the generated image still explains its input, as a loss."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from zoo.data.resize import taps
from zoo.errors import ShapeError
from zoo.losses.kinds import Seen, StepLoss
from zoo.registry import register_loss


@register_loss("consistency")
class Consistency(StepLoss):
    """Mean absolute difference of down(sr) and the low-resolution image: Menon et al., CVPR 2020.

    The downscaling loss of PULSE, Sec. 3.1, with MATLAB's bicubic downscaling, not rounded. The
    real image has the smallest loss only if its low-resolution image was made in this way: neither
    by another degradation nor, with `data.pairs`, by another downscaling or a camera.
    """

    def distance(self, sr_image: Tensor, hr_image: Tensor, seen: Seen) -> Tensor:  # noqa: ARG002
        """Return the mean over `(N, 3, h, w)` low-resolution images.

        Raises:
            ShapeError: if the generated image is not a whole number of times its input.
        """
        scale, rest = divmod(sr_image.shape[-1], seen.lr_image.shape[-1])
        small = downscaled(sr_image, scale) if not rest else sr_image
        if small.shape != seen.lr_image.shape:
            raise ShapeError(
                f"images of {tuple(sr_image.shape)} are no multiple of {tuple(seen.lr_image.shape)}"
            )
        return (small - seen.lr_image.to(small)).abs().mean()


def downscaled(image: Tensor, scale: int) -> Tensor:
    """Downscale `(N, C, H, W)` by a whole factor as MATLAB's `imresize` does, without rounding."""
    for dim in (2, 3):
        size = image.shape[dim]
        along = (-1, 1) if dim == 2 else (-1,)
        total = torch.zeros_like(image.narrow(dim, 0, size // scale))
        for index, weight in _taps(size, size // scale, image.device, image.dtype):
            total = total + image.index_select(dim, index) * weight.view(along)
        image = total
    return image


@lru_cache(maxsize=16)
def _taps(
    size: int, new_size: int, device: torch.device, dtype: torch.dtype
) -> tuple[tuple[Tensor, Tensor], ...]:
    """Return which pixels each tap reads, and its weights, both `(new_size,)`, on the device."""
    with torch.inference_mode(mode=False):  # a later call may need a gradient
        indices, weights = (torch.from_numpy(each) for each in taps(size, new_size))
        chosen = indices.to(device).unbind(1), weights.to(device, dtype).unbind(1)
    return tuple(zip(*chosen, strict=True))
