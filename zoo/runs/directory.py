"""A run's directory: what is in it, who may write to it, and to which run it belongs.

`runs/<recipe>/<profile>/seed-<n>/` holds `recipe.yaml` (every value resolved), `provenance.json`,
`metrics.jsonl`, `checkpoints/`, `weights.safetensors`, `samples/` and, at the end, `summary.json`.
Where something was set besides recipe and profile, `<profile>` is `<profile>+<path>=<value>`.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml
from torch import Tensor

from zoo.errors import CheckpointError, IntegrityError, RecipeError
from zoo.files import (
    MAX_LOG_BYTES,
    append_line,
    broken_seal,
    hash_path,
    print_of,
    read_file,
    read_hashed,
    sealed,
    sync_file,
    write_atomically,
    write_hashed,
)
from zoo.recipes.reader import read_dumped
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import budget_folder
from zoo.runs.changes import differences, is_extension, session_changes, why_not_extended
from zoo.runs.checkpoint import latest_step
from zoo.runs.lock import HOLDER, LOCK, locked
from zoo.runs.provenance import identity_hash
from zoo.runs.shapes import (
    METRICS,
    PROVENANCE,
    RECIPE,
    SUMMARY,
    WEIGHTS,
    Provenance,
    Shape,
    Summary,
    read_row,
    read_shaped,
    require_shape,
)
from zoo.runs.weights import pack, unpack

logger = logging.getLogger(__name__)
State = Literal["empty", "begun", "finished"]
FILES = "files"
"""Key of a summary with size and sha256 of each file that it sums up."""
ROLLBACK = "rollback"
"""Kind of the row that says that a run went back; it is numbered from 1."""
_LONGEST = 300
_EARLIER = "earlier_identities"
_NOTHING_LEFT = " It is finished and has no checkpoint to continue from."


def run_path(spec: RunSpec, root: Path) -> Path:
    """Return the directory of a run: `<root>/<recipe>/<profile>/seed-<n>`.

    Settings besides recipe and profile are part of the profile's folder name.
    """
    return root / spec.recipe / budget_folder(spec) / f"seed-{spec.seed}"


class RunDirectory:
    """The files of one run. Hold `lock()` while writing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """Folder of sample images LR | bicubic | SR | HR."""
        return self.path / "samples"

    @property
    def weights(self) -> Path:
        """The generator's weights (moving average) as of the last checkpoint."""
        return self.path / WEIGHTS

    @property
    def has_steps(self) -> bool:
        """Whether there is a checkpoint of a step."""
        return latest_step(self.checkpoints) > 0

    @property
    def has_summary(self) -> bool:
        """Whether the run is marked as finished, whatever its summary says."""
        return (self.path / SUMMARY).exists()

    @property
    def may_be_extended(self) -> bool:
        """Whether a longer run can start here: it is unfinished or has a checkpoint."""
        return self.has_steps or not self.has_summary

    @contextmanager
    def lock(self, *, wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Keep other processes out, see `zoo.runs.lock.locked`."""
        with locked(self.path, wait=wait):
            yield

    def check(self, identity: Mapping[str, Any]) -> None:
        """Check that the directory is empty, belongs to this identity, or is extended by it.

        Raises:
            RecipeError: if it belongs to another identity; the message lists the differences.
        """
        recorded = self.provenance()
        if recorded is None or recorded["identity_sha256"] == identity_hash(identity):
            return
        if self.extended_by(identity):
            return
        old = recorded["identity"]
        why_not = _NOTHING_LEFT if is_extension(old, identity) else why_not_extended(old, identity)
        raise RecipeError(
            f"{self.path} was started with other settings: {differences(old, identity)}.{why_not} "
            "Resume with the old settings, keep both with another --run-root, or start again with "
            "--fresh, which deletes the existing run"
        )

    def extended_by(self, identity: Mapping[str, Any]) -> str:
        """Return the changes of an identity that extends this run, in words; empty otherwise."""
        recorded = self.provenance()
        if recorded is None or not self.may_be_extended:
            return ""
        old = recorded["identity"]
        return differences(old, identity) if is_extension(old, identity) else ""

    def begin_session(
        self, spec: RunSpec, identity: Mapping[str, Any], session: Mapping[str, Any]
    ) -> list[str]:
        """Record the run's identity and the start of this process's work on it.

        Args:
            spec: the complete specification.
            identity: everything that affects the results.
            session: this process's machine, versions and time.

        Returns:
            Differences from the session before that may change the last bits, in words.
        """
        recorded = self.provenance()
        sessions = [] if recorded is None else recorded["sessions"]
        digest = identity_hash(identity)
        body: dict[str, Any] = {"identity_sha256": digest, "identity": identity}
        earlier = self.identities() - {digest}
        if earlier:
            body[_EARLIER] = sorted(earlier)
        (self.path / SUMMARY).unlink(missing_ok=True)  # it sums up the files as they were
        _write_json(self.path / PROVENANCE, body | {"sessions": [*sessions, session]})
        self.write_recipe(spec)
        return session_changes(sessions[-1], session) if sessions else []

    def write_recipe(self, spec: RunSpec) -> None:
        """Write `recipe.yaml`: the complete specification."""
        resolved = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False)
        write_atomically(self.path / RECIPE, resolved.encode())

    def identities(self) -> set[str]:
        """Return the hashes of the run's identity and of those that it extended."""
        recorded = self.provenance()
        if recorded is None:
            return set()
        return {recorded["identity_sha256"], *recorded.get(_EARLIER, ())}

    def belongs_to(self, identity: str) -> bool:
        """Return whether a run of this identity was started here; a damaged record counts as no."""
        try:
            recorded = self.provenance()
        except CheckpointError:
            return False
        return recorded is not None and recorded["identity_sha256"] == identity

    def state(self, identity: str) -> State:
        """Return the state of this identity's run in this directory.

        `finished`: it has its summary and intact weights. `begun`: it has a checkpoint. `empty`:
        neither, or the directory belongs to another run.

        Raises:
            IntegrityError: if it is finished, its summary or weights are damaged, and there is no
                checkpoint to restore them from.
        """
        if not self.belongs_to(identity):
            return "empty"
        try:
            summary = self.summary(identity)
        except CheckpointError:
            if not self.has_steps:
                raise
            summary = None
        if summary is not None and self.weights.exists():
            recorded = hash_path(self.weights)
            is_same = summary[FILES][recorded.name] == print_of(recorded)
            if is_same and self.has_whole_weights():
                return "finished"
            if not self.has_steps:
                raise IntegrityError(self._damage())
        return "begun" if self.has_steps else "empty"

    def provenance(self) -> dict[str, Any] | None:
        """Return the recorded provenance, None if no run has begun.

        Raises:
            CheckpointError: if it is damaged, or its identity is not the one whose hash it has.
        """
        path = self.path / PROVENANCE
        if not path.exists():
            return None
        loaded = read_shaped(path, Provenance, "start again with --fresh")
        if identity_hash(loaded["identity"]) != loaded["identity_sha256"]:
            raise CheckpointError(
                f"{path} was changed: its identity does not match the recorded sha256; restore the "
                "file, or start again with --fresh"
            )
        return loaded

    def spec(self) -> RunSpec | None:
        """Return the specification a run was started with, None if none has begun.

        Raises:
            CheckpointError: if the file is not what a run writes.
        """
        path = self.path / RECIPE
        if not path.exists():
            return None
        try:
            # by way of JSON: YAML has no tuples, and the schema is strict
            return RunSpec.model_validate_json(json.dumps(read_dumped(path)))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:_LONGEST]
            raise CheckpointError(
                f"{path} is damaged: {reason}; run the training command again, which writes it "
                "again"
            ) from error

    def summary(self, identity: str | None = None) -> dict[str, Any] | None:
        """Return the summary of a finished run; None if it is not finished.

        Args:
            identity: hash of the expected identity; None for any.

        Raises:
            CheckpointError: if it was changed, or an earlier version of zoo wrote it without a
                digest of itself.
        """
        path, remedy = self.path / SUMMARY, self._remedy()
        if not self.has_summary:
            return None
        loaded = read_shaped(path, Shape, remedy)
        fault = broken_seal(loaded)
        if fault:
            raise CheckpointError(f"{path} is damaged: {fault}; {remedy}")
        require_shape(path, loaded, Summary, remedy)
        return loaded if identity in (None, loaded["identity_sha256"]) else None

    def write_summary(
        self, summary: Mapping[str, Any], identity: str, *, files: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Write and return the summary, which marks the run of this identity as finished.

        It has a digest of itself, and size and sha256 of its files: the given ones, or those of the
        files as they are (`zoo.runs.coherence`).
        """
        names = (RECIPE, PROVENANCE, METRICS, hash_path(self.weights).name)
        kept = files or {name: print_of(self.path / name) for name in names}
        complete = sealed({**summary, "identity_sha256": identity, FILES: kept})
        _write_json(self.path / SUMMARY, complete)
        return complete

    def clear(self) -> None:
        """Delete all files of the run except the lock that the caller holds.

        The summary is deleted first and the provenance last. So after a kill, the rest is not
        marked as finished and still has its identity.
        """
        (self.path / SUMMARY).unlink(missing_ok=True)
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        kept = (LOCK, HOLDER, PROVENANCE)
        for path in [path for path in self.path.iterdir() if path.name not in kept]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        (self.path / PROVENANCE).unlink(missing_ok=True)

    def append_row(self, row: Mapping[str, Any]) -> None:
        """Append a row to `metrics.jsonl`."""
        append_line(self.path / METRICS, json.dumps(row, allow_nan=False))

    def sync_rows(self) -> None:
        """Flush `metrics.jsonl` to disk: a checkpoint must not outlive the rows before it."""
        sync_file(self.path / METRICS)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of `metrics.jsonl` without damaged lines.

        A kill may leave the last line incomplete; damage of other lines is logged.
        """
        path = self.path / METRICS
        if not path.exists():
            return []
        rows = [read_row(line) for line in read_file(path, MAX_LOG_BYTES).splitlines()]
        num_damaged = rows[:-1].count(None)
        if num_damaged:
            logger.warning("%s: skipped %d damaged lines", path, num_damaged)
        return [row for row in rows if row is not None]

    def drop_rows_after(self, step: int, *, rollbacks: int = 0) -> None:
        """Remove rows of steps that will be done again; without a checkpoint, all rows.

        Args:
            step: step of the checkpoint.
            rollbacks: number of rollbacks at the checkpoint; rows of later ones are removed.
        """
        kept = [
            row
            for row in self.rows()
            if row["step"] <= step
            and (row.get(ROLLBACK, 0) <= rollbacks if row["kind"] == ROLLBACK else step > 0)
        ]
        text = "".join(json.dumps(row) + "\n" for row in kept)
        write_atomically(self.path / METRICS, text.encode())

    def write_weights(self, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Write the generator's weights as safetensors, with their sha256 beside them."""
        write_hashed(self.weights, pack(state, metadata))

    def has_whole_weights(self) -> bool:
        """Return whether the weights match their recorded sha256."""
        return read_hashed(self.weights) is not None

    def read_weights(self, identity: str | None = None) -> tuple[dict[str, Tensor], int]:
        """Return the generator's weights and their step.

        Args:
            identity: hash of the expected identity; None for any.

        Raises:
            IntegrityError: if the file is missing, does not match its recorded hash, or belongs to
                another run.
        """
        content = read_hashed(self.weights)
        if content is None:
            raise IntegrityError(self._damage())
        try:
            tensors, owner, step = unpack(content)
        except ValueError as error:
            raise IntegrityError(
                f"zoo did not write {self.weights}, although its hash matches; start that run "
                "again with --fresh"
            ) from error
        if identity not in (None, owner):
            raise IntegrityError(
                f"{self.weights} belongs to another run; use another --run-root; --fresh deletes it"
            )
        return tensors, step

    def _damage(self) -> str:
        return (
            f"{self.weights} is missing or damaged: its sha256 differs from the recorded one; "
            f"{self._remedy()}"
        )

    def _remedy(self) -> str:
        """Return how to restore a file that training writes at its end."""
        if self.has_steps:
            return (
                "run the training command again: it writes the weights again from the last "
                "checkpoint"
            )
        return "there is no checkpoint to restore it from: start that run again with --fresh"


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_atomically(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())
