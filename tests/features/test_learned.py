"""LPIPS and DISTS as networks: closed forms, gradients, and where piq's own classes differ.

Agreement with the authors' packages is in `tests/metrics/test_references.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import piq
import pytest
import torch
from piq.perceptual import ContentLoss
from torch import Tensor, nn

from tests.features.made_up import (
    LEARNED,
    filled_convolutions,
    random_parameters,
    random_trunk,
)
from zoo.errors import WeightsError
from zoo.features.learned import (
    DISTSNetwork,
    LPIPSNetwork,
    Prepared,
    dists_network,
    lpips_network,
)
from zoo.weights import store
from zoo.weights.catalog import PARAMETERS
from zoo.weights.entries import IMAGENET_MEAN, IMAGENET_STD
from zoo.weights.tensors import tensors_sha256

RELUS = {"vgg16": (3, 8, 15, 22, 29), "alexnet": (1, 4, 7, 9, 11)}
"""Places in torchvision's layers of the activations that LPIPS compares."""
C = 1e-6
"""The constant of DISTS' similarities."""


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `random` weights be the made-up ones: VGG's own draw takes two seconds."""
    monkeypatch.setattr(store, "_random", lambda entry: random_trunk(entry.name))


def activations(network: str, image: Tensor) -> Iterator[Tensor]:
    """Yield what LPIPS compares, from torchvision's layers."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    values = (image - mean) / std
    layers = filled_convolutions(network, random_trunk(network))[: RELUS[network][-1] + 1]
    for place, layer in enumerate(layers):
        values = layer(values)
        if place in RELUS[network]:
            yield values.clone()


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("network", ["vgg16", "alexnet"])
def test_random_lpips_is_the_squared_distance_of_unit_features(network: str) -> None:
    """With linear weights of 1: summed over channels and layers, averaged over pixels."""
    first, second = torch.rand(2, 1, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(())
    for pair in zip(activations(network, first), activations(network, second), strict=True):
        one, other = (features / features.norm(dim=1, keepdim=True) for features in pair)
        expected += (one - other).square().sum(dim=1).mean()
    found = lpips_network(network, "random").network(first, second)
    assert expected > 0.5
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("drawn")
def test_dists_of_constant_images_by_hand() -> None:
    """Weights on the image alone: means differ, and nothing varies, so that structure agrees."""
    trunk = filled_convolutions("vgg16", random_trunk("vgg16"))[:30]
    parts = {name: torch.zeros(PARAMETERS["dists"].shapes[name]) for name in ("alpha", "beta")}
    parts["alpha"][:, :3], parts["beta"][:, :3] = 3.0, 1.0
    network = DISTSNetwork(trunk, **parts)
    first, second = (torch.full((1, 3, 16, 16), value) for value in (0.25, 0.75))
    means_agree = (2 * 0.25 * 0.75 + C) / (0.25**2 + 0.75**2 + C)
    assert float(network(first, second)) == pytest.approx(0.75 * (1 - means_agree), abs=1e-5)
    assert float(network(second, second)) == pytest.approx(0, abs=1e-6)


def dists_on_made_up_weights(factor: float = 1.0) -> DISTSNetwork:
    trunk = filled_convolutions("vgg16", random_trunk("vgg16"))[:30]
    parts = {name: factor * value for name, value in random_parameters("dists").items()}
    return DISTSNetwork(trunk, **parts)


def test_only_the_ratios_of_alpha_and_beta_count() -> None:
    first, second = torch.rand(2, 1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    one, thrice = (dists_on_made_up_weights(factor)(first, second) for factor in (1, 3))
    assert one > 0.01
    torch.testing.assert_close(one, thrice)


def test_large_images_are_not_shrunk_as_piq_would(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Size] = []

    def compared(self: ContentLoss, first: Tensor, second: Tensor) -> Tensor:
        seen.append(first.shape)
        return (first - second).sum()

    monkeypatch.setattr(ContentLoss, "forward", compared)
    network, pair = dists_on_made_up_weights(), torch.rand(2, 1, 3, 300, 258)
    network(*pair)
    piq.DISTS.forward(network, *pair)
    assert seen == [(1, 3, 300, 258), (1, 3, 297, 256)]


def test_kernels_of_poolings_follow_the_network() -> None:
    """piq makes each of the first image it sees, and keeps it where that one was."""
    network = dists_on_made_up_weights()
    kernels = {name: value for name, value in network.named_buffers() if "kernel" in name}
    assert [value.shape for value in kernels.values()] == [
        (channels, 1, 3, 3) for channels in (64, 128, 256, 512)
    ]
    assert all(float(one[0].sum()) == pytest.approx(1) for one in kernels.values())
    assert not any("kernel" in name for name in network.state_dict())
    image = torch.rand(1, 3, 20, 20)
    assert network.double()(image.double(), image.double() / 2).dtype == torch.float64
    assert all(value.is_meta for value in network.to("meta").buffers())


def black_and_dot() -> tuple[Tensor, Tensor]:
    """Return a black image and one with a white dot, `(1, 3, 32, 32)`."""
    black = torch.zeros(1, 3, 32, 32)
    dot = black.clone()
    dot[..., 13:16, 13:16] = 1
    return black, dot


def gradient_at_no_feature(normalize: Callable[[Tensor], Tensor]) -> Tensor:
    features = torch.zeros(1, 4, 2, 3)
    features[..., 0] = 1
    features.requires_grad_()
    other = torch.rand(1, 4, 2, 3)
    (normalize(features) - normalize(other)).square().sum().backward()
    assert features.grad is not None
    return features.grad[..., 1:]


def test_unit_vectors_of_no_feature_have_a_gradient() -> None:
    """piq's own normalisation, the root of a sum of squares, has none there."""
    features = torch.randn(2, 4, 5, 6)
    torch.testing.assert_close(
        LPIPSNetwork.normalize(features), ContentLoss.normalize(features), rtol=1e-6, atol=1e-7
    )
    assert gradient_at_no_feature(LPIPSNetwork.normalize).isfinite().all()
    assert gradient_at_no_feature(ContentLoss.normalize).isnan().all()


