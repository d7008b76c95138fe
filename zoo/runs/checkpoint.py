"""Checkpoints: everything a run needs to resume as if it had not been interrupted.

A checkpoint is one file of plain values and tensors with a sha256 file, complete or absent
(`zoo.files`); the last two are kept. Reading never runs code (`weights_only=True`), and a file with
a wrong hash is never used.
"""

from __future__ import annotations

import io
import logging
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.errors import CheckpointError, MachineError
from zoo.files import hash_path, read_hashed, write_hashed

logger = logging.getLogger(__name__)
FORMAT = 1
KEEP = 2
_NAME = re.compile(r"step-(\d{9})\.pt\Z")


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of every global random generator: torch's, the device's, Python's, numpy's.

    Other GPUs are not touched: reading their state would initialise them.
    """
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "python": _as_lists(random.getstate()),
        "numpy": [str(name), [int(key) for key in keys], int(position), int(has_gauss), cached],
    }


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Put every global random generator into a state from `random_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
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
    """Write the checkpoint of a step and delete all but the last two.

    Checkpoints of later steps are deleted too: they are damaged, or the run would have resumed from
    them.

    Args:
        directory: the run's `checkpoints` folder.
        step: number of generator updates done.
        state: tensors and plain values.

    Raises:
        MachineError: if the disk is full; earlier checkpoints stay intact.
    """
    path = directory / f"step-{step:09d}.pt"
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "step": step, **state}, buffer)
    _write(path, buffer.getbuffer())
    found = _checkpoints(directory)
    kept = [other for other in found if _step(other) <= step][:KEEP]
    for other in set(found).difference(kept):
        other.unlink(missing_ok=True)
        hash_path(other).unlink(missing_ok=True)
    return path


def load_latest(directory: Path) -> dict[str, Any] | None:
    """Return the newest intact checkpoint, None if there are no checkpoints.

    Raises:
        CheckpointError: if there are checkpoints, but all are damaged.
    """
    damaged: list[Path] = []
    for path in _checkpoints(directory):
        state = _read(path)
        if state is not None:
            if damaged:
                logger.warning("%s is damaged; resuming from %s", damaged[0], path.name)
            return state
        damaged.append(path)
    if damaged:
        raise CheckpointError(
            f"every checkpoint in {directory} is damaged ({damaged[0].name}: its sha256 differs "
            "from the recorded one); start again with --fresh"
        )
    return None


def latest_step(directory: Path) -> int:
    """Return the step of the newest checkpoint file, 0 if there is none."""
    found = _checkpoints(directory)
    return _step(found[0]) if found else 0


def _write(path: Path, content: memoryview) -> None:
    """Write a checkpoint; try again if its folder is deleted in the meantime."""
    try:
        write_hashed(path, content)
    except MachineError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
    if not path.exists():
        logger.warning("%s was deleted while zoo wrote it; zoo writes it again", path)
        write_hashed(path, content)


def _read(path: Path) -> dict[str, Any] | None:
    content = read_hashed(path)
    if content is None:
        return None
    try:
        state: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # what a hostile pickle raises has no common base
        # torch's own text advises to load it with code execution; nobody should
        raise CheckpointError(_stranger(path)) from error
    if not isinstance(state, dict):
        raise CheckpointError(_stranger(path))
    if state.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {state.get('format')}, but this version of zoo reads "
            f"{FORMAT}; finish the run with the version that started it, or start again with "
            "--fresh"
        )
    return state


def _stranger(path: Path) -> str:
    return (
        f"zoo did not write {path}, although its hash matches: it is not a PyTorch file, or it "
        "contains more than tensors and plain values (a pickle can run code); start again with "
        "--fresh"
    )


def _checkpoints(directory: Path) -> list[Path]:
    """Return the checkpoint files, newest first."""
    found = [path for path in directory.glob("step-*.pt") if _NAME.match(path.name)]
    return sorted(found, key=_step, reverse=True)


def _step(path: Path) -> int:
    match = _NAME.match(path.name)
    return int(match.group(1)) if match else 0


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value
