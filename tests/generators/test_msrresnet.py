from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from zoo.generators.msrresnet import MSRResNet


def test_parameter_count_of_the_published_network() -> None:
    with torch.device("meta"):
        network = MSRResNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_517_571


@pytest.mark.parametrize(("scale", "convs"), [(2, ["upconv1"]), (4, ["upconv1", "upconv2"])])
def test_keys_are_those_the_community_exchanges(scale: int, convs: list[str]) -> None:
    keys = {key.rpartition(".")[0] for key in MSRResNet(scale=scale, num_blocks=2).state_dict()}
    blocks = {f"body.{block}.conv{conv}" for block in range(2) for conv in (1, 2)}
    assert keys == blocks | {"conv_first", "conv_hr", "conv_last", *convs}


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_without_its_last_convolution_it_is_bilinear(scale: int) -> None:
    network = MSRResNet(scale=scale, width=4, num_blocks=1)
    torch.nn.init.zeros_(network.conv_last.weight)
    image = torch.rand(1, 3, 5, 4)
    with torch.no_grad():
        expected = F.interpolate(image, scale_factor=scale, mode="bilinear", align_corners=False)
        assert torch.equal(network(image), expected)


def test_a_block_without_its_second_convolution_is_the_identity() -> None:
    block = MSRResNet(width=4, num_blocks=1).body[0]
    torch.nn.init.zeros_(block.conv2.weight)
    features = torch.randn(1, 4, 3, 3)
    with torch.no_grad():
        assert torch.equal(block(features), features)
