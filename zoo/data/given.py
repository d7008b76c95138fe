"""Low-resolution images that are given: files beside the high-resolution ones.

Each high-resolution file is matched with one low-resolution file, by folder and stem. Every
mismatch of a name or a size is found before an image is decoded, and all are reported at once.

Not here: which files are high-resolution images (`zoo.data.folders`), datasets for scoring
(`zoo.data.pairs`), whether files are MATLAB's bicubic (`zoo.data.degradation`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from zoo.data.images import SUFFIXES, Image, hash_file, read_image, read_size, to_rgb
from zoo.errors import DataError
from zoo.text import counted

MAX_SHOWN: Final = 50
"""Mismatches that a message names; a folder of thousands may have none in common."""
MAX_DEPTH: Final = 3
"""Folders above an image that are searched for a folder of low-resolution images beside them."""
_SCALE: Final = re.compile(r"x[2-9]", re.IGNORECASE)
_NAMES: Final = ("LR", "LQ", "lr", "lq", "low_res", "low-res", "low_resolution", "low_quality")


def published_folders(top: Path, scale: int) -> tuple[Path, ...]:
    """Return where published datasets have their low-resolution images.

    Args:
        top: the folder of the dataset, which has a folder `HR` or is called `<name>_HR`.
        scale: the factor.
    """
    stem = top.name.removesuffix("_HR")
    return (
        top / "LR_bicubic" / f"X{scale}",  # the EDSR archive
        top / f"LR_x{scale}",
        top / f"LRbicx{scale}",  # BasicSR's
        top / "LR" / f"X{scale}",
        top.parent / f"{stem}_LR_bicubic" / f"X{scale}",  # DIV2K as its archives unpack
    )


def folder_beside(hr_folder: Path, scale: int) -> Path | None:
    """Return the folder of low-resolution images beside one of high-resolution images, if any."""
    top = hr_folder.parent
    stem = hr_folder.name.removesuffix("_HR")
    whole = (top / name for name in (*_NAMES, f"{stem}_LR", f"{stem}_LQ"))
    places = (
        *published_folders(top, scale),
        *published_folders(hr_folder, scale)[-1:],
        *(top / name / f"X{scale}" for name in _NAMES),
        *(top / f"{name}_x{scale}" for name in _NAMES),
        *(folder for folder in whole if not _has_scales(folder)),
    )
    return next((place for place in places if place.is_dir() and place != hr_folder), None)


@dataclass(frozen=True)
class GivenImages:
    """Low-resolution images from files.

    Attributes:
        files: the low-resolution file of each high-resolution file.
    """

    files: Mapping[Path, Path]

    @cached_property
    def identity(self) -> str:
        """The content of all files, as text."""
        return json.dumps([hash_file(path) for path in self.files.values()])

    def of(self, paths: Sequence[Path]) -> GivenImages:
        """Return those of some of the high-resolution files."""
        return GivenImages({path: self.files[path] for path in paths})

    def lr_image(self, path: Path, hr_image: Image, scale: int) -> Image:
        """Read the image of a high-resolution file, in its form.

        Args:
            path: the high-resolution file.
            hr_image: its pixels, cut to a multiple of the scale.
            scale: the factor.

        Raises:
            DataError: if the file is damaged, or in colour beside a grey one.
        """
        image = read_image(self.files[path])
        image = to_rgb(image) if hr_image.ndim > image.ndim else image
        sides = (hr_image.shape[0] // scale, hr_image.shape[1] // scale)
        if image.shape != (*sides, *hr_image.shape[2:]):
            raise DataError(
                f"{self.files[path]} is {image.shape}, but {path} is {hr_image.shape} at scale "
                f"{scale}: they are not the same image"
            )
        return image


def find_given(paths: Sequence[Path], scale: int) -> GivenImages:
    """Match high-resolution files with low-resolution files and compare their sizes.

    Args:
        paths: high-resolution files.
        scale: the factor.

    Raises:
        DataError: listing every file without a counterpart and every pair of wrong sizes.
    """
    found: dict[Path, Path] = {}
    problems: list[str] = []
    folders: dict[Path, tuple[Path, Path] | None] = {}
    for path in paths:
        if path.parent not in folders:
            folders[path.parent] = _folders_of(path.parent, scale)
        place = folders[path.parent]
        if place is None:
            problems.append(f"{path} has no folder of low-resolution images beside its own")
            continue
        high, low = place
        folder = low / path.parent.relative_to(high)
        names = [folder / name for name in lr_names(path.stem, scale)]
        there = next((file for name in names for file in _with_suffix(name)), None)
        if there is None:
            problems.append(
                f"{path}: no low-resolution image {names[0].name} or {path.stem} in {folder}"
            )
        else:
            found[path] = there
    for high, low in dict.fromkeys(place for place in folders.values() if place is not None):
        problems += _without_counterpart(high, low, scale)
    problems += _wrong_sizes(found, scale)
    if problems:
        count = len(problems)
        more = f"; and {count - MAX_SHOWN} more" if count > MAX_SHOWN else ""
        raise DataError(
            f"high-resolution and low-resolution images do not match at scale {scale} "
            f"({counted(count, 'problem')}): {'; '.join(problems[:MAX_SHOWN])}{more}. Rename, "
            "remove or replace these files, or set data.pairs=false, and zoo makes low-resolution "
            "images of its own"
        )
    return GivenImages(found)


def folder_of(path: Path, scale: int) -> Path | None:
    """Return the folder of low-resolution images for a high-resolution file, if there is one."""
    found = _folders_of(path.parent, scale)
    return None if found is None else found[1]


def _folders_of(folder: Path, scale: int) -> tuple[Path, Path] | None:
    """Return the nearest folder that has low-resolution images beside it, and those."""
    for high in (folder, *folder.parents)[:MAX_DEPTH]:
        low = folder_beside(high, scale)
        if low is not None:
            return high, low
    return None


def _has_scales(folder: Path) -> bool:
    """Return whether a folder has others by scale, such as `X2`: its images are below those."""
    return folder.is_dir() and any(_SCALE.fullmatch(each.name) for each in folder.iterdir())


def lr_names(stem: str, scale: int) -> tuple[str, ...]:
    """Return the names, without suffix, that the low-resolution file of an image may have.

    Args:
        stem: the name of the high-resolution file without its suffix.
        scale: the factor.
    """
    return tuple(f"{stem}{ending}" for ending in _endings(scale))


def _endings(scale: int) -> tuple[str, ...]:
    return f"x{scale}", "", f"_x{scale}", f"-x{scale}", f"X{scale}"


def _with_suffix(name: Path) -> Iterator[Path]:
    """Yield the images of a name without suffix, whatever their suffix is."""
    for suffix in sorted(SUFFIXES):
        for ending in (suffix, suffix.upper()):
            file = name.with_name(name.name + ending)
            if file.is_file():
                yield file


def _images(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            yield path


def _without_counterpart(high: Path, low: Path, scale: int) -> Iterator[str]:
    """Yield each low-resolution image of which there is no high-resolution image."""
    stems = {path.relative_to(high).with_suffix("") for path in _images(high)}
    for path in _images(low):
        name = path.relative_to(low).with_suffix("")
        endings = (ending for ending in _endings(scale) if name.name.endswith(ending))
        if not any(name.with_name(name.name.removesuffix(each)) in stems for each in endings):
            yield f"{path}: no high-resolution image of this name in {high}"


def _wrong_sizes(found: Mapping[Path, Path], scale: int) -> Iterator[str]:
    for hr_file, lr_file in found.items():
        (height, width), low = read_size(hr_file), read_size(lr_file)
        if low != (height // scale, width // scale):
            yield (
                f"{lr_file} has {low[1]}x{low[0]} pixels, but {hr_file} with {width}x{height} "
                f"needs {width // scale}x{height // scale}"
            )
