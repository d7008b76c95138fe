"""Signals as a terminal and a cluster send them: to every process of a run, loaders included."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.runs.directory import RunDirectory

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = (
    *(sys.executable, "cli.py", "train", "srgan-wgangp", "--profile", "smoke", "--device", "cpu"),
    *("--set", "losses.vgg19=null", "--set", "runtime.num_workers=2"),
    *("--set", "training.steps=100000", "--set", "training.log_every=10"),
)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 143)],
    ids=["term", "ctrl-c", "usr1"],
)
def test_a_signal_to_the_whole_group_saves_and_leaves_nobody_behind(
    tmp_path: Path, number: int, code: int
) -> None:
    command = [*COMMAND, "--run-root", str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    directory = RunDirectory(tmp_path / "srgan-wgangp" / "smoke" / "seed-0")
    try:
        deadline = time.monotonic() + 120
        while not any(row["kind"] == "train" for row in directory.rows()):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(process.pid, number)
        _, told = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == code, told
    assert "saved; go on with: python cli.py train srgan-wgangp" in told
    assert list(directory.checkpoints.glob("*.pt"))
    with pytest.raises(ProcessLookupError):  # no process is left in the group
        os.killpg(process.pid, 0)


def test_an_error_in_a_dry_run_ends_it_though_processes_load(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text(
        "from zoo.train import rehearsal\n"
        "def fail(*_, **__): raise RuntimeError('a bug')\n"
        "rehearsal.training_step = fail\n"
        "from zoo.commands.app import main\n"
        "main()\n"
    )
    arguments = COMMAND[2:]
    command = [sys.executable, str(script), *arguments, "--dry-run"]
    ended = subprocess.run(
        command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, timeout=90, check=False
    )
    assert ended.returncode == 1
    assert "RuntimeError: a bug" in ended.stderr
