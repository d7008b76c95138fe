"""Suites: which images are scored, at which scale, and which of them are shown.

Opening a suite finds its images, decodes each once, several in parallel, and hashes its pixels. So
a damaged image is found before the first score. A dataset is scored completely or not at all; the
others are not affected.

Not here: a suite's file (`zoo.bench.definitions`), where datasets are (`zoo.data.pairs`), scoring
(`zoo.bench.evaluate`), the comparison with published scores (`zoo.bench.selftest`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, overload

from zoo.bench.definitions import Definition, GalleryEntry, SuiteFile, read_suite
from zoo.data import Progress
from zoo.data.degradation import Difference, difference
from zoo.data.degrading import Degrading, degraded
from zoo.data.images import Image, hash_pixels, read_image
from zoo.data.pairs import Pair, find_pairs
from zoo.data.prefetch import num_workers, prefetch
from zoo.data.resize import crop_to_multiple
from zoo.errors import DataError, IntegrityError, did_you_mean
from zoo.recipes.degrading import build_degradation
from zoo.recipes.problems import raise_problems
from zoo.recipes.schema import ComponentSpec
from zoo.records.remarks import copies

logger = logging.getLogger(__name__)
KEPT_BYTES = 256_000_000
"""Images are kept in memory up to this size; further ones are decoded each time they are used."""


@dataclass(frozen=True, slots=True, eq=False)
class BenchImage:
    """One image to score.

    Attributes:
        name: unique in its dataset.
        hr_image: `(H, W, 3)` RGB or `(H, W)`, uint8, cut to a multiple of the scale.
        lr_image: `(H/scale, W/scale, 3)` or `(H/scale, W/scale)`, uint8.
        hr_sha256: of the shape and pixels of `hr_image`.
        lr_sha256: of the shape and pixels of `lr_image`.
        lr_file: the file it was read from, None if zoo made it.
    """

    name: str
    hr_image: Image
    lr_image: Image
    hr_sha256: str
    lr_sha256: str
    lr_file: Path | None = None


class SuiteDataset(Sequence[BenchImage]):
    """A dataset of a suite: a sequence of its images, decoded as they are requested.

    Attributes:
        name: the dataset's name.
        skipped: why it has no images, None if it has.
        degradation: how its LR files differ from the HR images downscaled by MATLAB's bicubic, in
            words; None if they do not, and where zoo made them by that. With a degradation of the
            suite, which one.
        made_by: the suite's own degradation, in words; None if LR images are bicubic or files.
        names: the images' names, in order.
    """

    def __init__(
        self,
        name: str,
        scale: int,
        *,
        skipped: str | None = None,
        degrading: Degrading | None = None,
    ) -> None:
        self.name = name
        self.skipped = skipped
        self.degradation: str | None = None
        self.names: list[str] = []
        self.sizes: dict[str, tuple[int, int]] = {}
        self.hashes: list[tuple[str, str, str]] = []
        self._scale = scale
        self.made_by = None if degrading is None else degrading.text
        self._degrading = degrading
        self._pairs: list[Pair] = []
        self._kept: dict[int, BenchImage] = {}

    def add(self, pair: Pair, image: BenchImage, *, room: int) -> int:
        """Add an image, see `load_image`, and its files; return the bytes kept, at most `room`."""
        num_bytes = image.hr_image.nbytes + image.lr_image.nbytes
        if num_bytes <= room:
            self._kept[len(self._pairs)] = image
        self.names.append(pair.name)
        self.sizes[pair.name] = (image.hr_image.shape[0], image.hr_image.shape[1])
        self.hashes.append((pair.name, image.hr_sha256, image.lr_sha256))
        self._pairs.append(pair)
        return num_bytes if num_bytes <= room else 0

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[BenchImage]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> BenchImage: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[BenchImage]: ...
    def __getitem__(self, index: int | slice) -> BenchImage | Sequence[BenchImage]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        if index in self._kept:
            return self._kept[index]
        image = load_image(self._pairs[index], self._scale, self._degrading)
        if (image.name, image.hr_sha256, image.lr_sha256) != self.hashes[index]:
            raise IntegrityError(
                f"{self._pairs[index].hr_file} changed while zoo was using it; start again"
            )
        return image


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """An image of the report.

    Attributes:
        dataset: the dataset of the suite.
        image: the image's name in it.
        crop: x, y, width and height of the part that is shown upscaled, in HR pixels.
    """

    dataset: str
    image: str
    crop: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite with its images found.

    Attributes:
        name: what it is called.
        summary: one line.
        scale: upscaling factor.
        datasets: in the order of its file; one that is not usable is skipped, with its reason.
        gallery: images of the report, of datasets that are not skipped.
        metrics: registered names.
        sha256: of everything that affects scores and images: scale, datasets, pixels, gallery.
    """

    name: str
    summary: str
    scale: int
    datasets: tuple[SuiteDataset, ...]
    gallery: tuple[GalleryPicture, ...]
    metrics: tuple[str, ...]
    sha256: str

    @property
    def num_images(self) -> int:
        """Images of all datasets that are not skipped."""
        return sum(len(dataset) for dataset in self.datasets)


