"""Signals as a terminal and a cluster send them: to every process of a run, loaders included."""

from __future__ import annotations

import os
import pty
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.running import ending_group, wait_for_rows
from zoo.recipes.book import load_book
from zoo.recipes.variants import specify
from zoo.runs.checkpoint import latest_step
from zoo.runs.directory import RunDirectory, run_path

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = (
    *(sys.executable, "cli.py", "train", "srgan-wgangp", "--profile", "smoke", "--device", "cpu"),
    *("--set", "losses.vgg19=null", "--set", "runtime.num_workers=2"),
    *("--set", "training.steps=100000", "--set", "training.log_every=10"),
)
SHORT = (
    *(sys.executable, "cli.py", "train", "srresnet", "--profile", "smoke", "--device", "cpu"),
    *("--set", "training.steps=100000", "--set", "training.log_every=1"),
    *("--set", "training.validate_every=100000", "--set", "training.checkpoint_every=100000"),
)
"""No stage before it, and nothing saved before it is asked for."""


def directory_of(command: Sequence[str], root: Path) -> RunDirectory:
    """Return where a command trains: what it sets is in the name of the folder."""
    settings = [value for flag, value in pairwise(command) if flag == "--set"]
    return RunDirectory(
        run_path(specify(load_book(), command[3], "smoke", settings=settings), root)
    )


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)],
    ids=["ctrl-c", "sigterm", "sigusr1"],
)
def test_a_signal_to_the_whole_group_saves_and_leaves_nobody_behind(
    tmp_path: Path, number: int, code: int
) -> None:
    """All signals share a handler; test_interrupts.py sends each of them."""
    directory = directory_of(COMMAND, tmp_path)
    with started(COMMAND, directory, tmp_path, stderr=subprocess.PIPE) as process:
        os.killpg(process.pid, number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert "saved; resume with: python cli.py train srgan-wgangp" in told
    assert list(directory.checkpoints.glob("*.pt"))
    with pytest.raises(ProcessLookupError):  # no process is left in the group
        os.killpg(process.pid, 0)


@contextmanager
def started(
    command: Sequence[str], directory: RunDirectory, run_root: Path, **streams: Any
) -> Iterator[subprocess.Popen[str]]:
    """Start a training that does not end by itself; it has logged a row when the block begins."""
    process = subprocess.Popen(
        [*command, "--run-root", str(run_root)],
        **{"cwd": REPOSITORY, "text": True, "start_new_session": True} | streams,
    )
    with ending_group(process):
        wait_for_rows(directory, process)
        yield process


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """The directory of `SHORT`."""
    return directory_of(SHORT, tmp_path)


def test_a_hangup_that_nohup_ignores_changes_nothing(
    tmp_path: Path, directory: RunDirectory
) -> None:
    def ignore_hangup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    streams: dict[str, Any] = {"stderr": subprocess.DEVNULL, "preexec_fn": ignore_hangup}
    with started(SHORT, directory, tmp_path, **streams) as process:
        os.killpg(process.pid, signal.SIGHUP)
        wait_for_rows(directory, process, 2)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) == 143


@pytest.mark.parametrize("kind", ["head", "full", "terminal"])
def test_an_output_that_is_gone_changes_nothing(
    tmp_path: Path, directory: RunDirectory, kind: str
) -> None:
    """As `2>&1 | head` and a log on a full disk; a terminal that closes sends SIGHUP besides."""
    if kind == "terminal":
        reader, writer = pty.openpty()
    elif kind == "head":
        reader, writer = os.pipe()
    else:
        reader, writer = os.open("/dev/null", os.O_RDONLY), os.open("/dev/full", os.O_WRONLY)
    with started(SHORT, directory, tmp_path, stdout=writer, stderr=writer) as process:
        os.close(writer)
        os.close(reader)
        wait_for_rows(directory, process, 2)
        os.killpg(process.pid, signal.SIGHUP)
        assert process.wait(60) == 143
    assert latest_step(directory.checkpoints) >= directory.rows()[-1]["step"] > 0


def test_the_kernel_says_that_processor_time_is_used_up(
    tmp_path: Path, directory: RunDirectory
) -> None:
    with started(SHORT, directory, tmp_path, stderr=subprocess.PIPE) as process:
        seconds = sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().split()[13:15]))
        limit = seconds // os.sysconf("SC_CLK_TCK") + 1
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (limit, limit + 60))
        _, told = process.communicate(timeout=90)
    assert process.returncode == 143, told
    assert "stopped by SIGXCPU" in told


def test_an_error_in_a_dry_run_ends_it_though_processes_load(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text(
        "from zoo.train import dry_run\n"
        "def fail(*_, **__): raise RuntimeError('a bug')\n"
        "dry_run.training_step = fail\n"
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
