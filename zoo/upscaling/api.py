"""`zoo.upscale`: upscales an image and returns one of the same type.

Networks of named models are cached between calls. Not here: files and folders
(`zoo.upscaling.batch`).
"""

from __future__ import annotations

import copy
import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PillowImage
from torch import Tensor

from zoo.errors import RecipeError, ShapeError
from zoo.generators.base import Generator
from zoo.models.find import find_model
from zoo.models.model import Model
from zoo.runs.device import choose_device
from zoo.upscaling.encoding import to_pillow
from zoo.upscaling.enlarging import enlarge, enlarge_picture, luma
from zoo.upscaling.known import KeptContext
from zoo.upscaling.pictures import Picture, picture_of, read_picture
from zoo.upscaling.tiles import TiledUpscaler

logger = logging.getLogger(__name__)

MAX_KEPT: Final = 4
ModelLike: TypeAlias = str | Path | Model | Generator | None
Number = TypeVar("Number", bound=np.generic)

_kept: OrderedDict[tuple[str, str, int | None, bool | None], TiledUpscaler] = OrderedDict()


@overload
def upscale(
    image: str | Path | PillowImage.Image,
    *,
    model: ModelLike = None,
    scale: int | None = None,
    tile: int | None = None,
    device: str = "auto",
    keep_grey: bool = True,
) -> PillowImage.Image: ...
@overload
def upscale(
    image: npt.NDArray[Number],
    *,
    model: ModelLike = None,
    scale: int | None = None,
    tile: int | None = None,
    device: str = "auto",
    keep_grey: bool = True,
) -> npt.NDArray[Number]: ...
@overload
def upscale(
    image: Tensor,
    *,
    model: ModelLike = None,
    scale: int | None = None,
    tile: int | None = None,
    device: str = "auto",
    keep_grey: bool = True,
) -> Tensor: ...
def upscale(
    image: str | Path | PillowImage.Image | npt.NDArray[Any] | Tensor,
    *,
    model: ModelLike = None,
    scale: int | None = None,
    tile: int | None = None,
    device: str = "auto",
    keep_grey: bool = True,
) -> PillowImage.Image | npt.NDArray[Any] | Tensor:
    """Upscale an image with a trained model; a large image in tiles without seams.

    Args:
        image: one of
            - the path of an image file, or a Pillow image: returns an upright Pillow image with the
              same channels (16 bits in colour, which Pillow cannot represent, become 8), with EXIF
              tags and colour profile in `info`;
            - an array `(h, w, 3)`, `(h, w, 1)` or `(h, w)`, RGB or grey, of uint8, uint16, or
              floats in [0, 1]: returns an array of the same type and number of axes;
            - a tensor `(3, h, w)` or `(N, 3, h, w)`, RGB in [0, 1], of floats: returns a tensor of
              the same type on the same device, clamped to [0, 1].
        model: as in `zoo.load`; or a loaded model, or a generator, which zoo copies.
        scale: the expected factor; an error if the model has another one.
        tile: longest side of a tile in input pixels; 0 for none, None to let the memory decide.
        device: `auto`, `cpu`, `cuda` or `cuda:1`.
        keep_grey: whether equal channels stay equal: as BT.601 luma of the network's output.

    Returns:
        An image of the same type as `image`; a Pillow image for a path.

    Raises:
        ShapeError: if an array or tensor does not have one of these shapes, types and ranges.
        DataError: if an image cannot be read.
        UnknownNameError: if there is no such model.
        RecipeError: if the model has another scale than the expected one.
        MachineError: if there is no such device, or not enough memory for the smallest tile.

    Example:
        >>> import numpy as np
        >>> import zoo
        >>> image = np.zeros((16, 12, 3), np.uint8)
        >>> zoo.upscale(image, device="cpu").shape
        (64, 48, 3)
    """
    upscaler = open_upscaler(model, tile=tile, device=device)
    if scale is not None and scale != upscaler.scale:
        raise RecipeError(
            f"this model upscales x{upscaler.scale}, not x{scale}: choose another model, or omit "
            "the scale"
        )
    return _enlarged(upscaler, image, keep_grey=keep_grey)


