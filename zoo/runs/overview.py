"""All runs of a folder at a glance, from their files alone: nothing is locked, hashed or built.

A run is listed whatever state its files are in, while it is trained too, by any process on any
machine that shares the folder. Needs no torch.

Not here: whether a run's files agree (`zoo.runs.coherence`), or a run is the one that a
specification asks for (`zoo.runs.run_state`).
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

from zoo.errors import ZooError
from zoo.files import MAX_LOG_BYTES, read_file, read_text
from zoo.recipes.reader import read_dumped
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import shaping
from zoo.runs.lock import HOLDER
from zoo.runs.shapes import METRICS, PROVENANCE, RECIPE, SUMMARY, read_row
from zoo.runs.verdicts import DIVERGED

RunStage = Literal["content", "adversarial"]
Progress = Literal["finished", "running", "stopped", "diverged", "damaged"]
RECENT: Final = 600.0
"""Seconds since the last row after which a run on another machine no longer counts as running."""
_RATES: Final = 5
"""Rows whose speeds predict the remaining time."""
_DEPTH: Final = 3
"""Folders below a folder of runs: recipe, profile, seed."""
_LOSS: Final = "loss_"
_HOLDER: Final = re.compile(r"process (\d+) on (\S+) since")


@dataclass(frozen=True)
class RunOverview:
    """A run as its files show it.

    Attributes:
        path: its directory.
        spec: its specification; None if that cannot be read.
        num_steps: its steps in all; None if unknown.
        rows: the rows of `metrics.jsonl` that can be read.
        num_damaged: the lines of `metrics.jsonl` that cannot.
        summary: the summary of a finished run.
        is_held: whether a process holds the run's lock, as far as can be told from here.
        problem: why it cannot be read; empty otherwise.
    """

    path: Path
    spec: RunSpec | None
    num_steps: int | None
    rows: list[dict[str, Any]]
    num_damaged: int
    summary: Mapping[str, Any] | None
    is_held: bool
    problem: str = ""

    @property
    def recipe(self) -> str:
        """The recipe, by the folder's name where the specification cannot be read."""
        return self.path.parents[1].name if self.spec is None else self.spec.recipe

    @property
    def profile(self) -> str:
        """The profile, by the folder's name where the specification cannot be read."""
        return self.path.parent.name if self.spec is None else self.spec.profile

    @property
    def seed(self) -> int | None:
        """The seed."""
        return None if self.spec is None else self.spec.seed

    @property
    def settings(self) -> tuple[str, ...]:
        """What was set besides recipe and profile."""
        return () if self.spec is None else shaping(self.spec)

    @property
    def stage(self) -> RunStage | None:
        """The stage that this run trains; a pretraining is a run of its own."""
        if self.spec is None:
            return None
        return "adversarial" if self.spec.settings.is_adversarial else "content"

    @cached_property
    def step(self) -> int:
        """The last step that is logged."""
        return max((int(row["step"]) for row in self.rows), default=0)

    @cached_property
    def progress(self) -> Progress:
        """How far it is: `stopped` is neither finished nor trained by a process at the moment."""
        if self.problem:
            return "damaged"
        if self.summary is not None:
            return "finished"
        if any(row["kind"] == DIVERGED for row in self.rows):
            return "diverged"
        return "running" if self.is_held else "stopped"

    @property
    def verdict(self) -> str | None:
        """The verdict on a finished run; `diverged` of one that ended so; None before."""
        if self.problem:
            return None
        if self.summary is not None:
            return str(self.summary.get("verdict"))
        return DIVERGED if self.progress == DIVERGED else None

    @cached_property
    def psnr(self) -> list[float]:
        """PSNR_Y of the held-out images at each validation, in dB."""
        return [float(row["psnr_y"]) for row in self.rows if row["kind"] == "validation"]

    @cached_property
    def losses(self) -> dict[str, float]:
        """The last logged losses by name."""
        last: dict[str, Any] = next(
            (row for row in reversed(self.rows) if row["kind"] == "train"), {}
        )
        return {key[len(_LOSS) :]: value for key, value in last.items() if key.startswith(_LOSS)}

    @cached_property
    def seconds_left(self) -> float | None:
        """Seconds until the end at the speed of the last rows; None if unknown."""
        rates = [row["images_per_second"] for row in self.rows if "images_per_second" in row]
        if self.spec is None or self.num_steps is None or not rates:
            return None
        rate = median(rates[-_RATES:])
        images = (self.num_steps - self.step) * self.spec.settings.data.batch_size
        return images / rate if rate > 0 else None

    def document(self) -> dict[str, Any]:
        """Return it as plain data, as `zoo list runs --json` prints it."""
        return {
            "path": str(self.path),
            "recipe": self.recipe,
            "profile": self.profile,
            "seed": self.seed,
            "settings": list(self.settings),
            "stage": self.stage,
            "step": self.step,
            "num_steps": self.num_steps,
            "progress": self.progress,
            "verdict": self.verdict,
            "psnr_y": self.psnr[-1] if self.psnr else None,
            "bytes": size_of(self.path),
            "problem": self.problem or None,
        }


