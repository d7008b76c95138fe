"""EDSR: published sizes, and a cost that matches the network it is compared with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from zoo.cost.measure import measure_cost
from zoo.generators.edsr import EDSR, PlainResidualBlock
from zoo.recipes.book import load_book
from zoo.recipes.resolve import resolve
from zoo.registry import GENERATORS

PROFILES = sorted(load_book().profiles)


def generator_of(recipe: str, profile: str) -> dict[str, Any]:
    component = resolve(load_book(), recipe, profile).spec.settings.generator
    return component.model_dump()


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [({}, 43_089_923), ({"width": 64, "num_blocks": 16, "residual_scaling": 1.0}, 1_517_571)],
)
def test_parameter_counts_of_the_paper(arguments: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        network = EDSR(**arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_shapes(scale: int) -> None:
    network = EDSR(scale=scale, width=4, num_blocks=1)
    assert network(torch.rand(2, 3, 5, 7)).shape == (2, 3, 5 * scale, 7 * scale)


def test_a_block_is_convolution_relu_convolution_and_identity() -> None:
    block = PlainResidualBlock(4, norm="none", residual_scaling=0.1)
    first, second = (layer for layer in block.branch if isinstance(layer, nn.Conv2d))
    features = torch.randn(1, 4, 6, 6)
    expected = features + 0.1 * second(torch.relu(first(features)))
    torch.testing.assert_close(block(features), expected)


def test_no_normalisation_unless_asked_for() -> None:
    kinds = {type(layer) for layer in EDSR(width=4, num_blocks=1).modules()}
    assert nn.BatchNorm2d not in kinds
    normed = EDSR(width=4, num_blocks=2, norm="batch").modules()
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in normed) == 4


def test_starts_as_bicubic_where_that_is_added() -> None:
    torch.manual_seed(0)
    network = EDSR(width=8, num_blocks=1, interpolation_skip=True).eval()
    image = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        bicubic = GENERATORS.get("bicubic")()(image)
        assert (network(image) - bicubic).abs().max() < 0.05


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("recipe", "matched"), [("edsr", "rrdb"), ("esrgan-wgangp-edsr", "esrgan-wgangp")]
)
@pytest.mark.slow
def test_costs_what_it_is_compared_with(profile: str, recipe: str, matched: str) -> None:
    """The recipes' promise: plain residual blocks at RRDBNet's operations, under every profile."""
    macs = []
    for name in (recipe, matched):
        arguments = generator_of(name, profile)
        kind = GENERATORS.get(arguments.pop("name"))
        macs.append(measure_cost(lambda: kind(**arguments), height=16, width=16).macs)  # noqa: B023
    tolerance = 0.025 if profile == "smoke" else 0.015
    assert macs[0] == pytest.approx(macs[1], rel=tolerance)
