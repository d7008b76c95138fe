"""What upscaling a photograph takes over the network's own time, in one process on one thread.

    python -m benchmarks.upscaling_share [--megapixels 2] [--model NAME] [--format png] [--tile N]

The network's own time is what it takes for as many pixels as the photograph has, in windows of the
size that upscaling chose, without their overlap: once in plain calls, and once where freed memory
stays in the process, as upscaling has it. Upscaling is `zoo upscale` of a file: reading, the choice
of a way, looking for the context, tiles, writing. Seconds are those of the processor, which other
programs do not change much. The photograph is mirrored to the size wanted. Prints where the time
went, and the ratios.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import torch
from PIL import Image as PillowImage
from torch import Tensor

from benchmarks.upscaling_speed import open_generator, photograph
from zoo.generators.base import Generator
from zoo.upscaling import batch, tiles
from zoo.upscaling.batch import upscale_files
from zoo.upscaling.enlarging import enlarge
from zoo.upscaling.jobs import Job
from zoo.upscaling.memory import kept_memory
from zoo.upscaling.tiles import TiledUpscaler

CPU: Final = torch.device("cpu")
REPEATS: Final = 3
PARTS: Final = {
    "read": (batch, "read_picture"),
    "choose a way": (tiles, "choose"),
    "find the context": (tiles, "find_context"),
    "network": (TiledUpscaler, "_answer"),
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
    upscaler = TiledUpscaler(generator, tile=options.tile, bfloat16=None)
    scale = generator.scale
    enlarge(upscaler, photograph(0.01, scale))  # loads the libraries
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "photo.jpg"), Path(folder, f"large.{options.format}")
        photo = PillowImage.fromarray(photograph(options.megapixels * scale**2, scale))
        photo.save(source, quality=95)
        seconds: dict[str, float] = {}
        windows: list[Tensor] = []
        since = time.process_time()
        with _watching(seconds, windows):
            (outcome,) = upscale_files(upscaler, [Job(source, target)])
        total = time.process_time() - since
    if outcome.tiling is None:
        raise RuntimeError(outcome.error)
    window, tiling = windows[0], outcome.tiling
    height, width = window.shape[-2:]
    num_tiles, pixels = tiling.num_tiles, photo.width * photo.height
    share = num_tiles * height * width / pixels
    print(f"{name}: {photo.width}x{photo.height}, {tiling.way}")
    print(f"{num_tiles} tiles of {width}x{height}, context {tiling.context}, ", end="")
    print(f"{share:.2f} times its pixels")
    print(", ".join(f"{part} {spent:.1f} s" for part, spent in seconds.items()))
    for how, kept in (("plain calls", nullcontext()), ("with memory kept", kept_memory(CPU))):
        with kept:
            own = _own_seconds(generator, window) * pixels
        print(
            f"in all {total:.1f} s, the network's own time, {how}, {own:.1f} s: {total / own:.2f}"
        )


def _own_seconds(generator: Generator, window: Tensor) -> float:
    """Return what the network takes for a pixel in such windows."""
    network = generator.eval().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(window)
        since = time.process_time()
        for _ in range(REPEATS):
            network(window)
    return (time.process_time() - since) / (REPEATS * window.shape[-2] * window.shape[-1])


@contextmanager
def _watching(seconds: dict[str, float], windows: list[Tensor]) -> Iterator[None]:
    """Add up the seconds of each part while entered, and keep the first window."""
    with ExitStack() as stack:
        for part, (owner, name) in PARTS.items():
            timed = _timed(getattr(owner, name), part, seconds)
            stack.enter_context(patch.object(owner, name, timed))
        answer = TiledUpscaler._answer  # noqa: SLF001  timed already

        def seen(upscaler: TiledUpscaler, window: Tensor) -> Tensor:
            if not windows:
                windows.append(window.clone())
            return answer(upscaler, window)

        stack.enter_context(patch.object(TiledUpscaler, "_answer", seen))
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
