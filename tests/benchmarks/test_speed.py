"""The benchmark of training: two loops of one mathematics, and a page of what they did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import nn
from torch._inductor import config as inductor

from benchmarks.speed import ablation, precision, reference
from benchmarks.speed.__main__ import main
from benchmarks.speed.check import EXACT, LIMIT, check_family
from benchmarks.speed.loops import Pair, PlainLoop, Switches, ZooLoop, open_pair, run_block
from benchmarks.speed.page import as_markdown
from benchmarks.speed.rates import (
    PASSES,
    OperationCounter,
    convolution_rate,
    count_operations,
)
from benchmarks.speed.sizes import FAMILIES, SIZES, specify
from benchmarks.speed.subimages import SIDE, SubImages, _starts, _turned, write_subimages
from zoo.data.patches import PatchStore
from zoo.data.sources import open_source
from zoo.errors import RecipeError
from zoo.recipes.build import build_components
from zoo.recipes.schema import RunSpec
from zoo.train.ema import MovingAverage
from zoo.train.prepare import Options

CPU = Options(device="cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PatchStore:
    paths = open_source("samples", data_root=None).training_paths
    return PatchStore.open_or_build(paths, 4, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def folder(store: PatchStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of sub-images, written once."""
    made = tmp_path_factory.mktemp("sub-images")
    write_subimages(store, made)
    return made


