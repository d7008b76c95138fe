"""What a run relies on a device for: exact pixels, full precision where asked, no waiting."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.gpu.conftest import EXACT, MakeSpec, make_batches, make_players, no_waiting
from zoo.adversaries.penalties import gradient_penalty
from zoo.data.patches import PatchStore
from zoo.data.sampling import SamplingPlan
from zoo.data.stream import PatchStream, to_float
from zoo.discriminators.vgg import VGGDiscriminator
from zoo.generators.bicubic import bicubic_upscale
from zoo.runs.checkpoint import load_latest, save_checkpoint
from zoo.runs.device import peak_memory, plan_execution
from zoo.train.monitor import FiniteGuard
from zoo.train.step import set_learning_rates, to_device, training_step

SYNC_MODE_IS_NEW = "ignore:Synchronization debug mode is a prototype"
FORK_WITH_THREADS = "ignore:This process .* is multi-threaded:DeprecationWarning"
ADVERSARIAL = ["srgan-nobn", "esrgan", "esrgan-wgangp"]


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_is_the_same_on_every_device_and_under_autocast(
    device: torch.device, scale: int
) -> None:
    image = torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(0))
    with torch.autocast(device.type, torch.bfloat16):
        upscaled = bicubic_upscale(image.to(device), scale)
    torch.testing.assert_close(upscaled.cpu(), bicubic_upscale(image, scale), rtol=0, atol=1e-6)


def test_the_penalty_is_in_float32_under_autocast(device: torch.device) -> None:
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    critic = VGGDiscriminator(width=4, hidden=8, norm="layer").to(device)
    real, fake = torch.rand(2, 2, 3, 32, 32, device=device)
    results = []
    for enabled in (True, False):
        torch.manual_seed(1)
        with torch.autocast(device.type, torch.bfloat16, enabled=enabled):
            penalty, slope = gradient_penalty(critic, real, fake.bfloat16())
        penalty.backward()
        assert penalty.dtype == slope.dtype == torch.float32
        results.append(slope)
    torch.testing.assert_close(*results, rtol=1e-5, atol=0)


@pytest.mark.filterwarnings(SYNC_MODE_IS_NEW)
@pytest.mark.parametrize("recipe", ADVERSARIAL)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_never_waits_for_the_device(
    make_spec: MakeSpec, device: torch.device, recipe: str, precision: str
) -> None:
    players = make_players(make_spec(recipe, f"runtime.precision={precision}"), device)
    guard = FiniteGuard()
    own, *extra = make_batches(1 + players.num_extra_batches, device)
    for step in range(1, 3):  # the first steps choose algorithms and reserve memory
        guard.observe(step, training_step(players, own, extra))
    with no_waiting(device):
        set_learning_rates(players, 0.5)
        values = training_step(players, own, extra)
        guard.observe(3, values)
    guard.check()


@pytest.mark.filterwarnings(SYNC_MODE_IS_NEW)
def test_the_watch_for_waiting_would_notice(device: torch.device) -> None:
    value = torch.ones((), device=device)
    with pytest.raises((AssertionError, RuntimeError)), no_waiting(device):
        float(value)


@pytest.fixture
def store(tmp_path: Path) -> PatchStore:
    random_numbers = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        pixels = random_numbers.integers(0, 256, (96, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return PatchStore.open_or_build(paths, 4, tmp_path / "cache")


@pytest.mark.filterwarnings(SYNC_MODE_IS_NEW, FORK_WITH_THREADS)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_arrive_as_they_were_cut(
    make_spec: MakeSpec, device: torch.device, store: PatchStore, num_workers: int
) -> None:
    plan = SamplingPlan(
        seed=0,
        lr_patch_size=8,
        sampling="uniform",
        weighting="uniform",
        patches_per_image=5,
        augment=True,
    )
    pinned = device.type == "cuda"
    plain = PatchStream(store, plan=plan, batch_size=4)
    loaded = PatchStream(store, plan=plan, batch_size=4, num_workers=num_workers, pin_memory=pinned)
    execution = plan_execution(make_spec("srresnet").settings.runtime, device)
    pairs = itertools.islice(zip(plain.batches(2), loaded.batches(2), strict=True), 5)
    for expected, batch in pairs:
        assert all(image.is_pinned() == pinned for image in batch)
        with no_waiting(device):
            arrived = to_device(batch, execution)
        for image, pixels in zip(arrived, expected, strict=True):
            assert image.device.type == device.type
            # a division by 255 may be a product with its reciprocal on another device
            torch.testing.assert_close(image.cpu(), to_float(pixels), rtol=0, atol=1e-7)


@pytest.mark.slow
def test_adams_state_comes_back_to_its_device(
    make_spec: MakeSpec, device: torch.device, tmp_path: Path
) -> None:
    spec = make_spec("esrgan", *EXACT)
    trained, fresh = make_players(spec, device), make_players(spec, device)
    batches = make_batches(3, device)
    for batch in batches[:2]:
        training_step(trained, batch)
    save_checkpoint(tmp_path, 2, {k: part.state_dict() for k, part in trained.stateful().items()})
    state = load_latest(tmp_path)
    assert state is not None
    for name, part in fresh.stateful().items():
        part.load_state_dict(state[name])
    for optimizer in fresh.optimizers():
        moments = [tensor for entry in optimizer.state.values() for tensor in entry.values()]
        assert moments
        assert all(tensor.device.type == device.type for tensor in moments)
    expected, resumed = (training_step(one, batches[2]) for one in (trained, fresh))
    for name, value in expected.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-4, atol=1e-6)
    for name, value in trained.generator.state_dict().items():
        torch.testing.assert_close(fresh.generator.state_dict()[name], value, rtol=0, atol=2e-4)


def test_peak_memory_is_that_of_what_was_used(device: torch.device) -> None:
    size = 2**28
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    tensor = torch.ones(size, dtype=torch.uint8, device=device)
    assert peak_memory(device) >= size
    del tensor
    assert peak_memory(device) >= size
