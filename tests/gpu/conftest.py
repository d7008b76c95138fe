"""Tests of what a GPU does. Their bodies run on the CPU too, to show that they are right.

A test that takes `device` runs on the CPU in the normal suite and, marked `gpu`, on a CUDA device;
without one it is skipped. The tolerances are stated where they are used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.train.conftest import MakeSpec, make_spec, one_thread
from zoo.recipes.build import build_components
from zoo.recipes.schema import RunSpec
from zoo.runs.device import choose_device, plan_execution
from zoo.train.step import Batch, TrainingState, assemble

__all__ = ["MakeSpec", "make_spec", "one_thread"]

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
EXACT = ("runtime.precision=float32", "runtime.tf32=false")
"""Settings under which a GPU computes in the precision of the CPU."""


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    """Return the device under test."""
    return existing_device(request.param)


def existing_device(name: str) -> torch.device:
    """Return a device; skip the test where this machine has none."""
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return choose_device(name)


@pytest.fixture(autouse=True)
def global_precision() -> Iterator[None]:
    """Put back what `plan_execution` sets for the whole process."""
    matmul = torch.get_float32_matmul_precision()
    convolution, benchmark = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    yield
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = convolution
    torch.backends.cudnn.benchmark = benchmark


def make_players(spec: RunSpec, device: torch.device) -> TrainingState:
    """Return both players of a run, freshly initialised, on a device."""
    settings = spec.settings
    execution = plan_execution(settings.runtime, device)
    return assemble(build_components(settings, seed=spec.seed), settings.training, execution)


def make_batches(count: int, device: torch.device, *, first: int = 0) -> list[Batch]:
    """Return numbered batches of noise: 2 images of 8x8 and 32x32, the same on every device."""
    batches = []
    for number in range(first, first + count):
        generator = torch.Generator().manual_seed(number)
        lr_image = torch.rand(2, 3, 8, 8, generator=generator)
        hr_image = torch.rand(2, 3, 32, 32, generator=generator)
        batches.append((lr_image.to(device), hr_image.to(device)))
    return batches


def relative_distance(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], start: Mapping[str, Tensor]
) -> float:
    """Return how far two ends of training are apart, relative to the way from their start."""

    def length(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
        parts = [(a[name].cpu().double() - b[name].cpu().double()).flatten() for name in start]
        return float(torch.cat(parts).norm())

    return length(first, second) / length(second, start)


class _NoReading(TorchDispatchMode):
    """Refuses to give the host the value of a floating-point tensor: a GPU would be waited for."""

    def __torch_dispatch__(
        self,
        function: Any,
        types: Any,
        arguments: tuple[Any, ...] = (),
        keywords: dict[str, Any] | None = None,
    ) -> Any:
        reads = function is torch.ops.aten._local_scalar_dense.default
        if reads and arguments[0].is_floating_point():
            raise AssertionError("a value was read by the host")
        return function(*arguments, **(keywords or {}))


@contextlib.contextmanager
def no_waiting(device: torch.device) -> Iterator[None]:
    """Raise where the host waits for the device or, on the CPU, where it reads a value."""
    if device.type == "cpu":
        with _NoReading():
            yield
        return
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
