"""Costs in closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.bench.cost import measure_cost
from zoo.registry import GENERATORS


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


def test_the_paper_generator_has_its_published_size() -> None:
    cost = measure_cost(GENERATORS.get("rrdb"), height=8, width=8)
    assert cost.parameters == 16_697_987
