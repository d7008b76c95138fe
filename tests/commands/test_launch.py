"""`zoo train --devices N`: what is refused, and how all processes stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Zoo
from tests.running import ending_group, wait_for_rows
from zoo.runs.directory import RunDirectory
from zoo.runs.overview import see_runs

REPOSITORY = Path(__file__).resolve().parents[2]
LONG = ["train", "srresnet", "-p", "smoke", "--device", "cpu", "--set", "training.steps=100000"]
LONG += ["--set", "training.log_every=1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--devices", "3"], "data.batch_size 2 .* does not divide into 3 processes"),
        (["--devices", "2", "--device", "cuda:0"], "--device cuda:0 is one GPU"),
        (["--devices", "2", "--dry-run"], "a dry run measures one process"),
        (["--devices", "2", "--set", "runtime.compile=true"], "compile=true is for one process"),
    ],
)
def test_what_cannot_be_spread_is_refused_before_anything_is_trained(
    zoo: Zoo, tmp_path: Path, words: list[str], said: str
) -> None:
    done = zoo("train", "srgan", "-p", "smoke", "--run-root", tmp_path / "runs", *words)
    assert done.exit_code == 2
    assert re.search(said, " ".join(done.stderr.split()))
    assert not (tmp_path / "runs").exists()


def test_more_gpus_than_there_are_are_refused(zoo: Zoo, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    done = zoo(
        "train", "srgan", "-p", "smoke", "--run-root", root, "--devices", "2", "--device", "cuda"
    )
    assert done.exit_code == 5
    assert "--devices 2 needs 2 GPUs" in done.stderr


def start(root: Path, *more: str) -> subprocess.Popen[str]:
    """Start a long training below a run root, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "cli.py", *LONG, "--run-root", str(root), *more],
        cwd=REPOSITORY,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )


def place(root: Path) -> RunDirectory:
    return RunDirectory(root / "srresnet" / "smoke+training.steps=100000" / "seed-0")


@pytest.mark.slow
def test_sigterm_saves_once_and_another_number_of_processes_goes_on(tmp_path: Path) -> None:
    process = start(tmp_path, "--devices", "2")
    with ending_group(process):
        wait_for_rows(place(tmp_path), process, 3)
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=90)[1]
    assert process.returncode == 143
    assert told.count("stopped by SIGTERM") == 1
    (run,) = see_runs(tmp_path)
    assert run.progress == "stopped"
    before = run.step
    process = start(tmp_path)
    with ending_group(process):
        wait_for_rows(place(tmp_path), process, before + 2)
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=90)[1]
    assert process.returncode == 143
    assert "resumes at step" in told


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_others_and_is_named(tmp_path: Path) -> None:
    process = start(tmp_path, "--devices", "2")
    with ending_group(process):
        wait_for_rows(place(tmp_path), process, 2)
        children = subprocess.run(
            ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        killed = max(int(each) for each in children)
        os.kill(killed, signal.SIGKILL)
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 5
    assert f"of 2 (PID {killed}) was killed by SIGKILL" in told
