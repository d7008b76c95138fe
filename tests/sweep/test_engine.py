"""The engine of a sweep: a process that trains, and what its end costs."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.running import ending_group, stop_group, wait_for_rows
from zoo.recipes.schema import RunSpec
from zoo.runs.checkpoint import latest_step
from zoo.runs.directory import RunDirectory, run_path
from zoo.sweep import engine
from zoo.sweep.engine import Settings, run_jobs
from zoo.sweep.worker import PipeObserver, run_job, serve
from zoo.train.interrupts import Interrupted
from zoo.train.observer import Observer

MakeSpec = Callable[..., RunSpec]
REPOSITORY = Path(__file__).resolve().parents[2]


class Listener(Observer):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []
        self.finished: list[Path] = []

    def logged(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        self.finished.append(directory)


PLUGIN = '''
import os, signal
from torch import Tensor, nn
from zoo import Generator, register_generator


@register_generator("fatal-net")
class FatalNet(Generator):
    """Kills its process in training, as the kernel does when memory runs out."""

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale)
        self.body = nn.Sequential(nn.Conv2d(3, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, lr_image: Tensor) -> Tensor:
        if self.training:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.body(lr_image)
'''


@pytest.mark.slow
def test_one_crash_costs_one_run(make_spec: MakeSpec, tmp_path: Path) -> None:
    plugin = tmp_path / "fatal.py"
    plugin.write_text(PLUGIN)
    good = [make_spec("srresnet", seed=seed) for seed in (0, 1)]
    document = good[0].model_dump(mode="json")
    document["recipe"] = "fatal"
    document["settings"]["generator"] = {"name": "fatal-net"}
    fatal = RunSpec.model_validate_json(json.dumps(document))
    settings = Settings(tmp_path / "runs", device="cpu", plugins=(plugin,))
    listener = Listener()
    outcomes = list(run_jobs([good[0], fatal, good[1]], settings, listener))
    assert [outcome.status for outcome in outcomes] == ["finished", "failed", "finished"]
    assert outcomes[1].message.startswith(
        "its process ended by SIGKILL; the machine may have too little"
    )
    assert listener.finished == [run_path(spec, tmp_path / "runs") for spec in good]
    assert any(row["kind"] == "train" for row in listener.rows)


def test_a_job_says_what_came_of_it(make_spec: MakeSpec, tmp_path: Path) -> None:
    job = engine.job_document(make_spec("srresnet"), Settings(tmp_path, device="cpu"))
    result = run_job(json.loads(json.dumps(job)), Observer())
    assert result["status"] == "finished"
    assert result["summary"]["steps"] == 12
    json.dumps(result)
    elsewhere = {**job, "options": {**job["options"], "device": "cuda:99"}}
    failed = run_job(elsewhere, Observer())
    assert failed["status"] == "failed"
    assert "--device cuda:99" in failed["message"]


def test_a_run_that_diverges_is_told_from_one_that_fails(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec("srresnet", "training.learning_rate=1e30")
    result = run_job(engine.job_document(spec, Settings(tmp_path, device="cpu")), Observer())
    assert result["status"] == "diverged", result


FAKE = """
import json, os, signal, sys
for line in sys.stdin:
    recipe = json.loads(line)["spec"]["recipe"]
    print(json.dumps({"result": {"status": "finished", "message": str(os.getpid()),
                                 "ends": recipe == "ends"}}), flush=True)
    if recipe == "ends":
        sys.exit(1)
    if recipe == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def fake_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have jobs done by a process that only says its number; some recipes end or kill it."""

    def start(_module: str, **_environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", FAKE]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(engine, "start_module", start)


@pytest.mark.usefixtures("fake_worker")
@pytest.mark.parametrize("last", ["ends", "dies"])
def test_a_worker_that_is_gone_costs_no_job(make_spec: MakeSpec, tmp_path: Path, last: str) -> None:
    good = make_spec("srresnet")
    specs = [good, good.model_copy(update={"recipe": last}), good]
    found = []
    for outcome in run_jobs(specs, Settings(tmp_path), Observer()):
        found.append(outcome)
        time.sleep(0.2)  # the process is gone when the next job comes
    assert [outcome.status for outcome in found] == ["finished"] * 3
    assert found[0].message == found[1].message != found[2].message


@pytest.mark.usefixtures("fake_worker")
def test_a_job_that_could_not_be_handed_over_gets_a_new_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = engine.Worker()
    job = {"spec": {"recipe": "good"}}
    first = worker.run(job, Observer())["message"]
    assert worker.process is not None
    worker.process.kill()
    worker.process.wait()
    # it died between the look at it and the writing
    monkeypatch.setattr(worker.process, "poll", lambda: None)
    assert worker.run(job, Observer())["message"] != first
    worker.process.kill()
    worker.process.wait()
    worker.close()


def test_after_an_unexpected_error_the_worker_ends(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr("zoo.train.run.train", fail)
    job = json.dumps(engine.job_document(make_spec("srresnet"), Settings(tmp_path, device="cpu")))
    assert run_job(json.loads(job), Observer())["ends"]
    written = io.StringIO()
    serve(io.StringIO(f"{job}\n{job}\n"), written)
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["result"]["message"].startswith("RuntimeError: CUDA error")


def test_a_component_that_ends_the_program_fails_its_own_job(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_arguments: object) -> None:
        raise SystemExit(0)

    monkeypatch.setattr("zoo.train.run.train", leave)
    job = engine.job_document(make_spec("srresnet"), Settings(tmp_path, device="cpu"))
    result = run_job(job, Observer())
    assert result["status"] == "failed"
    assert "ends the program (SystemExit: 0)" in result["message"]


def test_events_pass_through_the_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    observer = PipeObserver(sys.stdout)
    observer.notice("hello")
    observer.stage_finished(Path("runs/x"), {"psnr_y": 1.0})
    heard = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert heard == [
        {"event": "notice", "arguments": ["hello"]},
        {"event": "stage_finished", "arguments": ["runs/x", {"psnr_y": 1.0}]},
    ]


def test_a_signal_while_the_worker_starts_is_passed_on(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = tmp_path / "done"
    script = "import sys, time; sys.stdin.readline(); time.sleep(1); open(sys.argv[1], 'w')"

    def start(_module: str, **_environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, str(done)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        os.kill(os.getpid(), signal.SIGUSR1)
        return process

    monkeypatch.setattr(engine, "start_module", start)
    with pytest.raises(Interrupted) as caught:
        list(run_jobs([make_spec("srresnet")], Settings(tmp_path), Observer()))
    assert caught.value.exit_code == 143
    assert not done.exists(), "its job was not done first"


SWEEP = """
import sys
from pathlib import Path
from zoo.recipes.book import load_book
from zoo.sweep.engine import Settings, run_jobs
from zoo.sweep.plan import specs_of
from zoo.train.interrupts import Interrupted
from zoo.train.observer import Observer
specs = specs_of(load_book(), ["srresnet"], "smoke", [0, 1])
specs = [s.model_copy(update={"settings": s.settings.model_copy(update={"training":
    s.settings.training.model_copy(update={"steps": 100000})})}) for s in specs]
