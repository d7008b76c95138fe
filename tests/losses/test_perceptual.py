from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.features.made_up import convolutions
from zoo.errors import RecipeError, ShapeError, WeightsError
from zoo.losses.base import Loss
from zoo.losses.perceptual import VGG16, VGG19, VGG_DEPTHS, Perceptual, vgg_places
from zoo.recipes.arguments import parameters
from zoo.recipes.checks import check_registry

SMALL: dict[str, Any] = {"network": "test_resnet", "layer": "layer1", "weights": "random"}
RANDOM: dict[str, Any] = {"weights": "random"}
SEVERAL = {"conv1_1": 0.5, "conv1_2": 0.1, "conv2_1": 1, "conv3_3": 2}
REAL_ESRGAN = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1, "conv4_4": 1, "conv5_4": 1}
PARAMETERS = {VGG16: 14_714_688, VGG19: 20_024_384}
"""Of all convolutions: 9 weights for each pair of channels, and a bias each."""
VGGS = pytest.mark.parametrize("vgg", [VGG16, VGG19])
DEEPEST = {VGG16: "conv5_3", VGG19: "conv5_4"}


def network_of(vgg: type[Loss]) -> str:
    return vgg.__name__.lower()


def two_images(side: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 1, 3, side, side, generator=generator)
    return first, second


@pytest.fixture
def vgg_before() -> VGG19:
    """VGG54 before activation; it and what follows it take one and the same random draw."""
    return VGG19(weights="random")


# --- Where the layers are ---


@pytest.mark.parametrize(
    ("network", "layer", "index"),
    [
        ("vgg19", "conv1_1", 0),
        ("vgg19", "conv1_2", 2),
        ("vgg19", "conv2_2", 7),
        ("vgg19", "conv3_4", 16),
        ("vgg19", "conv5_1", 28),
        ("vgg19", "conv5_4", 34),
        ("vgg16", "conv1_1", 0),
        ("vgg16", "conv1_2", 2),
        ("vgg16", "conv2_1", 5),
        ("vgg16", "conv2_2", 7),
        ("vgg16", "conv3_1", 10),
        ("vgg16", "conv3_3", 14),
        ("vgg16", "conv4_1", 17),
        ("vgg16", "conv4_3", 21),
        ("vgg16", "conv5_1", 24),
        ("vgg16", "conv5_3", 28),
    ],
)
def test_places_of_the_convolutions(network: str, layer: str, index: int) -> None:
    assert vgg_places(VGG_DEPTHS[network])[layer] == index


@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_places_are_those_of_the_networks_layers(network: str) -> None:
    layers, names = list(convolutions(network)), []
    block, position = 1, 1
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            names.append(f"conv{block}_{position}")
            position += 1
        elif isinstance(layer, nn.MaxPool2d):
            block, position = block + 1, 1
    places = vgg_places(VGG_DEPTHS[network])
    assert list(places) == names
    assert all(isinstance(layers[place], nn.Conv2d) for place in places.values())
    assert all(isinstance(layers[place + 1], nn.ReLU) for place in places.values())


@VGGS
def test_a_recipe_may_name_each_layer_there_is_and_no_other(vgg: type[Perceptual]) -> None:
    known = parameters(vgg)
    names = list(vgg_places(VGG_DEPTHS[network_of(vgg)]))
    assert [known["layer"].read(name) for name in names] == names
    assert known["layers"].read(dict.fromkeys(names, 1)) == dict.fromkeys(names, 1)
    for wrong in {"conv3_5", "conv6_1", "conv1_3", "conv5_4", "features.2"} - set(names):
        for name, value in (("layer", wrong), ("layers", {wrong: 1})):
            with pytest.raises(ValidationError, match="Input should be 'conv1_1'"):
                known[name].read(value)
    for weight in (0, -1):
        with pytest.raises(ValidationError, match="greater than 0"):
            known["layers"].read({"conv1_1": weight})


@VGGS
def test_it_ends_at_the_convolution(vgg: type[Perceptual]) -> None:
    loss = vgg(**RANDOM)
    assert sum(parameter.numel() for parameter in loss.parameters()) == PARAMETERS[vgg]
    with torch.no_grad():
        (features,) = loss.features(torch.rand(1, 3, 32, 48))
    assert features.shape == (1, 512, 2, 3)
    assert features.min() < 0


@VGGS
def test_after_activation_is_the_rectified_layer(vgg: type[Perceptual]) -> None:
    before, after = vgg(**RANDOM), vgg(before_activation=False, **RANDOM)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(after.features(image)[0], before.features(image)[0].relu())
    assert after.provenance()["layer"] == f"{DEEPEST[vgg]} after activation"