def open_upscaler(
    model: ModelLike = None,
    *,
    tile: int | None = None,
    device: str = "auto",
    bfloat16: bool | None = False,
) -> TiledUpscaler:
    """Return a model's network, ready to run, from the cache if the weights are the same.

    Args:
        model: see `upscale`.
        tile: see `upscale`.
        device: see `upscale`.
        bfloat16: see `TiledUpscaler`.
    """
    chosen = choose_device(device)
    if isinstance(model, Generator):
        own = copy.deepcopy(model)  # the one given stays where it is, in the mode it is in
        return TiledUpscaler(own, device=chosen, tile=tile, bfloat16=bfloat16)
    found = model if isinstance(model, Model) else find_model(model)
    if found.sha256 is None and found.tensors:  # made in memory: nothing tells two of them apart
        return TiledUpscaler(found.build(), device=chosen, tile=tile, bfloat16=bfloat16)
    key = (found.sha256 or found.details.model_dump_json(), str(chosen), tile, bfloat16)
    if key not in _kept:
        built = found.build()  # first: it says which plugin is missing
        memory = KeptContext.of(found) if found.sha256 is not None else None
        _kept[key] = TiledUpscaler(built, device=chosen, tile=tile, bfloat16=bfloat16, kept=memory)
        while len(_kept) > MAX_KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]


def _enlarged(
    upscaler: TiledUpscaler,
    image: str | Path | PillowImage.Image | npt.NDArray[Any] | Tensor,
    *,
    keep_grey: bool,
) -> PillowImage.Image | npt.NDArray[Any] | Tensor:
    if isinstance(image, Tensor):
        return _upscale_tensor(upscaler, image, keep_grey=keep_grey)
    if isinstance(image, np.ndarray):
        return _upscale_array(upscaler, image, keep_grey=keep_grey)
    if isinstance(image, PillowImage.Image):
        picture = picture_of(image, "given")
    else:
        picture = read_picture(Path(os.fspath(image)))
    return _upscale_picture(upscaler, picture, keep_grey=keep_grey)


def _upscale_picture(
    upscaler: TiledUpscaler, picture: Picture, *, keep_grey: bool
) -> PillowImage.Image:
    enlarged, _ = enlarge_picture(upscaler, picture, keep_grey=keep_grey)
    for note in enlarged.notes:
        logger.warning("%s", note)
    return to_pillow(enlarged)


def _upscale_array(
    upscaler: TiledUpscaler, image: npt.NDArray[Any], *, keep_grey: bool
) -> npt.NDArray[Any]:
    is_image = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))
    is_level = image.dtype in (np.uint8, np.uint16) or np.issubdtype(image.dtype, np.floating)
    if not (is_image and is_level) or 0 in image.shape:
        raise ShapeError(
            "an image must be (h, w, 3), (h, w, 1) or (h, w) of uint8, uint16 or floats in [0, "
            f"1], got {image.dtype} {image.shape}"
        )
    if np.issubdtype(image.dtype, np.floating):
        _check_range(float(image.min()), float(image.max()))
    has_axis = image.ndim == 3 and image.shape[2] == 1
    enlarged, _ = enlarge(upscaler, image[:, :, 0] if has_axis else image, keep_grey=keep_grey)
    return enlarged[:, :, None] if has_axis else enlarged


def _upscale_tensor(upscaler: TiledUpscaler, image: Tensor, *, keep_grey: bool) -> Tensor:
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or not image.is_floating_point():
        raise ShapeError(
            f"a tensor must be (3, h, w) or (N, 3, h, w) of floats in [0, 1], got {image.dtype} "
            f"{tuple(image.shape)}"
        )
    if 0 in image.shape[-2:]:
        raise ShapeError(f"an image needs at least one pixel, got {tuple(image.shape)}")
    if len(image):
        _check_range(float(image.min()), float(image.max()))
    batch = image.detach().reshape(-1, *image.shape[-3:])
    size = (len(batch), 3, *(side * upscaler.scale for side in image.shape[-2:]))
    result = torch.empty(size, dtype=image.dtype, device=image.device)
    for one, whole in zip(batch, result, strict=True):
        is_grey = keep_grey and bool((one == one[:1]).all())
        upscaler.upscale(one[None].float(), _writer(whole, is_grey=is_grey))
    return result.reshape(*image.shape[:-3], *size[1:])


def _check_range(least: float, most: float) -> None:
    if not (least >= 0 and most <= 1):  # so that not-a-numbers are found, too
        raise ShapeError(
            f"floats of an image must be in [0, 1], but these are from {least:g} to {most:g}: "
            "clamp them, or divide by 255 if they are 8-bit levels"
        )


def _writer(whole: Tensor, *, is_grey: bool) -> Any:
    def write(piece: Tensor, top: int, left: int) -> None:
        height, width = piece.shape[-2:]
        planes = piece[0].clamp(0, 1)
        planes = luma(planes) if is_grey else planes
        whole[:, top : top + height, left : left + width] = planes.to(whole)

    return write
