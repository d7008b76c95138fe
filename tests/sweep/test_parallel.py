"""Several jobs of a sweep at once: which comes next, what each gets, and how all stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.running import ending_group, stop_group, wait_for_rows
from zoo.errors import MachineError
from zoo.recipes.book import load_book
from zoo.recipes.schema import RunSpec
from zoo.runs.directory import RunDirectory
from zoo.runs.overview import see_runs
from zoo.sweep import engine
from zoo.sweep.engine import Settings
from zoo.sweep.parallel import Schedule, run_together, shares
from zoo.sweep.plan import specs_of
from zoo.train.interrupts import Interrupted
from zoo.train.observer import Observer

MakeSpec = Callable[..., RunSpec]
REPOSITORY = Path(__file__).resolve().parents[2]


def specs(*recipes: str, seeds: int = 1) -> list[RunSpec]:
    return specs_of(load_book(), recipes, "smoke", range(seeds))


def test_a_run_whose_pretraining_is_being_trained_waits_for_others() -> None:
    content, adversarial, other = specs("rrdb", "esrgan-wgangp", "srresnet")
    schedule = Schedule([content, adversarial, other])
    assert schedule.take() == content
    assert schedule.take() == other, "esrgan-wgangp would only wait for rrdb"
    schedule.ended(content)
    assert schedule.take() == adversarial
    assert schedule.take() is None


def test_where_nothing_else_is_left_a_run_waits_for_its_pretraining() -> None:
    content, adversarial = specs("rrdb", "esrgan-wgangp")
    schedule = Schedule([content, adversarial])
    assert [schedule.take(), schedule.take()] == [content, adversarial]


def test_each_process_has_a_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert shares(3, "cpu") == [{"OMP_NUM_THREADS": "2"}] * 3
    assert shares(9, "cpu")[0] == {"OMP_NUM_THREADS": "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert shares(2, "cpu") == [{}, {}]


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [one["CUDA_VISIBLE_DEVICES"] for one in shares(2, "auto")] == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert [one["CUDA_VISIBLE_DEVICES"] for one in shares(2, "cuda")] == ["3", "5"]
    with pytest.raises(MachineError, match=r"--jobs 3 needs 3 GPUs.* found 2"):
        shares(3, "auto")


FAKE = """
import json, os, signal, sys, time
for line in sys.stdin:
    spec = json.loads(line)["spec"]
    name = f"{spec['recipe']} {spec['seed']}"
    print(json.dumps({"event": "notice", "arguments": ["hello"]}), flush=True)
    if spec["recipe"] == "stopped":
        result = {"status": "interrupted", "exit_code": 143, "step": 7}
    elif spec["recipe"] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        time.sleep(0.2)
        result = {"status": "finished", "message": os.environ["OMP_NUM_THREADS"]}
    print(json.dumps({"result": result}), flush=True)
"""


class Messages(Observer):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def notice(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def fake_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have jobs done by a process that trains nothing."""

    def start(_module: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", FAKE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    monkeypatch.setattr(engine, "start_module", start)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.usefixtures("fake_worker")
def test_a_killed_process_costs_its_own_run(tmp_path: Path) -> None:
    jobs = specs("srresnet", seeds=5)
    jobs[1] = jobs[1].model_copy(update={"recipe": "dies"})
    said = Messages()
    found = list(run_together(jobs, Settings(tmp_path, device="cpu"), said, 2))
    assert {(one.spec.recipe, one.spec.seed): one.status for one in found} == {
        ("dies", 1): "failed",
        **{("srresnet", seed): "finished" for seed in (0, 2, 3, 4)},
    }
    (lost,) = [one.message for one in found if one.status == "failed"]
    assert "by SIGKILL" in lost
    assert sorted(said.lines) == ["dies seed 1: hello"] + [
        f"srresnet seed {seed}: hello" for seed in (0, 2, 3, 4)
    ]


@pytest.mark.usefixtures("fake_worker")
def test_a_job_that_somebody_stops_stops_the_sweep(tmp_path: Path) -> None:
    jobs = specs("srresnet", seeds=40)
    jobs[1] = jobs[1].model_copy(update={"recipe": "stopped"})
    found = []
    with pytest.raises(Interrupted) as stopped:
        found.extend(run_together(jobs, Settings(tmp_path, device="cpu"), Observer(), 2))
    assert (stopped.value.exit_code, stopped.value.step) == (143, 7)
    assert len(found) < 5
    assert not [t for t in threading.enumerate() if "_work" in t.name]


@pytest.mark.usefixtures("fake_worker")
def test_an_error_of_the_caller_ends_the_processes(tmp_path: Path) -> None:
    jobs = run_together(
        specs("srresnet", seeds=40), Settings(tmp_path, device="cpu"), Observer(), 2
    )
    next(jobs)
    jobs.close()
    assert not [t for t in threading.enumerate() if "_work" in t.name]


SWEEP = """
import sys
from pathlib import Path
from zoo.recipes.book import load_book
from zoo.sweep.engine import Settings
from zoo.sweep.parallel import run_together
from zoo.sweep.plan import specs_of
from zoo.train.interrupts import Interrupted
from zoo.train.observer import Observer
specs = specs_of(load_book(), ["srresnet"], "smoke", [0, 1, 2], ["training.steps=100000"])
try:
    for outcome in run_together(specs, Settings(Path(sys.argv[1]), device="cpu"), Observer(), 2):
        print(outcome)
except Interrupted as stopped:
    sys.exit(stopped.exit_code)
"""


@pytest.mark.slow
def test_ctrl_c_saves_all_jobs_and_leaves_nobody_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SWEEP, str(tmp_path)], cwd=REPOSITORY, start_new_session=True
    )
    (budget,) = {path.parent for path in expected_places(tmp_path)}
    with ending_group(process):
        for seed in (0, 1):
            wait_for_rows(RunDirectory(budget / f"seed-{seed}"), process)
        stop_group(process, signal.SIGINT, group=True, code=130)
    for seed in (0, 1):
        assert list((budget / f"seed-{seed}" / "checkpoints").glob("*.pt"))
    assert not (budget / "seed-2").exists()


def expected_places(root: Path) -> list[Path]:
    return [root / "srresnet" / "smoke+training.steps=100000" / f"seed-{n}" for n in (0, 1)]


@pytest.mark.slow
def test_a_pretraining_that_two_jobs_need_is_trained_once(tmp_path: Path) -> None:
    jobs = specs("esrgan-wgangp", "esrgan-wgangp-vanilla")
    said = Messages()
    found = list(run_together(jobs, Settings(tmp_path, device="cpu"), said, 2))
    assert [one.status for one in found] == ["finished"] * 2
    assert sorted(run.recipe for run in see_runs(tmp_path)) == [
        *("esrgan-wgangp", "esrgan-wgangp-vanilla", "rrdb")
    ]
    (pretraining,) = [run for run in see_runs(tmp_path) if run.recipe == "rrdb"]
    sessions = json.loads((pretraining.path / "provenance.json").read_text())["sessions"]
    assert len(sessions) == 1