def run_directories(root: Path) -> Iterator[Path]:
    """Yield the run directories of a folder of runs, or the folder itself if it is one."""
    if (root / RECIPE).is_file():
        yield root
        return
    yield from sorted({path.parent for path in root.glob(f"*/*/*/{RECIPE}")})


def finished_runs(root: Path, pattern: str) -> list[Path]:
    """Return the finished runs of a folder of runs that a pattern stands for.

    Args:
        root: folder of runs.
        pattern: of a recipe (`pw-*`), its profile (`pw-*/short`) and seed (`pw-*/short/seed-[01]`);
            what it leaves out, it leaves open.
    """
    parts = pattern.split("/")
    if len(parts) > _DEPTH:
        return []
    parts += ["*"] * (_DEPTH - len(parts))
    return [
        path
        for path in run_directories(root)
        if (path / SUMMARY).is_file() and all(map(fnmatchcase, path.parts[-_DEPTH:], parts))
    ]


def read_overview(path: Path) -> RunOverview:
    """Read a run directory; what cannot be read is its `problem`, not an error."""
    rows, num_damaged = _rows(path / METRICS)
    spec, summary, num_steps, problems = None, None, None, []
    try:
        spec = RunSpec.model_validate_json(json.dumps(read_dumped(path / RECIPE)))
    except (ZooError, OSError, ValueError, TypeError, RecursionError) as error:
        problems.append(_said(path / RECIPE, error))
    try:
        num_steps = int(_read_json(path / PROVENANCE)["identity"]["num_steps"])
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        problems.append(_said(path / PROVENANCE, error))
    if (path / SUMMARY).exists():
        try:
            summary = dict(_read_json(path / SUMMARY))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            problems.append(_said(path / SUMMARY, error))
    held = _is_held(path)
    return RunOverview(path, spec, num_steps, rows, num_damaged, summary, held, "; ".join(problems))


def see_runs(root: Path) -> list[RunOverview]:
    """Return the runs of a folder of runs, sorted by their paths."""
    return [read_overview(path) for path in run_directories(root)]


def stamp(path: Path) -> tuple[object, ...]:
    """Return what changes when a run's files change, so that an unchanged run is read once."""
    stamps: list[object] = [_is_held(path)]
    for name in (METRICS, SUMMARY, PROVENANCE, RECIPE):
        with suppress(OSError):
            found = (path / name).stat()
            stamps.append((name, found.st_mtime_ns, found.st_size))
    return tuple(stamps)


def size_of(path: Path) -> int:
    """Return the bytes of all files in a folder."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):  # a checkpoint may be removed meanwhile
                total += (Path(folder) / name).lstat().st_size
    return total


def _rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of a log, and the number of damaged lines; the last one may be unfinished."""
    try:
        lines = read_file(path, MAX_LOG_BYTES).splitlines(keepends=True)
    except OSError:
        return [], 0
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()  # it is being written
    rows = [read_row(line) for line in lines]
    return [row for row in rows if row is not None], rows.count(None)


def _read_json(path: Path) -> Any:
    return json.loads(read_file(path))


def _said(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
    return f"cannot read {path.name}: {reason}"


def _is_held(path: Path) -> bool:
    """Return whether a process trains a run: its name is in a file as long as it holds the lock.

    A killed process leaves the file. On this machine the process is asked for; of another machine's
    process, the log must have grown lately.
    """
    try:
        found = _HOLDER.match(read_text(path / HOLDER))
    except (OSError, ZooError):
        return False
    if found is not None and found[2] == socket.gethostname():
        try:
            os.kill(int(found[1]), 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            return True
        return True
    with suppress(OSError):
        return time.time() - (path / METRICS).stat().st_mtime < RECENT
    return False
