"""What upscaling a photograph takes over the network's own time, in one process on one thread.

    python -m benchmarks.upscaling_share [--megapixels 2] [--model NAME] [--format png] [--tile N]

The network's own time is what it takes for as many pixels as the photograph has, in windows of the
size that upscaling chose, without their overlap. Upscaling is `zoo upscale` of a file: reading,
looking for the context, tiles, writing. Seconds are those of the processor, which other programs
do not change much. The photograph is mirrored to the size wanted. Prints where the time went, and
the ratio.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image as PillowImage

from benchmarks.upscaling_speed import open_generator, photograph
from zoo.generators.base import Generator
from zoo.upscaling import batch, tiles
from zoo.upscaling.batch import upscale_files
from zoo.upscaling.enlarging import enlarge
from zoo.upscaling.jobs import Job
from zoo.upscaling.tiles import Upscaler

PARTS = {
    "read": (batch, "read_picture"),
    "find the context": (tiles, "find_context"),
    "network": (Upscaler, "_answer"),
    "write": (batch, "write_picture"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time a photograph against the network alone.")
    parser.add_argument("--megapixels", type=float, default=2.0, help="of the photograph")
    parser.add_argument("--model", help="a name, file or run directory; else the default model")
    parser.add_argument("--format", default="png", choices=("png", "jpg", "webp", "tiff"))
    parser.add_argument("--tile", type=int)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    generator, name = open_generator(options.model)
    upscaler = Upscaler(generator, tile=options.tile)
    scale = generator.scale
    enlarge(upscaler, photograph(0.01, scale))  # loads the libraries
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "photo.jpg"), Path(folder, f"large.{options.format}")
        photo = PillowImage.fromarray(photograph(options.megapixels * scale**2, scale))
        photo.save(source, quality=95)
        seconds: dict[str, float] = {}
        since = time.process_time()
        with _watching(seconds):
            (outcome,) = upscale_files(upscaler, [Job(source, target)])
        total = time.process_time() - since
    if outcome.tiling is None:
        raise RuntimeError(outcome.error)
    own = _own_seconds(generator, outcome.tiling.side, photo.width * photo.height)
    tiling = outcome.tiling
    print(f"{name}: {photo.width}x{photo.height}, {tiling.num_tiles} tiles of {tiling.side} pixels")
    print(", ".join(f"{part} {spent:.1f} s" for part, spent in seconds.items()))
    print(f"in all {total:.1f} s, the network's own time {own:.1f} s: {total / own:.2f}")


def _own_seconds(generator: Generator, side: int, pixels: int) -> float:
    """Return what the network takes for so many pixels in windows of that size."""
    network = generator.eval().to(memory_format=torch.channels_last)
    window, repeats = torch.rand(1, 3, side, side), 3
    since = time.process_time()
    with torch.inference_mode():
        for _ in range(repeats):
            network(window)
    return (time.process_time() - since) / (repeats * side * side) * pixels


@contextmanager
def _watching(seconds: dict[str, float]) -> Iterator[None]:
    """Add up the seconds of each part while entered."""
    with ExitStack() as stack:
        for part, (owner, name) in PARTS.items():
            timed = _timed(getattr(owner, name), part, seconds)
            stack.enter_context(patch.object(owner, name, timed))
        yield


def _timed(
    function: Callable[..., Any], part: str, seconds: dict[str, float]
) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        since = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            seconds[part] = seconds.get(part, 0.0) + time.process_time() - since

    return timed


if __name__ == "__main__":
    main()
