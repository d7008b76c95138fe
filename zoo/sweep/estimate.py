"""How long a run will take on this machine: as its sister seeds did, else by trying a step."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import CheckpointError
from zoo.recipes.schema import RunSpec
from zoo.runs.directory import RunDirectory, run_path
from zoo.train.prepare import Options
from zoo.train.rehearsal import rehearse


class Estimator:
    """Estimates the seconds of each stage of a run.

    Args:
        options: where and on what runs are executed.
    """

    def __init__(self, options: Options) -> None:
        self._options = options

    def __call__(self, spec: RunSpec) -> list[float]:
        """Return the expected seconds of each stage, pretraining first.

        The time of a finished run of the same recipe and profile is used where there is one;
        otherwise one real step of each stage is taken, and nothing is written.
        """
        stages = [spec] if spec.pretraining is None else [spec.pretraining, spec]
        known = [_measured(stage, self._options.run_root) for stage in stages]
        if None not in known:
            return [seconds for seconds in known if seconds is not None]
        tried = [stage.total_seconds for stage in rehearse(spec, self._options)]
        return [
            estimate if seconds is None else seconds
            for seconds, estimate in zip(known, tried, strict=True)
        ]


def _measured(spec: RunSpec, run_root: Path) -> float | None:
    """Return how long any seed of a recipe took, None where none is finished."""
    for path in sorted(run_path(spec, run_root).parent.glob("seed-*")):
        try:
            summary = RunDirectory(path).summary()
        except CheckpointError:  # scoring says what is wrong with it
            continue
        if summary is not None:
            return float(summary["seconds"])
    return None
