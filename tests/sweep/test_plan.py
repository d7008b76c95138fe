"""The plan of a sweep: what is missing, in which order, how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runs.made_up import begin_run, finish_run
from zoo.recipes.book import load_book
from zoo.recipes.schema import RunSpec
from zoo.runs.directory import RunDirectory, run_path
from zoo.sweep.plan import Measure, PlannedRun, in_training_order, plan_runs, specs_of, with_seconds

MakeSpec = Callable[..., RunSpec]


def begin(spec: RunSpec, root: Path, *rows: dict[str, Any]) -> RunDirectory:
    directory = RunDirectory(run_path(spec, root))
    begin_run(directory, spec)
    for row in rows:
        directory.append_row(row)
    return directory


def finish(spec: RunSpec, root: Path) -> RunDirectory:
    directory = begin(spec, root)
    finish_run(directory, begin_run(directory, spec))
    return directory


def expected(specs: list[RunSpec], root: Path, measure: Measure) -> list[PlannedRun]:
    """Return the runs to train with their expected time, recipe by recipe."""
    return [run for runs in with_seconds(plan_runs(specs, root), measure) for run in runs]


def test_pretraining_goes_first_and_seeds_are_whole() -> None:
    specs = specs_of(load_book(), ["esrgan-wgangp", "rrdb"], "smoke", [0, 1])
    ordered = [(spec.recipe, spec.seed) for spec in in_training_order(specs)]
    assert ordered == [("rrdb", 0), ("esrgan-wgangp", 0), ("rrdb", 1), ("esrgan-wgangp", 1)]


def test_what_is_there_is_not_planned_again(make_spec: MakeSpec, tmp_path: Path) -> None:
    done, begun, missing = (make_spec("srresnet", seed=seed) for seed in range(3))
    finish(done, tmp_path)
    begin(begun, tmp_path, {"kind": "train", "step": 1})
    planned = plan_runs([done, begun, missing], tmp_path)
    assert [run.state for run in planned] == ["finished", "begun", "missing"]
    timed = expected([done, begun, missing], tmp_path, lambda _spec: [10.0])
    assert [(run.state, run.seconds) for run in timed] == [("begun", 10.0), ("missing", 10.0)]


def test_a_run_that_diverged_is_an_end(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("srresnet")
    begin(spec, tmp_path, {"kind": "diverged", "step": 3, "message": "NaN"})
    (run,) = plan_runs([spec], tmp_path)
    assert (run.state, run.is_needed) == ("diverged", False)


def test_a_run_whose_pretraining_diverged_is_not_tried_again(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec("esrgan-wgangp")
    begin(make_spec("rrdb"), tmp_path, {"kind": "diverged", "step": 3, "message": "NaN"})
    assert [run.is_needed for run in plan_runs([spec], tmp_path)] == [False]
    other = make_spec("esrgan-wgangp", "pretraining.training.steps=3", seed=1)
    begin(make_spec("rrdb", seed=1), tmp_path, {"kind": "diverged", "step": 3, "message": "NaN"})
    assert [run.is_needed for run in plan_runs([other], tmp_path)] == [True]


def test_a_run_with_other_settings_is_neither_finished_nor_trained_over(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    finish(make_spec("srresnet", "training.learning_rate=0.5"), tmp_path)
    (run,) = plan_runs([make_spec("srresnet")], tmp_path)
    assert (run.state, run.is_needed) == ("other", False)
    assert "--run-root" in run.found.reason
    assert "--fresh" in run.found.reason


def test_a_run_without_its_weights_is_not_finished(make_spec: MakeSpec, tmp_path: Path) -> None:
    finish(make_spec("srresnet"), tmp_path).weights.unlink()
    (run,) = plan_runs([make_spec("srresnet")], tmp_path)
    assert (run.state, run.is_needed) == ("begun", True)


def test_a_damaged_run_costs_no_other_run_its_plan(make_spec: MakeSpec, tmp_path: Path) -> None:
    damaged = finish(make_spec("srresnet"), tmp_path)
    (damaged.path / "provenance.json").write_text("{")
    rubbish = begin(make_spec("srresnet", seed=1), tmp_path)
    (rubbish.path / "recipe.yaml").write_bytes(b"\xff\xfe")
    planned = plan_runs([make_spec("srresnet", seed=seed) for seed in range(3)], tmp_path)
    assert [run.state for run in planned] == ["damaged", "damaged", "missing"]
    assert "--fresh" in planned[0].found.reason
    assert "training command again" in planned[1].found.reason


def test_a_recipe_whose_time_cannot_be_told_is_planned_all_the_same(
    make_spec: MakeSpec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def measure(spec: RunSpec) -> list[float]:
        if spec.recipe == "srresnet":
            raise RuntimeError("a bug of mine")
        return [5.0]

    specs = [make_spec("srresnet"), make_spec("srresnet", seed=1), make_spec("srresnet-nobn")]
    planned = expected(specs, tmp_path, measure)
    found = {(run.spec.recipe, run.spec.seed): (run.is_needed, run.seconds) for run in planned}
    assert found == {
        ("srresnet", 0): (True, None),
        ("srresnet", 1): (True, None),
        ("srresnet-nobn", 0): (True, 5.0),
    }
    assert caplog.messages == ["srresnet: could not estimate the time: RuntimeError: a bug of mine"]


def test_shared_pretraining_is_counted_once(make_spec: MakeSpec, tmp_path: Path) -> None:
    def measure(spec: RunSpec) -> list[float]:
        return [100.0] if spec.pretraining is None else [100.0, 10.0]

    together = [make_spec("rrdb"), make_spec("esrgan-wgangp"), make_spec("esrgan")]
    assert sum(run.seconds or 0 for run in expected(together, tmp_path, measure)) == 120
    without = expected([make_spec("esrgan-wgangp"), make_spec("esrgan")], tmp_path, measure)
    assert sum(run.seconds or 0 for run in without) == 120
    finish(make_spec("rrdb"), tmp_path)
    again = expected([make_spec("esrgan-wgangp")], tmp_path, measure)
    assert sum(run.seconds or 0 for run in again) == 10


def test_each_recipe_is_measured_once(make_spec: MakeSpec, tmp_path: Path) -> None:
    asked: list[str] = []

    def measure(spec: RunSpec) -> list[float]:
        asked.append(spec.recipe)
        return [1.0]

    expected([make_spec("srresnet", seed=seed) for seed in range(3)], tmp_path, measure)
    assert asked == ["srresnet"]
