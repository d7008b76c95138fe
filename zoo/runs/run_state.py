"""Whether the run of a specification exists: one answer for scoring and for a sweep's plan.

Not here: a run as a candidate (`zoo.bench.candidates`), what a sweep does about missing runs
(`zoo.sweep`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.errors import ZooError
from zoo.recipes.build import PLUGIN_SHA256, code_hashes
from zoo.recipes.schema import RunSpec
from zoo.runs.changes import beginning_of, differences, is_extension, shaping_of
from zoo.runs.coherence import RecordedRun, read_run
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.paths import find_path
from zoo.runs.verdicts import DIVERGED

State = Literal["finished", "diverged", "begun", "missing", "other", "damaged"]
TRAINABLE: tuple[State, ...] = ("begun", "missing")


@dataclass(frozen=True, slots=True)
class RunState:
    """What is found in the place of a run.

    Attributes:
        state: `finished`: it can be scored; `diverged`: it or its pretraining met a value that is
            not finite, which is an end too; `begun` or `missing`: training makes it; `other`: a
            run with other settings is there; `damaged`: what is there cannot be read.
        path: the run's directory; None if nothing is scored or told from it.
        reason: why it cannot be scored, and the remedy where training is none.
        can_be_mended: whether it is finished, but its weights are damaged and a checkpoint is there
            to make them from again.
    """

    state: State
    path: Path | None = None
    reason: str = ""
    can_be_mended: bool = False

    @property
    def can_be_trained(self) -> bool:
        """Whether training it here makes it; what is there must be removed first where not."""
        return self.state in TRAINABLE or self.can_be_mended


def find_run(spec: RunSpec, run_root: Path) -> RunState:
    """Find the run of a specification; what cannot be read is a state, not an error."""
    path = find_path(spec, run_root)
    try:
        own = _state(spec, path)
        if own.state != "missing" or spec.pretraining is None:
            return own
        return _diverged_pretraining(spec.pretraining, run_root) or own
    except (ZooError, OSError, ValueError, LookupError, TypeError) as error:
        known = isinstance(error, ZooError)
        text = str(error) if known else f"{path} is damaged; start again with --fresh ({error!r})"
        return RunState("damaged", reason=text)


def divergence(directory: RunDirectory) -> str | None:
    """Return the message of a run that diverged and did not finish, None for any other."""
    if directory.summary() is not None:
        return None
    rows = (row for row in directory.rows() if row["kind"] == DIVERGED)
    return next((str(row["message"]) for row in rows), None)


def _state(spec: RunSpec, path: Path) -> RunState:
    recorded = read_run(path)
    if recorded is None:
        return RunState("missing", reason="not trained")
    directory = recorded.directory
    remedy = "keep it and train under another --run-root; --fresh would delete it"
    is_same = shaping_of(recorded.spec) == shaping_of(spec)
    extends = is_extension(beginning_of(recorded.spec), beginning_of(spec))
    if not (is_same or (extends and directory.may_be_extended)):
        return RunState("other", reason=f"{path} was trained with other settings: {remedy}")
    changed = changed_code(spec, recorded)
    if changed:
        names = ", ".join(changed)
        return RunState("other", reason=f"{path} was trained with other code of {names}: {remedy}")
    if not is_same:
        extended = differences(shaping_of(recorded.spec), shaping_of(spec))
        return RunState("begun", reason=f"will extend the run that was trained here: {extended}")
    if recorded.is_finished:
        is_damaged = directory.has_steps and not directory.has_whole_weights()
        return RunState("finished", path, can_be_mended=is_damaged)
    if recorded.summary is not None:
        return RunState("begun", reason=f"{directory.weights} is missing")
    if divergence(directory) is not None:
        return RunState("diverged", path)
    return RunState("begun", reason="started, not finished")


def changed_code(spec: RunSpec, recorded: RecordedRun) -> list[str]:
    """Return the components whose code is not what a run was trained with; absent ones are none."""
    then = recorded.provenance["identity"].get("components", {})
    now = code_hashes(spec.settings)
    return sorted(r for r, code in now.items() if code != then.get(r, {}).get(PLUGIN_SHA256))


def _diverged_pretraining(spec: RunSpec, run_root: Path) -> RunState | None:
    """Return the end of a run that never began, since its pretraining diverged."""
    for directory in _places(spec, run_root):
        recorded = directory.spec()
        if recorded is not None and shaping_of(recorded) == shaping_of(spec):
            message = divergence(directory)
            if message is not None:
                return RunState("diverged", reason=f"its pretraining diverged: {message}")
    return None


def _places(spec: RunSpec, run_root: Path) -> Iterator[RunDirectory]:
    """Yield where a stage may lie: beside a run with other settings it has a longer name."""
    usual = run_path(spec, run_root)
    for path in [find_path(spec, run_root), usual, *sorted(usual.parent.glob(f"{usual.name}-*"))]:
        yield RunDirectory(path)
