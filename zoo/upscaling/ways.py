"""How a network is executed: layout, precision and compilation, chosen by measurement.

All ways upscale the same window in turns. bfloat16 is one of them only on a device that multiplies
in it, and only where blocks of the image come out nearly as in float32.

Not here: threads, which are those of the process; tiles (`zoo.upscaling.tiles`).
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from zoo.runs.device import has_bfloat16_units, has_cpp_compiler
from zoo.runs.turns import MIN_GAIN, MIN_SECONDS_TO_COMPILE, fastest, take_turns
from zoo.upscaling.context import GREY_LEVEL, telling_blocks
from zoo.upscaling.layout import ALIGNMENT

logger = logging.getLogger(__name__)

Network = Callable[[Tensor], Tensor]
ROUNDS: Final = 3
"""Timed windows of each way, one for each round; an untimed one comes before."""
SHARE: Final = 0.03
"""Of all pixels to be upscaled, those that the measurement may take."""
MIN_SIDE: Final = 64
MAX_SIDE: Final = 128
COMPARED_SHARE: Final = 0.1
"""Of an image's pixels, those that are computed both ways at most; smaller images are not."""
NEAR_SHARE: Final = 0.999
"""Share of pixels that bfloat16 may change by one level of 255 at most; none by more than two."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the same network."""

    channels_last: bool = True
    bfloat16: bool = False
    compile: bool = False

    def __str__(self) -> str:
        layout = "channels_last" if self.channels_last else "NCHW"
        precision = "bfloat16" if self.bfloat16 else "float32"
        return f"{layout}, {precision}, {'compiled' if self.compile else 'eager'}"

    def place(self, generator: nn.Module) -> nn.Module:
        """Return a copy of a network in this layout, compiled if this way is."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        placed = copy.deepcopy(generator).to(memory_format=layout)
        if self.compile:
            placed.compile()
        return placed


Timings = dict[Way, list[float]]
"""Seconds of the timed windows of each way, in the order in which ways are preferred."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How images are upscaled, and why.

    Attributes:
        way: what was chosen.
        source: `default`: nothing was measured so far; `set by user`; `measured`.
        reason: in words.
        seconds_per_megapixel: of the input, the median of each way that was measured.
    """

    way: Way
    source: Literal["default", "set by user", "measured"]
    reason: str
    seconds_per_megapixel: Mapping[str, float] = field(default_factory=dict)

    def describe(self) -> str:
        """Return the choice, its reason and the measured times in one line."""
        times = " | ".join(f"{way} {time:.3g}" for way, time in self.seconds_per_megapixel.items())
        told = f"; seconds per megapixel of input: {times}" if times else ""
        return f"{self.way} ({self.reason}){told}"

    def document(self) -> dict[str, Any]:
        """Return the choice as JSON data."""
        return {**asdict(self), "way": str(self.way)}


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image was upscaled.

    Attributes:
        num_tiles: 1 if it was upscaled whole.
        side: the longer side of what the network saw at once, in pixels of the input.
        context: pixels of the input that a tile sees beyond what it answers for.
        seam: the largest step measured at a seam, of values in [0, 1]; 0 if there is none.
        way: layout, precision and compilation.
    """

    num_tiles: int
    side: int
    context: int
    seam: float
    way: Way


def choose(generator: nn.Module, image: Tensor, num_pixels: int) -> Choice:
    """Choose by measurement if that pays off, otherwise use the default.

    Args:
        generator: in float32, on its device, in evaluation mode.
        image: `(1, 3, h, w)` in [0, 1] on the same device, the first image.
        num_pixels: of the input, of all images to be upscaled as far as one knows.
    """
    ways = candidates(image.device)
    side = window_side(num_pixels, len(ways))
    if side < MIN_SIDE:
        return Choice(Way(), "default", "not measured: too few pixels to gain from it")
    remark = ""
    if any(way.bfloat16 for way in ways):
        share, most = difference(generator, image)
        if not is_near(share, most):
            ways = [way for way in ways if not way.bfloat16]
            remark = f"; not bfloat16, which differs by up to {most / GREY_LEVEL:.2f}/255"
    top, left = telling_blocks(image)[0]
    height, width = image.shape[-2:]
    top, left = max(0, min(top, height - side)), max(0, min(left, width - side))
    window = image[..., top : top + side, left : left + side]
    timings = timed({way: way.place(generator) for way in ways}, window)
    best, gain = fastest(timings)
    size = window.shape[-2] * window.shape[-1]
    if num_pixels / size * median(timings[best]) > MIN_SECONDS_TO_COMPILE and has_cpp_compiler():
        compiled = _beside_compiled(generator, best, window)
        best, more = fastest(compiled) if compiled else (best, 1.0)
        gain, timings = gain * more, timings | compiled
    reason = f"chosen by measurement: {gain:.2f} times as fast as {Way()}"
    if best == Way():
        reason = f"the default: no alternative was measured to be {MIN_GAIN} times as fast"
    seconds = {str(way): median(times) / size * 1e6 for way, times in timings.items()}
    return Choice(best, "measured", reason + remark, seconds)


