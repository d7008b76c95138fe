"""MLflow: a run of the experiment `$MLFLOW_EXPERIMENT_NAME`, by default `zoo`, for each stage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from mlflow import MlflowClient
from mlflow.entities import Metric

from zoo.tracking.base import Tracker

_KEY: Final = "zoo.run"


class MLflow(Tracker):
    """Logs to the store that `MLFLOW_TRACKING_URI` names."""

    name: ClassVar[str] = "mlflow"

    def begin(self, directory: Path, key: str, step: int) -> None:  # noqa: ARG002
        """Create a run, or go on with the one that has this key as a tag."""
        self._client = MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "zoo")
        known = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name) if known is None else known.experiment_id
        found = self._client.search_runs([experiment], f"tags.`{_KEY}` = '{key}'", max_results=1)
        run = found[0] if found else self._client.create_run(experiment, tags={_KEY: key})
        self._run = run.info.run_id
        self._client.set_tag(self._run, "mlflow.runName", "-".join(directory.absolute().parts[-3:]))
        self._client.update_run(self._run, status="RUNNING")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log the values of a step."""
        metrics = [Metric(name, value, 0, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def picture(self, path: Path, step: int) -> None:  # noqa: ARG002
        """Store an image as an artifact."""
        self._client.log_artifact(self._run, str(path), "validation")

    def text(self, name: str, content: str) -> None:
        """Store a text as an artifact, and the verdict as a tag, too."""
        self._client.log_text(
            self._run, content, f"{name}.yaml" if "\n" in content else f"{name}.txt"
        )
        if "\n" not in content:
            self._client.set_tag(self._run, f"zoo.{name}", content)

    def end(self) -> None:
        """Mark the run as finished."""
        self._client.set_terminated(self._run)
