from __future__ import annotations

import pytest
import torch
from spandrel import ModelLoader

from zoo.generators.rrdb import RRDBNet


def test_parameter_count_of_the_paper() -> None:
    with torch.device("meta"):
        network = RRDBNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 16_697_987


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(("width", "num_blocks"), [(16, 1), (64, 2)])
def test_spandrel_loads_our_file_and_agrees(scale: int, width: int, num_blocks: int) -> None:
    torch.manual_seed(0)
    ours = RRDBNet(scale=scale, width=width, num_blocks=num_blocks, initialisation_gain=1.0).eval()
    theirs = ModelLoader().load_from_state_dict(ours.state_dict())
    assert (theirs.architecture.id, theirs.scale) == ("ESRGAN", scale)
    image = torch.rand(1, 3, 7, 5)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs.model(image), rtol=1e-5, atol=1e-6)


def test_keys_are_those_the_community_exchanges() -> None:
    keys = {key.rpartition(".")[0] for key in RRDBNet(width=8, growth=4, num_blocks=2).state_dict()}
    blocks = {f"body.{n}.rdb{m}.conv{k}" for n in range(2) for m in (1, 2, 3) for k in range(1, 6)}
    ends = {"conv_first", "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"}
    assert keys == blocks | ends


def test_batch_norm_adds_keys_and_changes_none() -> None:
    plain = RRDBNet(width=8, growth=4, num_blocks=1).state_dict()
    normed = RRDBNet(width=8, growth=4, num_blocks=1, norm="batch").state_dict()
    assert plain.keys() < normed.keys()
    assert {key.split(".")[3] for key in normed.keys() - plain.keys()} == {
        f"norm{index}" for index in range(1, 6)
    }


def test_initialisation_gain_scales_dense_blocks_only() -> None:
    torch.manual_seed(0)
    small = RRDBNet(width=8, growth=4, num_blocks=1, initialisation_gain=0.1).state_dict()
    torch.manual_seed(0)
    large = RRDBNet(width=8, growth=4, num_blocks=1, initialisation_gain=1.0).state_dict()
    for key, weight in small.items():
        factor = 0.1 if key.startswith("body.") else 1.0
        torch.testing.assert_close(weight, factor * large[key])


def test_each_block_starts_as_a_multiple_of_the_identity() -> None:
    torch.manual_seed(0)
    body = RRDBNet(width=16, growth=8, num_blocks=4, initialisation_gain=1e-3).body
    features = torch.randn(1, 16, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(body(features), 1.2**4 * features, atol=1e-3, rtol=0)
