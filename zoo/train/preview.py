"""A contact sheet of training samples as the network sees them: each LR patch beside its HR patch.

Not here: pictures of a trained network (`zoo.exchange.contact_sheet`).
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np

from zoo.data.images import Image, write_png
from zoo.data.panels import GAP, enlarged, side_by_side
from zoo.data.patches import PatchStore
from zoo.data.sources import open_source
from zoo.data.stream import PatchStream
from zoo.recipes.schema import RunSpec
from zoo.train.low_resolution import find_low_images
from zoo.train.observer import Observer
from zoo.train.prepare import sampling_plan

NUM_SAMPLES, NUM_COLUMNS = 16, 4
MIN_SIDE = 128
"""Least side of a shown patch in pixels; smaller ones are enlarged by repeating their pixels."""


def write_preview(path: Path, spec: RunSpec, *, data_root: Path | None, observer: Observer) -> None:
    """Write the first samples of a training as a PNG; of many images, samples of only a few.

    Args:
        path: the PNG.
        spec: complete specification.
        data_root: folder of datasets, None for the default.
        observer: receives what was found, and progress.

    Raises:
        ZooError: if the images are missing or do not fit.
        MachineError: if the file cannot be written.
    """
    data, scale = spec.settings.data, spec.settings.scale
    source = open_source(data.source, validation=data.validation, data_root=data_root)
    for line in (*source.found, source.counts()):
        observer.notice(line)
    paths = source.training_paths[:: math.ceil(len(source.training_paths) / NUM_SAMPLES)]
    low = find_low_images(spec.settings, source, observer.notice)
    with tempfile.TemporaryDirectory(prefix="zoo-preview-") as folder:
        store = PatchStore.open_or_build(paths, scale, folder, observer.preparing, low=low.training)
        stream = PatchStream(
            store,
            plan=sampling_plan(spec),
            batch_size=NUM_SAMPLES,
            degrading=low.drawn,
        )
        batch = stream.dataset(0).batch(0, NUM_SAMPLES)
    lr_images, hr_images = (images.permute(0, 2, 3, 1).numpy() for images in batch)
    write_png(
        path, _sheet([_tile(*pair, scale) for pair in zip(lr_images, hr_images, strict=True)])
    )


def _tile(lr_image: Image, hr_image: Image, scale: int) -> Image:
    factor = math.ceil(MIN_SIDE / len(hr_image))
    panels = {"LR": enlarged(lr_image, scale * factor), "HR": enlarged(hr_image, factor)}
    return side_by_side(panels)


def _sheet(tiles: list[Image]) -> Image:
    """Set tiles of one size in rows on white."""
    height, width = (side + GAP for side in tiles[0].shape[:2])
    rows = math.ceil(len(tiles) / NUM_COLUMNS)
    sheet = np.full((rows * height + GAP, NUM_COLUMNS * width + GAP, 3), 255, dtype=np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (
            place * side + GAP
            for place, side in zip(divmod(number, NUM_COLUMNS), (height, width), strict=True)
        )
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet
