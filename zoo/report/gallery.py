"""Galleries: the same crop of an image by every method, small enough to embed in the page.

The low-resolution and ground-truth images come from the suite where its data is here and has the
pixels that were scored; the super-resolved ones were kept beside the records.

Not here: which images and crops (the suite says so), the slider (`static/page.js`).
"""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage

from zoo.bench.suites import Suite
from zoo.data.images import Image, read_image
from zoo.errors import DataError, IntegrityError
from zoo.files import file_sha256
from zoo.records.record import Record, RecordedImage, record_path
from zoo.report.model import Exhibit, Gallery, GalleryImage, Shot
from zoo.report.numbers import Writer, shown_name
from zoo.text import counted

logger = logging.getLogger(__name__)
LOW_RESOLUTION = "Low resolution"
GROUND_TRUTH = "Ground truth"
CAPTION = ("psnr_y", "lpips_alex", "lpips", "lite1_distance", "haarpsi")
MOST_IN_CAPTION = 2
MOST_OPENING = 2
DEFAULT_SIDE = 128
THUMBNAIL, NARROW, WIDE = 128, 320, 384
"""Widths in CSS pixels that crops are upscaled up to: in the list and under the slider."""
BUDGET_BYTES = 4_500_000
_QUALITIES = (None, 95, 90, 80, 70)
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Raw:
    """A crop before it is encoded."""

    seed: str
    pixels: Image
    caption: str


@dataclass(frozen=True, slots=True)
class _RawExhibit:
    name: str
    note: str
    shots: tuple[_Raw, ...]


def gallery(
    groups: Mapping[str, Sequence[Record]],
    root: Path,
    suite: Suite | None,
    best: Sequence[str] = (),
) -> Gallery | None:
    """Return the galleries, None if no image was kept.

    Args:
        groups: scored records by row, baselines first, seeds in order.
        root: folder of the records.
        suite: the suite with its images, None if they are not here.
        best: the rows with the best scores, as they are shown; the first is compared at first.
    """
    wanted = _wanted(groups, suite)
    found = {key: _exhibits(key, crop, groups, root, suite) for key, crop in wanted.items()}
    found = {key: exhibits for key, exhibits in found.items() if exhibits}
    if not found:
        return None
    pixels = [
        shot.pixels for exhibits in found.values() for exhibit in exhibits for shot in exhibit.shots
    ]
    encode, how = _encoder(pixels)
    images = [_image(key, exhibits, wanted[key], encode) for key, exhibits in found.items()]
    note = f"Crops are embedded as {how}. Scores are those of the whole image."
    return laid_out(images, note, best)


def laid_out(images: Sequence[GalleryImage], note: str, best: Sequence[str]) -> Gallery:
    """Return galleries of some images, opened on the first method against the best one."""
    exhibits = [exhibit for image in images for exhibit in image.exhibits]
    names = tuple(dict.fromkeys(exhibit.name for exhibit in exhibits))
    seeds = {shot.seed for exhibit in exhibits for shot in exhibit.shots if shot.seed}
    methods = [name for name in names if name not in (LOW_RESOLUTION, GROUND_TRUTH)]
    chosen = [name for name in best if name in methods] or methods[1:2]
    opening = {LOW_RESOLUTION, methods[0], *chosen[:MOST_OPENING], GROUND_TRUTH}
    return Gallery(
        methods=names,
        seeds=tuple(sorted(seeds, key=int)),
        left=methods[0],
        right=chosen[0] if chosen else names[-1],
        note=note,
        images=tuple(images),
        opening=tuple(shown for shown in images[0].exhibits if shown.name in opening),
    )


def _wanted(
    groups: Mapping[str, Sequence[Record]], suite: Suite | None
) -> dict[Key, tuple[int, int, int, int] | None]:
    """Return which images are shown and their crops, None for the middle of the image."""
    if suite is not None and suite.gallery:
        return {(entry.dataset, entry.image): entry.crop for entry in suite.gallery}
    kept = (
        (picture.dataset, picture.image)
        for records in groups.values()
        for record in records
        for picture in record.pictures
    )
    return dict.fromkeys(kept)


