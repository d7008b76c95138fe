"""Validation during training: PSNR_Y on held-out images, and sample images."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from zoo.data.degrading import LowResolution, low_resolution
from zoo.data.images import hash_file, read_image, read_size, to_rgb, write_png
from zoo.data.panels import NAMES, enlarged, side_by_side
from zoo.data.resize import crop_to_multiple, upscale
from zoo.data.stream import to_float
from zoo.errors import DataError, DivergedError, WeightsError
from zoo.files import fitting_name
from zoo.generators.base import Generator
from zoo.metrics.base import Comparison, Metric
from zoo.metrics.fidelity import PSNRY
from zoo.metrics.perceptual import HaarPSI
from zoo.metrics.protocol import quantize
from zoo.runs.device import Execution
from zoo.upscaling.tiles import TiledUpscaler

Pixels = npt.NDArray[np.uint8]
TILE = 512
"""Largest side, in low-resolution pixels, that a network gets whole; DIV2K at x4 fits."""
MAX_PICTURES = 3


@dataclass(frozen=True, slots=True)
class ValidationImage:
    """A held-out image: its name, and both resolutions as uint8 `(H, W, 3)` or `(H, W)`."""

    name: str
    lr_image: Pixels
    hr_image: Pixels


class Validator:
    """Scores a generator on whole images under the protocol of `zoo.metrics`.

    Args:
        paths: the images; read on first use.
        scale: upscaling factor.
        low: makes the low-resolution images; None for MATLAB's bicubic.

    Attributes:
        metrics: what is computed besides PSNR_Y, by key. An image that is too small for one, or of
            which the score is not finite, has no such score.
    """

    def __init__(
        self, paths: Sequence[Path], *, scale: int, low: LowResolution | None = None
    ) -> None:
        self.scale = scale
        self._low = low
        self._paths = tuple(paths)
        self._psnr_y = PSNRY()
        self.metrics: dict[str, Metric] = {"haarpsi": HaarPSI()}

    @cached_property
    def images(self) -> list[ValidationImage]:
        """The images; a `DataError` names one that is too small for the scale."""
        names = unique_names(self._paths)
        return [
            _load(path, name, self.scale, self._low)
            for path, name in zip(self._paths, names, strict=True)
        ]

    @cached_property
    def identity(self) -> str:
        """A hash of the validation images: only scores of the same images are compared."""
        hashes = [hash_file(path) for path in self._paths]
        hashes += [] if self._low is None else [self._low.identity]
        return hashlib.sha256(" ".join([str(self.scale), *hashes]).encode()).hexdigest()[:16]

    def image_sizes(self) -> list[tuple[int, int]]:
        """Return height and width of each image, from the file headers only."""
        return [read_size(path) for path in self._paths]

    def smallest_side(self) -> int:
        """Return the smallest side that is scored, in pixels: without the border."""
        sides = [side for size in self.image_sizes() for side in size]
        return min(side - side % self.scale for side in sides) - 2 * self.scale

    def bicubic(self) -> dict[str, float]:
        """Return PSNR_Y of MATLAB's bicubic interpolation, in dB, by image."""
        return {
            image.name: self._score(_tensor(upscale(image.lr_image, self.scale)), image)
            for image in self.images
        }

    def row(self, generator: nn.Module, execution: Execution, *, step: int) -> dict[str, Any]:
        """Score a generator and return the validation row for `metrics.jsonl`.

        It contains PSNR_Y, and the mean of each other metric that has a score of every image:
        HaarPSI, because PSNR alone does not show whether images improve in an adversarial stage,
        and `training.validate_with`.
        """
        psnr_y: dict[str, float] = {}
        scores: dict[str, list[float]] = {key: [] for key in self.metrics}
        for image, sr_image in zip(
            self.images, self.upscale(generator, execution, self.images), strict=True
        ):
            psnr_y[image.name] = self._score(sr_image, image)
            compared = Comparison(
                sr_image, _tensor(image.hr_image), _tensor(image.lr_image), self.scale
            )
            for key, metric in self.metrics.items():
                if min(sr_image.shape[-2:]) - 2 * self.scale >= metric.min_side:
                    score = metric.score(compared)
                    scores[key] += [score] if math.isfinite(score) else []  # HaarPSI of black: none
        row: dict[str, Any] = {"kind": "validation", "step": step, "validation": self.identity}
        row |= {"psnr_y": fmean(psnr_y.values()), "psnr_y_images": psnr_y}
        complete = {key: found for key, found in scores.items() if len(found) == len(psnr_y)}
        return row | {key: fmean(found) for key, found in complete.items()}

    def upscale(
        self, generator: nn.Module, execution: Execution, images: Sequence[ValidationImage]
    ) -> Iterator[Tensor]:
        """Upscale images one by one, in float32: `(C, H, W)` around [0, 1], on the CPU.

        For a grey image, the result is the mean of the three channels. An image of more than `TILE`
        squared low-resolution pixels is upscaled in tiles, as in `zoo.upscaling`.

        Raises:
            DivergedError: if a result is not finite; rounded to 8 bits it would look black.
        """
        generator.eval()
        tiled = _Tiled(generator, execution.device)
        for image in images:
            rgb = _tensor(to_rgb(image.lr_image)).unsqueeze(0)
            if math.prod(image.lr_image.shape[:2]) > TILE**2:
                sr_image = tiled(rgb)
            else:
                with execution.scoring():
                    sr_image = generator(rgb.to(execution.device)).squeeze(0).cpu()
            if not bool(sr_image.isfinite().all()):
                raise DivergedError(f"the upscaled {image.name} has NaN or infinite pixels")
            yield sr_image.mean(0, keepdim=True) if image.hr_image.ndim == 2 else sr_image

    def write_pictures(
        self, generator: nn.Module, execution: Execution, directory: Path
    ) -> list[Path]:
        """Write sample images LR | bicubic | SR | HR of the first images, each with its name."""
        directory.mkdir(parents=True, exist_ok=True)
        chosen = self.images[:MAX_PICTURES]
        written = []
        for image, sr_image in zip(chosen, self.upscale(generator, execution, chosen), strict=True):
            path = directory / fitting_name(image.name, ".png")
            bicubic = upscale(image.lr_image, self.scale)
            lr_image = enlarged(image.lr_image, self.scale)
            pictures = (lr_image, bicubic, _pixels(sr_image), image.hr_image)
            write_png(path, side_by_side(dict(zip(NAMES, pictures, strict=True))))
            written.append(path)
        return written

    def _score(self, sr_image: Tensor, image: ValidationImage) -> float:
        return self._psnr_y(sr_image, _tensor(image.hr_image), scale=self.scale)


