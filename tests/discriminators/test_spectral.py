from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from zoo.discriminators.base import Discriminator
from zoo.discriminators.spectral import SpectralVGG
from zoo.discriminators.unet import UNetDiscriminator
from zoo.errors import ShapeError


def largest_singular_value(layer: nn.Conv2d | nn.Linear) -> float:
    matrix = layer.weight.detach().flatten(1).double().numpy()
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


@pytest.mark.parametrize("make", [partial(SpectralVGG, hidden=8), UNetDiscriminator])
def test_the_largest_singular_value_of_a_layer_is_1(make: Callable[..., Discriminator]) -> None:
    torch.manual_seed(0)  # two singular values that are nearly equal take many iterations
    network = make(width=4)
    with torch.no_grad():
        for _ in range(100):  # one power iteration each
            network(torch.rand(1, 3, 16, 16))
    network.eval()
    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    normalised = [layer for layer in layers if hasattr(layer, "parametrizations")]
    plain = len(layers) - len(normalised)
    assert plain == (2 if isinstance(network, UNetDiscriminator) else 0)
    assert [largest_singular_value(layer) for layer in normalised] == pytest.approx(
        [1.0] * len(normalised), abs=0.02
    )


def test_resumed_networks_iterate_alike() -> None:
    network, image = UNetDiscriminator(width=4), torch.rand(2, 3, 16, 16)
    network(image)
    resumed = UNetDiscriminator(width=4)
    resumed.load_state_dict(copy.deepcopy(network.state_dict()))
    for _ in range(2):
        assert torch.equal(network(image), resumed(image))


def test_unet_has_the_parameters_of_real_esrgan_and_a_logit_for_each_pixel() -> None:
    assert sum(each.numel() for each in UNetDiscriminator().parameters()) == 4_376_897
    assert UNetDiscriminator(width=4)(torch.rand(2, 3, 37, 50)).shape == (2, 1, 37, 50)
    with pytest.raises(ShapeError, match="8x8 pixels, not 7x20"):
        UNetDiscriminator(width=4)(torch.rand(1, 3, 7, 20))
