"""An image through an upscaler: levels to tensors and back, grey, alpha.

- Colours are rounded once, from the network's output to the depth of the image.
- Grey goes through the network as R = G = B and comes back as BT.601 luma; so does an image in
  colour whose channels are equal, unless that is not wanted: networks tint it.
- Alpha is upscaled by MATLAB's bicubic. Colours where alpha is 0 mean nothing and are often black
  or white: they are replaced by those of the nearest visible pixel first, or the network would
  draw a halo of them around the image.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from zoo.data.images import LUMA
from zoo.generators.bicubic import Bicubic
from zoo.generators.spandrel import MAX_SCALE
from zoo.upscaling.pictures import Picture
from zoo.upscaling.tiles import Advance, TiledUpscaler
from zoo.upscaling.ways import Tiling

Array = npt.NDArray[Any]


class Canvas:
    """An upscaled image in the making: takes pieces, keeps them rounded.

    Args:
        height: rows.
        width: columns.
        like: the image that is upscaled: its number of axes and its type are kept.

    Attributes:
        array: `(H, W, 3)` or `(H, W)` in the levels of the type.
    """

    def __init__(self, height: int, width: int, like: Array) -> None:
        shape = (height, width, 3) if like.ndim == 3 else (height, width)
        self.array: Array = np.empty(shape, like.dtype)

    def write(self, piece: Tensor, top: int, left: int) -> None:
        """Put `(1, C, h, w)` around [0, 1] in its place; three channels become one for grey."""
        planes = piece[0].clamp(0, 1)
        if self.array.ndim == 2 and planes.shape[0] == 3:
            planes = luma(planes)
        levels = from_unit(planes.permute(1, 2, 0), self.array.dtype)
        height, width = levels.shape[:2]
        place = self.array[top : top + height, left : left + width]
        place[:] = levels.reshape(place.shape)


def luma(planes: Tensor) -> Tensor:
    """Return `(1, h, w)` of `(3, h, w)` RGB."""
    return (planes * planes.new_tensor(LUMA).view(3, 1, 1)).sum(dim=0, keepdim=True)


def to_unit(pixels: Array) -> Tensor:
    """Return `(1, C, H, W)` in [0, 1], float32.

    Args:
        pixels: `(H, W, C)` or `(H, W)` in the levels of their type; floats are in [0, 1] already.
    """
    channels = pixels.reshape(*pixels.shape[:2], -1).astype(np.float32)
    tensor = torch.from_numpy(np.ascontiguousarray(channels.transpose(2, 0, 1)))[None]
    return tensor.div_(maximum(pixels.dtype))


def from_unit(values: Tensor, dtype: np.dtype[Any]) -> Array:
    """Return values in [0, 1] in the levels of a type, halves up; same shape."""
    floats = values.float().cpu()
    if np.issubdtype(dtype, np.floating):
        return floats.numpy().astype(dtype)
    return floats.mul(maximum(dtype)).add_(0.5).floor_().numpy().astype(dtype)


def maximum(dtype: np.dtype[Any]) -> int:
    """Return white: 255, 65535, or 1 for floats."""
    return 1 if np.issubdtype(dtype, np.floating) else int(np.iinfo(dtype).max)


def enlarge(
    upscaler: TiledUpscaler,
    pixels: Array,
    advance: Advance | None = None,
    *,
    keep_grey: bool = True,
) -> tuple[Array, Tiling]:
    """Upscale RGB or grey pixels.

    Args:
        upscaler: the network.
        pixels: `(h, w, 3)` or `(h, w)`, uint8, uint16, or floats in [0, 1].
        advance: called with the tiles done and the total.
        keep_grey: whether RGB whose channels are equal comes back with equal channels.

    Returns:
        The same kind of array, `scale` times larger, and how it was made.
    """
    if keep_grey and pixels.ndim == 3 and (pixels == pixels[:, :, :1]).all():
        grey, tiling = enlarge(upscaler, pixels[:, :, 0], advance)
        return np.repeat(grey[:, :, None], 3, axis=2), tiling
    image = to_unit(pixels)
    if image.shape[1] == 1:
        image = image.expand(1, 3, *image.shape[2:])
    return _through(upscaler, image, pixels, advance)


class _Bicubic(Bicubic):
    """Bicubic at the scale of any network."""

    scales = frozenset(range(1, MAX_SCALE + 1))


def enlarge_picture(
    upscaler: TiledUpscaler,
    picture: Picture,
    advance: Advance | None = None,
    *,
    keep_grey: bool = True,
) -> tuple[Picture, Tiling]:
    """Upscale an image with its alpha; the rest of it is passed on.

    Args:
        upscaler: the network.
        picture: what to upscale.
        advance: called with the tiles done and the total.
        keep_grey: see `enlarge`.
    """
    colours, alpha = picture.colours, picture.alpha
    if alpha is not None:
        colours = spread_visible(colours, alpha)
    enlarged, tiling = enlarge(upscaler, colours, advance, keep_grey=keep_grey)
    if alpha is not None:
        bicubic = TiledUpscaler(_Bicubic(scale=upscaler.scale))
        alpha, _ = _through(bicubic, to_unit(alpha), alpha, None)
    return replace(picture, colours=enlarged, alpha=alpha), tiling


def spread_visible(colours: Array, alpha: Array) -> Array:
    """Give each invisible pixel the colour of the nearest visible one.

    Args:
        colours: `(H, W, 3)` or `(H, W)`.
        alpha: `(H, W)`; 0 is invisible. Where nothing is visible, colours stay as they are.
    """
    hidden = alpha == 0
    if hidden.all() or not hidden.any():
        return colours
    rows, columns = ndimage.distance_transform_edt(
        hidden, return_distances=False, return_indices=True
    )
    spread: Array = colours[rows, columns]
    return spread


def _through(
    upscaler: TiledUpscaler, image: Tensor, like: Array, advance: Advance | None
) -> tuple[Array, Tiling]:
    height, width = (side * upscaler.scale for side in image.shape[2:])
    canvas = Canvas(height, width, like)
    tiling = upscaler.upscale(image, canvas.write, advance)
    return canvas.array, tiling
