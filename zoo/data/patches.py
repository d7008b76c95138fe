"""The patch store: training images that are decoded and downscaled once, then memory-mapped.

A store is a folder `<cache>/patches/<key>/` with the high- and low-resolution pixels of all images
in two flat files and an index in JSON. Cutting a patch costs one copy, a hundred times less than
decoding a PNG. The key depends on the content (file hashes in order, scale, format, and any
degradation but the default), so a changed image gives another store, and a store is never outdated.

Not here: which patches are drawn (`zoo.data.sampling`), tensors (`zoo.data.stream`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from zoo.data import Progress
from zoo.data.degrading import LowResolution
from zoo.data.images import Image, hash_pixels
from zoo.data.packing import FORMAT, body_hash, build, hash_files, num_threads, store_key
from zoo.data.prefetch import prefetch
from zoo.errors import DataError, IntegrityError
from zoo.files import read_text

logger = logging.getLogger(__name__)

ANNOUNCED_BYTES = 1_000_000_000
"""Bytes of a store whose verification may take seconds, so zoo announces it."""


class PatchStore:
    """High- and low-resolution training images, memory-mapped from one folder.

    Open one with `open` or `open_or_build`. Sends itself to other processes as its path.
    """

    def __init__(self, directory: Path, index: dict[str, Any]) -> None:
        self.directory = directory
        self.scale: int = index["scale"]
        self.data_hash: str = index["data_hash"]
        self._images: list[dict[str, Any]] = index["images"]
        # np.asarray sheds the memmap class, whose every slice costs microseconds of bookkeeping.
        self._hr = np.asarray(np.memmap(directory / "hr.bin", dtype=np.uint8, mode="r"))
        self._lr = np.asarray(np.memmap(directory / "lr.bin", dtype=np.uint8, mode="r"))

    def __reduce__(self) -> tuple[Any, ...]:
        return PatchStore.open, (self.directory,)

    def __len__(self) -> int:
        return len(self._images)

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> PatchStore:
        """Open a finished store; checks the index's hash and the files' sizes, not the pixels.

        Those `open_or_build` has compared, before this is called in another process.

        Raises:
            IntegrityError: if the store is damaged or incomplete.
        """
        directory = Path(directory)
        return cls(directory, _read_index(directory))

    @classmethod
    def open_or_build(
        cls,
        source_paths: Sequence[Path],
        scale: int,
        cache_dir: str | os.PathLike[str],
        progress: Progress | None = None,
        *,
        low: LowResolution | None = None,
    ) -> PatchStore:
        """Open the store of these images, building it if it is absent or damaged.

        Every pixel of a store that is there is compared with what was stored.

        Args:
            source_paths: image files; their order is the order of the store.
            scale: factor between high and low resolution.
            cache_dir: folder that holds `patches/`.
            progress: called after each image that is built.
            low: makes the low-resolution images; None for MATLAB's bicubic.

        Raises:
            DataError: if there are no images, or one cannot be read or is smaller than the scale.
            MachineError: if the disk is too small.
        """
        if not source_paths:
            raise DataError("there are no images to make a patch store of")
        file_hashes = hash_files(source_paths)
        parent = Path(cache_dir) / "patches"
        directory = parent / store_key(file_hashes, scale, low)
        parent.mkdir(parents=True, exist_ok=True)
        # A second process waits here, then finds the store that the first one built.
        with FileLock(parent / f"{directory.name}.lock"):
            try:
                store = cls.open(directory)
                store.verify(file_hashes)
            except IntegrityError as error:
                if directory.exists():
                    logger.warning("%s; zoo builds it again", error)
            else:
                return store
            unfinished = parent / f".{directory.name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                build(unfinished, source_paths, file_hashes, scale, progress, low=low)
                shutil.rmtree(directory, ignore_errors=True)
                unfinished.replace(directory)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            return cls.open(directory)

    @property
    def num_images(self) -> int:
        """Number of images."""
        return len(self._images)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """File names, for messages."""
        return tuple(entry["name"] for entry in self._images)

    @cached_property
    def lr_sizes(self) -> npt.NDArray[np.int64]:
        """`(N, 2)`: height and width of each low-resolution image."""
        return np.array([entry["lr_size"] for entry in self._images], dtype=np.int64)

    @cached_property
    def textures(self) -> npt.NDArray[np.float64]:
        """`(N,)`: mean absolute luma gradient of each image, in 8-bit levels a pixel."""
        return np.array([entry["texture"] for entry in self._images], dtype=np.float64)

    @property
    def hr_flat(self) -> npt.NDArray[np.uint8]:
        """All high-resolution pixels, image after image, row after row, RGB in 0..255."""
        return self._hr

    @property
    def lr_flat(self) -> npt.NDArray[np.uint8]:
        """All low-resolution pixels, likewise."""
        return self._lr

    @cached_property
    def hr_starts(self) -> npt.NDArray[np.int64]:
        """`(N,)`: the number of each image's first pixel in `hr_flat`."""
        return self._starts("hr_offset")

    @cached_property
    def lr_starts(self) -> npt.NDArray[np.int64]:
        """`(N,)`: the number of each image's first pixel in `lr_flat`."""
        return self._starts("lr_offset")

    def _starts(self, name: str) -> npt.NDArray[np.int64]:
        return np.array([entry[name] for entry in self._images], dtype=np.int64) // 3

    def hr(self, index: int) -> Image:
        """Return a high-resolution image: a read-only view `(H, W, 3)` RGB in 0..255."""
        height, width = self._images[index]["lr_size"]
        shape = (height * self.scale, width * self.scale, 3)
        return _view(self._hr, self._images[index]["hr_offset"], shape)

    def lr(self, index: int) -> Image:
        """Return a low-resolution image: a read-only view `(h, w, 3)` RGB in 0..255."""
        height, width = self._images[index]["lr_size"]
        return _view(self._lr, self._images[index]["lr_offset"], (height, width, 3))

    def verify(self, file_hashes: Sequence[str]) -> None:
        """Read every pixel, several images at a time, and compare each with its recorded sha256.

        Args:
            file_hashes: sha256 of the files the store must be of, in order.

        Raises:
            IntegrityError: at the first image that differs.
        """
        stored = [entry["file_sha256"] for entry in self._images]
        if stored != list(file_hashes):
            raise IntegrityError(f"the patch store {self.directory} belongs to other images")
        num_bytes = self._hr.nbytes + self._lr.nbytes
        if num_bytes > ANNOUNCED_BYTES:
            logger.info("comparing %.1f GB of decoded images with their sha256", num_bytes / 1e9)
        changed = prefetch(self._changed_file, range(len(self)), workers=num_threads())
        for number, name in enumerate(changed):
            if name is not None:
                raise IntegrityError(
                    f"the patch store {self.directory} is damaged: the pixels of "
                    f"{self.names[number]} in {name} differ from the stored ones"
                )

    def _changed_file(self, number: int) -> str | None:
        """Return which file no longer has an image's pixels, None if both have."""
        for kind, pixels in (("hr", self.hr(number)), ("lr", self.lr(number))):
            if hash_pixels(pixels) != self._images[number][f"{kind}_sha256"]:
                return f"{kind}.bin"
        return None


def _view(flat: npt.NDArray[np.uint8], offset: int, shape: tuple[int, int, int]) -> Image:
    length = shape[0] * shape[1] * shape[2]
    return flat[offset : offset + length].reshape(shape)


def _read_index(directory: Path) -> dict[str, Any]:
    path = directory / "index.json"
    try:
        index: dict[str, Any] = json.loads(read_text(path))
        body = {key: value for key, value in index.items() if key != "sha256"}
        if index["sha256"] != body_hash(body):
            raise IntegrityError(f"the patch store {directory} is damaged: its index was changed")
        if index["format"] != FORMAT:
            raise IntegrityError(f"the patch store {directory} has format {index['format']}")
        for name in ("hr.bin", "lr.bin"):
            size = (directory / name).stat().st_size
            if size != index["sizes"][name]:
                raise IntegrityError(
                    f"the patch store {directory} is damaged: {name} has {size} bytes, but its "
                    f"index says {index['sizes'][name]}"
                )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(
            f"cannot read the patch store {directory}: {error or type(error).__name__}"
        ) from error
    return index
