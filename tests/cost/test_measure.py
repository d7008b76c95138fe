"""Costs in closed form."""

from __future__ import annotations

import itertools
import time

import pytest
import torch
from torch import Tensor, nn

from zoo.compare.comparisons import COSTS_OF
from zoo.cost import measure as cost_module
from zoo.cost.measure import COST_COLUMNS, Timing, measure_cost, measure_time, measured_cost
from zoo.recipes.schema import Runtime
from zoo.registry import GENERATORS
from zoo.runs.device import plan_execution


def test_a_convolution_costs_its_kernel_at_each_pixel() -> None:
    cost = measure_cost(lambda: nn.Conv2d(3, 8, 5, padding=2), height=7, width=6)
    assert cost.parameters == 8 * 3 * 5**2 + 8
    assert cost.macs == 7 * 6 * 8 * 3 * 5**2
    assert cost.flops == 2 * cost.macs
    assert cost.macs_per_pixel == 8 * 3 * 5**2
    assert cost.input_shape == (1, 3, 7, 6)


def test_frozen_parameters_are_not_counted() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 3, 1).requires_grad_(requires_grad=False))

    assert measure_cost(build, height=4, width=4).parameters == 0


def test_a_network_that_looks_at_values_is_counted_on_the_cpu() -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 3, 1)

        def forward(self, image: Tensor) -> Tensor:
            result: Tensor = self.layer(image * float(image.sum() + 1))
            return result

    assert measure_cost(Careful, height=4, width=4).macs == 9 * 16


def test_counting_leaves_the_default_device_alone() -> None:
    measure_cost(lambda: nn.Conv2d(3, 3, 1), height=4, width=4)
    assert torch.zeros(1).device.type == "cpu"


@pytest.mark.slow
def test_the_paper_generator_has_its_published_size() -> None:
    cost = measure_cost(GENERATORS.get("rrdb"), height=8, width=8)
    assert cost.parameters == 16_697_987


CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def few_repeats() -> None:
    """Measure as users do."""


def small() -> nn.Module:
    network: nn.Module = GENERATORS.get("srresnet")(width=8, num_blocks=1, kernel_size=3)
    return network.train()


def test_everything_is_measured_of_a_module() -> None:
    network = small()
    network.requires_grad_(requires_grad=True)
    parts = [part.training for part in network.modules()]
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    found = measured_cost(network, scale=4, device=CPU, side=16)
    assert found.keys() == COST_COLUMNS.keys()
    counted = measure_cost(small, height=16, width=16)
    assert found["parameters"] == counted.parameters
    assert found["macs"] == counted.macs
    assert found["peak_memory"] > 4 * (3 * 64**2 + counted.parameters)  # the output alone
    assert found["activation_memory"] > 4 * 8
    assert found["ms_per_megapixel"] > 0
    assert [part.training for part in network.modules()] == parts
    assert all(torch.equal(buffers[name], value) for name, value in network.named_buffers())


def test_costs_are_measured_with_the_arithmetic_of_scores() -> None:
    """On a GPU TF32 and cuDNN's search are settings of the process; a CPU shows the same here."""
    seen = set()

    class Watched(nn.Conv2d):
        def forward(self, image: Tensor) -> Tensor:
            if not image.is_meta and not self.training:
                backend = torch.backends.cudnn
                precision = torch.get_float32_matmul_precision()
                seen.add((backend.benchmark, backend.allow_tf32, precision))
            return super().forward(image)

    execution = plan_execution(Runtime(), CPU)
    network = Watched(3, 3, 1)
    outside = measured_cost(network, scale=1, device=CPU, side=16)
    seen.clear()
    torch.backends.cudnn.benchmark = True
    try:
        with execution.scoring():
            within = measured_cost(network, scale=1, device=CPU, side=16)
    finally:
        torch.backends.cudnn.benchmark = False
    assert seen == {(False, False, "highest")}
    del outside["ms_per_megapixel"], within["ms_per_megapixel"]
    assert within == outside
    assert within["activation_memory"] == 4 * 3


def test_inference_mode_hides_no_memory() -> None:
    class Linear(nn.Linear):
        def forward(self, image: Tensor) -> Tensor:
            return super().forward(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    with torch.inference_mode():
        found = measured_cost(Linear(3, 3), scale=1, device=CPU, side=16)
    # the permuted image is copied for the product
    assert found["peak_memory"] == 4 * (12 + 2 * 3 * 16**2)
    assert found["activation_memory"] == 4 * 3


def test_precision_is_the_callers() -> None:
    types = set()

    def upscale(image: Tensor) -> Tensor:
        types.add(torch.nn.functional.conv2d(image, torch.ones(3, 3, 1, 1)).dtype)
        return image

    with torch.autocast("cpu", torch.bfloat16):
        measure_time(upscale, scale=1, device=CPU, side=4)
    assert types == {torch.bfloat16}


def test_macs_are_those_of_the_stated_size() -> None:
    found = measured_cost(nn.Conv2d(3, 3, 1), scale=1, device=CPU)
    assert found["macs"] == 9 * 128**2
    assert COST_COLUMNS["macs"].label == "MACs at 128x128"
    assert "128x128" in COSTS_OF
    assert cost_module.SIDE == 128


def test_a_fixed_method_keeps_nothing_for_a_backward_pass() -> None:
    found = measured_cost(GENERATORS.get("bicubic")(), scale=4, device=CPU, side=16)
    assert found["parameters"] == found["macs"] == found["activation_memory"] == 0
    assert found["peak_memory"] >= 4 * 3 * 64**2


def test_of_a_function_only_the_time_is_known() -> None:
    def repeat(image: Tensor) -> Tensor:
        return image.repeat_interleave(4, -1).repeat_interleave(4, -2)

    assert measured_cost(repeat, scale=4, device=CPU, side=16).keys() == {"ms_per_megapixel"}


def test_time_is_the_median_for_each_megapixel(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    seconds = iter([0.5, 9.0, 0.1, 0.3, 0.2])
    monkeypatch.setattr(cost_module, "_seconds", lambda *_: next(seconds))

    def upscale(image: Tensor) -> Tensor:
        calls.append(torch.is_inference_mode_enabled())
        return image

    timing = measure_time(upscale, scale=4, device=CPU, side=125)
    # 0.5, 9 and 0.1: three at least, and by then 2 seconds are over
    assert timing == Timing(0.5, 3, 0.25)
    assert timing.ms_per_megapixel == 2000
    assert calls == [True]  # the pass that warms up


def test_fast_passes_are_repeated_and_no_more_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: 0.001 * next(ticks))
    timing = measure_time(nn.Identity(), scale=1, device=CPU, side=4)
    assert timing.repeats == cost_module.MAX_REPEATS
    assert timing.seconds == pytest.approx(0.001)


def test_a_sleep_is_timed() -> None:
    def slow(image: Tensor) -> Tensor:
        time.sleep(0.02)
        return image

    timing = measure_time(slow, scale=1, device=CPU, side=4)
    assert 0.02 <= timing.seconds < 0.2


def test_costs_are_better_when_lower() -> None:
    assert {column.higher_is_better for column in COST_COLUMNS.values()} == {False}
