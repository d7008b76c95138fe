"""SPAN keeps the contract of generators, has the paper's size and its attention."""

import torch
from zoo_span.span import SPAN, AttentionBlock

from zoo.testing import GeneratorContract


class TestSPAN(GeneratorContract):
    component = SPAN
    arguments = {"width": 8, "num_blocks": 2}


def test_it_has_the_size_of_the_papers() -> None:
    assert sum(parameter.numel() for parameter in SPAN().parameters()) == 426_288


def test_what_the_convolutions_say_nothing_about_is_suppressed() -> None:
    block = AttentionBlock(4)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
    assert torch.equal(block(torch.rand(1, 4, 5, 5)), torch.zeros(1, 4, 5, 5))


def test_with_an_interpolation_skip_it_starts_near_the_bicubic_image() -> None:
    from zoo.generators.bicubic import bicubic_upscale

    lr_image = torch.rand(1, 3, 6, 7)
    sr_image = SPAN(width=8, interpolation_skip=True)(lr_image)
    torch.testing.assert_close(sr_image, bicubic_upscale(lr_image, 4), atol=0.01, rtol=0)
