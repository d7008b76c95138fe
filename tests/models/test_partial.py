"""Weights that fit in part: what is loaded, what is listed, what an upsampler is."""

from __future__ import annotations

import pytest
import torch

from zoo.errors import WeightsError
from zoo.generators.rrdb import RRDBNet
from zoo.generators.spandrel import SpandrelNetwork
from zoo.generators.srresnet import SRResNet
from zoo.models.partial import fill_partly, upsampler

SMALL = {"width": 8, "num_blocks": 2}
FROM = {"place": "a file", "whose": "this network"}


def same(one: torch.nn.Module, other: torch.nn.Module) -> set[str]:
    """Return the names of the tensors that two networks share with equal values."""
    theirs = other.state_dict()
    return {
        name
        for name, value in one.state_dict().items()
        if name in theirs and torch.equal(value, theirs[name])
    }


def test_a_deeper_network_takes_the_blocks_that_the_file_has() -> None:
    file, network = (RRDBNet(width=8, growth=4, num_blocks=count) for count in (1, 2))
    lines = fill_partly(network, file.state_dict(), **FROM)
    assert same(network, file) == set(file.state_dict())
    assert lines
    assert all(line.startswith("not loaded: body.1.") for line in lines)


def test_a_wider_network_keeps_what_has_another_shape_and_both_are_listed() -> None:
    torch.manual_seed(0)
    file, network = SRResNet(**SMALL), SRResNet(width=8, num_blocks=1, norm="none")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    lines = fill_partly(network, file.state_dict(), **FROM)
    loaded = same(network, file)
    for name in before.keys() - loaded:
        assert torch.equal(network.state_dict()[name], before[name])
    listed = "\n".join(lines)
    assert "unknown: trunk.1" in listed
    assert all(name.rpartition(".")[0] in listed for name in before.keys() - loaded)


@pytest.mark.parametrize(
    ("file", "network", "left_out"),
    [
        (SRResNet(scale=4, **SMALL), SRResNet(scale=2, **SMALL), ("upsampler.",)),
        (
            RRDBNet(scale=8, width=8, growth=4, num_blocks=1),
            RRDBNet(scale=4, width=8, growth=4, num_blocks=1),
            ("conv_up3.",),
        ),
        (
            SpandrelNetwork(architecture="Compact", hyperparameters={"num_feat": 8, "num_conv": 2}),
            SpandrelNetwork(
                scale=2,
                architecture="Compact",
                hyperparameters={"num_feat": 8, "num_conv": 2, "upscale": 2},
            ),
            ("body.6.",),
        ),
    ],
)
def test_the_upsampler_is_what_only_one_scale_has(
    file: torch.nn.Module, network: torch.nn.Module, left_out: tuple[str, ...]
) -> None:
    found = upsampler(network.state_dict(), file.state_dict())
    assert found == left_out
    lines = fill_partly(network, file.state_dict(), **FROM, other_scale=True)
    loaded = same(network, file)
    assert {name for name in network.state_dict() if not name.startswith(left_out)} <= loaded
    assert all(any(part.rstrip(".") in line for part in left_out) for line in lines)


def test_weights_of_nothing_alike_are_refused() -> None:
    with pytest.raises(WeightsError, match="a file: no tensor fits this network"):
        fill_partly(SRResNet(**SMALL), {"conv.weight": torch.zeros(3)}, **FROM)
