"""Estimates how long a run takes on this machine: from another seed, or by timing a step.

One step is timed for all stages of equal cost, and its time is kept in zoo's cache.
"""

from __future__ import annotations

import json
import logging
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from zoo.data.paths import cache_dir
from zoo.data.sources import open_source
from zoo.errors import CheckpointError, MachineError
from zoo.files import read_file, write_atomically
from zoo.recipes.build import plugin_hashes
from zoo.recipes.schema import RecipeSettings, RunSpec
from zoo.runs.device import choose_device, plan_execution
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.provenance import identity_hash, machine, versions
from zoo.train.dry_run import dry_run_stage
from zoo.train.prepare import Options, count_steps

logger = logging.getLogger(__name__)
_FORMAT: Final = 1
_NETWORKS: Final = {"scale", "generator", "discriminator"}
_SIZES: Final = {"batch_size", "lr_patch_size"}


class Estimator:
    """Estimates the seconds of each stage of a run.

    Args:
        options: where and on which device runs are executed.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._device = choose_device(options.device)
        self._here = {"format": _FORMAT, "machine": machine(), "versions": versions()}
        self._step_seconds: dict[str, float] = {}
        self._num_images: dict[tuple[str, str], int] = {}

    def __call__(self, spec: RunSpec) -> list[float]:
        """Return the expected seconds of each stage, pretraining first.

        If a run of the same recipe and profile is finished, its time is used. Otherwise one real
        step is timed, unless a stage of the same cost was timed before.
        """
        stages = [spec] if spec.pretraining is None else [spec.pretraining, spec]
        return [self._seconds(stage) for stage in stages]

    def _seconds(self, stage: RunSpec) -> float:
        known = _measured(stage, self._options.run_root)
        if known is not None:
            return known
        data = stage.settings.data
        images = data.source, data.validation
        if images not in self._num_images:
            root = self._options.data_root
            found = open_source(data.source, validation=data.validation, data_root=root)
            self._num_images[images] = len(found.training_paths)
        num_steps = count_steps(stage.settings, self._num_images[images])
        return num_steps * self._of_a_step(stage)

    def _of_a_step(self, stage: RunSpec) -> float:
        execution = plan_execution(stage.settings.runtime, self._device).describe()
        key = self._here | {"execution": execution} | cost_of_a_step(stage.settings)
        name = identity_hash(key)
        if name not in self._step_seconds:
            path = cache_dir() / "estimates" / f"{name}.json"
            kept = _read(path)
            self._step_seconds[name] = self._try(stage) if kept is None else kept
            if kept is None:
                _keep(path, {"key": key, "step_seconds": self._step_seconds[name]})
        return self._step_seconds[name]

    def _try(self, stage: RunSpec) -> float:
        with tempfile.TemporaryDirectory(prefix="zoo-estimate-") as folder:
            return dry_run_stage(stage, self._options, Path(folder)).step_seconds


def cost_of_a_step(settings: RecipeSettings) -> dict[str, Any]:
    """Return what the time of a step depends on; equal for stages of equal cost.

    Floating-point values of losses and adversaries are omitted: weights, learning rates and margins
    are factors and do not affect the time.
    """
    terms = {"adversary": settings.adversary, **settings.used_losses}
    return {
        "networks": settings.model_dump(mode="json", include=_NETWORKS),
        "terms": {
            name: _without_factors(term.model_dump(mode="json"))
            for name, term in terms.items()
            if term is not None
        },
        "sizes": settings.data.model_dump(mode="json", include=_SIZES),
        "runtime": settings.runtime.model_dump(mode="json"),
        "plugins": plugin_hashes(settings),
    }


def _without_factors(term: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in term.items() if not _is_factor(value)}


def _is_factor(value: object) -> bool:
    return isinstance(value, float) or (
        isinstance(value, list) and bool(value) and all(isinstance(one, float) for one in value)
    )


def _read(path: Path) -> float | None:
    """Return the cached seconds; None if there are none, or they are damaged."""
    try:
        seconds = float(json.loads(read_file(path))["step_seconds"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return seconds if 0 < seconds < math.inf else None


def _keep(path: Path, document: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(document, indent=2).encode())
    except (MachineError, OSError) as error:  # an estimate is one all the same
        logger.debug("could not save %s: %s", path, error)


def _measured(spec: RunSpec, run_root: Path) -> float | None:
    """Return how long any seed of a recipe took, None if none is finished."""
    for path in sorted(run_path(spec, run_root).parent.glob("seed-*")):
        try:
            summary = RunDirectory(path).summary()
        except CheckpointError:  # scoring says what is wrong with it
            continue
        if summary is not None:
            return float(summary["seconds"])
    return None