class _Tiled:
    """Upscales large images; measurements on the first image serve the others."""

    def __init__(self, generator: nn.Module, device: torch.device) -> None:
        self._generator, self._device = generator, device

    @cached_property
    def _upscaler(self) -> TiledUpscaler:
        generator = cast("Generator", copy.deepcopy(self._generator))
        return TiledUpscaler(generator, device=self._device, wanted=TILE)

    def __call__(self, rgb: Tensor) -> Tensor:
        """Return `(3, H, W)` for `(1, 3, h, w)`, on the CPU; all NaN if a pixel is not finite."""
        height, width = (side * self._upscaler.scale for side in rgb.shape[-2:])
        whole = torch.empty(3, height, width)

        def write(piece: Tensor, top: int, left: int) -> None:
            rows, columns = piece.shape[-2:]
            whole[:, top : top + rows, left : left + columns] = piece[0]

        try:
            self._upscaler.upscale(rgb, write)
        except WeightsError:  # of a network that diverged the caller tells
            return whole.fill_(torch.nan)
        return whole


def unique_names(paths: Sequence[Path]) -> list[str]:
    """Name files by their stems, or by as much of their paths as is needed for unique names."""
    names = [path.stem for path in paths]
    for depth in range(2, max((len(path.parts) for path in paths), default=0) + 1):
        if len(set(names)) == len(names):
            return names
        names = ["-".join((*path.parts[-depth:-1], path.name)) for path in paths]
    return [f"{number:03d}-{name}" for number, name in enumerate(names)]


def _load(path: Path, name: str, scale: int, low: LowResolution | None) -> ValidationImage:
    whole = read_image(path)
    height, width = (side - side % scale for side in whole.shape[:2])
    if min(height, width) <= 2 * scale:
        raise DataError(f"{path}: {width}x{height} pixels are too few for a validation at x{scale}")
    hr_image = crop_to_multiple(whole, scale)
    return ValidationImage(name, low_resolution(path, hr_image, scale, low), hr_image)


def _tensor(pixels: Pixels) -> Tensor:
    array = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return to_float(torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1))


def _pixels(image: Tensor) -> Pixels:
    """Round as the protocol does, so that the image shows what was scored."""
    pixels: Pixels = quantize(image).permute(1, 2, 0).numpy()
    return pixels if pixels.shape[2] == 3 else pixels[:, :, 0]
