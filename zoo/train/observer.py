"""Events of a training. The library prints nothing; `zoo.commands` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Observer:
    """Receives the events of a run. Every method does nothing; override the ones you need."""

    def notice(self, message: str) -> None:
        """A message that a user should know: what was found, reused or chosen."""

    def beside(self, name: str) -> Observer:
        """Return the observer of one of several trainings at once.

        It is called in the training's own thread. Here it passes messages on, with the name.

        Args:
            name: of the training.
        """
        return _Messages(self, name)

    def preparing(self, done: int, total: int) -> None:
        """`done` of `total` images are in the patch store."""

    def opened(self, directory: Path) -> None:
        """The directory of the stage that starts next; its `recipe.yaml` is written."""

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        """A stage starts, or resumes at `step`.

        Args:
            recipe: name of the recipe being trained.
            stage: `content` or `adversarial`.
            step: generator updates done already.
            num_steps: generator updates in total.
        """

    def stepped(self, step: int, num_images: int) -> None:
        """A step was issued. Called every step, so it must be quick.

        Args:
            step: generator updates done.
            num_images: number of high-resolution images in the step.
        """

    def logged(self, row: Mapping[str, Any]) -> None:
        """A row of `metrics.jsonl`, as it is written."""

    def saved(self, path: Path, step: int) -> None:
        """A checkpoint is on disk."""

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        """A stage is done; its results are in a directory."""


class _Messages(Observer):
    """Passes messages on under a name."""

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer = observer
        self._name = name

    def notice(self, message: str) -> None:
        self._observer.notice(f"{self._name}: {message}")
