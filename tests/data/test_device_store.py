"""Batches cut on the device: the pixels of those cut from the mapped file."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.gpu.conftest import no_waiting
from zoo.data import device_store
from zoo.data.device_store import DevicePatchStream, estimate_store_bytes, walk
from zoo.data.patches import PatchStore
from zoo.data.sampling import Crops, SamplingPlan
from zoo.data.stream import PatchStream
from zoo.errors import DataError, MachineError

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
SIZES = [[(64, 80, 3), (72, 64), (96, 48, 3)], [(48, 48, 3)]]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device(request.param)


def make_plan(**changes: Any) -> SamplingPlan:
    plan: dict[str, Any] = {
        "seed": 0,
        "lr_patch_size": 8,
        "sampling": "uniform",
        "weighting": "uniform",
        "patches_per_image": 5,
        "augment": True,
    }
    return SamplingPlan(**plan | changes)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("side", "scale"), [(4, 2), (7, 4), (12, 4)])
@pytest.mark.parametrize("sampling", ["uniform", "fixed"])
def test_batches_are_those_of_the_mapped_store(
    make_images: Callable[..., list[Path]],
    tmp_path: Path,
    device: torch.device,
    sizes: list[tuple[int, ...]],
    side: int,
    scale: int,
    sampling: str,
) -> None:
    store = PatchStore.open_or_build(make_images(*sizes), scale, tmp_path / "cache")
    plan = make_plan(lr_patch_size=side, sampling=sampling)
    mapped = PatchStream(store, plan=plan, batch_size=16)
    there = DevicePatchStream(store, plan=plan, batch_size=16, device=device)
    for stream in (0, 1):
        pairs = zip(mapped.batches(3, stream), there.batches(3, stream), strict=False)
        for expected, batch in itertools.islice(pairs, 4):
            for pixels, image in zip(expected, batch, strict=True):
                assert image.device.type == device.type
                assert image.is_contiguous(memory_format=torch.channels_last)
                assert torch.equal(image.cpu(), pixels)


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("scale", [1, 4])
def test_a_walk_turns_as_numpy_does(flip: int, turns: int, scale: int) -> None:
    sizes = np.array([[5, 7], [6, 9]])
    images = [np.arange(h * w * scale**2).reshape(h * scale, w * scale) for h, w in sizes]
    starts = np.array([0, images[0].size])
    flat = np.concatenate([images[0].ravel(), 1000 + images[1].ravel()])
    side, top, left = 4, 2, 5
    one = [np.array([value]) for value in (1, top, left, flip, turns)]
    ((first, down, right),) = walk(Crops(*one), starts, sizes, side=side, scale=scale)
    steps = np.arange(side * scale)
    read = flat[first + down * steps[:, None] + right * steps]
    patch = slice(top * scale, (top + side) * scale), slice(left * scale, (left + side) * scale)
    cut = 1000 + images[1][patch]
    np.testing.assert_array_equal(read, np.rot90(cut[:, ::-1] if flip else cut, turns))


def test_small_images_are_found_and_pixels_counted(
    make_images: Callable[..., list[Path]], tmp_path: Path
) -> None:
    paths = make_images((67, 80, 3))
    store = PatchStore.open_or_build(paths, 4, tmp_path / "cache")
    assert estimate_store_bytes(paths, 4) == 64 * 80 * 3 + 16 * 20 * 3
    assert estimate_store_bytes(paths, 4) == store.hr_flat.nbytes + store.lr_flat.nbytes
    plan = make_plan(lr_patch_size=17)
    with pytest.raises(DataError, match=r"000\.png \(16x20\)"):
        DevicePatchStream(store, plan=plan, batch_size=4, device=torch.device("cpu"))


def test_images_that_do_not_fit_are_a_clear_error(
    make_images: Callable[..., list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PatchStore.open_or_build(make_images((64, 80, 3)), 4, tmp_path / "cache")

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(device_store, "_pixels", full)
    with pytest.raises(MachineError, match=r"MiB of training images .* set runtime\.store=host"):
        DevicePatchStream(store, plan=make_plan(), batch_size=4, device=torch.device("cpu"))


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_nothing_waits_for_the_device(
    make_images: Callable[..., list[Path]], tmp_path: Path, device: torch.device
) -> None:
    store = PatchStore.open_or_build(make_images((64, 80, 3)), 4, tmp_path / "cache")
    there = DevicePatchStream(store, plan=make_plan(), batch_size=4, device=device)
    there.batch(0, 4)  # the first reserves memory
    with no_waiting(device):
        there.batch(4, 4)
