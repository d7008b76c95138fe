from __future__ import annotations

import itertools
import multiprocessing
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoo.data.patches import PatchStore
from zoo.data.resize import downscale
from zoo.data.sampling import SamplingPlan
from zoo.data.stream import Pair, PatchDataset, PatchStream, _Batches, to_float
from zoo.errors import DataError
from zoo.signals import ENDING


@pytest.fixture
def store(make_images: Callable[..., list[Path]], tmp_path: Path) -> PatchStore:
    return PatchStore.open_or_build(make_images((64, 80, 3), (72, 64)), 4, tmp_path / "cache")


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


def take(patches: PatchStream, count: int, start: int = 0, **options: int) -> list[torch.Tensor]:
    batches = itertools.islice(patches.batches(start, **options), count)
    return [tensor for pair in batches for tensor in pair]


def equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_shapes_types_and_memory_order(store: PatchStore) -> None:
    lr_image, hr_image = take(PatchStream(store, plan=make_plan(), batch_size=3), 1)
    assert lr_image.shape == (3, 3, 8, 8)
    assert hr_image.shape == (3, 3, 32, 32)
    assert lr_image.dtype == hr_image.dtype == torch.uint8
    assert lr_image.is_contiguous(memory_format=torch.channels_last)


def test_low_and_high_show_the_same_place(make_images: Callable[..., list[Path]]) -> None:
    # Three low-resolution pixels from the border the kernel sees the same pixels in the patch as in
    # the whole image; turning exchanges the order of the two passes, hence one level.
    paths = make_images((128, 128, 3))
    store = PatchStore.open_or_build(paths, 4, paths[0].parent)
    dataset = PatchDataset(store, plan=make_plan(lr_patch_size=12))
    for number in range(32):
        lr_image, hr_image = (tensor.permute(1, 2, 0).numpy() for tensor in dataset[number])
        again = downscale(np.ascontiguousarray(hr_image), 4)
        difference = np.abs(again.astype(int) - lr_image.astype(int))[3:-3, 3:-3]
        assert difference.max() <= 1


def test_batches_are_made_of_numbered_samples(store: PatchStore) -> None:
    stream = PatchStream(store, plan=make_plan(), batch_size=4)
    lr_image, hr_image = take(stream, 1, start=3)
    for position in range(4):
        one_lr, one_hr = stream.dataset(0)[12 + position]
        assert torch.equal(one_lr, lr_image[position])
        assert torch.equal(one_hr, hr_image[position])


@pytest.mark.parametrize("sampling", ["uniform", "fixed"])
def test_a_resumed_stream_goes_on_exactly(store: PatchStore, sampling: str) -> None:
    stream = PatchStream(store, plan=make_plan(sampling=sampling), batch_size=4)
    assert equal(take(stream, 6)[6:], take(stream, 3, start=3))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_the_number_of_workers_changes_nothing(store: PatchStore, num_workers: int) -> None:
    alone = PatchStream(store, plan=make_plan(), batch_size=4)
    many = PatchStream(store, plan=make_plan(), batch_size=4, num_workers=num_workers)
    assert equal(take(alone, 5, start=2, stream=1), take(many, 5, start=2, stream=1))


def test_workers_leave_the_random_numbers_of_training_alone(store: PatchStore) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    take(PatchStream(store, plan=make_plan(), batch_size=4, num_workers=1), 2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_a_worker_that_hangs_does_not_outlive_the_stream(
    store: PatchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang_at_the_second(batches: _Batches, number: int) -> Pair:
        if number == 1:
            for wish in ENDING:
                signal.signal(wish, signal.SIG_IGN)
            time.sleep(600)
        return batch_of(batches, number)

    batch_of = _Batches.__getitem__
    monkeypatch.setattr(_Batches, "__getitem__", hang_at_the_second)
    before = set(multiprocessing.active_children())
    batches = PatchStream(store, plan=make_plan(), batch_size=4, num_workers=2).batches()
    next(batches)
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    batches.close()
    assert not any(worker.is_alive() for worker in workers)


def test_streams_differ(store: PatchStore) -> None:
    stream = PatchStream(store, plan=make_plan(), batch_size=4)
    assert not equal(take(stream, 2, stream=0), take(stream, 2, stream=1))


def test_small_images_are_found_before_training(store: PatchStore) -> None:
    with pytest.raises(DataError, match=r"000\.png \(16x20\)"):
        PatchStream(store, plan=make_plan(lr_patch_size=17), batch_size=4)


def test_to_float_maps_eight_bits_to_the_unit_interval() -> None:
    image = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    numbers = to_float(image)
    assert numbers.dtype == torch.float32
    assert numbers.min() == 0
    assert numbers.max() == 1
    assert torch.equal((numbers * 255).round().to(torch.uint8), image)
    assert image[0, 0, 0, 1] == 1