def candidates(device: torch.device) -> list[Way]:
    """Return the eager ways that are worth a measurement on a device, the default first."""
    precisions = [False, True] if multiplies_bfloat16(device) else [False]
    return [Way(layout, precision) for precision in precisions for layout in (True, False)]


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in hardware; emulation is slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return has_bfloat16_units()


def window_side(num_pixels: int, num_ways: int) -> int:
    """Return the side of the window to measure with so that little of the work is for that."""
    pixels = SHARE * num_pixels / (num_ways * (1 + ROUNDS))
    return min(MAX_SIDE, int(math.sqrt(pixels)) // ALIGNMENT * ALIGNMENT)


def timed(ways: Mapping[Way, Network], window: Tensor) -> Timings:
    """Time each way on a window, in turns."""

    def seconds(way: Way) -> float:
        since = time.perf_counter()
        run(ways[way], window, bfloat16=way.bfloat16)
        if window.is_cuda:
            torch.cuda.synchronize(window.device)
        return time.perf_counter() - since

    return take_turns({way: partial(seconds, way) for way in ways}, ROUNDS)


def _beside_compiled(generator: nn.Module, eager: Way, window: Tensor) -> Timings:
    """Time a way and its compiled form; return nothing if that fails."""
    logger.info("trying torch.compile, which takes about a minute")
    ways = (eager, replace(eager, compile=True))
    try:
        return timed({way: way.place(generator) for way in ways}, window)
    except RuntimeError as error:  # of torch.compile: the very window was upscaled just now
        logger.warning(
            "torch.compile failed; continuing without it: %s", str(error).partition("\n")[0]
        )
        return {}


def run(network: Network, window: Tensor, *, bfloat16: bool) -> Tensor:
    """Return what a network makes of a window, as float32."""
    with torch.autocast(window.device.type, torch.bfloat16, enabled=bfloat16):
        answer = network(window)
    return answer.float()


def blocks_to_compare(num_pixels: int) -> int:
    """Return on how many blocks of an image bfloat16 is compared in a tenth of its pixels."""
    return int(COMPARED_SHARE * num_pixels / (2 * MIN_SIDE**2))


def difference(
    network: Network, image: Tensor, num_blocks: int | None = None
) -> tuple[float, float]:
    """Compare bfloat16 with float32 on the blocks of an image with the most detail.

    Args:
        network: in float32.
        image: `(1, 3, h, w)` in [0, 1].
        num_blocks: how many at most, the most contrasted first.

    Returns:
        The share of their pixels that change by 1/255 at most in each channel, and the largest
        change, of values in [0, 1].
    """
    blocks = telling_blocks(image)[:num_blocks]
    changes = torch.cat([change.flatten() for change in _changes(network, image, blocks)])
    changes = torch.nan_to_num(changes, nan=1.0)
    return float((changes <= GREY_LEVEL).double().mean()), float(changes.max())


def is_near(share: float, most: float) -> bool:
    """Return whether such a difference is invisible."""
    return share >= NEAR_SHARE and most <= 2 * GREY_LEVEL


def _changes(
    network: Network, image: Tensor, blocks: Sequence[tuple[int, int]]
) -> Iterator[Tensor]:
    for top, left in blocks:
        window = image[..., top : top + MIN_SIDE, left : left + MIN_SIDE]
        exact, coarse = (run(network, window, bfloat16=way).clamp(0, 1) for way in (False, True))
        yield (exact - coarse).abs().amax(dim=1)
