"""Two runs compared to the bit: what a run ends in, and whether two ends are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zoo.recipes.book import load_book
from zoo.registry import GENERATORS
from zoo.runs.checkpoint import load_latest
from zoo.runs.directory import RunDirectory


def trainable_recipes() -> list[str]:
    """Return the recipes of registry.yaml whose generator has anything to train."""
    book = load_book()
    names = {name: entry.leaves["generator", "name"].value for name, entry in book.recipes.items()}
    return [name for name, generator in names.items() if GENERATORS.get(generator).trainable]


def final_state(directory: Path) -> dict[str, Any]:
    """Return all that a run's newest checkpoint holds but the time it took, and its weights."""
    state = load_latest(directory / "checkpoints")
    assert state is not None
    state.pop("seconds")
    return {"checkpoint": state, "weights": RunDirectory(directory).read_weights()[0]}


def assert_same_bits(first: Any, second: Any, where: str = "") -> None:
    assert type(first) is type(second), where
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            assert_same_bits(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for number, (a, b) in enumerate(zip(first, second, strict=True)):
            assert_same_bits(a, b, f"{where}[{number}]")
    else:
        assert first == second, where


def count_tensors(state: Any) -> int:
    """Return how many tensors a nested state holds."""
    if isinstance(state, torch.Tensor):
        return 1
    if isinstance(state, dict):
        return sum(count_tensors(value) for value in state.values())
    if isinstance(state, list | tuple):
        return sum(count_tensors(value) for value in state)
    return 0
