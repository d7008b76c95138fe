"""Builds the files of a patch store: decode, cut, downscale, measure, pack, index.

Not here: opening, locking and replacing stores (`zoo.data.patches`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data import Progress
from zoo.data.degrading import LowResolution, low_resolution
from zoo.data.images import LUMA, Image, hash_file, hash_pixels, read_image, read_size, to_rgb
from zoo.data.resize import crop_to_multiple
from zoo.errors import DataError, MachineError, ShapeError
from zoo.files import explaining_refusals, write_atomically
from zoo.text import few

logger = logging.getLogger(__name__)
FORMAT = 1
MAX_LISTED = 50
"""Images that cannot be used which a message lists."""
_PIXELS_AT_ONCE = 32_000_000
_LUMA_ROWS = 256


@dataclass(frozen=True, slots=True)
class Pair:
    """One training image, ready to be packed.

    Attributes:
        hr_image: `(H, W, 3)` RGB in 0..255.
        lr_image: `(H/scale, W/scale, 3)`.
        texture: mean absolute luma gradient of `hr_image`.
    """

    hr_image: Image
    lr_image: Image
    texture: float

    def describe(self) -> dict[str, Any]:
        """Return what the store's index says of the image beside its place."""
        return {
            "lr_size": list(self.lr_image.shape[:2]),
            "hr_sha256": hash_pixels(self.hr_image),
            "lr_sha256": hash_pixels(self.lr_image),
            "texture": self.texture,
        }


def build(
    directory: Path,
    paths: Sequence[Path],
    file_hashes: Sequence[str],
    scale: int,
    progress: Progress | None = None,
    *,
    low: LowResolution | None = None,
) -> None:
    """Write a store into a new folder.

    Args:
        directory: the folder, made here.
        paths: image files.
        file_hashes: their sha256.
        scale: factor between high and low resolution.
        progress: called after each image.
        low: makes the low-resolution images; None for MATLAB's bicubic.

    Raises:
        DataError: listing every image that cannot be read or is smaller than the scale.
        MachineError: if the disk is too small, or is filled meanwhile.
    """
    try:
        _build(directory, paths, file_hashes, scale, progress, low)
    except DataError as error:
        logger.warning("%s; zoo looks for more such images", error)
        problems = list(_problems(paths, scale, low))
        if len(problems) < 2:
            raise
        raise DataError(few(problems, MAX_LISTED, "; ")) from error


def _problems(paths: Sequence[Path], scale: int, low: LowResolution | None) -> Iterator[str]:
    """Yield what is wrong with each image that cannot be used; decodes one at a time."""
    for path in paths:
        try:
            _pair(path, scale, low)
        except DataError as error:
            yield str(error)


def _build(
    directory: Path,
    paths: Sequence[Path],
    file_hashes: Sequence[str],
    scale: int,
    progress: Progress | None,
    low: LowResolution | None,
) -> None:
    directory.mkdir(parents=True)
    needed = _check_disk(directory, paths, scale)
    images: list[dict[str, Any]] = []
    with (
        explaining_refusals(directory, needed),
        (directory / "hr.bin").open("wb") as hr_file,
        (directory / "lr.bin").open("wb") as lr_file,
    ):
        for number, pair in enumerate(_pairs(paths, scale, low)):
            entry = {"name": paths[number].name, "file_sha256": file_hashes[number]}
            places = {"hr_offset": hr_file.tell(), "lr_offset": lr_file.tell()}
            images.append(entry | pair.describe() | places)
            hr_file.write(pair.hr_image.data)
            lr_file.write(pair.lr_image.data)
            if progress is not None:
                progress(number + 1, len(paths))
        sizes = {"hr.bin": hr_file.tell(), "lr.bin": lr_file.tell()}
        for file in (hr_file, lr_file):
            file.flush()
            os.fsync(file.fileno())
    _write_index(directory, {"scale": scale, "sizes": sizes}, images)


