"""Degradations of samples and whole images: the same ones for any number of workers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.data.conftest import MakeImages
from zoo.data.degrading import Degrading, Window, degraded
from zoo.data.images import read_image
from zoo.data.packing import store_key
from zoo.data.patches import PatchStore
from zoo.data.resize import downscale
from zoo.data.sampling import SamplingPlan
from zoo.data.stream import PatchStream
from zoo.degradations.base import Degradation, Image
from zoo.errors import RecipeError, ShapeError
from zoo.recipes.degrading import build_degradation
from zoo.recipes.schema import BICUBIC, ComponentSpec, Data, RecipeSettings

PLAN = SamplingPlan(
    seed=3,
    lr_patch_size=6,
    sampling="uniform",
    weighting="uniform",
    patches_per_image=2,
    augment=True,
)


class Plain(Degradation):
    """MATLAB's bicubic for each sample, with all the context that its kernel reads."""

    context = 3

    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        return downscale(hr_image, scale)


class Wrong(Degradation):
    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        return hr_image


def made(name: str, **arguments: Any) -> Degrading:
    degrading = build_degradation(ComponentSpec.model_validate({"name": name, **arguments}))
    assert degrading is not None
    return degrading


@pytest.fixture
def store(make_images: MakeImages, tmp_path: Path) -> PatchStore:
    return PatchStore.open_or_build(make_images((64, 80, 3), (72, 64)), 4, tmp_path / "cache")


def take(stream: PatchStream, count: int, start: int = 0) -> list[tuple[Tensor, Tensor]]:
    batches: Iterator[tuple[Tensor, Tensor]] = stream.batches(start)
    found = list(itertools.islice(batches, count))
    batches.close()  # type: ignore[attr-defined]
    return found


def equal(first: list[tuple[Tensor, Tensor]], second: list[tuple[Tensor, Tensor]]) -> bool:
    pairs = zip(itertools.chain(*first), itertools.chain(*second), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def test_with_its_context_a_sample_is_cut_from_the_whole_degraded_image(store: PatchStore) -> None:
    plain = PatchStream(store, plan=PLAN, batch_size=8)
    drawn = PatchStream(store, plan=PLAN, batch_size=8, degrading=Degrading(Plain(), "", ""))
    assert equal(take(plain, 4), take(drawn, 4))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(
    ("name", "num_workers"),
    [
        ("real-esrgan", 1),
        *(pytest.param(name, 3, marks=pytest.mark.slow) for name in ("real-esrgan", "bsrgan")),
    ],
)
def test_samples_do_not_depend_on_workers_and_restarts(
    store: PatchStore, name: str, num_workers: int
) -> None:
    degrading = made(name)
    here = PatchStream(store, plan=PLAN, batch_size=2, degrading=degrading)
    first = take(here, 3)
    there = PatchStream(
        store, plan=PLAN, batch_size=2, num_workers=num_workers, degrading=degrading
    )
    assert equal(first, take(there, 3))
    assert equal(first[1:], take(there, 2, start=1)), "a restart at the second batch"
    assert not equal(first, take(PatchStream(store, plan=PLAN, batch_size=2), 3))


def test_each_sample_and_stream_is_drawn_anew(store: PatchStore) -> None:
    stream = PatchStream(store, plan=PLAN, batch_size=1, degrading=made("noise"))
    pictures = {
        stream.dataset(number)
        .degrading.patch(  # type: ignore[union-attr]
            store.hr(0), Window(2, 3, 6), 4, np.random.default_rng(number)
        )
        .tobytes()
        for number in range(4)
    }
    assert len(pictures) == 4
    samples = [stream.dataset(number).batch(5, 1)[0] for number in (0, 1)]
    assert not torch.equal(*samples)


def test_whole_images_are_degraded_by_their_pixels_alone(make_images: MakeImages) -> None:
    colour, grey = (read_image(path) for path in make_images((32, 40, 3), (32, 40)))
    noise = made("noise", sigma=[20.0, 20.0])
    assert np.array_equal(degraded(colour, 4, noise), degraded(colour.copy(), 4, noise))
    assert degraded(grey, 4, noise).shape == (8, 10)
    assert np.array_equal(degraded(grey, 4, None), downscale(grey, 4))
    flipped = degraded(np.ascontiguousarray(colour[:, ::-1]), 4, noise)
    assert not np.array_equal(flipped[:, ::-1], degraded(colour, 4, noise))


def test_a_store_of_another_degradation_is_another_store(
    make_images: MakeImages, tmp_path: Path
) -> None:
    paths, cache = make_images((32, 40, 3)), tmp_path / "cache"
    stores = [
        PatchStore.open_or_build(paths, 4, cache, low=degrading)
        for degrading in (None, made("jpeg", quality=[40, 40]), made("jpeg", quality=[41, 41]))
    ]
    assert len({store.directory for store in stores}) == 3
    assert len({store.data_hash for store in stores}) == 3
    expected = degraded(read_image(paths[0]), 4, made("jpeg", quality=[40, 40]))
    assert np.array_equal(stores[1].lr(0), expected)


def test_the_default_changes_no_name_and_no_specification() -> None:
    """Runs, records and stores from before there were degradations stay what they are."""
    assert store_key(["a" * 64, "b" * 64], 4) == "1323e42084016999e50a"
    assert build_degradation(BICUBIC) is None
    named = Data.model_validate({"degradation": {"name": "bicubic"}})
    for data in (Data(), named):
        assert list(data.model_dump()) == [
            *("source", "validation", "sampling", "patches_per_image", "weighting"),
            *("lr_patch_size", "batch_size", "augment"),
        ]
    whole = RecipeSettings.model_validate(
        {"generator": {"name": "srresnet"}, "training": {"steps": 1}}
    )
    assert "degradation" not in whole.model_dump_json()
    other = Data.model_validate({"degradation": {"name": "jpeg", "quality": [30, 40]}})
    assert other.model_dump()["degradation"] == {"name": "jpeg", "quality": [30, 40]}
    assert Data.model_validate(json.loads(other.model_dump_json())) == other


def test_its_identity_has_its_defaults() -> None:
    assert made("jpeg").identity == made("jpeg", quality=[30, 95]).identity
    assert made("jpeg").identity != made("jpeg", quality=[31, 95]).identity
    with pytest.raises(RecipeError, match="unknown argument 'qualty' of 'jpeg'"):
        made("jpeg", qualty=3)


def test_what_makes_another_size_is_refused() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    with pytest.raises(ShapeError, match=r"makes uint8 \(8, 8, 3\) of \(8, 8, 3\) at scale 4"):
        degraded(image, 4, Degrading(Wrong(), "'wrong'", ""))
