"""Weights that fit in part: what is loaded, what is listed, what an upsampler is."""

from __future__ import annotations

import re

import pytest
import torch

from zoo.errors import WeightsError
from zoo.generators.rrdb import RRDBNet
from zoo.generators.srresnet import SRResNet
from zoo.models.partial import fill_partly, upsampler
from zoo.recipes.build import build_generator
from zoo.recipes.schema import ComponentSpec, Initial
from zoo.registry import GENERATORS

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


BUILT_IN = {
    "edsr": ({"width": 8}, "upsampler.", "tail."),
    "msrresnet": ({"width": 8}, "upconv", "conv_hr.", "conv_last."),
    "rrdb": ({"width": 8, "growth": 4}, "conv_up", "conv_hr.", "conv_last."),
    "srresnet": ({"width": 8}, "upsampler.", "tail."),
    "srresnet-tanh": ({"width": 8}, "upsampler.", "tail."),
}


def scaled(file: ComponentSpec, network: ComponentSpec, scales: tuple[int, int]) -> set[str]:
    """Load a file's weights at another scale; return the names of what was not loaded."""
    given, made = (
        build_generator(spec, scale, seed=seed)
        for seed, (spec, scale) in enumerate(zip((file, network), scales, strict=True), start=1)
    )
    init = Initial(file="f", name="f", sha256="0", strict=False, generator=file, scale=scales[0])
    for tensor in given.state_dict().values():
        tensor.add_(1)
    fill_partly(made, given.state_dict(), **FROM, kept=upsampler(made, network, init))
    return made.state_dict().keys() - same(made, given)


def test_every_trainable_generator_of_zoo_is_here() -> None:
    own = (name for name in GENERATORS.names() if str(GENERATORS.origin(name)) == "built-in")
    assert {name for name in own if GENERATORS.get(name).trainable} - {"spandrel"} == set(BUILT_IN)


@pytest.mark.parametrize("scales", [(4, 2), (2, 3), (3, 4), (4, 8)])
@pytest.mark.parametrize("name", BUILT_IN)
def test_another_scale_and_depth_take_the_trunk_without_the_upsampler(
    name: str, scales: tuple[int, int]
) -> None:
    sizes, *stages = BUILT_IN[name]
    file, network = (ComponentSpec(name=name, **sizes, num_blocks=count) for count in (1, 2))
    expected = tuple(stages)
    for deeper in (file, network):
        left = scaled(file, deeper, scales)
        every = build_generator(deeper, scales[1], seed=0).state_dict()
        ends = {one for one in every if one.startswith(expected)}
        assert ends <= left
        trunk = left - ends
        assert all(re.match(r"(body|trunk)\.[1-4]\.", one) for one in trunk)
        assert trunk == set() or deeper is network


@pytest.mark.parametrize(
    ("architecture", "key", "sizes", "deeper", "left_out"),
    [
        ("Compact", "upscale", {"num_feat": 8, "num_conv": 2}, {"num_conv": 3}, r"body\.[678]\."),
        (
            "ESRGAN",
            "scale",
            {"num_filters": 8, "num_blocks": 1},
            {"num_blocks": 2},
            r"model\.([3-9]|10|1\.sub\.[12])\.",
        ),
    ],
)
def test_a_network_of_spandrel_at_another_scale(
    architecture: str, key: str, sizes: dict[str, int], deeper: dict[str, int], left_out: str
) -> None:
    file, network = (
        ComponentSpec(name="spandrel", architecture=architecture, hyperparameters=sizes | more)
        for more in ({key: 4}, deeper | {key: 2})
    )
    left = scaled(file, network, (4, 2))
    every = build_generator(network, 2, seed=0).state_dict()
    assert left == {one for one in every if re.match(left_out, one)}


def test_weights_of_nothing_alike_are_refused() -> None:
    with pytest.raises(WeightsError, match="a file: no tensor fits this network"):
        fill_partly(SRResNet(**SMALL), {"conv.weight": torch.zeros(3)}, **FROM)
