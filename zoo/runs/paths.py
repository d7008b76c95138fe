"""Finds the directory of a specification's run, or of a run that it extends, without identities.

Every recipe, budget and seed has its directory, and so have runs with other settings
(`zoo.runs.directory.run_path`). Identities are not known here: they need data and weights.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack, suppress
from pathlib import Path

from zoo.errors import CheckpointError, MachineError
from zoo.files import read_file, write_atomically
from zoo.recipes.schema import RunSpec, Runtime
from zoo.recipes.variants import SHAPES_NOTHING
from zoo.runs.changes import beginning_of, is_extension, shaping_of
from zoo.runs.checkpoint import latest_step
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.shapes import PROVENANCE

_EXECUTED = tuple(name for name in Runtime.model_fields if ("runtime", name) not in SHAPES_NOTHING)
"""Runtime settings that an identity depends on (`zoo.train.identity`)."""


def find_path(spec: RunSpec, root: Path) -> Path:
    """Return the directory of a run: its own, or its recipe's if this run was started there.

    Old versions of zoo started runs with other settings in the recipe's directory.
    """
    own, shared = run_path(spec, root), run_path(spec.model_copy(update={"variant": ()}), root)
    if own == shared or own.exists():
        return own
    recorded = _recorded(RunDirectory(shared))
    return shared if recorded is not None and _is_same(recorded, spec) else own


def find_shorter(spec: RunSpec, root: Path) -> RunDirectory | None:
    """Return the longest existing run that this run would extend, if any."""
    own, beginning = run_path(spec, root), beginning_of(spec)
    found = [
        directory
        for directory in map(RunDirectory, sorted(own.parents[1].glob(f"*/{own.name}")))
        if directory.path != own and directory.has_steps and directory.may_be_extended
        for recorded in [_recorded(directory)]
        if recorded is not None and is_extension(beginning_of(recorded), beginning)
    ]
    return max(found, key=lambda directory: latest_step(directory.checkpoints), default=None)


def start_as_copy(directory: RunDirectory, shorter: RunDirectory) -> bool:
    """Copy a run into an empty directory, as the start of a longer one.

    Returns:
        Whether it was copied; not if another process is writing.

    Raises:
        MachineError: if the copy cannot be written.
    """
    with ExitStack() as locks:
        try:
            locks.enter_context(shorter.lock())
            locks.enter_context(directory.lock())
        except MachineError:
            return False
        directory.clear()
        # without its provenance, the copy does not count as a run
        ignored = shutil.ignore_patterns(".*", PROVENANCE)
        shutil.copytree(shorter.path, directory.path, ignore=ignored, dirs_exist_ok=True)
        write_atomically(directory.path / PROVENANCE, read_file(shorter.path / PROVENANCE))
    return True


def _is_same(recorded: RunSpec, spec: RunSpec) -> bool:
    one, other = recorded.settings.runtime, spec.settings.runtime
    alike = all(getattr(one, name) == getattr(other, name) for name in _EXECUTED)
    return alike and shaping_of(recorded) == shaping_of(spec)


def _recorded(directory: RunDirectory) -> RunSpec | None:
    """Return the specification recorded in a directory, None if there is none."""
    with suppress(CheckpointError):
        return directory.spec()
    return None
