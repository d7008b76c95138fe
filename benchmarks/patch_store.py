"""What it costs to compare a patch store with its sha256 each time it is opened.

    python benchmarks/patch_store.py [--images 40] [--side 1536] [--output FILE.json]

A store of photographs, cut and tiled from those inside scikit-image's wheel, is built and opened
again. `index` is the time to read its index, `compare` the time to read every pixel and compare it
with what was stored, as each training does when it starts; `build` is what it saves.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from zoo.data.images import Image, hash_file, read_image, write_png
from zoo.data.packing import num_threads
from zoo.data.patches import PatchStore
from zoo.data.sources import open_source
from zoo.runs.provenance import machine

SCALE = 4
COLUMNS = ("images", "GB", "threads", "build", "index", "compare", "GB/s")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and keep it where that is asked for."""
    parser = argparse.ArgumentParser(description="Time the comparison of a patch store.")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--side", type=int, default=1536, help="in pixels; default 1536")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="a .json file; a .md file is written beside it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        row = measure(Path(name), options.images, options.side, options.repeats)
    document = {"benchmark": "patch-store", "machine": machine(), **row}
    print(table(document))
    if options.output is not None:
        options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        options.output.with_suffix(".md").write_text(table(document), encoding="utf-8")


def measure(folder: Path, num_images: int, side: int, repeats: int) -> dict[str, float]:
    """Return the sizes of a store and the seconds of what is done with it.

    Args:
        folder: where images and store are written.
        num_images: how many images.
        side: of each, in pixels.
        repeats: how often the store is opened; the median counts.
    """
    photographs = [read_image(path) for path in open_source("samples").training_paths]
    paths = [folder / f"{number:04d}.png" for number in range(num_images)]
    for number, path in enumerate(paths):
        write_png(path, tiled(photographs[number % len(photographs)], side, shift=7 * number))
    build = _seconds(lambda: PatchStore.open_or_build(paths, SCALE, folder))
    store = PatchStore.open_or_build(paths, SCALE, folder)
    index = median(_seconds(lambda: PatchStore.open(store.directory)) for _ in range(repeats))
    hashes = [hash_file(path) for path in paths]
    compare = median(_seconds(lambda: store.verify(hashes)) for _ in range(repeats))
    gigabytes = (store.hr_flat.nbytes + store.lr_flat.nbytes) / 1e9
    return {
        "images": num_images,
        "GB": gigabytes,
        "threads": num_threads(),
        "build": build,
        "index": index,
        "compare": compare,
        "GB/s": gigabytes / compare,
    }


def tiled(image: Image, side: int, *, shift: int) -> Image:
    """Return an image of `(side, side, 3)`, repeated as often as that takes, and moved."""
    repeats = [-(-side // length) for length in image.shape[:2]]
    return np.roll(np.tile(image, (*repeats, 1))[:side, :side], shift, axis=1)


def table(document: dict[str, object]) -> str:
    """Return a measurement as a Markdown table; times are in seconds."""
    cells = [f"{document[column]:.3g}" for column in COLUMNS]
    rows = (COLUMNS, ["---:"] * len(COLUMNS), cells)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _seconds(work: Callable[[], object]) -> float:
    since = time.perf_counter()
    work()
    return time.perf_counter() - since


if __name__ == "__main__":
    main()
