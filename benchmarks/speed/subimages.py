"""Training data as the field keeps it: PNG sub-images on disk, decoded anew for every sample.

Large images are cut into overlapping squares of 480x480 pixels once, with their low-resolution
counterparts, because decoding a whole photograph for one patch would take longer still. A sample
decodes one pair, cuts a patch at a random place, and mirrors and turns it.

Not here: zoo's own data path (`zoo.data`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from zoo.data.patches import PatchStore
from zoo.errors import RecipeError

SIDE, STRIDE = 480, 240
PNG_COMPRESSION = 3
"""As the field's scripts write sub-images: larger files that are quicker to read."""
Pair = tuple[Tensor, Tensor]


def write_subimages(store: PatchStore, folder: Path) -> int:
    """Cut the images of a store into sub-images and write them as PNG files; return how many.

    Args:
        store: the images, high- and low-resolution.
        folder: gets `HR/*.png` and `LR/*.png`.
    """
    for kind in ("HR", "LR"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    count, scale = 0, store.scale
    for number in range(store.num_images):
        hr_image, lr_image = store.hr(number), store.lr(number)
        height, width = (min(SIDE // scale, side) for side in lr_image.shape[:2])
        for top in _starts(lr_image.shape[0], height, STRIDE // scale):
            for left in _starts(lr_image.shape[1], width, STRIDE // scale):
                rows, columns = (top, top + height), (left, left + width)
                _write(folder / "LR" / f"{count:05}.png", lr_image, rows, columns, 1)
                _write(folder / "HR" / f"{count:05}.png", hr_image, rows, columns, scale)
                count += 1
    return count


def _starts(length: int, side: int, stride: int) -> list[int]:
    """Return where squares begin along an axis; the last one ends at the border."""
    return sorted({*range(0, length - side, stride), length - side})


def _write(
    path: Path,
    image: npt.NDArray[np.uint8],
    rows: tuple[int, int],
    columns: tuple[int, int],
    scale: int,
) -> None:
    top, bottom = (scale * value for value in rows)
    left, right = (scale * value for value in columns)
    square = np.ascontiguousarray(image[top:bottom, left:right])
    Image.fromarray(square).save(path, compress_level=PNG_COMPRESSION)


class SubImages(Dataset[Pair]):
    """Random patches of the sub-images in a folder.

    Args:
        folder: what `write_subimages` wrote.
        lr_patch_size: side of the low-resolution patch in pixels.
        scale: factor between the two.
        augment: whether samples are mirrored and turned.

    Raises:
        RecipeError: if a patch is larger than a sub-image.
    """

    def __init__(self, folder: Path, *, lr_patch_size: int, scale: int, augment: bool) -> None:
        if lr_patch_size * scale > SIDE:
            raise RecipeError(
                f"patches of {lr_patch_size * scale} pixels do not fit into the sub-images of "
                f"{SIDE} that the plain loop reads; take a smaller data.lr_patch_size"
            )
        self.hr_paths = sorted((folder / "HR").glob("*.png"))
        self.lr_paths = sorted((folder / "LR").glob("*.png"))
        self.lr_patch_size = lr_patch_size
        self.scale = scale
        self.augment = augment

    def __len__(self) -> int:
        return len(self.hr_paths)

    def __getitem__(self, number: int) -> Pair:
        """Return `lr_image` `(3, p, p)` and `hr_image` `(3, sp, sp)`, float32 RGB in [0, 1]."""
        hr_image, lr_image = _read(self.hr_paths[number]), _read(self.lr_paths[number])
        side, scale = self.lr_patch_size, self.scale
        top = random.randint(0, lr_image.shape[0] - side)  # noqa: S311  patches, not secrets
        left = random.randint(0, lr_image.shape[1] - side)  # noqa: S311
        lr_patch = lr_image[top : top + side, left : left + side]
        top, left, side = scale * top, scale * left, scale * side
        hr_patch = hr_image[top : top + side, left : left + side]
        if self.augment:
            flips = [random.random() < 0.5 for _ in range(3)]  # noqa: S311
            lr_patch, hr_patch = _turned(lr_patch, flips), _turned(hr_patch, flips)
        return _tensor(lr_patch), _tensor(hr_patch)

    def batches(self, batch_size: int, *, num_workers: int, pin_memory: bool) -> Iterator[Pair]:
        """Yield batches for ever, as a `DataLoader` makes them; its processes end with it."""
        loader = DataLoader(
            self,
            batch_size=batch_size,
            sampler=RandomSampler(self, replacement=True, num_samples=2**40),
            num_workers=num_workers,
            pin_memory=pin_memory,
        )
        return iter(loader)


def _read(path: Path) -> npt.NDArray[np.float32]:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.float32) / np.float32(255)


def _turned(patch: npt.NDArray[np.float32], flips: list[bool]) -> npt.NDArray[np.float32]:
    patch = patch[:, ::-1] if flips[0] else patch
    patch = patch[::-1] if flips[1] else patch
    return patch.transpose(1, 0, 2) if flips[2] else patch


def _tensor(patch: npt.NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(patch.transpose(2, 0, 1)))