def _write_index(
    directory: Path, known: Mapping[str, Any], images: Sequence[dict[str, Any]]
) -> None:
    data_hash = _data_hash(images, known["scale"])
    body = {"format": FORMAT, **known, "data_hash": data_hash, "images": images}
    text = json.dumps(body | {"sha256": body_hash(body)}, indent=1)
    write_atomically(directory / "index.json", text.encode())


def store_key(file_hashes: Sequence[str], scale: int, low: LowResolution | None = None) -> str:
    """Return the name of the store of these files: 20 hexadecimal digits."""
    how = [] if low is None else [low.identity]
    text = json.dumps([FORMAT, scale, list(file_hashes), *how])
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def body_hash(body: dict[str, Any]) -> str:
    """Return the sha256 of an index without its own hash."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def hash_files(paths: Sequence[Path]) -> list[str]:
    """Return the sha256 of every file, several at a time."""
    with ThreadPoolExecutor(num_threads()) as pool:
        return list(pool.map(hash_file, paths))


def measure_texture(image: Image) -> float:
    """Return the mean absolute difference of luma between neighbours, in 8-bit levels.

    Args:
        image: `(H, W, 3)` RGB in 0..255.
    """
    height, width = image.shape[:2]
    luma, weights = np.empty((height, width), dtype=np.float32), np.array(LUMA, dtype=np.float32)
    for top in range(0, height, _LUMA_ROWS):  # in floats the image itself takes 12 bytes a pixel
        np.matmul(image[top : top + _LUMA_ROWS], weights, out=luma[top : top + _LUMA_ROWS])
    total, count = np.float64(0), 0
    for axis in (0, 1):
        step = np.diff(luma, axis=axis)
        total += np.abs(step, out=step).sum(dtype=np.float64)
        count += step.size
    return float(total / count) if count else 0.0


def _data_hash(images: Sequence[dict[str, Any]], scale: int) -> str:
    """Identify the training data by its decoded pixels: a re-saved PNG is the same data."""
    text = json.dumps([scale, [[entry["hr_sha256"], entry["lr_sha256"]] for entry in images]])
    return hashlib.sha256(text.encode()).hexdigest()


def _pairs(paths: Sequence[Path], scale: int, low: LowResolution | None) -> Iterator[Pair]:
    """Prepare images in order, several at a time."""
    with ThreadPoolExecutor(num_threads()) as pool:
        for group in _groups(paths, 2 * num_threads()):
            yield from pool.map(lambda path: _pair(path, scale, low), group)


def _groups(paths: Sequence[Path], most: int) -> Iterator[list[Path]]:
    """Yield as many images as fit into memory together: few of large images, at least one."""
    group: list[Path] = []
    pixels = 0
    for path in paths:
        height, width = read_size(path)
        if group and (len(group) == most or pixels + height * width > _PIXELS_AT_ONCE):
            yield group
            group, pixels = [], 0
        group.append(path)
        pixels += height * width
    if group:
        yield group


def _pair(path: Path, scale: int, low: LowResolution | None) -> Pair:
    try:
        hr_image = np.ascontiguousarray(crop_to_multiple(to_rgb(read_image(path)), scale))
    except ShapeError as error:
        raise DataError(f"{path}: {error}") from error
    return Pair(hr_image, low_resolution(path, hr_image, scale, low), measure_texture(hr_image))


def _check_disk(directory: Path, paths: Sequence[Path], scale: int) -> int:
    """Return the bytes that the pixels take, if there is room for them."""
    pixels = sum(height * width for height, width in map(read_size, paths))
    needed = int(3 * pixels * (1 + 1 / scale**2))
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise MachineError(
            f"the patch store of {len(paths)} images needs {needed / 1e9:.1f} GB, but "
            f"{directory} has only {free / 1e9:.1f} GB free; free some space, or move "
            "zoo's home with ZOO_HOME"
        )
    return needed


def num_threads() -> int:
    """Return how many images to hash or decode at a time."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)
