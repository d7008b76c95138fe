"""The cost of a network: parameters, operations, memory and time.

Parameters, operations and activation memory are properties of the network, counted without
computing values. Peak memory and time are measured on the machine. Not here: the table of a suite's
costs; the throughput of training (`benchmarks/speed`).
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from zoo.cost.memory import activation_bytes, forward_peak_bytes
from zoo.records.record import Column

SIDE: Final = 128
MIN_REPEATS, MAX_REPEATS, ENOUGH_SECONDS = 3, 20, 2.0

COST_COLUMNS: Final[dict[str, Column]] = {
    "parameters": Column(label="Parameters", higher_is_better=False),
    "macs": Column(label=f"MACs at {SIDE}x{SIDE}", unit="MAC", higher_is_better=False),
    "activation_memory": Column(
        label="Activation memory", unit="bytes/LR pixel", higher_is_better=False
    ),
    "peak_memory": Column(label="Peak memory", unit="bytes", higher_is_better=False),
    "ms_per_megapixel": Column(label="Time", unit="ms/MP", higher_is_better=False),
}

Upscale = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Cost:
    """The size of a network and the work of one forward pass.

    Operations are those of convolutions and matrix products, as `torch.utils.flop_counter` counts
    them: a multiplication and an addition are two FLOPs and one MAC. Activations, normalisation
    and interpolation are not in it.

    Attributes:
        parameters: number of trainable parameters.
        flops: floating-point operations of the forward pass.
        input_shape: `(N, C, H, W)` of the input that was counted.
    """

    parameters: int
    flops: int
    input_shape: tuple[int, int, int, int]

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of the forward pass."""
        return self.flops // 2

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulate operations for each pixel of the input."""
        images, _, height, width = self.input_shape
        return self.macs / (images * height * width)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one forward pass takes on a device, ready and warm.

    Attributes:
        seconds: the median of the repeats.
        repeats: how many were timed.
        megapixels: of the output, in millions of pixels.
    """

    seconds: float
    repeats: int
    megapixels: float

    @property
    def ms_per_megapixel(self) -> float:
        """Milliseconds for each million pixels of the output."""
        return 1000 * self.seconds / self.megapixels


# Inference mode, in which scores are made, keeps nothing for a backward pass and hides what
# composite operators allocate.
@torch.inference_mode(mode=False)
def measured_cost(
    generator: nn.Module | Upscale,
    *,
    scale: int,
    device: torch.device,
    side: int = SIDE,
) -> dict[str, float]:
    """Return all that a generator costs, by the keys of `COST_COLUMNS`.

    Time and peak memory are those of the precision and algorithms that are set when it is called:
    within `zoo.runs.device.Execution.scoring`, of the arithmetic that made the scores.

    Of a function that is no `nn.Module` only the time is known: what it does inside may not be
    torch's, and a count of 0 would be a lie.

    Args:
        generator: maps `(1, 3, h, w)` in [0, 1] to `(1, 3, scale * h, scale * w)`; a module is on
            the device already and is left as it was.
        scale: upscaling factor.
        device: where it runs.
        side: height and width of the input of every measurement, in pixels.

    Returns:
        `parameters`; `macs` of one forward pass; `activation_memory`, bytes per pixel of the input
        in float32; `peak_memory` in bytes; `ms_per_megapixel`. What cannot be measured is absent.
    """
    timing = measure_time(generator, scale=scale, device=device, side=side)
    if not isinstance(generator, nn.Module):
        return {"ms_per_megapixel": timing.ms_per_megapixel}
    cost = generator_cost(generator, side=side)
    # nothing is kept for the backward pass of a fixed method
    saved = activation_bytes(generator, height=side, width=side) if cost.parameters else 0
    image = _image(side, device)
    with _evaluating(generator):
        peak = forward_peak_bytes(generator, image)
    return {
        "parameters": float(cost.parameters),
        "macs": float(cost.macs),
        "activation_memory": saved / side**2,
        "peak_memory": float(peak),
        "ms_per_megapixel": timing.ms_per_megapixel,
    }


def measure_cost(build: Callable[[], nn.Module], *, height: int, width: int) -> Cost:
    """Count the parameters and operations of a network on one RGB image.

    The meta device does it without memory or arithmetic. A network that computes with values when
    it is built or run has none there, and is counted on the CPU.

    Args:
        build: makes the network, on torch's default device.
        height: height of the input in pixels.
        width: width of the input in pixels.
    """
    try:
        return _measure(build, (1, 3, height, width), "meta")
    except RuntimeError:
        return _measure(build, (1, 3, height, width), "cpu")


def generator_cost(generator: nn.Module, *, side: int = SIDE) -> Cost:
    """Count the parameters and operations of a network that is there; it is left as it was.

    Args:
        generator: maps `(1, 3, h, w)`.
        side: height and width of the input in pixels.
    """

    def copied() -> nn.Module:  # `measure_cost` sets the default device
        return copy.deepcopy(generator).to(torch.get_default_device())

    return measure_cost(copied, height=side, width=side)


def measure_time(
    upscale: Upscale,
    *,
    scale: int,
    device: torch.device,
    side: int = SIDE,
) -> Timing:
    """Time forward passes on one image, without gradients and, for a module, in evaluation mode.

    Precision is the caller's, see `measured_cost`.

    After one pass that warms up, passes are timed one by one, each until the device is done: at
    least 3, and no more after 20 or 2 seconds. The time is their median.

    Args:
        upscale: a generator or a function, see `measured_cost`.
        scale: upscaling factor.
        device: where it runs.
        side: height and width of the input in pixels.
    """
    image = _image(side, device)
    seconds: list[float] = []
    with _evaluating(upscale), torch.inference_mode():
        upscale(image)
        while len(seconds) < MIN_REPEATS or (
            len(seconds) < MAX_REPEATS and sum(seconds) < ENOUGH_SECONDS
        ):
            seconds.append(_seconds(upscale, image))
    return Timing(statistics.median(seconds), len(seconds), (scale * side) ** 2 / 1e6)


def _measure(build: Callable[[], nn.Module], shape: tuple[int, int, int, int], device: str) -> Cost:
    with torch.device(device):
        network = build().eval()  # batch statistics of one image may not exist
        image = torch.zeros(shape)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(image)
    trainable = (parameter for parameter in network.parameters() if parameter.requires_grad)
    parameters = sum(parameter.numel() for parameter in trainable)
    return Cost(parameters, counter.get_total_flops(), shape)


def _image(side: int, device: torch.device) -> Tensor:
    """Return `(1, 3, side, side)` noise in [0, 1], always the same: zeros would be too easy."""
    noise = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, side, side, generator=noise).to(device)


def _seconds(upscale: Upscale, image: Tensor) -> float:
    _wait(image.device)
    start = time.perf_counter()
    upscale(image)
    _wait(image.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _evaluating(upscale: Upscale) -> Iterator[None]:
    """Put a module into evaluation mode, and every part of it back into its own."""
    parts = list(upscale.modules()) if isinstance(upscale, nn.Module) else []
    before = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, training in zip(parts, before, strict=True):
            part.training = training
