"""PLKSR keeps the contract of generators, has the paper's size, and sees as far as it says."""

import pytest
import torch
from plksr import PLKSR, PartialLargeKernel

from zoo.testing import GeneratorContract


class TestPLKSR(GeneratorContract):
    component = PLKSR
    arguments = {"width": 8, "num_blocks": 1, "kernel_size": 5}


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({}, 7_386_096),
        ({"num_blocks": 12, "kernel_size": 13, "attention": False}, 2_370_544),
    ],
)
def test_it_has_the_size_of_the_papers(arguments: dict, parameters: int) -> None:
    with torch.device("meta"):
        generator = PLKSR(**arguments)
    assert sum(parameter.numel() for parameter in generator.parameters()) == parameters


def test_the_large_kernel_leaves_the_other_channels_alone() -> None:
    features = torch.rand(1, 8, 6, 5)
    changed = PartialLargeKernel(2, 5)(features)
    assert torch.equal(changed[:, 2:], features[:, 2:])
    assert not torch.allclose(changed[:, :2], features[:, :2])


def test_the_large_kernel_sees_half_its_side() -> None:
    layer, features = PartialLargeKernel(1, 17), torch.zeros(1, 1, 1, 20, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(features)[0, 0, 0, 0], features)
    assert gradient.flatten().nonzero().max().item() == 8


def test_without_learnt_detail_it_is_the_nearest_neighbour() -> None:
    generator = PLKSR(scale=2, width=8, num_blocks=1, kernel_size=5)
    with torch.no_grad():
        for parameter in generator.tail.parameters():
            parameter.zero_()
    lr_image = torch.rand(1, 3, 3, 4)
    expected = lr_image.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(generator(lr_image), expected)
