"""Weights that are made up: random numbers in the shapes of networks and of metrics' parameters.

They prove a path, not a score, and nothing calls them pretrained. Here, too, are the networks of
torchvision that they fit, for others to compare zoo's with.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from zoo.weights import store
from zoo.weights.catalog import PARAMETERS

TRUNKS = ("vgg16", "alexnet")
LEARNED = ("lpips", "dists")


def convolutions(network: str) -> nn.Sequential:
    """Return torchvision's convolutions of a network, without memory and without its classifier."""
    with torch.device("meta"):
        whole = torchvision.models.get_model(network)
    features: nn.Sequential = whole.features
    return features


@cache
def random_trunk(network: str) -> dict[str, Tensor]:
    """Return random weights of a network's convolutions under torchvision's names.

    Features keep their size from layer to layer, and biases are not zero.
    """
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for name, shape in ((n, t.shape) for n, t in convolutions(network).state_dict().items()):
        deviation = 0.2 if len(shape) == 1 else math.sqrt(2 / shape[1:].numel())
        tensors[f"features.{name}"] = deviation * torch.randn(shape, generator=generator)
    return tensors


def filled_convolutions(network: str, tensors: dict[str, Tensor]) -> nn.Sequential:
    """Return torchvision's convolutions with these weights in memory of their own."""
    layers = convolutions(network)
    own = {name: tensors[f"features.{name}"].clone() for name in layers.state_dict()}
    layers.load_state_dict(own, assign=True)
    return layers.requires_grad_(requires_grad=False).eval()


@cache
def random_parameters(name: str) -> dict[str, Tensor]:
    """Return random parameters, none of them negative."""
    generator = torch.Generator().manual_seed(8)
    return {
        key: torch.rand(shape, generator=generator)
        for key, shape in PARAMETERS[name].shapes.items()
    }


def fill_store(home: Path) -> None:
    """Add made-up weights of all learned distances to the store below a home, as a user would."""
    home.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(home))
        for name in TRUNKS + LEARNED:
            tensors = random_trunk(name) if name in TRUNKS else random_parameters(name)
            file = home / f"{name}.pth"
            torch.save(tensors, file)
            store.add(name, file)
            file.unlink()
