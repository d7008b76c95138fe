"""The global random states that a component could use or reset: torch's, NumPy's, Python's.

Not here: the random state of a run (`zoo.runs.checkpoint`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

_SOURCES: dict[str, tuple[Callable[[], object], Callable[[int], object]]] = {
    "torch": (lambda: torch.get_rng_state().numpy().tobytes(), torch.manual_seed),
    "NumPy": (
        lambda: repr(np.random.get_state(legacy=False)),  # noqa: NPY002  the global one is meant
        np.random.seed,
    ),
    "Python": (random.getstate, random.seed),
}


@contextmanager
def undisturbed() -> Iterator[None]:
    """Restore all global random states at the end."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def seed_all(seed: int) -> None:
    """Seed all global random states."""
    for _, seed_one in _SOURCES.values():
        seed_one(seed)


def reset_sources(action: Callable[[], object]) -> list[str]:
    """Return which global random states an action seeds: these end equal from different starts."""
    ends = []
    with undisturbed():
        for seed in (1, 2):
            seed_all(seed)
            action()
            ends.append({name: state() for name, (state, _) in _SOURCES.items()})
    return [name for name in _SOURCES if ends[0][name] == ends[1][name]]


def states() -> dict[str, object]:
    """Return the state of each global random source, by name."""
    return {name: state() for name, (state, _) in _SOURCES.items()}
