"""LPIPS and DISTS as losses: the metrics' own values, with gradients that can be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.features.made_up import random_parameters, random_trunk
from zoo.errors import ShapeError, WeightsError
from zoo.losses.base import Loss
from zoo.losses.learned import DISTS, LPIPS
from zoo.registry import METRICS
from zoo.weights import store
from zoo.weights.entries import IMAGENET_MEAN
from zoo.weights.tensors import tensors_sha256

ALEXNET = {"network": "alexnet"}
CASES: list[tuple[type[Loss], dict[str, Any], str]] = [
    (LPIPS, {}, "lpips"),
    (LPIPS, ALEXNET, "lpips-alex"),
    (DISTS, {}, "dists"),
]
"""Loss, arguments, and the metric that computes the same."""
EACH = pytest.mark.parametrize(("loss", "arguments", "metric"), CASES)


def two_batches(batch: int = 2) -> tuple[Tensor, Tensor]:
    """Return `(N, 3, 37, 45)` images of 8 bits."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (2, batch, 3, 37, 45), generator=generator)
    first, second = levels.float() / 255
    return (first + 2 * second) / 3, second


def quantized(image: Tensor) -> Tensor:
    return (255 * image).round() / 255


@pytest.mark.usefixtures("filled_store")
@EACH
def test_it_is_the_metric_on_the_same_images(
    loss: type[Loss], arguments: dict[str, Any], metric: str
) -> None:
    """Of 8-bit images whose border is not cut; of a batch, the mean."""
    sr_images, hr_images = two_batches()
    sr_images = quantized(sr_images)
    scores = [
        METRICS.get(metric)()(sr_image, hr_image, scale=0)
        for sr_image, hr_image in zip(sr_images, hr_images, strict=True)
    ]
    found = loss(**arguments)(sr_images, hr_images)
    assert min(scores) > 0.01
    assert float(found) == pytest.approx(sum(scores) / 2, abs=1e-6)


@pytest.mark.usefixtures("filled_store")
@EACH
def test_it_says_the_same_of_its_weights_as_the_metric(
    loss: type[Loss], arguments: dict[str, Any], metric: str
) -> None:
    """Without who verified them, and without the version of piq: neither makes another run."""
    known = METRICS.get(metric)().provenance()
    found = dict(loss(**arguments).provenance())
    parameters = "parameters_sha256" if metric == "dists" else "linear_sha256"
    assert found.keys() == {"network", "weights", "sha256", parameters}
    assert found == {key: known[key] for key in found}
    assert found["weights"] == "imagenet"


@EACH
def test_random_weights_are_asked_for_by_name(
    loss: type[Loss], arguments: dict[str, Any], metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "fetched", lambda *_, **__: pytest.fail("asked a source"))
    made = loss(**arguments, weights="random")
    assert made.provenance()["weights"] == "random"
    assert made(*two_batches()) > 0


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize("network", ["vgg16", "alexnet"])
def test_a_trunk_from_a_file(network: str, tmp_path: Path) -> None:
    other = {name: 2 * value for name, value in random_trunk(network).items()}
    torch.save(other, tmp_path / "trunk.pth")
    found = LPIPS(network=network, weights=str(tmp_path / "trunk.pth")).provenance()
    assert found["weights"] == "file"
    assert found["sha256"] == tensors_sha256(
        {name.removeprefix("features."): value for name, value in other.items()}
    )
    own = {n: v for n, v in random_parameters("lpips").items() if n.startswith(network)}
    assert found["linear_sha256"] == tensors_sha256(
        {name.removeprefix(f"{network}."): value for name, value in own.items()}
    )


@EACH
def test_missing_weights_name_the_command(
    loss: type[Loss], arguments: dict[str, Any], metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match=f"zoo weights get {metric.removesuffix('-alex')}"):
        loss(**arguments)