try:
    for outcome in run_jobs(specs, Settings(Path(sys.argv[1]), device="cpu"), Observer()):
        print(outcome)
except Interrupted as stopped:
    sys.exit(stopped.exit_code)
"""


def start_sweep(root: Path) -> subprocess.Popen[bytes]:
    """Start `SWEEP` below a run root, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", SWEEP, str(root)], cwd=REPOSITORY, start_new_session=True
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "group", "code"),
    [(signal.SIGTERM, False, 143), (signal.SIGINT, True, 130)],
    ids=["term", "ctrl-c"],
)
def test_a_sweep_stops_saved_and_leaves_nobody_behind(
    tmp_path: Path, number: int, *, group: bool, code: int
) -> None:
    process = start_sweep(tmp_path)
    directory = RunDirectory(tmp_path / "srresnet" / "smoke" / "seed-0")
    with ending_group(process):
        wait_for_rows(directory, process)
        stop_group(process, number, group=group, code=code)
    assert list(directory.checkpoints.glob("*.pt"))
    assert not (tmp_path / "srresnet" / "smoke" / "seed-1").exists()


@pytest.mark.slow
def test_a_worker_whose_sweep_was_killed_saves_and_ends(tmp_path: Path) -> None:
    process = start_sweep(tmp_path)
    directory = RunDirectory(tmp_path / "srresnet" / "smoke" / "seed-0")
    try:
        wait_for_rows(directory, process)
        process.kill()
        process.wait(60)
        deadline = time.monotonic() + 150
        while any(directory.path.glob(".lock-holder")):  # the worker is at work
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert latest_step(directory.checkpoints) >= directory.rows()[-1]["step"] > 0


def test_signals_belong_to_their_owner_again_after_a_sweep(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert threading.current_thread() is threading.main_thread()
    assert list(run_jobs([], Settings(tmp_path), Observer())) == []
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
