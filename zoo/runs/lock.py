"""The lock of a run's directory: one process at a time may write.

The lock of a process that died is free. Not here: what is written (`zoo.runs.directory`).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from zoo.errors import MachineError
from zoo.files import read_text, sweep_temporary_files, write_atomically

LOCK: Final = ".lock"
HOLDER: Final = ".lock-holder"
_HOLDER_SECONDS = 1.0
"""Maximum time between taking the lock and writing down its holder."""


@contextmanager
def locked(folder: Path, *, wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Keep other processes out of a folder; create it if necessary.

    Args:
        folder: the folder.
        wait: called if another process has the lock, before waiting for it; None raises an error.

    Raises:
        MachineError: if another process has it, or the folder cannot be created.
    """
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        message = f"{_who(holder)} is writing to {folder}"
        if wait is None:
            raise MachineError(
                f"{message}; wait for it, stop it, or choose another --seed or --run-root"
            ) from error
        wait(f"{message}; waiting for it")
        lock.acquire()
    except OSError as error:
        raise MachineError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        _record_holder(holder)
        sweep_temporary_files(folder)
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    deadline = time.monotonic() + _HOLDER_SECONDS
    while time.monotonic() < deadline:
        try:
            return read_text(holder).strip()
        except OSError:  # it was released meanwhile, or not written yet
            time.sleep(_HOLDER_SECONDS / 20)
    return "another process"


def _record_holder(path: Path) -> None:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    write_atomically(
        path, f"process {os.getpid()} on {socket.gethostname()} since {started}".encode()
    )