def test_where_there_is_no_feature_the_image_has_a_gradient() -> None:
    """One layer without a feature where the image is black, in closed form."""
    trunk = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    nn.init.ones_(trunk[0].weight)
    nn.init.zeros_(trunk[0].bias)
    network = LPIPSNetwork(trunk, {"relu1": torch.ones(1, 4, 1, 1)})
    black, dot = black_and_dot()
    for first, second in ((dot, black), (black, dot)):
        image = first.clone().requires_grad_()
        value = network(image, second)
        value.backward()
        torch.testing.assert_close(value.detach(), torch.tensor(9 / 32**2))
        assert image.grad is not None
        assert image.grad.isfinite().all()


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize("build", [lpips_network, dists_network])
@pytest.mark.parametrize("swapped", [False, True])
def test_gradients_between_black_and_a_dot_are_finite(
    build: Callable[..., Prepared], *, swapped: bool
) -> None:
    pair = black_and_dot()
    first, second = reversed(pair) if swapped else pair
    network = (build("vgg16") if build is lpips_network else build()).network
    first.requires_grad_()
    network(first, second).backward()
    assert first.grad is not None
    assert first.grad.isfinite().all()
    assert first.grad.any()


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(("network", "side"), [("vgg16", 16), ("alexnet", 31)])
def test_the_smallest_image_that_has_deepest_features(network: str, side: int) -> None:
    lpips = lpips_network(network, "random").network
    for height, width in ((side, side), (side, 3 * side)):
        first, second = torch.rand(2, 1, 3, height, width)
        assert lpips(first, second) > 0
    with pytest.raises(RuntimeError, match="too small"):
        lpips(*torch.rand(2, 1, 3, side - 1, side))


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize("network", ["vgg16", "alexnet"])
def test_nothing_behind_the_deepest_layer_is_kept(network: str) -> None:
    lpips = lpips_network(network).network
    assert len(lpips.model) == RELUS[network][-1] + 1
    assert isinstance(lpips.model[-1], nn.ReLU)
    if network == "vgg16":
        dists = dists_network().network
        assert [type(layer) is nn.MaxPool2d for layer in dists.model].count(True) == 0
        assert len(dists.model) == 30


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize("network", ["vgg16", "alexnet"])
def test_lpips_says_what_it_is_made_of(network: str) -> None:
    prepared = lpips_network(network)
    trunk = {name.removeprefix("features."): value for name, value in random_trunk(network).items()}
    linear = random_parameters("lpips")
    group = {
        name.removeprefix(f"{network}."): value
        for name, value in linear.items()
        if name.startswith(network)
    }
    assert prepared.provenance == {
        "network": network,
        "weights": "imagenet",
        "sha256": tensors_sha256(trunk),
        "verified": "not verified",
        "linear_sha256": tensors_sha256(group),
        "linear_verified": "not verified",
        "piq": piq.__version__,
    }
    assert not any(parameter.requires_grad for parameter in prepared.network.parameters())


@pytest.mark.usefixtures("filled_store")
def test_dists_says_what_it_is_made_of() -> None:
    provenance = dists_network().provenance
    trunk = {name.removeprefix("features."): one for name, one in random_trunk("vgg16").items()}
    assert provenance["network"] == "vgg16"
    assert provenance["sha256"] == tensors_sha256(trunk)
    assert provenance["parameters_sha256"] == tensors_sha256(random_parameters("dists"))
    assert provenance["parameters_verified"] == "not verified"


@pytest.mark.usefixtures("drawn")
def test_random_weights_are_said_to_be_random() -> None:
    for prepared in (lpips_network("vgg16", "random"), dists_network("random")):
        assert prepared.provenance["weights"] == "random"


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("name", LEARNED)
def test_a_trunk_alone_is_not_enough(name: str) -> None:
    """A file of a trunk still takes the parameters of the store; without them it says so."""
    build = lpips_network if name == "lpips" else dists_network
    arguments = ("vgg16",) if name == "lpips" else ()
    with pytest.raises(WeightsError, match=f"zoo weights get {name}"):
        build(*arguments, weights="trunk.pth")
