"""What a trainer tells whoever watches it. The library prints nothing; `zoo.commands` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Observer:
    """Hears what happens in a run. Every method does nothing; override those of interest."""

    def notice(self, message: str) -> None:
        """Hear one line a user should know: what was found, reused or chosen."""

    def preparing(self, done: int, total: int) -> None:
        """Hear that `done` of `total` images are in the patch store."""

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        """Hear that a stage begins, or continues from `step`.

        Args:
            recipe: name of the recipe being trained.
            stage: `content` or `adversarial`.
            step: generator updates done already.
            num_steps: generator updates in all.
        """

    def stepped(self, step: int, num_images: int) -> None:
        """Hear that a step was issued; called every step, so it must be quick.

        Args:
            step: generator updates done.
            num_images: high-resolution images the generator learnt from in it.
        """

    def logged(self, row: Mapping[str, Any]) -> None:
        """Hear a row of `metrics.jsonl`, as it is written."""

    def saved(self, path: Path, step: int) -> None:
        """Hear that a checkpoint is on disk."""

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        """Hear that a stage is done and where its results are."""
