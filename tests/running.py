"""Trainings in processes of their own: wait for them to log, stop them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from zoo.runs.directory import RunDirectory


@contextmanager
def ending_group(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Kill the process group of a process that is still there at the end."""
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


def wait_for_rows(directory: RunDirectory, process: subprocess.Popen[Any], more: int = 1) -> None:
    """Wait until a training has logged so many rows more than now."""

    def num_rows() -> int:
        return sum(row["kind"] == "train" for row in directory.rows())

    wanted, deadline = num_rows() + more, time.monotonic() + 200
    while num_rows() < wanted:
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def stop_group(process: subprocess.Popen[Any], number: int, *, group: bool, code: int) -> None:
    """Send a signal to a process, or to its group; it ends with `code`, and its children end."""
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(60) == code
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
