"""Datasets for scoring: their high-resolution files, and low-resolution files if any.

A dataset is `<data root>/<Name>/HR/*`, or one of the two inside scikit-image's wheel (`samples`,
`samples-grey`). If there is a folder of low-resolution files beside `HR`, with one of the usual
names, it is used; otherwise they are computed from the high-resolution files.

Not here: decoding, checking sizes and hashing (`zoo.bench.suites`), datasets for training
(`zoo.data.sources`).
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from zoo.data import paths
from zoo.data.folders import find_images
from zoo.data.given import lr_names, published_folders
from zoo.data.images import SUFFIXES
from zoo.data.parts import part_of, whole_name
from zoo.data.sources import dataset_directory, dataset_names, validation_images
from zoo.errors import DataError, did_you_mean

logger = logging.getLogger(__name__)

IN_WHEEL = ("samples", "samples-grey")


@dataclass(frozen=True, slots=True)
class KnownSet:
    """What is known of a public dataset.

    Attributes:
        num_images: how many images it has, all of which are scored or none.
        how_to_get: what to do where it is absent.
        folders: names its folder may have.
    """

    num_images: int
    how_to_get: str
    folders: tuple[str, ...]


_BENCHMARK = "get it with `zoo data get benchmark`"
KNOWN_SETS: dict[str, KnownSet] = {
    "Set5": KnownSet(5, _BENCHMARK, ("Set5",)),
    "Set14": KnownSet(14, _BENCHMARK, ("Set14",)),
    "BSD100": KnownSet(100, _BENCHMARK, ("BSD100", "B100")),
    "Urban100": KnownSet(100, _BENCHMARK, ("Urban100",)),
    "Manga109": KnownSet(109, "get it from its authors: http://www.manga109.org", ("Manga109",)),
    "DIV2K_valid": KnownSet(
        100,
        "get it with `zoo data get div2k`",
        ("DIV2K_valid", "DIV2K_valid_HR", "DIV2K/DIV2K_valid_HR"),
    ),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of one image.

    Attributes:
        name: the high-resolution file's name without its suffix, unique in the dataset.
        hr_file: the high-resolution file.
        lr_file: the low-resolution file, None if it is to be made.
    """

    name: str
    hr_file: Path
    lr_file: Path | None


def find_pairs(
    name: str, scale: int, *, data_root: str | os.PathLike[str] | None = None
) -> tuple[Pair, ...]:
    """Find the files of a dataset, in a fixed order; decodes none.

    Args:
        name: `samples`, `samples-grey`, the name of a folder under the data root, or of a part of
            one (`zoo.data.parts`).
        scale: the factor between high and low resolution.
        data_root: folder of datasets; by default `zoo.data.paths.data_root()`.

    Raises:
        DataError: if the dataset is absent or not complete; the message says where it was looked
            for and how to get it.
    """
    if name in IN_WHEEL:
        return _pairs(validation_images(name), None, scale)
    root = paths.data_root(data_root)
    is_whole = name in KNOWN_SETS or dataset_directory(name, root) is not None
    whole = name if is_whole else whole_name(name)
    top = _find(whole, root)
    found = find_images(top / "HR" if (top / "HR").is_dir() else top)
    for line in found.left_out_lines():
        logger.warning("%s", line)
    known = KNOWN_SETS.get(whole)
    if known is not None and len(found.taken) != known.num_images:
        raise DataError(
            f"{whole} has {known.num_images} images, but {top} has {len(found.taken)}; "
            f"{known.how_to_get}"
        )
    files = found.taken if is_whole else part_of(name, found.taken)
    return _pairs(files, _lr_folder(top, scale), scale)


def _find(name: str, root: Path) -> Path:
    """Return the folder of a dataset; a known one may go by another name or lie as unpacked."""
    known = KNOWN_SETS.get(name)
    if known is None:
        directory = dataset_directory(name, root)
        if directory is not None:
            return directory
        hint = did_you_mean(name, [*IN_WHEEL, *KNOWN_SETS, *dataset_names(root)])
        raise DataError(
            f"{name} is not installed: searched for {root / name / 'HR'}{hint}. Put its images "
            "there, or choose another data root with --data-root or ZOO_DATA"
        )
    looked_for = []
    for folder in known.folders:
        unpacked = folder.endswith("_HR")
        place = root / folder if unpacked else root / folder / "HR"
        if place.is_dir():
            return root / folder
        looked_for.append(str(place))
    raise DataError(
        f"{name} is not installed: searched for {', '.join(looked_for)}; {known.how_to_get}, or "
        "choose another data root with --data-root or ZOO_DATA"
    )


def _lr_folder(top: Path, scale: int) -> Path | None:
    """Return the folder of low-resolution files beside the high-resolution ones, None without."""
    return next((folder for folder in published_folders(top, scale) if folder.is_dir()), None)


def _pairs(hr_files: tuple[Path, ...], lr_folder: Path | None, scale: int) -> tuple[Pair, ...]:
    repeated = [stem for stem, count in Counter(f.stem for f in hr_files).items() if count > 1]
    if repeated:
        folder = hr_files[0].parent
        raise DataError(f"{folder} has several images called {repeated[0]!r}: rename them")
    if lr_folder is None:
        return tuple(Pair(file.stem, file, None) for file in hr_files)
    lr_files = (file for file in sorted(lr_folder.iterdir()) if file.suffix.lower() in SUFFIXES)
    by_stem = {file.stem: file for file in lr_files}
    named = {f.stem: (by_stem.get(name) for name in lr_names(f.stem, scale)) for f in hr_files}
    found = {stem: next((file for file in files if file), None) for stem, files in named.items()}
    missing = [stem for stem, file in found.items() if file is None]
    if missing:
        raise DataError(
            f"{lr_folder} lacks {len(missing)} of {len(hr_files)} images, the first is "
            f"{missing[0]!r}: add them, or remove the folder, and zoo makes its own"
        )
    return tuple(Pair(file.stem, file, found[file.stem]) for file in hr_files)
