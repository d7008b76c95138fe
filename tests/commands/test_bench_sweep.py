"""`zoo bench` with runs to train: factorials, failures, what stands in the way, interruptions.

Jobs are trained in this process here; the process of their own is tested in `tests/sweep`.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import Result

import zoo as package
from tests.commands.conftest import SUITE
from tests.running import ending_group, stop_group, wait_for_rows
from tests.runs.made_up import begin_run, finish_run
from zoo.errors import DataError
from zoo.recipes.book import load_book
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import specify
from zoo.records.record import read_records
from zoo.runs.directory import RunDirectory, run_path
from zoo.sweep.engine import Outcome, Settings, Status, job_document
from zoo.sweep.worker import run_job
from zoo.train.interrupts import Interrupted
from zoo.train.observer import Observer

Bench = Callable[..., Result]
Fates = dict[str, tuple[Status, str]]
REPOSITORY = Path(__file__).resolve().parents[2]
MATRIX = """
matrices:
  one-factor:
    summary: BatchNorm or none
    base: srresnet
    factors:
      norm:
        batch: {generator: {norm: batch}}
        none: {generator: {norm: none}}
"""
CLAIM = """
claims:
  mine:
    statement: Removing BatchNorm saves parameters
    source: counted here
    contrast: {changed: srresnet-nobn, reference: srresnet, field: generator.norm}
    metric: cost.parameters
    direction: lower
    smallest_effect: 1
