"""Zoo's folders on this machine: its home, its data root, its patch stores.

Not here: run directories (the trainer's) and weights (`zoo.weights`).
"""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from zoo.errors import MachineError
from zoo.files import from_home

logger = logging.getLogger(__name__)
_FOLDER = "srgan-zoo"


def zoo_home() -> Path:
    """Return zoo's own folder: `$ZOO_HOME`, else `srgan-zoo` in the user's cache.

    Where there is neither, as in a container whose user has no name and no home, or `/` for one, it
    is a folder of the user's own among the temporary ones.

    Raises:
        MachineError: if that folder belongs to another user.
    """
    home = os.environ.get("ZOO_HOME")
    if home:
        return from_home(home)
    caches = os.environ.get("XDG_CACHE_HOME")
    if caches:
        return from_home(caches) / _FOLDER
    with suppress(RuntimeError):  # the user has no home folder
        folder = Path.home() / ".cache" / _FOLDER
        if _is_usable(folder):
            return folder
    return _without_a_home()


def _is_usable(folder: Path) -> bool:
    """Return whether a folder exists or can be created; an existing one may be read-only."""
    if os.access(folder, os.F_OK):
        return True
    above = next((one for one in folder.parents if os.access(one, os.F_OK)), folder)
    return os.access(above, os.W_OK)


def _without_a_home() -> Path:
    """Return a temporary folder that only this user may write to, creating it if necessary.

    Raises:
        MachineError: if there is none to be had.
    """
    try:
        folder = Path(tempfile.gettempdir()) / f"{_FOLDER}-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        is_own = not folder.is_symlink() and folder.stat().st_uid == os.getuid()
    except OSError:
        is_own = False
    if not is_own:
        raise MachineError(
            "zoo can write neither to a home folder nor to a temporary folder: set ZOO_HOME to a "
            "writable folder"
        )
    _tell_once(folder)
    return folder


@cache
def _tell_once(folder: Path) -> None:
    logger.warning(
        "zoo cannot write to a home folder and keeps its files in %s; set ZOO_HOME", folder
    )


def data_root(explicit: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of datasets: the one given, else `$ZOO_DATA`, else `data` in the home."""
    if explicit is not None:
        return from_home(explicit)
    root = os.environ.get("ZOO_DATA")
    return from_home(root) if root else zoo_home() / "data"


def cache_dir() -> Path:
    """Return the folder of what can be rebuilt at any time, patch stores above all."""
    return zoo_home() / "cache"