def open_suite(
    spec: str, *, data_root: str | Path | None = None, progress: Progress | None = None
) -> Suite:
    """Read a suite and look at all of its images.

    Args:
        spec: a name of `suite_names`, or the path of a YAML file.
        data_root: folder of datasets; by default `zoo.data.paths.data_root()`.
        progress: called after each image with (images looked at, images in all).

    Raises:
        UnknownNameError: if there is no suite of that name.
        RecipeError: with every mistake in the file, a gallery that does not fit the images too.
        DataError: if no dataset of it can be used; the message has all reasons.
    """
    definition = read_suite(spec)
    content = definition.content
    datasets = _open_datasets(content, data_root, progress)
    if all(dataset.skipped for dataset in datasets):
        reasons = "; ".join(str(dataset.skipped) for dataset in datasets)
        raise DataError(f"suite {definition.name}: zoo cannot use any of its datasets: {reasons}")
    for said in copies([(f"{d.name}/{name}", hr) for d in datasets for name, hr, _ in d.hashes]):
        logger.warning("suite %s: %s", definition.name, said)
    gallery = _resolve_gallery(definition, datasets)
    return Suite(
        name=definition.name,
        summary=content.summary,
        scale=content.scale,
        datasets=datasets,
        gallery=gallery,
        metrics=definition.metrics,
        sha256=_hash(content.scale, datasets, gallery),
    )


