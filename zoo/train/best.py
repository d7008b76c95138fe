"""The weights with the best validation score: kept beside the last ones, as a model file.

`training.validate_with` names the metric. While a run trains, its best weights so far are in
`checkpoints/best.safetensors`; when it has finished, `best.safetensors` is a model file like any
other. Only validated steps count.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from torch import nn

from zoo.errors import RecipeError, WeightsError
from zoo.files import read_hashed, write_hashed
from zoo.metrics import metric_key
from zoo.metrics.base import Metric
from zoo.models.file import read_details, write_model
from zoo.models.model import Model
from zoo.models.runs import model_of_run
from zoo.recipes.schema import Training
from zoo.registry import METRICS
from zoo.runs.directory import RunDirectory
from zoo.runs.weights import pack, unpack

BEST: Final = "best.safetensors"


def validation_metrics(training: Training, smallest_side: int) -> dict[str, Metric]:
    """Return the metric of `training.validate_with` by its key; nothing if there is none.

    Args:
        training: the settings.
        smallest_side: of the validation images in pixels, without the border.

    Raises:
        UnknownNameError: if there is no metric of that name.
        RecipeError: if a validation image is too small for it.
        WeightsError: if weights that it needs are missing; the message says how to get them.
    """
    name = training.validate_with
    if name is None:
        return {}
    metric: Metric = METRICS.get(name)()
    reason = metric.unavailable()
    if reason is not None:
        raise WeightsError(f"training.validate_with={name}: {reason}")
    if smallest_side < metric.min_side:
        raise RecipeError(
            f"training.validate_with={name} needs {metric.min_side} pixels a side, and a "
            f"validation image has {smallest_side} without its border; choose another metric, or "
            "larger images with data.validation"
        )
    return {metric_key(name): metric}


class BestWeights:
    """Keeps the weights of the best validation of a run.

    Args:
        directory: the run's.
        identity: hash of the run's identity.
        name: the metric.
    """

    def __init__(self, directory: RunDirectory, identity: str, name: str) -> None:
        self.directory = directory
        self.identity = identity
        self.name = name
        self.key = metric_key(name)
        self.higher_is_better = METRICS.get(name).higher_is_better

    @classmethod
    def of(cls, training: Training, directory: RunDirectory, identity: str) -> Self | None:
        """Return what keeps the best weights, None if the run validates with no metric."""
        name = training.validate_with
        return None if name is None else cls(directory, identity, name)

    @property
    def path(self) -> Path:
        """The best weights so far."""
        return self.directory.checkpoints / BEST

    def offer(self, row: Mapping[str, Any], generator: nn.Module) -> None:
        """Keep the weights if their validation row beats all earlier ones of the same images."""
        if self.key not in row:
            return
        earlier = [
            old
            for old in self._scored()
            if old["step"] < row["step"] and old["validation"] == row["validation"]
        ]
        if all(self._rank(row) > self._rank(old) for old in earlier):
            metadata = {"identity_sha256": self.identity, "step": str(row["step"])}
            write_hashed(self.path, pack(generator.state_dict(), metadata))

    def publish(self) -> str | None:
        """Write the best weights of a finished run as a model file, unless it is there.

        Returns:
            In words what was written, or why nothing was; None if there is nothing to say.
        """
        content, target = read_hashed(self.path), self.directory.path / BEST
        rows = self._scored()
        if not rows:
            return f"no validation has a score of {self.name}, so there are no best weights"
        best = max(rows, key=self._rank)
        tensors, owner, step = ({}, None, None) if content is None else unpack(content)
        owners = {self.identity, *self.directory.identities()}
        if owner not in owners or best["step"] != step:
            return f"the weights of step {best['step']}, with the best {self.name}, were not kept"
        last = model_of_run(self.directory.path).details
        update = {
            "name": f"{last.name}-step-{step}",
            "summary": f"{last.summary}: the best {self.name} of its validations",
            "training": last.training and last.training.model_copy(update={"steps": step}),
        }
        details = last.model_copy(update=update)
        if target.is_file():
            there = read_details(target)
            if (there.name, there.summary) == (details.name, details.summary):
                return None
        write_model(target, Model(details, tensors))
        return f"best {self.name} of its validations: {best[self.key]:.4g} at step {step}: {target}"

    def _scored(self) -> list[dict[str, Any]]:
        """Return the validations that have the score, those of the current images."""
        rows = [row for row in self.directory.rows() if row["kind"] == "validation"]
        return [
            row for row in rows if self.key in row and row["validation"] == rows[-1]["validation"]
        ]

    def _rank(self, row: Mapping[str, Any]) -> float:
        score = float(row[self.key])
        if self.higher_is_better is None:
            return -abs(score)
        return score if self.higher_is_better else -score
