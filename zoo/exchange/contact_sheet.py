"""A contact sheet: one image upscaled by several models, side by side with labels.

It shows only the middle of the image, because differences in texture are visible at full size only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from zoo.data.images import read_image, to_rgb, write_png
from zoo.errors import DataError
from zoo.generators.bicubic import bicubic_upscale
from zoo.metrics.protocol import quantize
from zoo.models.model import Model

SIDE = 96
"""Longest side of the part that is shown, in pixels of the input."""

BASELINE = "bicubic"
_GAP, _LINE, _TEXT = 8, 24, 16
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def write_contact_sheet(path: Path, picture: Path, models: Sequence[tuple[str, Model]]) -> None:
    """Write a PNG of the middle of an image: bicubic, then what each model makes of it.

    Args:
        path: the PNG.
        picture: the image that is upscaled.
        models: each with its label; all of one scale.

    Raises:
        DataError: if the image cannot be read, or there is no model.
        MachineError: if the file cannot be written.
    """
    if not models:
        raise DataError("a contact sheet needs a model")
    pixels = _middle(to_rgb(read_image(picture)))
    lr_image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    scale = models[0][1].details.scale
    cells = [(BASELINE, _pixels(bicubic_upscale(lr_image, scale)))]
    cells += [(label, _enlarged(model, lr_image)) for label, model in models]
    write_png(path, np.asarray(_sheet(cells)))


def _middle(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    top, left = max(height - SIDE, 0) // 2, max(width - SIDE, 0) // 2
    return pixels[top : top + SIDE, left : left + SIDE]


@torch.no_grad()
def _enlarged(model: Model, lr_image: torch.Tensor) -> Image.Image:
    return _pixels(model.build()(lr_image))


def _pixels(sr_image: torch.Tensor) -> Image.Image:
    return Image.fromarray(quantize(sr_image[0]).permute(1, 2, 0).contiguous().numpy())


def _sheet(cells: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    width, height = cells[0][1].size
    font = ImageFont.load_default(_TEXT)
    sheet = Image.new("RGB", (len(cells) * (width + _GAP) + _GAP, height + _LINE + _GAP), _WHITE)
    draw = ImageDraw.Draw(sheet)
    for index, (label, cell) in enumerate(cells):
        left = _GAP + index * (width + _GAP)
        draw.text((left, _GAP // 4), label, fill=_BLACK, font=font)
        sheet.paste(cell, (left, _LINE))
    return sheet
