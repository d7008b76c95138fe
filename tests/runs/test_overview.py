"""All runs of a folder from their files alone, in whatever state those are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.runs.made_up import begin_run, finish_run
from zoo.recipes.book import load_book
from zoo.recipes.variants import specify
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.overview import read_overview, run_directories, see_runs, size_of, stamp

Begin = Callable[..., Path]
TRAINED = {"kind": "train", "learning_rate": 1e-3, "loss_l1": 0.5, "images_per_second": 8.0}
VALIDATED = {"kind": "validation", "validation": "x", "psnr_y_images": {}}


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Return what makes a run directory with these rows."""

    def make(recipe: str, *rows: dict[str, Any], settings: Sequence[str] = (), **more: Any) -> Path:
        spec = specify(load_book(), recipe, "smoke", settings=settings, **more)
        directory = RunDirectory(run_path(spec, tmp_path))
        begin_run(directory, spec)
        for row in rows:
            directory.append_row(row)
        return directory.path

    return make


def hold(path: Path, process: int, host: str) -> None:
    (path / ".lock-holder").write_text(f"process {process} on {host} since 2026-01-01T00:00:00")


def test_a_run_that_is_trained(begin: Begin) -> None:
    path = begin(
        "srgan",
        {**TRAINED, "step": 1},
        {**VALIDATED, "step": 1, "psnr_y": 25.0},
        {**TRAINED, "step": 2, "loss_l1": 0.25},
        seed=3,
        settings=["training.learning_rate=3e-4"],
    )
    hold(path, os.getpid(), socket.gethostname())
    run = read_overview(path)
    assert (run.recipe, run.profile, run.seed) == ("srgan", "smoke", 3)
    assert run.settings == ("training.learning_rate=0.0003",)
    assert (run.stage, run.step, run.progress, run.verdict) == ("adversarial", 2, "running", None)
    assert run.losses == {"l1": 0.25}
    assert run.psnr == [25.0]
    assert run.spec is not None
    assert run.num_steps is not None
    left = (run.num_steps - 2) * run.spec.settings.data.batch_size / 8
    assert run.seconds_left == pytest.approx(left)
    assert run.document()["bytes"] == size_of(path) > 0


def test_a_killed_process_trains_nothing(begin: Begin) -> None:
    path = begin("srresnet", {**TRAINED, "step": 1})
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    hold(path, ended.pid, socket.gethostname())
    assert read_overview(path).progress == "stopped"


def test_a_process_of_another_machine_trains_as_long_as_the_log_grows(begin: Begin) -> None:
    path = begin("srresnet", {**TRAINED, "step": 1})
    hold(path, 1, "elsewhere")
    assert read_overview(path).progress == "running"
    os.utime(path / "metrics.jsonl", (1, 1))
    assert read_overview(path).progress == "stopped"


def test_a_run_that_ended(begin: Begin, tmp_path: Path) -> None:
    spec = specify(load_book(), "srresnet", "smoke")
    directory = RunDirectory(run_path(spec, tmp_path))
    finish_run(directory, begin_run(directory, spec))
    lost = begin("rrdb", {"kind": "diverged", "step": 3, "message": "NaN"})
    found = {run.recipe: run for run in see_runs(tmp_path)}
    assert (found["srresnet"].progress, found["srresnet"].verdict) == ("finished", "stable")
    assert (found["rrdb"].progress, found["rrdb"].verdict) == ("diverged", "diverged")
    assert list(run_directories(lost)) == [lost]


@pytest.mark.parametrize("name", ["recipe.yaml", "provenance.json", "summary.json"])
def test_a_damaged_run_is_listed_with_its_problem(begin: Begin, name: str) -> None:
    path = begin("srresnet")
    (path / name).write_text("{")
    run = read_overview(path)
    assert (run.progress, run.recipe, run.profile) == ("damaged", "srresnet", "smoke")
    assert f"cannot read {name}" in run.problem
    json.dumps(run.document())


def test_damaged_lines_are_counted_and_an_unfinished_one_is_not(begin: Begin) -> None:
    path = begin("srresnet", {**TRAINED, "step": 1})
    with (path / "metrics.jsonl").open("a") as log:
        log.write('{"kind": "tr\n{"kind": "train", "st')
    run = read_overview(path)
    assert (len(run.rows), run.num_damaged, run.step) == (1, 1, 1)


def test_the_stamp_changes_with_the_log(begin: Begin) -> None:
    path = begin("srresnet")
    before = stamp(path)
    assert stamp(path) == before
    RunDirectory(path).append_row({**TRAINED, "step": 1})
    assert stamp(path) != before


def test_it_needs_no_torch() -> None:
    code = "import sys, zoo.runs.overview, zoo.commands.watch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