def _exhibits(
    key: Key,
    crop: tuple[int, int, int, int] | None,
    groups: Mapping[str, Sequence[Record]],
    root: Path,
    suite: Suite | None,
) -> list[_RawExhibit]:
    methods = []
    for name, records in groups.items():
        shots = tuple(_shots(records, key, crop, root))
        if shots:
            note = counted(len(shots), "seed") if records[0].target.kind == "run" else ""
            methods.append(_RawExhibit(shown_name(name), note, shots))
    if not methods:
        return []
    truth = _truth(key, groups, suite)
    if truth is None or suite is None:
        return methods
    lr_image, hr_image = truth
    small = None if crop is None else tuple(value // suite.scale for value in crop)
    lr_shot = _Raw("", _cut(lr_image, small, DEFAULT_SIDE // suite.scale), "the input")
    hr_shot = _Raw("", _cut(hr_image, crop, DEFAULT_SIDE), "the reference of all scores")
    first = _RawExhibit(LOW_RESOLUTION, f"1/{suite.scale} of the size", (lr_shot,))
    return [first, *methods, _RawExhibit(GROUND_TRUTH, "", (hr_shot,))]


def _shots(
    records: Iterable[Record], key: Key, crop: Sequence[int] | None, root: Path
) -> Iterable[_Raw]:
    for record in records:
        for picture in record.pictures:
            if (picture.dataset, picture.image) != key:
                continue
            try:
                pixels = _cut(_read(picture, record, root), crop, DEFAULT_SIDE)
            except (DataError, IntegrityError, OSError) as error:
                logger.warning("%s; not in the gallery", error)
                continue
            seed = "" if record.target.seed is None else str(record.target.seed)
            yield _Raw(seed, pixels, _caption(record, key))


def _read(picture: RecordedImage, record: Record, root: Path) -> Image:
    """Read a kept image, if it is below the records and is the one that was kept."""
    path = record_path(root, record).parent / picture.file
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{path} is outside the folder of records")
    if not path.is_file():
        raise DataError(f"{path} is missing")
    if file_sha256(path) != picture.sha256:
        raise IntegrityError(f"{path} is not the image that was stored: its hash differs")
    return read_image(path)


def _truth(
    key: Key, groups: Mapping[str, Sequence[Record]], suite: Suite | None
) -> tuple[Image, Image] | None:
    """Return an image's LR and HR pixels if they are those that were scored."""
    dataset = next((d for d in suite.datasets if d.name == key[0]), None) if suite else None
    if dataset is None or key[1] not in dataset.names:
        return None
    image = dataset[dataset.names.index(key[1])]
    scored = {
        (entry.hr_sha256, entry.lr_sha256)
        for records in groups.values()
        for record in records
        for scores in record.datasets
        if scores.name == key[0]
        for entry in scores.images
        if entry.name == key[1]
    }
    if scored != {(image.hr_sha256, image.lr_sha256)}:
        logger.warning(
            "the gallery omits the LR and HR image of %s of %s, because it is not the image that "
            "was scored",
            *key[::-1],
        )
        return None
    return image.lr_image, image.hr_image


def _cut(pixels: Image, crop: Sequence[int] | None, side: int) -> Image:
    """Return a crop `[x, y, width, height]`, or the middle square.

    Raises:
        DataError: if the crop is outside the image.
    """
    height, width = pixels.shape[:2]
    if crop is None:
        x, y = max(0, (width - side) // 2), max(0, (height - side) // 2)
        crop = (x, y, side, side)
    x, y, crop_width, crop_height = crop
    if x >= width or y >= height:
        raise DataError(f"the crop {list(crop)} is outside the image of {width}x{height} pixels")
    return pixels[y : y + crop_height, x : x + crop_width]


def _caption(record: Record, key: Key) -> str:
    scores = record.scored.get(key, {})
    parts = []
    for name in [name for name in CAPTION if name in scores][:MOST_IN_CAPTION]:
        column = record.columns[name]
        writer = Writer(column, [scores[name]])
        parts.append(f"{column.label} {writer.write(scores[name])} {writer.unit}".strip())
    return ", ".join(parts)


def _image(
    key: Key,
    exhibits: Sequence[_RawExhibit],
    crop: tuple[int, int, int, int] | None,
    encode: Callable[[Image], str],
) -> GalleryImage:
    height, width = exhibits[-1].shots[0].pixels.shape[:2]
    place = f"{width} x {height} pixels" + (f" at ({crop[0]}, {crop[1]})" if crop else "")
    shown = tuple(
        Exhibit(
            raw.name,
            raw.note,
            tuple(Shot(shot.seed, encode(shot.pixels), shot.caption) for shot in raw.shots),
        )
        for raw in exhibits
    )
    return GalleryImage(
        dataset=shown_name(key[0]),
        image=shown_name(key[1]),
        note=place,
        width=int(width),
        height=int(height),
        thumbnail=max(1, THUMBNAIL // int(width)),
        narrow=max(1, NARROW // int(width)),
        wide=max(1, WIDE // int(width)),
        exhibits=shown,
    )


def _encoder(pixels: Sequence[Image]) -> tuple[Callable[[Image], str], str]:
    """Return how crops are encoded, in words too: without loss if all fit the budget so."""
    uris: dict[int, str] = {}
    quality: int | None = None
    for quality in _QUALITIES:
        uris = {id(image): _data_uri(image, quality) for image in pixels}
        if sum(map(len, uris.values())) <= BUDGET_BYTES:
            break
    how = "lossless WebP" if quality is None else f"WebP of quality {quality}"
    return lambda image: uris[id(image)], how


def _data_uri(image: Image, quality: int | None) -> str:
    buffer = io.BytesIO()
    options = {"lossless": True} if quality is None else {"quality": quality}
    PillowImage.fromarray(image).save(buffer, format="WEBP", method=4, exact=True, **options)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
