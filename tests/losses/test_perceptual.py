from __future__ import annotations

from typing import Any

import pytest
import torch

from zoo.errors import WeightsError
from zoo.losses.perceptual import VGG19, Perceptual, vgg19_index
from zoo.weights.store import LoadedWeights, load

SMALL: dict[str, Any] = {"network": "test_resnet", "layer": "layer1", "weights": "random"}


@pytest.fixture(scope="module")
def random_vgg19() -> LoadedWeights:
    return load("vgg19", "random")


@pytest.fixture
def vgg_before(random_vgg19: LoadedWeights, monkeypatch: pytest.MonkeyPatch) -> VGG19:
    """VGG54 before activation; it and what follows it take one and the same random draw."""
    monkeypatch.setattr("zoo.losses.features.load", lambda *_: random_vgg19)
    return VGG19(weights="random")


@pytest.mark.parametrize(
    ("layer", "index"),
    [
        ("conv1_1", 0),
        ("conv1_2", 2),
        ("conv2_2", 7),
        ("conv3_4", 16),
        ("conv5_1", 28),
        ("conv5_4", 34),
    ],
)
def test_places_of_the_convolutions(layer: str, index: int) -> None:
    assert vgg19_index(layer) == index  # type: ignore[arg-type]


def test_vgg54_ends_at_the_convolution(vgg_before: VGG19) -> None:
    count = sum(parameter.numel() for parameter in vgg_before.parameters())
    assert count == 20_024_384
    with torch.no_grad():
        features = vgg_before.features(torch.rand(1, 3, 32, 48))
    assert features.shape == (1, 512, 2, 3)
    assert features.min() < 0


def test_after_activation_is_the_rectified_layer(vgg_before: VGG19) -> None:
    after = VGG19(before_activation=False, weights="random")
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(after.features(image), vgg_before.features(image).relu())
    assert after.provenance()["layer"] == "conv5_4 after activation"


def test_provenance_names_network_layer_source_and_hash(vgg_before: VGG19) -> None:
    facts = dict(vgg_before.provenance())
    assert len(facts.pop("sha256")) == 64
    assert facts == {"network": "vgg19", "layer": "conv5_4 before activation", "weights": "random"}


def test_missing_weights_name_both_ways_out() -> None:
    with pytest.raises(WeightsError) as caught:
        VGG19()
    message = str(caught.value)
    assert "zoo weights add vgg19 FILE" in message
    assert "'perceptual' on 'efficientnet-lite0'" in message
    assert "\n" not in message


def test_identical_images_have_no_distance() -> None:
    image = torch.rand(2, 3, 24, 40)
    assert Perceptual()(image, image) == 0


@pytest.mark.parametrize(("criterion", "factor"), [("mse", 12.75**-2), ("l1", 12.75**-1)])
def test_feature_scale_is_a_factor_on_the_features(criterion: str, factor: float) -> None:
    first, second = torch.rand(2, 1, 3, 24, 24)
    plain = Perceptual(**SMALL, criterion=criterion)
    scaled = Perceptual(**SMALL, criterion=criterion, feature_scale=1 / 12.75)
    torch.testing.assert_close(scaled(first, second), plain(first, second) * factor)
    features = plain.features(first) - plain.features(second)
    expected = features.square().mean() if criterion == "mse" else features.abs().mean()
    torch.testing.assert_close(plain(first, second), expected)


def test_gradient_reaches_the_generated_image_alone() -> None:
    sr_image, hr_image = torch.rand(2, 2, 3, 24, 24).requires_grad_().unbind()
    sr_image.retain_grad()
    hr_image.retain_grad()
    Perceptual()(sr_image, hr_image).backward()
    assert sr_image.grad is not None
    assert sr_image.grad.any()
    assert hr_image.grad is None


@pytest.mark.parametrize("criterion", ["mse", "l1"])
def test_distance_is_float32_under_autocast(criterion: str) -> None:
    loss = Perceptual(**SMALL, criterion=criterion)
    first, second = torch.rand(2, 1, 3, 24, 24)
    exact = loss(first, second)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = loss(first, second)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0)
