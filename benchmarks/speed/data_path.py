"""Crops a second and core: zoo's patch store against decoding PNG sub-images.

Both make batches of the same shapes in this process, on one thread, in turns. The store's batches
are measured as loading processes make them (8-bit pixels, which the device makes numbers of), and
with that conversion done here, which is the same product as the decoded ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import default_collate

from benchmarks.speed.subimages import SubImages, write_subimages
from zoo.data.stream import PatchDataset, to_float
from zoo.recipes.schema import RunSpec
from zoo.train.prepare import Options, prepare

SECONDS = 0.5
"""How long a block is at least."""


def measure_data(spec: RunSpec, options: Options, folder: Path, *, repeats: int) -> dict[str, Any]:
    """Return crops a second of each way, and the ratio of each pair of blocks.

    Args:
        spec: whose patches.
        options: on what; the device does not matter.
        folder: where sub-images are, or get written.
        repeats: pairs of blocks.
    """
    data = spec.settings.data
    stream = prepare(spec, options).stream
    dataset = PatchDataset(stream.store, plan=stream.plan)
    if not (folder / "HR").is_dir():
        write_subimages(stream.store, folder)
    images = SubImages(
        folder,
        lr_patch_size=data.lr_patch_size,
        scale=spec.settings.scale,
        augment=data.augment,
    )
    ways = {
        "store": _from_store(dataset, data.batch_size, convert=False),
        "store, converted": _from_store(dataset, data.batch_size, convert=True),
        "png": _from_files(images, data.batch_size),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for way in ways.values():
            way()
        for _ in range(repeats):
            for name, way in ways.items():
                rates[name].append(data.batch_size * _calls_a_second(way))
    finally:
        torch.set_num_threads(threads)
    return {
        "lr_patch_size": data.lr_patch_size,
        "hr_patch_size": data.lr_patch_size * spec.settings.scale,
        "batch_size": data.batch_size,
        "sub_images": len(images),
        "crops_per_second": rates,
        "ratio": _ratios(rates["store"], rates["png"]),
        "ratio_converted": _ratios(rates["store, converted"], rates["png"]),
    }


def _from_store(dataset: PatchDataset, batch_size: int, *, convert: bool) -> Callable[[], Any]:
    position = 0

    def batch() -> Any:
        nonlocal position
        found = dataset.batch(position, batch_size)
        position += batch_size
        return [to_float(image) for image in found] if convert else found

    return batch


def _from_files(images: SubImages, batch_size: int) -> Callable[[], Any]:
    position = 0

    def batch() -> Any:
        nonlocal position
        numbers = range(position, position + batch_size)
        position += batch_size
        return default_collate([images[number % len(images)] for number in numbers])

    return batch


def _calls_a_second(call: Callable[[], Any]) -> float:
    calls, since = 0, time.perf_counter()
    while (passed := time.perf_counter() - since) < SECONDS or calls == 0:
        call()
        calls += 1
    return calls / passed


def _ratios(upper: list[float], lower: list[float]) -> list[float]:
    return [one / other for one, other in zip(upper, lower, strict=True)]