"""


@pytest.fixture
def fates(monkeypatch: pytest.MonkeyPatch) -> Fates:
    """Train in this process; a recipe with a fate has that instead."""
    chosen: Fates = {}

    def jobs(
        specs: Sequence[RunSpec], settings: Settings, _observer: Observer
    ) -> Iterator[Outcome]:
        for spec in specs:
            if spec.recipe in chosen:
                yield Outcome(spec, *chosen[spec.recipe])
            else:
                result = run_job(job_document(spec, settings), Observer())
                yield Outcome(spec, result["status"], result.get("message", ""))

    monkeypatch.setattr("zoo.sweep.api.run_jobs", jobs)
    monkeypatch.setattr("zoo.sweep.estimate.Estimator", lambda _options: lambda _spec: [1.0])
    return chosen


def error_of(result: Result, recipe: str) -> str:
    rows = [row for row in json.loads(result.stdout) if row["recipe"] == recipe]
    return str(rows[0]["error"])


@pytest.mark.slow
def test_a_run_that_fails_costs_its_row(bench: Bench, fates: Fates) -> None:
    fates["srresnet-nobn"] = ("failed", "its process ended by SIGKILL")
    result = bench("srresnet", "srresnet-nobn", "--seeds", "2", "--train", "--json")
    assert result.exit_code == 3
    assert "1 of 1: srresnet-nobn seed 1 failed its process ended by SIGKILL" in result.stderr
    fates["edsr"] = ("failed", "a bug of mine")
    result = bench("srresnet", "edsr", "--seeds", "1", "--train", "--json")
    assert result.exit_code == 3
    assert error_of(result, "edsr") == "seed 0: a bug of mine"


def test_a_diverged_pretraining_counts_against_the_run(
    bench: Bench, fates: Fates, run_root: Path
) -> None:
    fates["esrgan-wgangp"] = ("diverged", "step 3: loss_total is NaN")
    result = bench("esrgan-wgangp", "--seeds", "1", "--train", "--json")
    assert result.exit_code == 3
    assert error_of(result, "esrgan-wgangp") == "seed 0: step 3: loss_total is NaN"
    lost = [one for one in read_records(run_root / "records") if one.target.kind == "run"]
    assert [one.training.measures for one in lost if one.training is not None] == [
        {"finite": 0.0, "stable": 0.0}
    ]


def test_a_recipe_that_breaks_the_estimate_breaks_no_other(
    bench: Bench, fates: Fates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(_spec: RunSpec) -> list[float]:
        raise RuntimeError("a bug of mine")

    monkeypatch.setattr("zoo.sweep.estimate.Estimator", lambda _options: measure)
    fates["edsr"] = ("failed", "a bug of mine")
    result = bench("srresnet", "edsr", "--seeds", "1", "--train", "--json")
    assert result.exit_code == 3
    assert "about an unknown time" in result.stderr
    assert error_of(result, "edsr") == "seed 0: a bug of mine"
    assert any(row["recipe"] == "srresnet" for row in json.loads(result.stdout))


@pytest.mark.usefixtures("fates")
def test_a_run_with_other_settings_is_left_and_said(
    bench: Bench, run_root: Path, data_root: Path
) -> None:
    directory = RunDirectory(run_root / "srresnet/smoke/seed-0")
    spec = directory.spec()
    assert spec is not None
    training = spec.settings.training.model_copy(update={"learning_rate": 0.5})
    settings = spec.settings.model_copy(update={"training": training})
    shutil.rmtree(directory.path)
    other = begin_run(directory, spec.model_copy(update={"settings": settings}))
    finish_run(directory, other)
    before = (run_root / "srresnet/smoke/seed-0/summary.json").read_bytes()
    result = bench("srresnet", "--seeds", "1", "--train")
    assert result.exit_code == 3
    assert "1 runs: 0 finished, 0 to train" in result.stderr
    assert "keep it and train under another --run-root" in result.stderr
    assert f"--seed 0 --data-root {data_root} --run-root {run_root}-2" in result.stderr
    assert "--fresh " not in result.stderr.partition("runs are missing")[2].partition("#")[0]
    assert (run_root / "srresnet/smoke/seed-0/summary.json").read_bytes() == before
    assert bench("srresnet", "--seeds", "1").exit_code == 0, "nobody asked for its training"


@pytest.mark.usefixtures("fates")
@pytest.mark.slow
def test_a_damaged_run_costs_its_row_and_lost_weights_are_made_again(
    bench: Bench, run_root: Path
) -> None:
    (run_root / "srresnet/smoke/seed-0/provenance.json").write_text("{")
    result = bench("srresnet", "srresnet-nobn", "--seeds", "1", "--json")
    assert result.exit_code == 3
    assert "provenance.json is damaged" in error_of(result, "srresnet")
    weights = run_root / "srresnet-nobn/smoke/seed-0/weights.safetensors"
    weights.unlink()
    result = bench("srresnet-nobn", "--seeds", "1", "--json")
    assert result.exit_code == 0
    assert "weights.safetensors is missing" in result.stderr
    result = bench("srresnet-nobn", "--seeds", "1", "--train", "--json")
    assert result.exit_code == 0, result.stderr
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert bench("srresnet-nobn", "--seeds", "1", "--json").exit_code == 3
    result = bench("srresnet-nobn", "--seeds", "1", "--train", "--json")
    assert result.exit_code == 0, result.stderr
    assert RunDirectory(weights.parent).has_whole_weights()


@pytest.mark.usefixtures("fates")
@pytest.mark.slow
def test_the_effects_of_a_factorial_are_printed(
    bench: Bench, registry_file: Callable[[str], Path]
) -> None:
    mine = registry_file(MATRIX)
    options = ("--matrix", "one-factor", "--registry", mine, "--seeds", "2", "--train")
    result = bench(*options)
    assert result.exit_code == 0, result.stderr
    assert "4 runs: 3 finished, 1 to train" in result.stderr
    assert "one-factor: effects on" in result.stdout
    assert "norm batch -> none" in result.stdout


def test_all_scores_what_is_there_and_lists_the_rest(
    bench: Bench, data_root: Path, run_root: Path
) -> None:
    result = bench("--all", "--seeds", "1", "--json")
    assert result.exit_code == 0, result.stderr
    assert {row["recipe"] for row in json.loads(result.stdout)} == {
        "bicubic",
        "srresnet",
        "srresnet-nobn",
    }
    given = f"--data-root {data_root} --run-root {run_root}"
    made_by = f"zoo train esrgan --profile smoke --seed 0 {given}   # not trained"
    assert made_by in result.stderr


def test_claims_of_a_users_registry_are_judged(
    bench: Bench, registry_file: Callable[[str], Path]
) -> None:
    options = ("--registry", registry_file(CLAIM), "--seeds", "1")
    result = bench("srresnet", "srresnet-nobn", *options)
    assert result.exit_code == 0, result.stderr
    assert "mine " in result.stdout


def test_a_stop_ends_with_its_own_status(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def jobs(*_arguments: object) -> Iterator[Outcome]:
        raise Interrupted(signal.SIGTERM, 5)

    monkeypatch.setattr("zoo.sweep.api.run_jobs", jobs)
    monkeypatch.setattr("zoo.sweep.estimate.Estimator", lambda _options: lambda _spec: [1.0])
    result = bench("edsr", "--seeds", "1", "--train")
    assert result.exit_code == 143
    assert "saved; run the same command again to resume" in result.stderr
    assert result.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "group", "code"),
    [(signal.SIGTERM, False, 143), (signal.SIGINT, True, 130)],
    ids=["term", "ctrl-c"],
)
def test_a_signal_stops_the_command_saved(
    tmp_path: Path, number: int, *, group: bool, code: int
) -> None:
    long = ["--set", "training.steps=100000", "--seeds", "1", "-p", "smoke", "--device", "cpu"]
    start = "from zoo.commands.app import main; main()"
    command = ["-c", start, "bench", "srresnet", *long, "--train", "--run-root", str(tmp_path)]
    process = subprocess.Popen([sys.executable, *command], cwd=REPOSITORY, start_new_session=True)
    spec = specify(load_book(), "srresnet", "smoke", settings=["training.steps=100000"])
    directory = RunDirectory(run_path(spec, tmp_path))
    with ending_group(process):
        wait_for_rows(directory, process)
        stop_group(process, number, group=group, code=code)
    assert list(directory.checkpoints.glob("*.pt"))


def benched(data_root: Path, run_root: Path, tmp_path: Path, **more: Any) -> pd.DataFrame:
    return package.bench(
        "srresnet",
        suite=str(tmp_path / "tiny.yaml"),
        profile="smoke",
        seeds=1,
        settings=["training.learning_rate=0.5"],
        data_root=data_root,
        run_root=run_root,
        device="cpu",
        **more,
    )


def test_python_hears_of_missing_runs(
    bench: Bench, data_root: Path, run_root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench("bicubic")  # writes the suite
    frame = benched(data_root, run_root, tmp_path)
    assert set(frame["target"]) == {"bicubic"}
    (missing,) = frame.attrs["missing"]
    assert (missing["recipe"], missing["seed"]) == ("srresnet", 0)
    assert missing["reason"] == "not trained"
    options = f"--data-root {data_root} --run-root {run_root}"
    assert missing["command"].endswith(f"--set training.learning_rate=0.5 {options}")
    assert missing["command"] in caplog.text


def test_a_suite_without_images_stops_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def jobs(*_arguments: object) -> Iterator[Outcome]:
        pytest.fail("a training has begun")

    monkeypatch.setattr("zoo.sweep.api.run_jobs", jobs)
    (tmp_path / "tiny.yaml").write_text(SUITE)
    (tmp_path / "Tiny" / "HR").mkdir(parents=True)
    with pytest.raises(DataError, match="suite tiny: zoo cannot use any of its datasets"):
        benched(tmp_path, tmp_path / "runs", tmp_path, train=True)


def test_python_trains_what_is_missing(
    bench: Bench, fates: Fates, data_root: Path, run_root: Path, tmp_path: Path
) -> None:
    bench("bicubic")  # writes the suite
    fates["srresnet"] = ("failed", "no memory")
    notes = []

    class Notes(Observer):
        def notice(self, message: str) -> None:
            notes.append(message)

    frame = benched(data_root, run_root, tmp_path, train=True, observer=Notes())
    assert notes == ["1 of 1: srresnet seed 0 failed no memory"]
    assert frame.attrs["missing"] == []
    (error,) = set(frame.query("target != 'bicubic'")["error"])
    assert "no memory" in error
