"""Prepares a folder of images for training: cuts sub-images, drops flat and duplicate ones.

Large images cost decoding time for every patch taken from them; flat ones teach nothing, and copies
are counted twice. The source folder is only read.

Not here: which files of a folder are images (`zoo.data.folders`), packed patches
(`zoo.data.packing`).
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
from PIL import Image as PillowImage

from zoo.data import Progress
from zoo.data.folders import find_images
from zoo.data.images import Image, read_image, to_rgb, write_png
from zoo.data.packing import measure_texture, num_threads
from zoo.errors import DataError, MachineError
from zoo.text import counted

SHOWN: Final = 5
INSTALL: Final = "pip install 'srgan-zoo[prepare]'"
Reason = Literal["flat", "duplicate", "unreadable"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sub-image that was not written, or an image that could not be read.

    Attributes:
        image: path of the image below the source folder.
        top, left: position of the sub-image in pixels.
        reason: why.
        detail: its texture, the file that it duplicates, or the error.
    """

    image: str
    top: int
    left: int
    reason: Reason
    detail: str

    def __str__(self) -> str:
        if self.reason == "unreadable":
            return self.detail
        what = "texture" if self.reason == "flat" else "as"
        return f"{self.image} at x {self.left}, y {self.top}: {what} {self.detail}"


