"""Checkpoints: everything a run needs to go on as if it had not been interrupted.

A checkpoint is one file of plain values and tensors, with its sha256 beside it. It is written
to a temporary file, flushed to disk and renamed, so that it is whole or absent; the last two are
kept. Reading never runs code (`weights_only=True`) and never believes a file whose hash differs.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import random
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.errors import CheckpointError, MachineError

logger = logging.getLogger(__name__)
FORMAT = 1
KEEP = 2
_NAME = re.compile(r"step-(\d{9})\.pt\Z")


def random_state() -> dict[str, Any]:
    """Return the state of every global random generator: torch's on each device, Python, numpy."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": _as_lists(random.getstate()),
        "numpy": [str(name), [int(key) for key in keys], int(position), int(has_gauss), cached],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Put every global random generator into a state from `random_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002


def seed_everything(seed: int) -> None:
    """Seed every global random generator."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  plugins may use it; zoo itself does not


def save_checkpoint(directory: Path, step: int, state: Mapping[str, Any]) -> Path:
    """Write the checkpoint of a step and drop all but the last two.

    Args:
        directory: the run's `checkpoints` folder.
        step: number of generator updates done.
        state: tensors and plain values.

    Raises:
        MachineError: if the disk is full; earlier checkpoints are untouched.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"step-{step:09d}.pt"
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "step": step, **state}, buffer)
    content = buffer.getbuffer()
    # The hash first: a kill in between leaves a hash without a file, which is nothing at all.
    write_atomically(_hash_path(path), hashlib.sha256(content).hexdigest().encode())
    write_atomically(path, content)
    for old in _checkpoints(directory)[KEEP:]:
        old.unlink(missing_ok=True)
        _hash_path(old).unlink(missing_ok=True)
    return path


def load_latest(directory: Path) -> dict[str, Any] | None:
    """Return the newest checkpoint that is whole, None where there is none at all.

    Raises:
        CheckpointError: if there are checkpoints and every one is damaged.
    """
    damaged: list[Path] = []
    for path in _checkpoints(directory):
        state = _read(path)
        if state is not None:
            if damaged:
                logger.warning("%s is damaged; going on from %s", damaged[0], path.name)
            return state
        damaged.append(path)
    if damaged:
        raise CheckpointError(
            f"every checkpoint in {directory} is damaged ({damaged[0].name}: its sha256 differs "
            "from the one recorded beside it); start over with --fresh"
        )
    return None


def latest_step(directory: Path) -> int:
    """Return the step of the newest checkpoint file, 0 where there is none."""
    found = _checkpoints(directory)
    return _step(found[0]) if found else 0


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that it is whole or absent, whatever happens.

    Raises:
        MachineError: if the disk is full; the message has the path and the sizes.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            statistics = os.statvfs(path.parent)
            free = statistics.f_bavail * statistics.f_frsize
            raise MachineError(
                f"disk full: {path} needs {len(content):,} bytes, {free:,} are free; what was "
                "saved before is intact: free some space and run the same command again"
            ) from error
        raise


def sweep_temporary_files(directory: Path) -> None:
    """Remove what a killed process left half-written."""
    for path in directory.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
        recorded = _hash_path(path).read_text().strip()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != recorded:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        state: dict[str, Any] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
    if state.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {state.get('format')}, this version of zoo reads "
            f"{FORMAT}; finish the run with the version that began it, or start over with --fresh"
        )
    return state


def _checkpoints(directory: Path) -> list[Path]:
    """Return the checkpoint files, newest first."""
    found = [path for path in directory.glob("step-*.pt") if _NAME.match(path.name)]
    return sorted(found, key=_step, reverse=True)


def _step(path: Path) -> int:
    match = _NAME.match(path.name)
    return int(match.group(1)) if match else 0


def _hash_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value
