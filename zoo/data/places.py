"""Where zoo keeps things on this machine: its home, its data root, its patch stores.

Not here: run directories (the trainer's) and weights (`zoo.weights`).
"""

from __future__ import annotations

import os
from pathlib import Path


def zoo_home() -> Path:
    """Return zoo's own folder: `$ZOO_HOME`, else `srgan-zoo` in the user's cache."""
    home = os.environ.get("ZOO_HOME")
    if home:
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache).expanduser() if cache else Path.home() / ".cache") / "srgan-zoo"


def data_root(explicit: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of datasets: the one given, else `$ZOO_DATA`, else `data` in the home."""
    if explicit is not None:
        return Path(explicit).expanduser()
    root = os.environ.get("ZOO_DATA")
    return Path(root).expanduser() if root else zoo_home() / "data"


def cache_dir() -> Path:
    """Return the folder of what can be rebuilt at any time, patch stores above all."""
    return zoo_home() / "cache"
