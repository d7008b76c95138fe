"""The plan of a sweep: what is missing, in which order, how long it takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from zoo.recipes.book import load_book
from zoo.recipes.schema import RunSpec
from zoo.runs.directory import run_path
from zoo.sweep.plan import in_training_order, plan_runs, specs_of, state_of

MakeSpec = Callable[..., RunSpec]


def finish(spec: RunSpec, root: Path, **summary: float) -> None:
    path = run_path(spec, root)
    path.mkdir(parents=True)
    (path / "summary.json").write_text(json.dumps({"seconds": 7.0, **summary}))


def test_pretraining_goes_first_and_seeds_are_whole() -> None:
    specs = specs_of(load_book(), ["esrgan-wgangp", "rrdb"], "smoke", [0, 1])
    ordered = [(spec.recipe, spec.seed) for spec in in_training_order(specs)]
    assert ordered == [("rrdb", 0), ("esrgan-wgangp", 0), ("rrdb", 1), ("esrgan-wgangp", 1)]


def test_what_is_there_is_not_planned_again(make_spec: MakeSpec, tmp_path: Path) -> None:
    done, begun, missing = (make_spec("srresnet", seed=seed) for seed in range(3))
    finish(done, tmp_path)
    path = run_path(begun, tmp_path)
    path.mkdir(parents=True)
    (path / "metrics.jsonl").write_text('{"kind": "train", "step": 1}\n')
    planned = plan_runs([done, begun, missing], tmp_path, lambda _spec: [10.0])
    assert [(run.state, run.seconds) for run in planned] == [
        ("finished", 0.0),
        ("begun", 10.0),
        ("missing", 10.0),
    ]


def test_a_run_that_diverged_is_an_end(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("srresnet")
    path = run_path(spec, tmp_path)
    path.mkdir(parents=True)
    (path / "metrics.jsonl").write_text('{"kind": "diverged", "step": 3, "message": "NaN"}\n')
    assert state_of(spec, tmp_path) == "finished"


def test_shared_pretraining_is_counted_once(make_spec: MakeSpec, tmp_path: Path) -> None:
    def measure(spec: RunSpec) -> list[float]:
        return [100.0] if spec.pretraining is None else [100.0, 10.0]

    together = [make_spec("rrdb"), make_spec("esrgan-wgangp"), make_spec("esrgan")]
    assert sum(run.seconds or 0 for run in plan_runs(together, tmp_path, measure)) == 120
    without = plan_runs([make_spec("esrgan-wgangp"), make_spec("esrgan")], tmp_path, measure)
    assert sum(run.seconds or 0 for run in without) == 120
    finish(make_spec("rrdb"), tmp_path)
    again = plan_runs([make_spec("esrgan-wgangp")], tmp_path, measure)
    assert sum(run.seconds or 0 for run in again) == 10


def test_each_recipe_is_measured_once(make_spec: MakeSpec, tmp_path: Path) -> None:
    asked: list[str] = []

    def measure(spec: RunSpec) -> list[float]:
        asked.append(spec.recipe)
        return [1.0]

    plan_runs([make_spec("srresnet", seed=seed) for seed in range(3)], tmp_path, measure)
    assert asked == ["srresnet"]
