"""In which order and batches images are scored, and how they are decoded in advance.

Not here: the images (`zoo.bench.suites`), running a network on them (`zoo.bench.forward`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch

from zoo.bench.suites import BenchImage
from zoo.data.prefetch import num_workers, prefetch

GPU_PIXELS: Final = 2**17
"""Input pixels of a batch on a GPU: fewer than one DIV2K image has at x4 (173,000), so that images
which fit one by one fit together."""

Plan = list[list[int]]
"""Numbers of images, batch by batch."""


def most_pixels(device: torch.device) -> int:
    """Return how many input pixels a batch may have on a device; 0 is one image at a time.

    On the CPU convolutions fill the cores with one image: batches of four took 0.7 to 1.2 times as
    long as four images, the longer the larger the images, and end on other bits.
    """
    return GPU_PIXELS if device.type == "cuda" else 0


def plan_batches(sizes: Sequence[tuple[int, int]], pixels: int) -> Plan:
    """Put images of one size together, without exceeding a number of pixels.

    Args:
        sizes: height and width of each image.
        pixels: the most that a batch of several images may have; a larger image is alone.

    Returns:
        Every number once; batches stand in the order of their first image.
    """
    plan: Plan = []
    open_batches: dict[tuple[int, int], list[int]] = {}
    for number, (height, width) in enumerate(sizes):
        batch = open_batches.get((height, width))
        if batch is None or (len(batch) + 1) * height * width > pixels:
            batch = open_batches[height, width] = []
            plan.append(batch)
        batch.append(number)
    return plan


def decoded(images: Sequence[BenchImage], plan: Plan) -> Iterator[list[BenchImage]]:
    """Yield the images of each batch, while threads decode those of the next.

    Args:
        images: those in memory cost nothing here, others are decoded when they are requested.
        plan: numbers of images, batch by batch.

    Raises:
        DataError: if a file cannot be read any more.
        IntegrityError: if one has changed.
    """
    numbers = (number for batch in plan for number in batch)
    ready = prefetch(images.__getitem__, numbers, workers=num_workers(alone=False))
    for batch in plan:
        yield [next(ready) for _ in batch]
