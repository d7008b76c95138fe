from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest

from zoo.data.sampling import PatchSampler, SamplingPlan, epoch_order, philox_words, to_unit
from zoo.errors import DataError

SIZES = np.array([[30, 40], [24, 24], [60, 25]])
TEXTURE = np.array([1.0, 0.0, 3.0])


def make_sampler(**changes: Any) -> PatchSampler:
    plan: dict[str, Any] = {
        "seed": 7,
        "lr_patch_size": 24,
        "sampling": "uniform",
        "weighting": "uniform",
        "patches_per_image": 19,
        "augment": True,
    }
    return PatchSampler(
        SamplingPlan(**plan | changes), sizes=SIZES, texture=TEXTURE, names=["a", "b", "c"]
    )


def as_rows(crops: Any) -> list[tuple[int, ...]]:
    fields = (crops.image, crops.top, crops.left, crops.flip, crops.quarter_turns)
    return list(zip(*(field.tolist() for field in fields), strict=True))


def test_philox_is_a_function_of_key_and_counter() -> None:
    words = philox_words(1, 2, 0, 10)
    assert words.shape == (10, 4)
    assert np.array_equal(philox_words(1, 2, 4, 3), words[4:7])
    for other in (philox_words(2, 2, 0, 10), philox_words(1, 3, 0, 10)):
        assert not np.any(other == words)
    assert not np.any(philox_words(1, 2, 0, 10, epoch=1) == words)


def test_philox_known_answer() -> None:
    """Random123's kat_vectors: philox4x64-10 of a zero key; numpy counts up before it draws."""
    words = np.random.Philox(key=0, counter=2**256 - 1).random_raw(4)
    assert [f"{int(word):016x}" for word in words] == [
        "16554d9eca36314c",
        "db20fe9d672d0fdc",
        "d7e772cee186176b",
        "7e68b68aec7ba23b",
    ]


def test_to_unit_covers_the_half_open_interval() -> None:
    ends = to_unit(np.array([0, 2**64 - 1], dtype=np.uint64))
    assert ends.tolist() == [0.0, 1.0 - 2.0**-53]


@pytest.mark.parametrize("sampling", ["uniform", "fixed"])
@pytest.mark.parametrize("stream", [0, 1])
def test_sample_n_is_the_same_however_it_is_reached(sampling: str, stream: int) -> None:
    whole = as_rows(make_sampler(sampling=sampling).draw(0, 200, stream=stream))
    again = make_sampler(sampling=sampling)
    pieces = [as_rows(again.draw(start, 25, stream=stream)) for start in range(175, -1, -25)]
    assert [row for piece in reversed(pieces) for row in piece] == whole
    assert [as_rows(again.draw(n, 1, stream=stream))[0] for n in (3, 199)] == [whole[3], whole[199]]


@pytest.mark.parametrize("sampling", ["uniform", "fixed"])
def test_seeds_and_streams_differ(sampling: str) -> None:
    rows = {
        (seed, stream): as_rows(
            make_sampler(sampling=sampling, seed=seed).draw(0, 100, stream=stream)
        )
        for seed in (0, 1)
        for stream in (0, 1)
    }
    for first, second in itertools.combinations(rows.values(), 2):
        assert np.mean([a == b for a, b in zip(first, second, strict=True)]) < 0.2


@pytest.mark.parametrize("sampling", ["uniform", "fixed"])
def test_crops_lie_inside_and_reach_every_edge(sampling: str) -> None:
    crops = make_sampler(sampling=sampling, patches_per_image=500).draw(0, 4000)
    room = SIZES[crops.image] - 24
    for corner, most in ((crops.top, room[:, 0]), (crops.left, room[:, 1])):
        assert np.all((corner >= 0) & (corner <= most))
        assert np.any((corner == 0) & (most > 0))
        assert np.any((corner == most) & (most > 0))


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        ("uniform", [1 / 3, 1 / 3, 1 / 3]),
        ("area", [1200 / 3276, 576 / 3276, 1500 / 3276]),
        ("texture", [0.25, 0.0, 0.75]),
    ],
)
def test_images_are_chosen_by_weight(weighting: str, expected: list[float]) -> None:
    crops = make_sampler(weighting=weighting).draw(0, 30_000)
    share = np.bincount(crops.image, minlength=3) / len(crops)
    np.testing.assert_allclose(share, expected, atol=0.01)


def test_no_texture_anywhere_means_all_alike() -> None:
    plan = make_sampler(weighting="texture").plan
    sampler = PatchSampler(plan, sizes=SIZES, texture=np.zeros(3), names=["a", "b", "c"])
    assert set(sampler.draw(0, 100).image.tolist()) == {0, 1, 2}


def test_all_eight_symmetries_are_alike_or_absent() -> None:
    crops = make_sampler().draw(0, 16_000)
    counts = np.bincount(crops.flip * 4 + crops.quarter_turns, minlength=8)
    assert np.all(np.abs(counts - 2000) < 200)
    plain = make_sampler(augment=False).draw(0, 100)
    assert not plain.flip.any()
    assert not plain.quarter_turns.any()
    assert np.array_equal(plain.top, crops.top[:100])


def test_fixed_visits_each_place_once_an_epoch_in_a_new_order() -> None:
    sampler = make_sampler(sampling="fixed")
    assert sampler.num_fixed == 57
    epochs = [
        [row[:3] for row in as_rows(sampler.draw(57 * epoch, 57, stream=stream))]
        for epoch, stream in [(0, 0), (1, 0), (0, 1)]
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])
    assert epochs[0] != epochs[1] != epochs[2]
    assert np.bincount([row[0] for row in epochs[0]]).tolist() == [19, 19, 19]


def test_fixed_turns_a_place_differently_at_each_visit() -> None:
    sampler = make_sampler(sampling="fixed")
    seen: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    for row in as_rows(sampler.draw(0, 57 * 20)):
        seen.setdefault(row[:3], set()).add(row[3:])
    assert np.mean([len(symmetries) for symmetries in seen.values()]) > 6


def test_an_epochs_order_is_a_permutation_kept_read_only() -> None:
    order = epoch_order(3, 100, stream=0, epoch=5)
    assert sorted(order.tolist()) == list(range(100))
    assert not order.flags.writeable


def test_a_sampler_travels_to_other_processes() -> None:
    sampler = make_sampler(sampling="fixed")
    before = as_rows(sampler.draw(0, 10))
    assert as_rows(pickle.loads(pickle.dumps(sampler)).draw(0, 10)) == before  # noqa: S301


def test_small_images_are_named() -> None:
    with pytest.raises(DataError, match=r"2 of 3 images are smaller.*b \(24x24\), c \(60x25\)"):
        make_sampler(lr_patch_size=26)


@pytest.mark.parametrize("changes", [{"lr_patch_size": 0}, {"patches_per_image": 0}, {"seed": -1}])
def test_senseless_plans_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(DataError, match="must be at least 1"):
        make_sampler(**changes)
