"""What a run ended in, compared to the bit."""

from __future__ import annotations

import shutil
from typing import Any

import torch

from benchmarks.endurance.processes import Event, Place, finish
from zoo.runs.checkpoint import load_latest
from zoo.runs.directory import RunDirectory

TIMING = ("images_per_second", "memory_bytes")


def end_of(directory: RunDirectory) -> dict[str, Any]:
    """Return all that a finished run left: its newest state, its weights, its rows."""
    state = load_latest(directory.checkpoints) or {}
    rows = [{k: v for k, v in row.items() if k not in TIMING} for row in directory.rows()]
    kept = {name: part for name, part in state.items() if name != "seconds"}
    return {"state": kept, "weights": directory.read_weights()[0], "rows": rows}


def same_bits(first: Any, second: Any) -> bool:
    """Compare nested states to the bit."""
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            same_bits(first[key], second[key]) for key in first
        )
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same_bits, first, second))
    return bool(first == second)


def finish_straight(place: Place) -> list[Event]:
    """Train the run that nothing happens to, once; return what was said."""
    if not (place.folder / "straight").exists():
        place.begin("straight")
    shutil.rmtree(place.directory("straight").path, ignore_errors=True)
    return finish(place, "straight")
