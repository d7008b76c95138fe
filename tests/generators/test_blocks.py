from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.errors import RecipeError
from zoo.generators.blocks import (
    PixelShuffleUpsampler,
    ResidualBlock,
    msra_init,
    start_near_zero,
    upsampling_stages,
)


@pytest.mark.parametrize(("scale", "stages"), [(2, (2,)), (3, (3,)), (4, (2, 2)), (8, (2, 2, 2))])
def test_stages_multiply_to_the_scale(scale: int, stages: tuple[int, ...]) -> None:
    assert upsampling_stages(scale) == stages
    assert PixelShuffleUpsampler(4, scale)(torch.rand(1, 4, 2, 3)).shape == (
        1,
        4,
        2 * scale,
        3 * scale,
    )


def test_no_stages_for_another_scale() -> None:
    with pytest.raises(RecipeError, match="scale 5"):
        upsampling_stages(5)


def test_msra_standard_deviation() -> None:
    conv = nn.Conv2d(64, 64, 3)
    msra_init(nn.Sequential(conv), gain=0.1)
    assert conv.weight.std().item() == pytest.approx(0.1 * (2 / (64 * 9)) ** 0.5, rel=0.02)
    assert conv.bias is not None
    assert not conv.bias.any()


def test_residual_scaling_scales_the_branch_only() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(4, norm="none", residual_scaling=1.0)
    features = torch.rand(1, 4, 5, 5)
    branch = block(features) - features
    block.residual_scaling = 0.25
    torch.testing.assert_close(block(features), features + 0.25 * branch)


def test_residual_scaling_of_one_costs_no_operation() -> None:
    def operations(scaling: float) -> int:
        block = ResidualBlock(4, norm="none", residual_scaling=scaling)
        with torch.profiler.profile() as profile:
            block(torch.rand(1, 4, 5, 5))
        return sum(event.name in ("aten::mul", "aten::add") for event in profile.events())

    assert operations(1.0) == operations(0.5) == 1


def test_start_near_zero_keeps_a_gradient_for_what_is_before() -> None:
    conv = nn.Conv2d(4, 3, 3)
    before = conv.weight.detach().clone()
    start_near_zero(conv)
    torch.testing.assert_close(conv.weight.detach(), before * 1e-3)
    assert conv.bias is not None
    assert not conv.bias.any()
