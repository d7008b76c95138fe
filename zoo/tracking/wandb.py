"""Weights & Biases: a run of the project `$WANDB_PROJECT`, by default `zoo`, for each stage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import wandb

from zoo.tracking.base import Tracker


class WeightsAndBiases(Tracker):
    """Logs to W&B; `WANDB_MODE=offline` keeps the run in its directory for `wandb sync`."""

    name: ClassVar[str] = "wandb"

    def begin(self, directory: Path, key: str, step: int) -> None:  # noqa: ARG002
        """Begin or resume a run; the project can be set by `WANDB_PROJECT`."""
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "zoo"),
            id=key,
            name="-".join(directory.absolute().parts[-3:]),
            dir=str(directory),
            resume="allow",
            reinit="finish_previous",
            settings=wandb.Settings(console="off"),  # the terminal has zoo's own progress
        )
        self._run.define_metric("*", step_metric="step")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log the values of a step; `step` is a value, since a resumed run logs steps again."""
        self._run.log({**values, "step": step})

    def picture(self, path: Path, step: int) -> None:
        """Log an image."""
        self._run.log({f"validation/{path.stem}": wandb.Image(str(path)), "step": step})

    def text(self, name: str, content: str) -> None:
        """Put a text into the run's configuration."""
        self._run.config.update({name: content}, allow_val_change=True)

    def end(self) -> None:
        """Finish the run."""
        self._run.finish()
