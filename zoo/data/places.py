"""Where zoo keeps things on this machine: its home, its data root, its patch stores.

Not here: run directories (the trainer's) and weights (`zoo.weights`).
"""

from __future__ import annotations

import logging
import os
import tempfile
from functools import cache
from pathlib import Path

from zoo.errors import MachineError
from zoo.files import from_home

logger = logging.getLogger(__name__)
_FOLDER = "srgan-zoo"


def zoo_home() -> Path:
    """Return zoo's own folder: `$ZOO_HOME`, else `srgan-zoo` in the user's cache.

    Where there is neither, as in a container without `HOME` whose user has no name, it is a folder
    of the user's own among the temporary ones.

    Raises:
        MachineError: if that folder is somebody else's.
    """
    home = os.environ.get("ZOO_HOME")
    if home:
        return from_home(home)
    caches = os.environ.get("XDG_CACHE_HOME")
    if caches:
        return from_home(caches) / _FOLDER
    try:
        return Path.home() / ".cache" / _FOLDER
    except RuntimeError:
        return _without_a_home(Path(tempfile.gettempdir()) / f"{_FOLDER}-{os.getuid()}")


def _without_a_home(folder: Path) -> Path:
    """Make a folder that nobody else may write to, or check that it is one."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
        raise MachineError(
            f"there is no home folder, and {folder} belongs to another user: set ZOO_HOME"
        )
    _tell_once(folder)
    return folder


@cache
def _tell_once(folder: Path) -> None:
    logger.warning("there is no home folder: zoo keeps its files in %s; set ZOO_HOME", folder)


def data_root(explicit: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of datasets: the one given, else `$ZOO_DATA`, else `data` in the home."""
    if explicit is not None:
        return from_home(explicit)
    root = os.environ.get("ZOO_DATA")
    return from_home(root) if root else zoo_home() / "data"


def cache_dir() -> Path:
    """Return the folder of what can be rebuilt at any time, patch stores above all."""
    return zoo_home() / "cache"
