"""The contract of losses: each way of breaking it is found, and said in words."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from zoo.losses.base import Loss
from zoo.registry import LOSSES
from zoo.testing import LossContract

L1 = LOSSES.get("l1")


class PerPixel(L1):
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        return (sr_image - hr_image).abs()


class InPlace(L1):
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        return super().forward(sr_image, hr_image.mul_(2))


class Detached(L1):
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        seen = torch.cat([sr_image[:1], sr_image[1:].detach()])
        return super().forward(seen, hr_image)


class Backwards(L1):
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        value = super().forward(sr_image, hr_image)
        return 2 * value.detach() - value


class Rewards(L1):
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        return -super().forward(sr_image, hr_image)


class Constant(L1):
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        return 0 * super().forward(sr_image, hr_image)


class Summed(L1):
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        return super().forward(sr_image, hr_image) * len(sr_image)


class Trained(L1):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))


class Unsaid(L1):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(7), requires_grad=False)


class Random(L1):
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        return super().forward(sr_image, hr_image) * torch.rand(())


def contract(component: type[Loss]) -> LossContract:
    found = LossContract()
    found.component, found.arguments = component, {}
    return found


@pytest.mark.parametrize(
    ("component", "check", "cause"),
    [
        (PerPixel, "finite_scalar", "it is not a scalar tensor"),
        (InPlace, "finite_scalar", "the real image is changed in place"),
        (Detached, "generator_learns_from_it", "no gradient reaches 1 of 2 images"),
        (Backwards, "generator_learns_from_it", "before a step against the gradient"),
        (Rewards, "smallest_at_the_real_image", "noise costs -0.0"),
        (Constant, "smallest_at_the_real_image", "all of them cost 0"),
        (Summed, "mean_over_the_batch", "for a batch, but the mean over its images is"),
        (Random, "same_images_give_the_same_value", " and then "),
        (Trained, "parameters_are_frozen", "weight would be trained together with the generator"),
        (Unsaid, "parameters_are_frozen", "lacks 'weights', the source of its 7 weights"),
    ],
)
def test_a_broken_promise_is_found(component: type[Loss], check: str, cause: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(cause)):
        getattr(contract(component), f"test_{check}")()