def load_image(pair: Pair, scale: int, degrading: Degrading | None = None) -> BenchImage:
    """Decode the files of one image; a low-resolution image that has none is made.

    Args:
        pair: the files.
        scale: upscaling factor.
        degrading: how it is made; None for MATLAB's bicubic.

    Raises:
        DataError: if a file is damaged, or the low-resolution one has another size or form, or is
            absent at x1.
    """
    if scale == 1 and pair.lr_file is None:
        raise DataError(
            f"{pair.hr_file}: a suite of x1 needs the degraded images as files, in a folder LR_x1 "
            "beside HR"
        )
    hr_image = read_image(pair.hr_file)
    if min(hr_image.shape[:2]) < scale:
        raise DataError(f"{pair.hr_file} is smaller than the scale, {scale} pixels")
    hr_image = crop_to_multiple(hr_image, scale).copy()
    if pair.lr_file is None:
        lr_image = degraded(hr_image, scale, degrading)
    else:
        lr_image = read_image(pair.lr_file)
    expected = (hr_image.shape[0] // scale, hr_image.shape[1] // scale, *hr_image.shape[2:])
    if lr_image.shape != expected:
        raise DataError(
            f"{pair.lr_file} is {lr_image.shape}, but {pair.hr_file} at 1/{scale} is {expected}: "
            "they are not the same image; remove the folder of the LR file, and zoo makes its own"
        )
    return BenchImage(
        pair.name,
        hr_image,
        lr_image,
        hash_pixels(hr_image),
        hash_pixels(lr_image),
        pair.lr_file,
    )


def _open_datasets(
    content: SuiteFile, data_root: str | Path | None, progress: Progress | None
) -> tuple[SuiteDataset, ...]:
    named = content.degradation if isinstance(content.degradation, ComponentSpec) else None
    degrading = None if named is None else build_degradation(named)
    found: dict[str, tuple[Pair, ...] | str] = {}
    for name in content.datasets:
        try:
            files = find_pairs(name, content.scale, data_root=data_root)
            found[name] = files if named is None else _without_files(name, files, named.name)
        except DataError as error:
            found[name] = str(error)
    total = sum(len(pairs) for pairs in found.values() if not isinstance(pairs, str))
    room, done, datasets = KEPT_BYTES, 0, []
    workers = num_workers(alone=True)
    for name, pairs in found.items():
        if isinstance(pairs, str):
            datasets.append(SuiteDataset(name, content.scale, skipped=pairs))
            continue
        dataset = SuiteDataset(name, content.scale, degrading=degrading)
        left = room
        differences: dict[str, Difference] = {}
        try:
            load = partial(_load_and_compare, scale=content.scale, degrading=degrading)
            images = prefetch(load, pairs, workers=workers)
            for number, (pair, (image, found_off)) in enumerate(zip(pairs, images, strict=True)):
                left -= dataset.add(pair, image, room=left)
                differences |= {} if found_off is None else {pair.name: found_off}
                if progress is not None:
                    progress(done + number + 1, total)
            dataset.degradation = (
                _degradation(dataset, differences, pairs, content.degradation)
                if degrading is None
                else f"{name}: zoo made the LR images with the degradation {degrading.text}"
            )
            room = left
        except DataError as error:
            dataset = SuiteDataset(name, content.scale, skipped=str(error))
        done += len(pairs)
        datasets.append(dataset)
    return tuple(datasets)


def _without_files(name: str, pairs: Sequence[Pair], degradation: str) -> tuple[Pair, ...]:
    """Return a dataset without its LR files, and say so: zoo makes others."""
    count = sum(pair.lr_file is not None for pair in pairs)
    if count:
        told = "%s: %d LR files not used: the suite has the degradation %r"
        logger.warning(told, name, count, degradation)
    return tuple(replace(pair, lr_file=None) for pair in pairs)


def _load_and_compare(
    pair: Pair, scale: int, degrading: Degrading | None
) -> tuple[BenchImage, Difference | None]:
    """Decode the files of one image; compare its LR file, if it has one, with the HR image's."""
    image = load_image(pair, scale, degrading)
    is_made = pair.lr_file is None
    return image, None if is_made else difference(image.lr_image, image.hr_image, scale)


def _degradation(
    dataset: SuiteDataset,
    differences: Mapping[str, Difference],
    pairs: Sequence[Pair],
    said: object,
) -> str | None:
    """Return how a dataset's LR files differ from bicubic ones, None if they do not.

    Raises:
        DataError: if they do, and the suite has said that they are bicubic.
    """
    if not differences:
        return None
    worst = max(differences, key=lambda name: differences[name].mean)
    told = (
        f"{dataset.name}: {len(differences)} of {len(dataset)} LR files are not their HR images "
        f"downscaled with MATLAB's bicubic; the largest difference is in {worst!r}: "
        f"{differences[worst].describe()}"
    )
    if said == "bicubic":
        (folder,) = {pair.lr_file.parent for pair in pairs if pair.lr_file is not None}
        raise DataError(
            f"{told}. The suite expects bicubic LR files: remove {folder}, and zoo makes its own, "
            "or score with a suite of your own that has `degradation: given`"
        )
    return told


def _resolve_gallery(
    definition: Definition, datasets: Iterable[SuiteDataset]
) -> tuple[GalleryPicture, ...]:
    """Give each image its name; check that it exists and has its crop."""
    by_name = {dataset.name: dataset for dataset in datasets}
    problems, resolved = [], []
    for index, entry in enumerate(definition.content.gallery):
        dataset = by_name[entry.dataset]
        if dataset.skipped is not None:
            continue
        name, message = _find_picture(entry, dataset)
        if message:
            problems.append(definition.document.problem(("gallery", index), message))
        resolved.append(GalleryPicture(entry.dataset, name, entry.crop))
    raise_problems(problems)
    return tuple(resolved)


def _find_picture(entry: GalleryEntry, dataset: SuiteDataset) -> tuple[str, str]:
    """Return the name of an image and what is wrong with it, an empty string if nothing is."""
    if isinstance(entry.image, int):
        if entry.image > len(dataset):
            return "", f"{dataset.name} has {len(dataset)} images, no number {entry.image}"
        name = dataset.names[entry.image - 1]
    elif entry.image not in dataset.sizes:
        hint = did_you_mean(entry.image, dataset.names)
        return "", f"{dataset.name} has no image {entry.image!r}{hint}"
    else:
        name = entry.image
    height, width = dataset.sizes[name]
    x, y, crop_width, crop_height = entry.crop
    if x + crop_width > width or y + crop_height > height:
        return name, f"crop {list(entry.crop)} is outside {name!r}, {width}x{height} pixels"
    return name, ""


def _hash(scale: int, datasets: Iterable[SuiteDataset], gallery: Iterable[GalleryPicture]) -> str:
    content: dict[str, Any] = {
        "scale": scale,
        "datasets": [[dataset.name, dataset.hashes] for dataset in datasets],
        "gallery": [[entry.dataset, entry.image, list(entry.crop)] for entry in gallery],
    }
    # A record made before differences were said is not taken for one that has none to say.
    odd = [[dataset.name, dataset.degradation] for dataset in datasets if dataset.degradation]
    content |= {"degradation": odd} if odd else {}
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