@VGGS
@pytest.mark.parametrize("layers", [{"conv2_1": 1}, {"conv2_1": 1, "conv1_1": 1}])
def test_nothing_behind_the_deepest_layer_is_computed(
    vgg: type[Perceptual], layers: dict[str, float]
) -> None:
    """Three convolutions for each image: 2 x 9 x products of channels for each pixel."""
    loss = vgg(layers=layers, **RANDOM)
    assert sum(p.numel() for p in loss.parameters()) == 1792 + 36_928 + 73_856
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        loss(*two_images(16))
    pixels = 16 * 16
    products = (3 * 64 + 64 * 64) * pixels + 64 * 128 * pixels // 4
    assert counter.get_total_flops() == 2 * 2 * 9 * products


# --- Several layers ---


@VGGS
@pytest.mark.parametrize("before_activation", [True, False])
@pytest.mark.parametrize("criterion", ["mse", "l1"])
def test_several_layers_are_the_weighted_sum_of_each(
    vgg: type[Perceptual], criterion: str, *, before_activation: bool
) -> None:
    """A ReLU in place must not change what an earlier layer gave."""
    said = {"criterion": criterion, "before_activation": before_activation, "feature_scale": 0.5}
    images = two_images()
    expected = sum(
        weight * vgg(layer=layer, **said, **RANDOM)(*images) for layer, weight in SEVERAL.items()
    )
    backwards = dict(reversed(SEVERAL.items()))
    for layers in (SEVERAL, backwards):
        together = vgg(layers=layers, **said, **RANDOM)(*images)
        torch.testing.assert_close(together, expected)
    assert expected > 0


def test_the_layers_of_real_esrgan() -> None:
    images = two_images()
    expected = sum(
        weight * VGG19(layer=layer, criterion="l1", **RANDOM)(*images)
        for layer, weight in REAL_ESRGAN.items()
    )
    loss = VGG19(layers=REAL_ESRGAN, criterion="l1", **RANDOM)
    torch.testing.assert_close(loss(*images), expected)
    assert loss.provenance()["layer"] == (
        "0.1 conv1_2 + 0.1 conv2_2 + 1 conv3_4 + 1 conv4_4 + 1 conv5_4 before activation"
    )


@VGGS
def test_one_layer_of_weight_one_is_the_plain_loss(vgg: type[Perceptual]) -> None:
    images = two_images()
    plain, named = vgg(**RANDOM), vgg(layers={DEEPEST[vgg]: 1}, layer="conv1_1", **RANDOM)
    assert named(*images) == plain(*images) > 0
    assert named.provenance() == plain.provenance()


@pytest.mark.slow
def test_several_layers_of_any_network() -> None:
    images = two_images(24)
    layers = {"blocks.2": 0.1, "blocks.0": 1.0}
    expected = sum(weight * Perceptual(layer=layer)(*images) for layer, weight in layers.items())
    loss = Perceptual(layers=layers)
    torch.testing.assert_close(loss(*images), expected)
    assert loss.provenance()["layer"] == "0.1 blocks.2 + 1 blocks.0"


@pytest.mark.parametrize(
    ("layers", "before_activation", "text"),
    [
        ({"conv1_1": 0.25, "conv1_2": 3}, True, "0.25 conv1_1 + 3 conv1_2 before activation"),
        ({"conv1_2": 3, "conv1_1": 1}, False, "3 conv1_2 + 1 conv1_1 after activation"),
        ({"conv1_2": 1}, False, "conv1_2 after activation"),
    ],
)
def test_provenance_names_every_layer(
    layers: dict[str, float], text: str, *, before_activation: bool
) -> None:
    loss = VGG16(layers=layers, before_activation=before_activation, **RANDOM)
    facts = dict(loss.provenance())
    assert len(facts.pop("sha256")) == 64
    assert facts == {"network": "vgg16", "layer": text, "weights": "random"}


# --- Mistakes ---


@pytest.mark.parametrize(
    ("loss", "arguments", "message"),
    [
        (VGG19, {"layer": "conv5_5"}, "vgg19 has no layer 'conv5_5'; did you mean 'conv5_"),
        (VGG16, {"layer": "conv5_4"}, "vgg16 has no layer 'conv5_4'; did you mean 'conv5_3'"),
        (VGG16, {"layer": "conv3_4"}, "vgg16 has no layer 'conv3_4'; did you mean 'conv3_3'"),
        (VGG19, {"layer": "relu"}, "vgg19 has no layer 'relu'"),
        (VGG19, {"layers": {"conv5_4": 1, "con1_2": 1}}, "'con1_2'; did you mean 'conv1_2'"),
        (VGG16, {"layers": REAL_ESRGAN}, "vgg16 has no layer 'conv3_4'; did you mean 'conv3_3'"),
        (Perceptual, {"layers": {"block.2": 1}}, "no layer 'block.2'; did you mean 'blocks.2'"),
        (VGG19, {"layers": {}}, "`layers` is empty: write {conv5_4: 1}, or omit it"),
        (VGG16, {"layers": {}}, "`layers` is empty: write {conv5_3: 1}, or omit it"),
        (Perceptual, {"layers": {}}, "`layers` is empty: write {blocks.2: 1}, or"),
    ],
)
def test_layers_that_there_are_not(
    loss: type[Perceptual], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        loss(**arguments)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("vgg19: {layers: {conv55: 1}}", ".losses.vgg19.layers.conv55: 'conv55' should be"),
        ("vgg19: {layers: {conv55: 1}}", "did you mean 'conv5_4'?"),
        ("vgg16: {layers: {conv5_4: 1}}", "did you mean 'conv5_3'?"),
        ("vgg16: {layers: {conv5_3: -1}}", "-1 should be greater than 0"),
        ("vgg19: {layers: {}}", ".losses.vgg19.layers: a mapping should have at least 1 value"),
        ("perceptual: {layers: {}}", ".losses.perceptual.layers: a mapping should have at least 1"),
        ("lpips: {network: alexnett}", "'alexnett' should be 'vgg16' or 'alexnet'; did you mean"),
    ],
)
def test_the_checker_finds_them_before_anything_is_built(
    loss: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    recipe = f"  mine:\n    generator: srresnet\n    losses:\n      {loss}\n"
    file.write_text(f"version: 1\nrecipes:\n{recipe}", encoding="utf-8")
    problems = [str(problem) for problem in check_registry([file])]
    assert all(problem.startswith(f"{file}:6: recipes.mine.losses") for problem in problems)
    assert any(message in problem for problem in problems), problems


def test_images_of_other_sizes_are_refused(vgg_before: VGG19) -> None:
    with pytest.raises(ShapeError):
        vgg_before(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 48))


