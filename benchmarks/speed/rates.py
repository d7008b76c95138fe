"""What a device can do at most, and how many operations a training step has.

Rates are of what a step is made of: a large matrix product, and 3x3 convolutions at several widths
and in both memory layouts, forward. A step's operations are those of convolutions and matrix
products, by the formulas of `torch.utils.flop_counter`; a multiplication and an addition are two.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.hooks import RemovableHandle

from benchmarks.speed.loops import PlainLoop, ZooLoop, synchronise
from zoo.runs.device import Execution

PASSES = 5
"""Of each network, in which its convolutions are timed; the first is slow."""
SECONDS = 0.3
"""How long each rate is measured; its best call counts."""
CHANNELS = {"cpu": (24, 64, 128), "cuda": (64, 128, 256, 512)}
"""Widths that are tried: up to those of the discriminator and of VGG19 where that takes no time."""
LAYOUTS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def count_operations(loop: PlainLoop) -> int:
    """Return the operations of one whole step: forward, backward and the penalty's double backward.

    The plain loop's step is counted for both: it is the same mathematics, and nothing in it is
    compiled, which the counter does not see into.
    """
    with closing(loop.batches()) as batches:
        batch = next(batches)
        counter = OperationCounter()
        with counter:
            loop.step(batch)
    return counter.total


def convolution_rate(loop: ZooLoop) -> float:
    """Return operations a second of a family's own convolutions, forward.

    Of one pass of images through each network, in zoo's layout and precision: what the
    convolutions do, over the time they take, where each layer's quickest call counts.
    """
    loop.switches.apply()
    players, watch = loop.stage.state, _Stopwatch(loop.device)
    networks = [one for one in (players.generator, players.discriminator) if one is not None]
    handles = [
        handle
        for network in (*networks, players.losses)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
        for handle in watch.watch(layer)
    ]
    with closing(loop.batches()) as batches, torch.no_grad(), players.execution.autocast():
        lr_image, hr_image = next(batches)[0]
        for _ in range(PASSES):
            for network, image in zip(networks, (lr_image, hr_image), strict=False):
                network(image)
            for loss in players.losses.values():
                loss(hr_image, hr_image)
    for handle in handles:
        handle.remove()
    return sum(watch.operations.values()) / sum(watch.seconds.values())


class _Stopwatch:
    """The quickest call of each layer, and the operations of a call."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[nn.Module, float] = {}
        self.operations: dict[nn.Module, int] = {}
        self._device = device
        self._begun = 0.0

    def watch(self, layer: nn.Conv2d) -> tuple[RemovableHandle, RemovableHandle]:
        return layer.register_forward_pre_hook(self._begin), layer.register_forward_hook(self._end)

    def _begin(self, _layer: nn.Module, _inputs: tuple[Any, ...]) -> None:
        synchronise(self._device)
        self._begun = time.perf_counter()

    def _end(self, layer: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> None:
        synchronise(self._device)
        seconds = time.perf_counter() - self._begun
        self.seconds[layer] = min(seconds, self.seconds.get(layer, seconds))
        weight = next(layer.parameters())
        self.operations[layer] = 2 * output.numel() * weight[0].numel()


class OperationCounter(TorchDispatchMode):
    """Adds up torch's formulas: of the operations that are done, those by a zero too.

    Its own `FlopCounterMode` follows modules too, and fails in a gradient of a gradient.
    """

    total: int

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)  # noqa: SLF001  the registry's keys
        if formula is not None:
            self.total += int(formula(*args, **(kwargs or {}), out_val=result))
        return result


def measure_rates(execution: Execution) -> dict[str, dict[str, float]]:
    """Return operations a second of the device, by precision.

    Args:
        execution: zoo's; its precision is measured beside float32 as torch does it by default.
    """
    found = {"float32": _rates(execution.device, torch.float32)}
    if execution.bfloat16:
        found["bfloat16"] = _rates(execution.device, torch.bfloat16)
    return found


@torch.no_grad()
def _rates(device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    on_gpu = device.type == "cuda"
    side = 8192 if on_gpu else 1024
    matrix = torch.randn(side, side, device=device, dtype=dtype)
    rates = {"matrix product": 2 * side**3 / _seconds(partial(torch.mm, matrix, matrix), device)}
    batch, size = (16, 192) if on_gpu else (4, 96)
    for channels in CHANNELS[device.type]:
        weight = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
        image = torch.randn(batch, channels, size, size, device=device, dtype=dtype)
        operations = 2 * 9 * channels**2 * batch * size**2
        for name, layout in LAYOUTS.items():
            arranged = [part.contiguous(memory_format=layout) for part in (image, weight)]
            call = partial(F.conv2d, *arranged, padding=1)
            rates[f"3x3, {channels} channels, {name}"] = operations / _seconds(call, device)
    rates["best convolution"] = max(value for name, value in rates.items() if "3x3" in name)
    return rates


def _seconds(call: Callable[[], Any], device: torch.device) -> float:
    """Return the time of the quickest of many calls, after one that warms up."""
    call()
    synchronise(device)
    best, ends = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < ends:
        since = time.perf_counter()
        call()
        synchronise(device)
        best = min(best, time.perf_counter() - since)
    return best
