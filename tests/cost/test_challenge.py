"""Costs in the conventions of the efficiency challenge: closed forms of one convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import zoo
from zoo.cost.challenge import challenge_cost
from zoo.records.challenge import ACTIVATIONS, FLOPS, MULTI_ADDS


class OneConvolution(zoo.Generator):
    def __init__(self, *, scale: int = 2) -> None:
        super().__init__(scale=scale)
        self.convolution = nn.Conv2d(3, 3 * scale**2, 3, padding=1)

    def forward(self, lr_image: Tensor) -> Tensor:
        return nn.functional.pixel_shuffle(self.convolution(lr_image), self.scale)


class WithValues(OneConvolution):
    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image) * float(lr_image.max())


def test_a_convolution_is_counted_as_the_challenge_counts() -> None:
    network = OneConvolution()
    assert challenge_cost(network, scale=2) == {
        FLOPS: 256 * 256 * 9 * 3 * 12,
        ACTIVATIONS: 256 * 256 * 12,
        MULTI_ADDS: 640 * 360 * 9 * 3 * 12,
    }
    assert network.convolution.weight.device == torch.device("cpu")


def test_what_cannot_be_counted_is_absent() -> None:
    assert challenge_cost(WithValues(), scale=2) == {}
    assert challenge_cost(lambda image: image, scale=1) == {}
