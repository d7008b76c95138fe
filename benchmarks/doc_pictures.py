"""Make the pictures of README and docs: crops of photographs, each method below its name.

    python benchmarks/doc_pictures.py docs/images/models.png \
        srresnet-nobn-compact srgan-nobn-compact
    python benchmarks/doc_pictures.py demo.png runs/rrdb/demo/seed-0 runs/esrgan-wgangp/demo/seed-0

Photographs and crops are those of the gallery of the suite `samples-x4` that are in colour;
`docs/images/demo.png` has the same columns and other crops.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import zoo
from zoo.bench.suites import open_suite
from zoo.data.images import Image, write_png
from zoo.data.panels import NAMES, enlarged, side_by_side
from zoo.data.resize import upscale

SUITE = "samples-x4"
TIMES = 2


def strips(models: Sequence[str]) -> Iterator[Image]:
    """Yield for each photograph LR, bicubic, what each model makes of it, and HR, side by side."""
    suite = open_suite(SUITE)
    datasets = {dataset.name: dataset for dataset in suite.datasets}
    low, bicubic, _, high = NAMES
    for entry in suite.gallery:
        dataset = datasets[entry.dataset]
        image = dataset[dataset.names.index(entry.image)]
        if image.hr_image.ndim == 2:
            continue
        lr_image = image.lr_image
        whole = {
            low: enlarged(lr_image, suite.scale),
            bicubic: upscale(lr_image, suite.scale),
            **{named(model): zoo.upscale(lr_image, model=model, device="cpu") for model in models},
            high: image.hr_image,
        }
        x, y, width, height = entry.crop
        crops = {name: one[y : y + height, x : x + width] for name, one in whole.items()}
        yield side_by_side({name: enlarged(crop, TIMES) for name, crop in crops.items()})


def named(model: str) -> str:
    """Return what a model is called: the recipe of a run's directory, else as it is asked for."""
    path = Path(model)
    return path.parts[-3] if path.is_dir() else model


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a picture."""
    parser = argparse.ArgumentParser(description="Show what models make of photographs.")
    parser.add_argument("output", type=Path)
    parser.add_argument("models", nargs="+")
    options = parser.parse_args(arguments)
    write_png(options.output, np.concatenate(list(strips(options.models))))


if __name__ == "__main__":
    main()
