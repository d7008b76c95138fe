from __future__ import annotations

import pytest
import torch

from zoo.generators.srresnet import SRResNet


@pytest.mark.parametrize(("norm", "count"), [("batch", 1_549_462), ("none", 1_545_238)])
def test_parameter_count_of_the_paper(norm: str, count: int) -> None:
    with torch.device("meta"):
        network = SRResNet(norm=norm)  # type: ignore[arg-type]
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_every_convolution_has_a_bias_and_prelu_one_parameter() -> None:
    network = SRResNet(width=8, num_blocks=2)
    convolutions = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert all(layer.bias is not None for layer in convolutions)
    assert convolutions[0].kernel_size == convolutions[-1].kernel_size == (9, 9)
    assert {p.weight.numel() for p in network.modules() if isinstance(p, torch.nn.PReLU)} == {1}


def test_no_norm_means_no_batch_norm_layer() -> None:
    layers = SRResNet(width=8, num_blocks=2, norm="none").modules()
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in layers)