@dataclass(slots=True)
class Preparation:
    """What `prepare_images` wrote and dropped, and what it did not take from the source folder."""

    written: list[str] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return it in words: counts, then a few examples of each reason."""
        lines = [*self.left_out, f"{counted(len(self.written), 'sub-image')} written"]
        for reason in get_args(Reason):
            dropped = [each for each in self.dropped if each.reason == reason]
            lines += [f"{len(dropped)} {reason}: dropped"] if dropped else []
            lines += [f"  {each}" for each in dropped[:SHOWN]]
            lines += ["  ... (--json has all)"] if len(dropped) > SHOWN else []
        return lines


@dataclass(frozen=True, slots=True)
class _Piece:
    top: int
    left: int
    pixels: Image
    texture: float
    bits: int


def prepare_images(
    source: Path,
    target: Path,
    *,
    size: int = 480,
    step: int = 240,
    min_texture: float = 1.0,
    max_distance: int = 4,
    progress: Progress | None = None,
) -> Preparation:
    """Cut the images of a folder into sub-images and write those that are worth training on.

    Sub-images overlap by `size - step`, and the last of a row or column lies at the border. A side
    that is shorter than `size` stays in one piece. Equal sources give equal files.

    Args:
        source: folder of images; see `zoo.data.folders.find_images`.
        target: a new or empty folder; it appears when all is written. Sub-images keep their folder
            and name: `a/b.jpg` becomes `a/b_s001.png`, `a/b_s002.png`, and so on.
        size: height and width of a sub-image in pixels.
        step: distance between two sub-images in pixels.
        min_texture: sub-images with less are flat: mean absolute difference of luma between
            neighbouring pixels, in levels of 0..255. 0 keeps all.
        max_distance: sub-images whose perceptual hashes differ in at most so many of 64 bits are
            duplicates; the first is kept. -1 keeps all.
        progress: called with images done and in all.

    Raises:
        DataError: if there is no image in `source`, nothing is left of it, or `target` is not a new
            folder outside `source`.
        MachineError: without the package `imagehash`.
    """
    partial = _new_folder(target, source)
    work, seen, found = _cutter(size, step), _Seen(max_distance), find_images(source)
    result = Preparation(left_out=found.left_out_lines())
    names = _names(found.taken, found.top)
    try:
        for number, (path, cut) in enumerate(_in_order(work, found.taken), start=1):
            image = path.relative_to(found.top).as_posix()
            if isinstance(cut, DataError):
                result.dropped.append(Dropped(image, 0, 0, "unreadable", str(cut)))
            else:
                _write(cut, image, names[path], partial, min_texture, seen, result)
            if progress is not None:
                progress(number, len(found.taken))
        _move(partial, target.resolve(), result)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return result


def _move(partial: Path, target: Path, result: Preparation) -> None:
    if not result.written:
        raise DataError(f"nothing is left for {target}: {'; '.join(result.lines())}")
    if target.is_dir():
        target.rmdir()
    partial.rename(target)


def _cutter(size: int, step: int) -> Callable[[Path], list[_Piece] | DataError]:
    """Return what cuts one image file; an image that cannot be read is its error."""
    hash_of = _perceptual_hash()

    def cut(path: Path) -> list[_Piece] | DataError:
        try:
            image = read_image(path)
        except DataError as error:
            return error
        return [
            _Piece(top, left, pixels, measure_texture(to_rgb(pixels)), hash_of(pixels))
            for top, left, pixels in _cut(image, size, step)
        ]

    return cut


def _write(
    pieces: Sequence[_Piece],
    image: str,
    name: str,
    folder: Path,
    min_texture: float,
    seen: _Seen,
    result: Preparation,
) -> None:
    kept: list[tuple[Path, Image]] = []
    for number, piece in enumerate(pieces, start=1):
        file = f"{name}_s{number:03}.png"
        if piece.texture < min_texture:
            reason: Reason = "flat"
            detail = f"{piece.texture:.2f}"
        elif (other := seen.find(piece.bits)) is not None:
            reason, detail = "duplicate", other
        else:
            seen.add(piece.bits, file)
            kept.append((folder / file, piece.pixels))
            result.written.append(file)
            continue
        result.dropped.append(Dropped(image, piece.top, piece.left, reason, detail))
    with ThreadPoolExecutor(num_threads()) as pool:
        list(pool.map(lambda each: write_png(*each), kept))


class _Seen:
    """The perceptual hashes of what was written."""

    def __init__(self, max_distance: int) -> None:
        self.max_distance = max_distance
        self._bits = np.zeros(1024, np.uint64)
        self._files: list[str] = []

    def find(self, bits: int) -> str | None:
        """Return the nearest file within the distance."""
        if self.max_distance < 0 or not self._files:
            return None
        known = self._bits[: len(self._files)]
        distances = np.bitwise_count(known ^ np.uint64(bits))
        nearest = int(distances.argmin())
        return self._files[nearest] if distances[nearest] <= self.max_distance else None

    def add(self, bits: int, file: str) -> None:
        if len(self._files) == len(self._bits):
            self._bits = np.concatenate([self._bits, np.zeros_like(self._bits)])
        self._bits[len(self._files)] = bits
        self._files.append(file)


def _in_order(
    work: Callable[[Path], list[_Piece] | DataError], paths: Sequence[Path]
) -> Iterator[tuple[Path, list[_Piece] | DataError]]:
    """Yield the results of several threads; only a few are ahead, since they hold whole images."""
    count = num_threads()
    with ThreadPoolExecutor(count) as pool:
        for start in range(0, len(paths), count):
            group = paths[start : start + count]
            yield from zip(group, pool.map(work, group), strict=True)


def _cut(image: Image, size: int, step: int) -> Iterator[tuple[int, int, Image]]:
    height, width = image.shape[:2]
    for top in _positions(height, size, step):
        for left in _positions(width, size, step):
            yield top, left, image[top : top + size, left : left + size]


def _positions(length: int, size: int, step: int) -> list[int]:
    last = max(0, length - size)
    return [*range(0, last, step), last]


def _perceptual_hash() -> Callable[[Image], int]:
    try:
        import imagehash
    except ImportError as error:
        raise MachineError(f"imagehash is not installed: {INSTALL}") from error

    def bits(pixels: Image) -> int:
        return int(str(imagehash.phash(PillowImage.fromarray(pixels))), 16)

    return bits


def _new_folder(target: Path, source: Path) -> Path:
    """Return where the sub-images lie until the target can have all of them."""
    target = target.resolve()
    if target.is_relative_to(source.resolve()):
        raise DataError(f"{target} is inside {source}; name a folder outside of it")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target} exists and is not empty; name a new folder")
    return target.with_name(f".{target.name}.{os.getpid()}.partial")


def _names(paths: Sequence[Path], top: Path) -> dict[Path, str]:
    """Return each image's path without its suffix, with it if two would have the same name."""
    names = {path: path.relative_to(top) for path in paths}
    count = Counter(name.with_suffix("") for name in names.values())
    return {
        path: os.fspath(name if count[name.with_suffix("")] > 1 else name.with_suffix(""))
        for path, name in names.items()
    }