def open_smoke(family: str, folder: Path) -> Pair:
    spec = specify(family, "smoke")
    return open_pair(spec, CPU, switches=Switches.now(), folder=folder, num_workers=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_the_recipes_of_the_registry(family: str, size: str) -> None:
    spec = specify(family, size)
    assert (spec.recipe, spec.profile) == (FAMILIES[family].recipe, SIZES[size].profile)
    assert spec.settings.is_adversarial == FAMILIES[family].adversarial
    if family == "esrgan-wgangp":
        assert spec.settings.adversary is not None
        assert spec.settings.adversary.arguments["discriminator_steps"] == 5


def test_a_wrong_setting_is_refused() -> None:
    with pytest.raises(RecipeError, match="batch_sise"):
        specify("srresnet", "smoke", settings=["data.batch_sise=4"])


def test_what_the_plain_loop_has_not_is_refused() -> None:
    spec = specify("srgan", "smoke", settings=["losses.vgg19=null", "adversary=hinge"])
    components, device = build_components(spec.settings, seed=0), torch.device("cpu")
    with pytest.raises(RecipeError, match="the plain loop has no adversary 'hinge'"):
        reference.Reference(components, spec.settings, num_steps=1, device=device)


def test_squares_cover_an_axis_and_end_at_its_border() -> None:
    assert _starts(120, 120, 60) == [0]
    assert _starts(185, 120, 60) == [0, 60, 65]


def test_subimages_are_the_pixels_of_the_store(store: PatchStore, folder: Path) -> None:
    images = SubImages(folder, lr_patch_size=SIDE // 4, scale=4, augment=False)
    assert len(images) > store.num_images
    lr_image, hr_image = images[0]  # as large as the sub-image: there is one place only
    assert torch.equal(hr_image, _numbers(store.hr(0)[:SIDE, :SIDE]))
    assert torch.equal(lr_image, _numbers(store.lr(0)[: SIDE // 4, : SIDE // 4]))


def _numbers(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255


def test_a_patch_larger_than_a_subimage_is_refused(folder: Path) -> None:
    SubImages(folder, lr_patch_size=SIDE // 4, scale=4, augment=False)
    with pytest.raises(RecipeError, match="patches of 484 pixels do not fit"):
        SubImages(folder, lr_patch_size=SIDE // 4 + 1, scale=4, augment=False)


def test_both_images_of_a_sample_are_of_one_place(folder: Path) -> None:
    images = SubImages(folder, lr_patch_size=24, scale=4, augment=True)
    with_any_turn = [images[number % len(images)] for number in range(16)]
    for lr_image, hr_image in with_any_turn:
        assert lr_image.shape == (3, 24, 24)
        small = torch.nn.functional.avg_pool2d(hr_image, 4)
        assert (small - lr_image).abs().mean() < 0.04


def test_all_eight_symmetries_come() -> None:
    patch_of_numbers = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
    flips = [[bool(code >> bit & 1) for bit in range(3)] for code in range(8)]
    assert len({_turned(patch_of_numbers, one).tobytes() for one in flips}) == 8


def test_a_block_counts_its_images_and_its_waiting(folder: Path) -> None:
    pair = open_smoke("srresnet", folder)
    for loop in (pair.plain, pair.own):
        block = run_block(loop, 3)
        assert block.images == 3 * loop.batch_size
        assert 0 < block.waiting < block.seconds
        assert block.rate == pytest.approx(block.images / block.seconds)
    assert pair.own.steps == 1 + 1 + 1 + 3, "a block begins with a step that is not timed"


def test_a_block_closes_its_batches(folder: Path) -> None:
    pair = open_smoke("srresnet", folder)
    closed: list[str] = []

    def batches(loop: PlainLoop | ZooLoop) -> Iterator[object]:
        try:
            while True:
                yield from original(loop)
        finally:
            closed.append(type(loop).__name__)

    original = ZooLoop.batches
    with patch.object(ZooLoop, "batches", batches):
        run_block(pair.own, 1)
    assert closed == ["ZooLoop"]


def test_operations_are_of_forward_and_backward(folder: Path) -> None:
    pair = open_smoke("srresnet", folder)
    generator = pair.plain.reference.generator
    with closing(pair.plain.batches()) as batches:
        (lr_image, _), _ = next(batches)
    counter = torch.utils.flop_counter.FlopCounterMode(display=False)
    with counter, torch.no_grad():
        generator(lr_image)
    forward = counter.get_total_flops()
    # backward does each product twice, but for the image's gradient, which nobody asks for
    assert 2 * forward < count_operations(pair.plain) < 3 * forward


def test_operations_of_a_penalty_are_those_of_its_convolutions() -> None:
    critic = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(4, 8, 3, padding=1)
    )
    real, fake = torch.rand(2, 2, 3, 8, 8)
    first, second = (2 * 9 * channels * 2 * 64 for channels in (3 * 4, 4 * 8))
    with OperationCounter() as forward:
        penalty = reference._gradient_penalty(critic, real, fake)
    assert forward.total == 2 * (first + second), "forward, and the gradient of the image"
    with OperationCounter() as backward:
        penalty.backward()
    # through the gradient: by each layer's weights and by what came to it; and through the forward
    # pass, down the first layer: by its weights and by the image (the last one is linear)
    assert backward.total == 2 * (first + second) + 2 * first


def test_switches_of_the_two_loops_stay_apart() -> None:
    before = Switches.now()
    replace(before, threads=2, matmul_precision="high").apply()
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (2, "high")
    before.apply()
    assert Switches.now() == before


@pytest.mark.slow
def test_the_rate_of_a_family_is_that_of_its_convolutions(folder: Path) -> None:
    pair = open_smoke("srgan", folder)
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    handles = [
        layer.register_forward_hook(count)
        for layer in pair.own.stage.state.generator.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    assert 0 < convolution_rate(pair.own) < 1e13
    assert calls == PASSES * len(handles)
    hooks = [len(layer._forward_hooks) for layer in pair.own.stage.state.generator.modules()]
    assert sum(hooks) == len(handles), "its own hooks are gone"


def test_an_average_taken_tensor_by_tensor_is_the_same() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    averages = MovingAverage(network, decay=0.9), ablation._TensorByTensor(network, decay=0.9)
    for _ in range(3):
        network(torch.rand(2, 3, 8, 8))  # moves the statistics
        for parameter in network.parameters():
            parameter.data += 1
        for average in averages:
            average.update_parameters(network)
    one, other = (average.module.state_dict() for average in averages)
    assert all(torch.allclose(one[name], other[name]) for name in one if "num_batches" not in name)


def test_cuda_graphs_are_asked_for_while_a_step_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        ablation.ZooLoop, "step", lambda *_: asked.append(inductor.triton.cudagraphs)
    )
    ablation._Graphs.step(ablation._Graphs.__new__(ablation._Graphs), ((), []))
    assert asked == [True]
    assert not inductor.triton.cudagraphs


@pytest.mark.slow
@pytest.mark.parametrize("one", ablation.OPTIMISATIONS, ids=lambda one: one.title)
def test_an_optimisation_is_taken_back(one: ablation.Optimisation) -> None:
    def specified(settings: Sequence[str]) -> RunSpec:
        return specify("esrgan-wgangp", "smoke", settings=settings)

    loops = ablation._open_pair(one, specified, CPU)
    only_on_a_gpu = bool(one.settings) and one.title != "channels_last"
    if only_on_a_gpu or one.title == "CUDA graphs":
        assert loops is None
        return
    assert loops is not None
    told = [_what_it_does(loops[name]) for name in ("with", "without")]
    differing = {title for title in told[0] if told[0][title] != told[1][title]}
    unasked = (
        {"losses not read"} if one.title == "fused Adam" else set()
    )  # plain Adam reads counters
    assert one.title in differing
    assert differing - unasked == {one.title}


def _what_it_does(loop: Any) -> dict[str, object]:
    """Take a step and return what tells whether a loop has each optimisation."""
    players, passes, gradients, read = loop.stage.state, 0, 0, 0
    item = torch.Tensor.item

    def count_read(value: torch.Tensor) -> object:
        nonlocal read
        read += 1
        return item(value)

    def count_pass(*_: object) -> None:
        nonlocal passes
        passes += 1

    def count_gradient(gradient: torch.Tensor) -> torch.Tensor:
        nonlocal gradients
        gradients += 1
        return gradient

    players.discriminator.register_forward_hook(count_pass)
    next(players.discriminator.parameters()).register_hook(count_gradient)
    with closing(loop.batches()) as batches:
        batch = next(batches)
        with patch.object(torch.Tensor, "item", count_read):
            loop.step(batch)
    return {
        "channels_last": batch[0][0].is_contiguous(memory_format=torch.channels_last),
        "fused Adam": players.generator_optimizer.defaults["fused"],
        "moving average in one call": type(players.ema),
        "losses not read": read > 5,
        "real and fake in one pass": passes,
        "discriminator frozen for the generator": gradients,
    }


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_both_loops_end_with_the_same_weights(family: str) -> None:
    fewer = ["adversary.discriminator_steps=2"] if family == "esrgan-wgangp" else []
    spec = specify(family, "smoke", settings=[*EXACT, *fewer])
    found = check_family(spec, CPU, switches=Switches.now())
    assert found["steps"] == 20
    assert found["float64"]["most"] < 1e-8 < LIMIT
    # where no gradient is zero by construction, float32 keeps within the limit as well
    if family == "esrgan":
        assert found["float32"]["largest"]["generator"] < LIMIT


@pytest.mark.slow
def test_other_mathematics_is_found_out() -> None:
    spec = specify("srresnet", "smoke", settings=EXACT)

    def absolute(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.l1_loss(first, second)

    with patch.dict(reference.DISTANCES, {"mse": absolute}):
        found = check_family(spec, CPU, switches=Switches.now(), num_steps=2)
    assert not found["passed"]
    assert found["float64"]["most"] > LIMIT


def test_the_page_shows_only_what_was_measured() -> None:
    document = {
        "size": "tiny", "device": "cpu", "command": "c", "summary": "s", "machine": "m",
        "versions": {"torch": "2"}, "threads": 1, "num_workers": 1, "revision": None,
        "families": {}, "rates": {}, "check": {}, "ablation": {"srgan": {}},
        "data": {
            "lr_patch_size": 24, "hr_patch_size": 96, "ratio": [40.0, 60.0, 50.0],
            "ratio_converted": [30.0, 20.0, 25.0],
            "crops_per_second": {"png": [100.0], "store": [5000.0], "store, converted": [2500.0]},
        },
    }  # fmt: skip
    page = as_markdown(document)
    assert "| patch store | 5,000 | 50 (40 to 60) |" in page
    assert page.count("\n## ") == 2


@pytest.mark.slow
def test_it_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--size", "smoke", "--device", "cpu", "--family", "srresnet", "srgan"]
    assert main([*options, "--repeats", "2", "--workers", "1", "--output", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "smoke-cpu-srresnet-srgan.json").read_text())
    assert set(told["ratio"]) == {"srresnet", "srgan"}
    for name, family in told["families"].items():
        assert told["ratio"][name] == family["ratio"]["median"] > 0
        assert family["ratio"]["least"] <= family["ratio"]["median"] <= family["ratio"]["most"]
        pairs = zip(
            family["zoo"]["images_per_second"]["values"],
            family["reference"]["images_per_second"]["values"],
            strict=True,
        )
        assert family["ratio"]["values"] == pytest.approx([own / plain for own, plain in pairs])
        for loop in ("reference", "zoo"):
            assert 0 < family[loop]["waiting_share"] < 1
            assert family[loop]["memory"]["peak"] > family[loop]["memory"]["before"] > 0
            assert family[loop]["operations_per_second"] > 0
    page = (tmp_path / "smoke-cpu-srresnet-srgan.md").read_text()
    assert page in capsys.readouterr().out
    assert "| float32, channels_last, eager, 1 thread |" in page


def test_emulated_bfloat16_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda: False)
    options = ["--size", "smoke", "--device", "cpu", "--precision", "--output", str(tmp_path)]
    assert main(options) == 0
    page = (tmp_path / "smoke-cpu-precision.md").read_text()
    told = "Not measured: this CPU has no units for bfloat16 and emulates it."
    assert page.endswith(f"## What bfloat16 brings\n\n{told}\n")


@pytest.mark.slow
def test_both_precisions_of_a_family_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda: True)
    options = ["--size", "smoke", "--device", "cpu", "--family", "srresnet", "--precision"]
    assert main([*options, "--repeats", "2", "--steps", "1", "--output", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "smoke-cpu-precision-srresnet.json").read_text())["precision"]
    taken = [told["srresnet"][name]["values"] for name in ("float32", "bfloat16", "ratio")]
    assert all(single / coarse == ratio for single, coarse, ratio in zip(*taken, strict=True))
    page = (tmp_path / "smoke-cpu-precision-srresnet.md").read_text()
    assert "| SRResNet, MSE | " in page


@pytest.mark.slow
def test_it_measures_the_data_path(tmp_path: Path) -> None:
    options = ["--size", "smoke", "--device", "cpu", "--repeats", "1", "--data"]
    assert main([*options, "--output", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "smoke-cpu-data.json").read_text())["data"]
    rates = told["crops_per_second"]
    assert told["ratio"] == [rates["store"][0] / rates["png"][0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "-1"], "-1 is not at least 0"),
        (["--steps", "0"], "0 is not at least 1"),
        (["--name", "a/b"], "a name, not a path"),
        (["--output", f"{__file__}/folder"], "Not a directory"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_an_ablation_is_written(tmp_path: Path) -> None:
    options = ["--size", "smoke", "--device", "cpu", "--family", "srresnet", "--ablation"]
    assert main([*options, "--repeats", "2", "--steps", "1", "--output", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "smoke-cpu-ablation-srresnet.json").read_text())
    found = told["ablation"]["srresnet"]
    expected = {one.title for one in ablation.OPTIMISATIONS if not one.settings}
    expected -= {"real and fake in one pass", "discriminator frozen for the generator"}
    expected -= {"CUDA graphs"}
    assert found.keys() == expected | {"patch store", "channels_last"}
    assert all(len(ratio["values"]) == 2 and ratio["least"] > 0 for ratio in found.values())
    page = (tmp_path / "smoke-cpu-ablation-srresnet.md").read_text()
    assert "| fused Adam | " in page
