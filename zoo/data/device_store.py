"""The patch store on the training device, where all batches are cut.

A sample is an affine walk through the flat pixels: rotation and flipping change only its start and
its steps to the next row and column. So a whole batch, with an own rotation for each sample, is one
gather, and the host sends only six numbers per sample. Nothing waits for the device.

The samples are bit-identical to those of `zoo.data.stream.PatchDataset`. Not here: which patch a
sample is (`zoo.data.sampling`), whether the store fits (`zoo.train.memory`).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zoo.data.images import read_size
from zoo.data.patches import PatchStore
from zoo.data.sampling import WHOLE, Crops, Integers, PatchSampler, SamplingPlan, Share
from zoo.data.stream import Pair, joined
from zoo.errors import MachineError

CHANNELS = 3


class DevicePatchStream:
    """Endless training batches, cut on the device: those of `PatchStream`, to the bit.

    Args:
        store: the images; all their pixels are copied to the device.
        plan: how samples are drawn.
        batch_size: samples a batch, of all processes together.
        device: where the pixels lie and batches are made.
        share: which of them are this process's.

    Raises:
        MachineError: if the device has no room for all pixels.
    """

    def __init__(
        self,
        store: PatchStore,
        *,
        plan: SamplingPlan,
        batch_size: int,
        device: torch.device,
        share: Share = WHOLE,
    ) -> None:
        self.store = store
        self.plan = plan
        self.batch_size = batch_size
        self.device = device
        self.share = share
        self._sampler = PatchSampler(
            plan, sizes=store.lr_sizes, texture=store.textures, names=store.names
        )
        flats = store.lr_flat, store.hr_flat
        try:
            self._lr_pixels, self._hr_pixels = (_pixels(flat, device) for flat in flats)
        except torch.OutOfMemoryError as error:
            mebibytes = sum(flat.nbytes for flat in flats) / 2**20
            raise MachineError(
                f"{mebibytes:,.0f} MiB of training images do not fit into the memory of {device}; "
                "set runtime.store=host"
            ) from error

    def batch(self, start: int, count: int, *, stream: int = 0) -> Pair:
        """Return consecutive samples of a stream, on the device.

        Args:
            start: number of the first.
            count: how many.
            stream: which of the independent sequences.

        Returns:
            `lr_image` `(N, 3, p, p)` and `hr_image` `(N, 3, sp, sp)`: uint8 RGB in 0..255, in
            channels_last memory order.
        """
        crops = self._sampler.draw(start, count, stream=stream)
        patch, scale = self.plan.lr_patch_size, self.store.scale
        walks = np.stack(
            [
                walk(crops, self.store.lr_starts, self.store.lr_sizes, side=patch),
                walk(crops, self.store.hr_starts, self.store.lr_sizes, side=patch, scale=scale),
            ]
        )
        lr_walk, hr_walk = self._send(torch.from_numpy(walks))
        return (
            _gather(self._lr_pixels, lr_walk, patch),
            _gather(self._hr_pixels, hr_walk, patch * scale),
        )

    def batches(self, start: int = 0, stream: int = 0) -> Generator[Pair, None, None]:
        """Yield `(lr_image, hr_image)` for ever, as `batch` describes them.

        Args:
            start: number of the first batch: how many this stream has given in all so far.
            stream: independent sequences of samples.
        """
        for number in itertools.count(start):
            yield joined(
                self.batch(start, count, stream=stream)
                for start, count in self.share.pieces(number, self.batch_size)
            )

    def _send(self, numbers: Tensor) -> Tensor:
        if self.device.type == "cuda":  # a copy from ordinary memory would wait for the device
            numbers = numbers.pin_memory()
        return numbers.to(self.device, non_blocking=True)


def estimate_store_bytes(paths: Sequence[Path], scale: int) -> int:
    """Return what the pixels of images will take on a device, by their files' headers alone.

    Args:
        paths: image files.
        scale: factor between high and low resolution.

    Raises:
        DataError: if a file is not an image.
    """
    total = 0
    for path in paths:
        height, width = (side // scale for side in read_size(path))
        total += height * width * CHANNELS * (scale**2 + 1)
    return total


def walk(
    crops: Crops, starts: Integers, lr_sizes: Integers, *, side: int, scale: int = 1
) -> Integers:
    """Return how to walk through flat pixels to read each sample turned.

    Output pixel `(i, j)` of a sample is input pixel `first + i * down + j * right`.

    Args:
        crops: where the samples lie, in low-resolution pixels.
        starts: `(images,)`, the number of each image's first pixel.
        lr_sizes: `(images, 2)`, height and width of each low-resolution image.
        side: of the low-resolution patch.
        scale: of the pixels that are read; 1 for low resolution.

    Returns:
        `(N, 3)`: first, down, right.
    """
    width = lr_sizes[crops.image, 1] * scale
    corner = starts[crops.image] + (crops.top * width + crops.left) * scale
    last = side * scale - 1
    turns = crops.quarter_turns % 4
    # np.rot90: output (i, j) reads (i, j), (j, last - i), (last - i, last - j), (last - j, i)
    row_down = np.choose(turns, [1, 0, -1, 0])
    row_right = np.choose(turns, [0, 1, 0, -1])
    column_down = np.choose(turns, [0, -1, 0, 1])
    column_right = np.choose(turns, [1, 0, -1, 0])
    first_row = np.where(turns >= 2, last, 0)
    first_column = np.where((turns == 1) | (turns == 2), last, 0)
    # the patch is mirrored before it is turned: column c of it is column last - c of the image
    mirror = np.where(crops.flip != 0, -1, 1)
    first_column = np.where(crops.flip != 0, last - first_column, first_column)
    first = corner + first_row * width + first_column
    down = row_down * width + mirror * column_down
    right = row_right * width + mirror * column_right
    return np.stack([first, down, right], axis=1).astype(np.int64)


def _gather(pixels: Tensor, steps: Tensor, side: int) -> Tensor:
    """Read `(N, 3, side, side)` from `(pixels, 3)` along the walks `(N, 3)`."""
    first, down, right = (steps[:, number, None, None] for number in range(3))
    places = torch.arange(side, device=pixels.device)
    index = first + down * places[:, None] + right * places
    return pixels[index].permute(0, 3, 1, 2)


def _pixels(flat: npt.NDArray[np.uint8], device: torch.device) -> Tensor:
    with warnings.catch_warnings():
        # the file is mapped read-only; torch warns that a tensor could be written to
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        shared = torch.from_numpy(flat)
    return shared.view(-1, CHANNELS).to(device)
