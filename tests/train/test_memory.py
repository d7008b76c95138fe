"""Foretelling peak memory, and where the training images lie because of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.memory_prediction import FAMILIES, compare
from tests.train.bits import assert_same_bits, final_state
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.test_step import make_players
from zoo.errors import MachineError
from zoo.runs.device import choose_device, peak_during, plan_execution
from zoo.train import memory
from zoo.train.dry_run import dry_run
from zoo.train.memory import (
    MemoryForecast,
    choose_store,
    continue_line,
    forecast_memory,
    trial_batch_sizes,
)
from zoo.train.run import train
from zoo.train.validation import TILE, Validator

MIB = 2**20
CPU = torch.device("cpu")


def test_lines_go_on_and_never_fall() -> None:
    assert continue_line([(2, 100), (4, 140)], 8) == 220
    assert continue_line([(2, 100), (4, 90)], 8) == 100
    assert continue_line([(3, 70)], 3) == 70


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(1, (1,)), (4, (4,)), (5, (2, 3)), (8, (2, 4)), (16, (4, 8))]
)
def test_trials_take_part_of_a_batch(batch_size: int, sizes: tuple[int, ...]) -> None:
    assert trial_batch_sizes(batch_size) == sizes


def test_the_peak_of_a_piece_of_work_is_its_own() -> None:
    def hold(mebibytes: int) -> None:
        bytearray(mebibytes * MIB).find(b"x")

    large, small = peak_during(lambda: hold(200), CPU), peak_during(lambda: hold(40), CPU)
    if large is None or small is None:
        pytest.skip("this system cannot forget a peak")
    assert 120 * MIB < large - small < 200 * MIB


@pytest.mark.slow
def test_a_forecast_is_the_most_of_its_parts(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    peak_during(lambda: None, CPU)  # forgets the peak of the tests before
    (stage,) = dry_run(make_spec("srresnet"), make_options(), predict_memory=True)
    assert stage.execution.store == "host"
    if stage.forecast is None:
        pytest.skip("this system does not tell the peak of a piece of work")
    parts = stage.forecast
    assert parts.peak == max(parts.begin, parts.step, parts.validation, parts.checkpoint)
    assert 0.8 < parts.peak / stage.peak_memory < 1.25


def test_a_step_that_does_not_fit_takes_no_forecast_with_it(
    make_spec: MakeSpec, make_options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    forecast = MemoryForecast(begin=1, step=3 * MIB, validation=2, checkpoint=1)
    monkeypatch.setattr("zoo.train.dry_run.forecast_memory", lambda *_, **__: forecast)
    monkeypatch.setattr("zoo.train.dry_run.training_step", full)
    told = (
        "srresnet: a step of 2 patches does not fit .* cpu, the prediction is 3 MiB; use a smaller"
    )
    with pytest.raises(MachineError, match=told):
        dry_run(make_spec("srresnet"), make_options(), predict_memory=True)


def test_a_forecast_adds_what_trials_do_not_have(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_spec("srresnet-nobn", "data.batch_size=8").settings.data
    players = make_players(make_spec, "srresnet-nobn")
    steps, validations = [100_000, 140_000], [96**2, 160**2]
    peaks = iter([*steps, *validations])
    monkeypatch.setattr(memory, "peak_memory", lambda _device: 7)
    monkeypatch.setattr(memory, "peak_during", lambda _work, _device: next(peaks))
    monkeypatch.setattr(memory, "resident_memory", lambda: 1000)
    monkeypatch.setattr(memory, "_state_bytes", lambda _players: 50)
    monkeypatch.setattr(memory, "_trial_steps", lambda *_: None)
    found = forecast_memory(
        players, data, scale=4, image_sizes=[(1600, 800), (16, 16)], images_left_out=9
    )
    held_out = 3 * (1600 * 800 + 400 * 200 + 16 * 16 + 4 * 4)
    others = held_out + 9
    # a quarter and half of a batch of 8; 96 and 160 squared of 400 x 200 pixels
    assert found == MemoryForecast(7, 220_000 + others, 400 * 200 + others, 1050 + others)


def test_a_forecast_counts_a_large_image_in_tiles_and_all_of_its_scoring(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 megapixels: the network sees a tile of them; result and scores are of all."""
    data = make_spec("srresnet-nobn", "data.batch_size=8").settings.data
    network = [1000 * 96**2, 1000 * 160**2]
    height, width = 4000, 6000
    area = height * width // 16
    for each, expected in ((100, 1000 * TILE**2 + 12 * height * width), (2000, 2000 * area)):
        scoring = [each * 96**2, each * 160**2]
        peaks = iter([1, 1, *network, *scoring])
        monkeypatch.setattr(memory, "peak_during", lambda _work, _device, left=peaks: next(left))
        monkeypatch.setattr(memory, "_trial_steps", lambda *_: None)
        players = make_players(make_spec, "srresnet-nobn")
        found = forecast_memory(players, data, scale=4, image_sizes=[(height, width)])
        assert found is not None
        assert found.validation == expected + 3 * (height * width + area)


@pytest.mark.parametrize(
    ("asked", "free", "expected"),
    [
        ("auto", 0, "host"),
        ("auto", 999, "host"),
        ("auto", 1000 + 1199, "host"),
        ("auto", 1000 + 1200, "device"),
        ("host", 10_000, "host"),
        ("device", 0, "device"),
    ],
)
def test_images_lie_on_the_device_if_they_fit_beside_training(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, asked: str, free: int, expected: str
) -> None:
    spec = make_spec("srresnet", f"runtime.store={asked}")
    execution = plan_execution(spec.settings.runtime, choose_device("cpu"))
    monkeypatch.setattr(memory, "free_device_memory", lambda _device: free)
    forecast = MemoryForecast(begin=1, step=1000, validation=3, checkpoint=2)
    monkeypatch.setattr(memory, "forecast_memory", lambda *_args, **_more: forecast)
    monkeypatch.setattr(memory, "estimate_store_bytes", lambda _paths, _scale: 1000)
    validator = Validator([], scale=4)
    assert choose_store(spec, execution, paths=[], validator=validator) == expected


@pytest.mark.parametrize(("free", "expected"), [(99_999, "host"), (100_000, "device")])
def test_where_trials_do_not_fit_only_few_images_lie_on_the_device(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, free: int, expected: str
) -> None:
    spec = make_spec("srresnet")
    execution = plan_execution(spec.settings.runtime, choose_device("cpu"))

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(memory, "free_device_memory", lambda _device: free)
    monkeypatch.setattr(memory, "estimate_store_bytes", lambda _paths, _scale: 1000)
    monkeypatch.setattr(memory, "forecast_memory", full)
    validator = Validator([], scale=4)
    assert choose_store(spec, execution, paths=[], validator=validator) == expected


@pytest.mark.slow
def test_a_run_is_the_same_wherever_its_images_lie(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    runs = [
        train(
            make_spec("srresnet-nobn", f"runtime.store={place}", "training.steps=3"),
            make_options(place),
        )
        for place in ("host", "device")
    ]
    here, there = (final_state(run.directory) for run in runs)
    assert_same_bits(here, there)
    for run, place in zip(runs, ("host", "device"), strict=True):
        provenance = json.loads((run.directory / "provenance.json").read_text())
        assert provenance["sessions"][0]["execution"]["store"] == place


@pytest.mark.slow
@pytest.mark.parametrize("recipe", FAMILIES)
def test_a_dry_run_foretells_the_peak_within_a_tenth(recipe: str, tmp_path: Path) -> None:
    row = compare(recipe, "smoke", "cpu", None)
    assert abs(row["error"]) < 0.1, row
