"""A run's directory: what lies in it, who may write to it, and to which run it belongs.

`runs/<recipe>/<profile>/seed-<n>/` holds `recipe.yaml` (every value resolved), `provenance.json`,
`metrics.jsonl`, `checkpoints/`, `weights.safetensors`, `samples/` and, at the end, `summary.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import yaml
from filelock import FileLock, Timeout
from torch import Tensor

from zoo.errors import CheckpointError, IntegrityError, MachineError, RecipeError
from zoo.recipes.schema import RunSpec
from zoo.train.checkpoint import sweep_temporary_files, write_atomically

WEIGHTS = "weights.safetensors"
_LOCK, _HOLDER = ".lock", ".lock-holder"


class RunDirectory:
    """One run's files. Hold `lock()` while writing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """Folder of SR | HR | LR pictures."""
        return self.path / "samples"

    @property
    def weights(self) -> Path:
        """The generator's weights (moving average) as of the last checkpoint."""
        return self.path / WEIGHTS

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out; a lock whose holder died is free.

        Raises:
            MachineError: if another process holds it; the message says which.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / _LOCK)
        holder = self.path / _HOLDER
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            who = holder.read_text().strip() if holder.exists() else "another process"
            raise MachineError(
                f"{self.path} is being written by {who}; wait for it, stop it, or choose another "
                "--seed or --run-root"
            ) from error
        try:
            started = datetime.now(UTC).isoformat(timespec="seconds")
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()} since {started}")
            sweep_temporary_files(self.path)
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def claim(self, spec: RunSpec, identity: Mapping[str, Any], session: Mapping[str, Any]) -> None:
        """Write what this run is, or check that the directory already belongs to it.

        Args:
            spec: the complete specification.
            identity: everything that shapes the numbers.
            session: this session's machine, versions and time, added to earlier ones.

        Raises:
            RecipeError: if the directory belongs to a run with another identity.
        """
        recorded = self.provenance()
        if recorded is not None and recorded["identity_sha256"] != identity_hash(identity):
            raise RecipeError(
                f"{self.path} was begun with other settings: "
                f"{_differences(recorded['identity'], identity)}. Go on with the old ones, start "
                "over with --fresh (this deletes the run), or keep both with another --run-root"
            )
        sessions = [] if recorded is None else recorded["sessions"]
        self.path.mkdir(parents=True, exist_ok=True)
        _write_json(
            self.path / "provenance.json",
            {
                "identity_sha256": identity_hash(identity),
                "identity": identity,
                "sessions": [*sessions, session],
            },
        )
        resolved = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False)
        write_atomically(self.path / "recipe.yaml", resolved.encode())

    def provenance(self) -> dict[str, Any] | None:
        """Return the recorded provenance, None where no run has begun."""
        path = self.path / "provenance.json"
        if not path.exists():
            return None
        try:
            loaded: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise CheckpointError(f"{path} is damaged; start over with --fresh") from error
        return loaded

    def spec(self) -> RunSpec | None:
        """Return the specification a run was begun with, None where none has begun.

        Raises:
            CheckpointError: if the file is not what a run writes.
        """
        path = self.path / "recipe.yaml"
        if not path.exists():
            return None
        try:
            # by way of JSON: YAML has no tuples, and the schema is strict
            return RunSpec.model_validate_json(json.dumps(yaml.safe_load(path.read_text())))
        except (ValueError, yaml.YAMLError) as error:
            raise CheckpointError(f"{path} is damaged; start over with --fresh") from error

    def summary(self) -> dict[str, Any] | None:
        """Return the summary of a finished run, None while it is not finished."""
        path = self.path / "summary.json"
        return json.loads(path.read_text()) if path.exists() else None

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write the summary, which marks the run as finished."""
        _write_json(self.path / "summary.json", summary)

    def clear(self) -> None:
        """Delete everything of the run but the lock the caller holds."""
        for path in self.path.iterdir():
            if path.name in (_LOCK, _HOLDER):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def append_row(self, row: Mapping[str, Any]) -> None:
        """Append a row to `metrics.jsonl`."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of `metrics.jsonl`; a line torn by a kill is left out."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        rows = []
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:  # the last line, torn by a kill
                break
        return rows

    def drop_rows_after(self, step: int) -> None:
        """Forget rows of steps that will be done again; without a checkpoint, all of them."""
        kept = [row for row in self.rows() if step > 0 and row["step"] <= step]
        text = "".join(json.dumps(row) + "\n" for row in kept)
        write_atomically(self.path / "metrics.jsonl", text.encode())

    def write_weights(self, state: Mapping[str, Tensor], *, step: int) -> None:
        """Write the generator's weights as safetensors, with their sha256 beside them."""
        provenance = self.provenance() or {}
        metadata = {"identity_sha256": provenance.get("identity_sha256", ""), "step": str(step)}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        content = safetensors.torch.save(tensors, metadata)
        digest = hashlib.sha256(content).hexdigest()
        write_atomically(self.path / f"{WEIGHTS}.sha256", digest.encode())
        write_atomically(self.weights, content)

    def read_weights(self) -> dict[str, Tensor]:
        """Return the generator's weights.

        Raises:
            IntegrityError: if the file is missing or is not the one whose hash was recorded.
        """
        recorded = self.path / f"{WEIGHTS}.sha256"
        if not self.weights.exists() or not recorded.exists():
            raise IntegrityError(f"{self.weights} or its sha256 is missing; run the training again")
        content = self.weights.read_bytes()
        if hashlib.sha256(content).hexdigest() != recorded.read_text().strip():
            raise IntegrityError(
                f"{self.weights} is damaged: its sha256 is not the recorded one. Start that run "
                "over with --fresh"
            )
        loaded: dict[str, Tensor] = safetensors.torch.load(content)
        return loaded


def identity_hash(identity: Mapping[str, Any]) -> str:
    """Return the sha256 of an identity, of its canonical JSON."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions a run depends on."""
    import platform

    packages = ("srgan-zoo", "timm", "piq", "numpy", "pillow")
    found = {package: _version(package) for package in packages}
    return {"python": platform.python_version(), "torch": torch.__version__, **found}


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:  # a checkout that is not installed, or a folder on PYTHONPATH
        return "not installed"


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    before, after = dict(_flat(old)), dict(_flat(new))
    changed = [
        f"{key} {before.get(key, 'absent')} -> {after.get(key, 'absent')}"
        for key in sorted({*before, *after})
        if before.get(key, "absent") != after.get(key, "absent")
    ]
    more = f" and {len(changed) - 6} more" if len(changed) > 6 else ""
    return "; ".join(changed[:6]) + more


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, json.dumps(value)
