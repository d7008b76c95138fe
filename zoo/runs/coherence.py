"""Checks that a run's files agree, whenever they are read.

`recipe.yaml` is compared with the identity in `provenance.json`, the identity with its hash, the
summary with its own digest, and all of them and the rows of `metrics.jsonl` with the digests in the
summary. The error names the first file that does not agree.

A run without a summary is not finished, and its rows are not checked yet. Not here: single files
(`zoo.runs.directory`), the weights, which have their own sha256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError
from zoo.files import MAX_LOG_BYTES, print_of, read_file, write_atomically
from zoo.recipes.schema import LATER, MONITORING, RunSpec
from zoo.runs.changes import differences
from zoo.runs.directory import FILES, ROLLBACK, RunDirectory
from zoo.runs.shapes import METRICS, PROVENANCE, RECIPE

_FRESH = "restore the file, or start again with --fresh"
_TRAIN = "run the training command again, which writes it again"


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run as recorded in its files, which agree.

    Attributes:
        directory: its directory.
        spec: its specification.
        provenance: its identity and its sessions.
        rows: the logged rows.
        summary: the summary of a finished run; None if it is not finished.
    """

    directory: RunDirectory
    spec: RunSpec
    provenance: Mapping[str, Any]
    rows: list[dict[str, Any]]
    summary: Mapping[str, Any] | None

    @property
    def identity_sha256(self) -> str:
        """The hash of everything that affected it."""
        return str(self.provenance["identity_sha256"])

    @property
    def is_finished(self) -> bool:
        """Whether it has everything needed for scoring: its summary and its weights."""
        return self.summary is not None and self.directory.weights.exists()


def read_run(path: Path) -> RecordedRun | None:
    """Read and check a run directory; None if no run was started there.

    Raises:
        CheckpointError: if a file is damaged or does not agree with the others; the message names
            it.
    """
    directory = RunDirectory(path)
    spec, provenance = directory.spec(), directory.provenance()
    if spec is None or provenance is None:
        if directory.has_summary:
            lost = path / (RECIPE if spec is None else PROVENANCE)
            raise CheckpointError(
                f"{lost} of a finished run is missing; {_TRAIN if spec is None else _FRESH}"
            )
        return None
    _check_recipe(path / RECIPE, spec, provenance["identity"])
    summary = directory.summary(provenance["identity_sha256"])
    if summary is not None:
        changed = changed_files(directory, summary)
        if changed:
            raise CheckpointError(
                f"{path / changed[0]} was changed after the run ended: its sha256 differs from the "
                "one in summary.json; run the training command again: it repairs what it can"
            )
    return RecordedRun(directory, spec, provenance, directory.rows(), summary)


def changed_files(directory: RunDirectory, summary: Mapping[str, Any]) -> list[str]:
    """Return the files that changed after the run's summary was written."""
    prints = summary[FILES]
    return [name for name in prints if print_of(directory.path / name) != prints[name]]


def mend(directory: RunDirectory, spec: RunSpec, summary: Mapping[str, Any]) -> list[str]:
    """Restore the files of a finished run according to its summary; return what was restored.

    Rows added after the end are removed, and a changed `recipe.yaml` is written again. Weights are
    written again from a checkpoint when the run resumes.

    Args:
        directory: the run's; the caller holds its lock.
        spec: the specification that started the run, or the same run under another name.
        summary: the run's, or that of the shorter run that it extends.

    Raises:
        CheckpointError: if a changed file cannot be restored.
    """
    mended, files = [], dict(summary[FILES])
    for name in changed_files(directory, summary):
        path, expected = directory.path / name, files[name]
        if name not in (RECIPE, METRICS, PROVENANCE):
            continue
        if name == RECIPE:
            directory.write_recipe(spec)
            files[RECIPE] = print_of(path)  # names and cadences may be other ones now
        elif name != METRICS or not _is_cut(path, expected):
            raise CheckpointError(
                f"{path} was changed after the run ended: its sha256 differs from the one in "
                f"summary.json, and zoo cannot restore it; {_FRESH}"
            )
        mended.append(f"{path} was changed after the run ended; zoo writes it again")
    if mended:
        directory.write_summary(summary, summary["identity_sha256"], files=files)
    return mended


def _is_cut(path: Path, expected: Mapping[str, Any] | None) -> bool:
    """Remove bytes appended to a file of this size and hash; return whether that worked."""
    if expected is None or not path.is_file():
        return False
    content = read_file(path, MAX_LOG_BYTES)[: expected["bytes"]]
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        return False
    write_atomically(path, content)
    return True


def _check_recipe(path: Path, spec: RunSpec, identity: Mapping[str, Any]) -> None:
    """Raise an error unless a recipe has this identity.

    An identity contains no names, locations and intervals, and only those arguments of a loss that
    affect its value; other values are not compared.
    """
    recorded = identity.get("settings", {})
    settings = _narrowed(spec.settings.model_dump(mode="json"), recorded)
    if "losses" in settings:
        losses = {name: settings["losses"][name] for name in spec.settings.used_losses}
        settings["losses"] = {
            name: _narrowed(loss, recorded["losses"].get(name, loss))
            for name, loss in losses.items()
        }
    for part in settings.keys() & {"training", "data"}:
        shaping = dict.fromkeys(name for name in LATER if name not in MONITORING)
        settings[part] = _narrowed(settings[part], {**recorded[part], **shaping})
    training = spec.settings.training
    if training.on_divergence == ROLLBACK and "training" in settings:
        settings["training"]["on_divergence"] = ROLLBACK
    told = {"seed": spec.seed, "num_steps": training.steps, "settings": settings}
    if training.steps is None:  # epochs: their steps are known only beside the images
        del told["num_steps"]
    known = {key: identity[key] for key in told if key in identity}
    told = {key: told[key] for key in known}
    found = differences(known, told)
    if found:
        raise CheckpointError(
            f"{path} does not match the identity of this run in {PROVENANCE}: {found}; {_TRAIN}"
        )


def _narrowed(value: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key in keys}
