"""Runs a generator: low-resolution images in, upscaled images out, on the device that scores.

Every generator gets the same bits: the protocol's low-resolution image as RGB in [0, 1]. For a grey
image, the mean of the three output channels is returned. Networks run in true float32.

Not here: the batches (`zoo.bench.batches`), the scores (`zoo.bench.evaluate`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from zoo.bench.candidates import Upscaler
from zoo.bench.conventions import other_convention
from zoo.bench.suites import BenchImage
from zoo.data.images import to_rgb
from zoo.data.stream import to_float
from zoo.errors import DivergedError, ShapeError
from zoo.runs.device import Execution

logger = logging.getLogger(__name__)
ALIKE: Final = 1e-4
"""How far an image may move by being upscaled in a batch: a fortieth of an 8-bit level."""


class Forward:
    """Upscales images with one generator.

    Images of a batch are scored as if each had been alone: a network that makes something else of
    an image in company (batch statistics in evaluation, say) is found with its first batch, and
    gets its images one by one. So does one whose batch does not fit into the device's memory, and
    a function that is no module: it is unknown what it does.

    Args:
        upscale: a module, on the device, in evaluation mode; or a function.
        execution: device and numerics.
    """

    def __init__(self, upscale: Upscaler, execution: Execution) -> None:
        self._upscale = upscale
        self._execution = execution
        self._together = isinstance(upscale, nn.Module)
        self._is_checked = False
        self._smallest: tuple[BenchImage, Tensor] | None = None

    def __call__(self, images: Sequence[BenchImage]) -> list[Tensor]:
        """Upscale images of one size.

        Returns:
            `(C, H, W)` around [0, 1] each, on the device; C is 1 for a grey image, else 3.

        Raises:
            ShapeError: if the generator returns something else than the upscaled image, or that
                with other values or channels than zoo's.
            DivergedError: if it returns a value that is not finite.
        """
        found = self._batch(images) if len(images) > 1 and self._together else None
        if found is None:
            sr_images = [self.alone(image) for image in images]
        else:
            sr_images = [_finished(one, image) for one, image in zip(found, images, strict=True)]
        for image, sr_image in zip(images, sr_images, strict=True):
            _check_convention(image, sr_image)
        size = images[0].lr_image.size
        if self._smallest is None or size < self._smallest[0].lr_image.size:
            self._smallest = images[0], sr_images[0]
        return sr_images

    def drift(self) -> float:
        """Return how far the smallest image moves when it is upscaled once more, at the most.

        0 before any was upscaled.
        """
        if self._smallest is None:
            return 0.0
        image, before = self._smallest
        return float((self.alone(image) - before).abs().max())

    def alone(self, image: BenchImage) -> Tensor:
        """Upscale one image by itself, see `__call__`."""
        sr_image = self._run([image])
        _check([image], sr_image)
        return _finished(sr_image[0], image)

    def _batch(self, images: Sequence[BenchImage]) -> Tensor | None:
        """Return `(N, 3, H, W)`; None if the images have to go one by one."""
        try:
            sr_images = self._run(images)
        except torch.OutOfMemoryError:
            logger.info("%d images at a time do not fit into memory: one by one", len(images))
            self._together = False
            return None
        _check(images, sr_images)
        if not self._is_checked:
            off = float((self._run(images[:1])[0] - sr_images[0]).abs().max())
            self._is_checked, self._together = True, off <= ALIKE
            if not self._together:
                logger.warning(
                    "the generator makes another image of %s beside others (%.2g off): one by one",
                    images[0].name,
                    off,
                )
        return sr_images if self._together else None

    def _run(self, images: Sequence[BenchImage]) -> Tensor:
        # made float on the CPU: a GPU divides by 255 to other bits
        rgb = torch.stack([to_tensor(to_rgb(image.lr_image)) for image in images])
        with self._execution.scoring():
            sr_images: Tensor = self._upscale(rgb.to(self._execution.device)).float()
        return sr_images.to(self._execution.device)


def to_tensor(pixels: Any, device: torch.device | str = "cpu") -> Tensor:
    """Return uint8 `(H, W, 3)` or `(H, W)` as a tensor `(C, H, W)` in [0, 1] on a device."""
    array = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return to_float(torch.from_numpy(array.copy()).to(device).permute(2, 0, 1))


def _check(images: Sequence[BenchImage], sr_images: Tensor) -> None:
    """Raise unless the images are those that were requested, and finite."""
    height, width = images[0].hr_image.shape[:2]
    expected = (len(images), 3, height, width)
    if sr_images.shape != expected:
        raise ShapeError(
            f"{images[0].name}: expected {expected}, the generator returned "
            f"{tuple(sr_images.shape)}"
        )
    finite = sr_images.isfinite().flatten(1).all(1).tolist()
    for image, is_finite in zip(images, finite, strict=True):
        if not is_finite:
            raise DivergedError(f"{image.name}: the generator returned NaN or infinite values")


def _check_convention(image: BenchImage, sr_image: Tensor) -> None:
    """Raise where the image is right but for the range of its values or the order of channels."""
    lr_image = to_tensor(image.lr_image, sr_image.device)
    other = other_convention(sr_image, lr_image)
    if other:
        raise ShapeError(
            f"{image.name}: the generator returned {other}; every generator of zoo returns RGB in "
            "[0, 1]: convert it in forward"
        )


def _finished(sr_image: Tensor, image: BenchImage) -> Tensor:
    return sr_image.mean(0, keepdim=True) if image.hr_image.ndim == 2 else sr_image