def test_provenance_names_network_layer_source_and_hash(vgg_before: VGG19) -> None:
    facts = dict(vgg_before.provenance())
    assert len(facts.pop("sha256")) == 64
    assert facts == {"network": "vgg19", "layer": "conv5_4 before activation", "weights": "random"}


@VGGS
def test_missing_weights_name_the_ways_out(
    vgg: type[Perceptual], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    network = network_of(vgg)
    with pytest.raises(WeightsError) as caught:
        vgg()
    message = str(caught.value)
    assert f"zoo weights get {network}" in message
    assert f"zoo weights add {network} FILE" in message
    assert "'perceptual' on 'efficientnet-lite0'" in message
    assert "\n" not in message


# --- Values and gradients ---


def test_identical_images_have_no_distance() -> None:
    image = torch.rand(2, 3, 24, 40)
    assert Perceptual()(image, image) == 0


@pytest.mark.parametrize(("criterion", "factor"), [("mse", 12.75**-2), ("l1", 12.75**-1)])
def test_feature_scale_is_a_factor_on_the_features(criterion: str, factor: float) -> None:
    first, second = torch.rand(2, 1, 3, 24, 24)
    plain = Perceptual(**SMALL, criterion=criterion)
    scaled = Perceptual(**SMALL, criterion=criterion, feature_scale=1 / 12.75)
    torch.testing.assert_close(scaled(first, second), plain(first, second) * factor)
    features = plain.features(first)[0] - plain.features(second)[0]
    expected = features.square().mean() if criterion == "mse" else features.abs().mean()
    torch.testing.assert_close(plain(first, second), expected)


@pytest.mark.parametrize("layers", [None, {"blocks.2": 1, "blocks.0": 1}])
def test_gradient_reaches_the_generated_image_alone(layers: dict[str, float] | None) -> None:
    sr_image, hr_image = torch.rand(2, 2, 3, 24, 24).requires_grad_().unbind()
    sr_image.retain_grad()
    hr_image.retain_grad()
    Perceptual(layers=layers)(sr_image, hr_image).backward()
    assert sr_image.grad is not None
    assert sr_image.grad.any()
    assert hr_image.grad is None


@pytest.mark.parametrize("criterion", ["mse", "l1"])
@pytest.mark.parametrize(
    "make",
    [
        lambda **given: Perceptual(**SMALL, **given),
        lambda **given: VGG16(layers=SEVERAL, **RANDOM, **given),
    ],
    ids=["one layer", "several"],
)
def test_distance_is_float32_under_autocast(
    make: Callable[..., Perceptual], criterion: str
) -> None:
    loss = make(criterion=criterion)
    first, second = two_images(24)
    first.requires_grad_()
    exact = loss(first, second)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = loss(first, second)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0)
    (gradient,) = torch.autograd.grad(rounded, first)
    assert gradient.dtype == torch.float32
    assert gradient.isfinite().all()
    assert gradient.any()


@VGGS
@pytest.mark.parametrize("criterion", ["mse", "l1"])
def test_between_black_and_a_dot_the_gradient_is_finite(
    vgg: type[Perceptual], criterion: str
) -> None:
    black = torch.zeros(1, 3, 32, 32)
    dot = black.clone()
    dot[..., 13:16, 13:16] = 1
    loss = vgg(layers={"conv1_2": 1, DEEPEST[vgg]: 1}, criterion=criterion, **RANDOM)
    for first, second in ((black, dot), (dot, black), (black, black)):
        image = first.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(image, second), image)
        assert gradient.isfinite().all()
        assert bool(gradient.any()) == (first is not second)