@EACH
def test_of_equal_images_it_is_zero_and_so_is_its_gradient(
    loss: type[Loss], arguments: dict[str, Any], metric: str
) -> None:
    """That of DISTS but for rounding: its terms are quotients that are 1."""
    made = loss(**arguments, weights="random")
    sr_images, hr_images = two_batches()
    gradients = []
    for first in (hr_images, sr_images):
        images = first.clone().requires_grad_()
        value = made(images, hr_images)
        (gradient,) = torch.autograd.grad(value, images)
        gradients.append(float(gradient.abs().max()))
        if first is hr_images:
            assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    rounding = 1e-3 if metric == "dists" else 0
    assert gradients[1] > 0
    assert gradients[0] <= rounding * gradients[1]


@pytest.mark.parametrize("colour", [(0.0, 0.0, 0.0), IMAGENET_MEAN])
@EACH
def test_where_there_is_no_feature_the_gradient_is_finite(
    loss: type[Loss], arguments: dict[str, Any], metric: str, colour: tuple[float, ...]
) -> None:
    """A plain image against one with a dot.

    Random VGG has no biases: of the mean colour, which becomes 0, it has no feature in any layer.
    """
    plain = torch.tensor(colour).view(1, 3, 1, 1).repeat(1, 1, 33, 33)
    dot = plain.clone()
    dot[..., 13:16, 13:16] = 1
    made = loss(**arguments, weights="random")
    for first, second in ((plain, dot), (dot, plain), (plain, plain)):
        image = first.clone().requires_grad_()
        value = made(image, second)
        (gradient,) = torch.autograd.grad(value, image)
        assert gradient.isfinite().all()
        if first is not second:
            assert value > 0
        elif metric != "dists":  # its covariance, E[xy] - E[x] E[y], is rounding where x is plain
            assert value == 0
    # DISTS compares the image itself too; its poolings add 1e-12 under their roots
    features = made.network.get_features(plain)[metric == "dists"]  # type: ignore[operator]
    no_feature = colour == IMAGENET_MEAN and arguments != ALEXNET
    assert bool(features.any()) is not no_feature


@EACH
def test_the_gradient_reaches_the_generated_images_alone(
    loss: type[Loss], arguments: dict[str, Any], metric: str
) -> None:
    sr_images, hr_images = (images.requires_grad_() for images in two_batches())
    loss(**arguments, weights="random")(sr_images, hr_images).backward()
    assert sr_images.grad is not None
    assert sr_images.grad.flatten(1).any(dim=1).all()
    assert hr_images.grad is None


@EACH
def test_it_is_computed_in_float32_under_autocast(
    loss: type[Loss], arguments: dict[str, Any], metric: str
) -> None:
    made = loss(**arguments, weights="random")
    sr_images, hr_images = two_batches()
    sr_images.requires_grad_()
    exact = made(sr_images, hr_images)
    (gradient,) = torch.autograd.grad(exact, sr_images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = made(sr_images, hr_images)
        halved = made(sr_images.bfloat16(), hr_images)
    (found,) = torch.autograd.grad(under_autocast, sr_images)
    assert under_autocast.dtype == halved.dtype == found.dtype == torch.float32
    assert torch.equal(under_autocast, exact)
    assert torch.equal(found, gradient)
    torch.testing.assert_close(halved, exact, rtol=0.05, atol=0)


@pytest.mark.usefixtures("filled_store")
@EACH
def test_its_network_is_its_own(loss: type[Loss], arguments: dict[str, Any], metric: str) -> None:
    """A run moves it to its device and type; the metric stays where it is, and as it is."""
    sr_images, hr_images = two_batches(1)
    before = METRICS.get(metric)()(sr_images[0], hr_images[0], scale=0)
    made = loss(**arguments).train().to(torch.float64)
    assert not made.training
    assert not any(module.training for module in made.modules())
    assert not any(parameter.requires_grad for parameter in made.parameters())
    assert made(sr_images, hr_images).dtype == torch.float32
    assert METRICS.get(metric)()(sr_images[0], hr_images[0], scale=0) == before


@EACH
def test_images_of_other_sizes_are_refused(
    loss: type[Loss], arguments: dict[str, Any], metric: str
) -> None:
    made = loss(**arguments, weights="random")
    with pytest.raises(ShapeError, match=r"\(1, 3, 40, 40\) and \(1, 3, 40, 41\)"):
        made(torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 41))
