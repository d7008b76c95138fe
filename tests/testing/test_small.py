"""Arguments that make a network small."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from zoo.generators.base import Generator
from zoo.losses.base import Loss
from zoo.testing.small import LARGE, small_arguments

SHAPE = (1, 3, 8, 8)


class Wide(Generator):
    """Stages of one width; 9 * width ** 2 parameters a stage and more."""

    def __init__(
        self,
        *,
        scale: int = 4,
        width: int = 96,
        depths: tuple[int, ...] = (4, 4),
        heads: Literal[6, 12] = 6,
        gain: float = 1.0,
    ) -> None:
        super().__init__(scale=scale)
        if width % heads:
            raise ValueError("the width is no multiple of the heads")
        self.stages = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            *(nn.Conv2d(width, width, 3, padding=1) for _ in range(sum(depths))),
            nn.Conv2d(width, 3 * scale**2, 3, padding=1),
            nn.PixelShuffle(scale),
        )

    def forward(self, lr_image: Tensor) -> Tensor:
        return self.stages(lr_image)


class Computes(Wide):
    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image) * float(lr_image.mean())


def test_numbers_and_lists_of_them_are_halved_as_long_as_it_works() -> None:
    chosen = small_arguments(Wide, SHAPE)
    assert set(chosen) <= {"width", "depths"}
    assert chosen["width"] in (48, 24, 12)
    assert chosen["width"] % 6 == 0
    network = Wide(**chosen)
    assert sum(p.numel() for p in network.parameters()) <= LARGE
    assert torch.isfinite(network(torch.rand(SHAPE))).all()


def test_small_defaults_stay() -> None:
    class Small(Wide):
        def __init__(self, *, scale: int = 4, width: int = 12) -> None:
            super().__init__(scale=scale, width=width, depths=(1,))

    assert small_arguments(Small, SHAPE) == {}


def test_what_cannot_be_tried_without_arithmetic_stays() -> None:
    assert small_arguments(Computes, SHAPE) == {}


def test_a_network_that_ends_the_program_is_left_to_its_contract() -> None:
    class Leaves(Wide):
        def forward(self, lr_image: Tensor) -> Tensor:
            raise SystemExit(0)

    assert small_arguments(Leaves, SHAPE) == {}


def test_only_networks_an_image_goes_through_are_made_small() -> None:
    class Term(Loss):
        def __init__(self, *, width: int = 1000) -> None:
            super().__init__()
            self.layer = nn.Linear(width, width)

        def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
            return sr_image.mean()

    assert small_arguments(Term, None) == {}
