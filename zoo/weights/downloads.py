"""The folder for downloads of weights, until the store has read them.

Different weights come in the same file, so one process at a time downloads. What is downloaded, and
from where, is in `zoo.weights.sources`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.data import Progress
from zoo.data.paths import zoo_home
from zoo.errors import MachineError

logger = logging.getLogger(__name__)


def downloads_folder() -> Path:
    """Return where downloads lie, whether there are any or not."""
    return _store() / ".downloads"


@contextlib.contextmanager
def alone(tell: Callable[[str], None]) -> Iterator[None]:
    """Let only this process download; a second one waits for the first.

    Args:
        tell: called if another process is downloading.

    Raises:
        MachineError: if the store cannot be written.
    """
    folder, lock = _store(), _lock()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tell(f"waiting for another process that downloads weights into {folder}")
            lock.acquire()
    except OSError as error:
        raise MachineError(
            f"cannot write {folder}, the store of weights: {error.strerror}; make it writable, or "
            "choose another place with ZOO_HOME"
        ) from error
    try:
        yield
    finally:
        lock.release()


def clear(keep: Collection[str]) -> None:
    """Remove all downloads but those of these names; nothing while another process downloads."""
    folder = downloads_folder()
    if not folder.is_dir():
        return
    with contextlib.suppress(OSError), _lock().acquire(timeout=0):
        for path in folder.iterdir():
            if path.name not in keep:
                path.unlink()
        folder.rmdir()  # which is refused where something is left


def logged(name: str) -> Progress:
    """Return what logs each tenth of a download, for who shows no progress of its own."""
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        tenths = 10 * done // max(total, 1)
        if tenths > told:
            told = tenths
            logger.info("downloading %s: %d %% of %.0f MB", name, 10 * tenths, total / 1e6)

    return progress


def _store() -> Path:
    return zoo_home() / "weights"


def _lock() -> FileLock:
    return FileLock(_store() / ".lock")
