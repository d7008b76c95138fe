"""TensorBoard: event files in the folder `tensorboard` of each run directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch.utils.tensorboard import SummaryWriter

from zoo.data.images import read_image
from zoo.tracking.base import Tracker


class TensorBoard(Tracker):
    """Writes event files; `tensorboard --logdir runs` shows all runs of a folder."""

    name: ClassVar[str] = "tensorboard"

    def begin(self, directory: Path, key: str, step: int) -> None:  # noqa: ARG002
        """Open an event file; earlier ones lose what they have of later steps."""
        later = step + 1 if step else None
        self._writer = SummaryWriter(str(directory / "tensorboard"), purge_step=later)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write one scalar a value."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, path: Path, step: int) -> None:
        """Write an image."""
        self._writer.add_image(f"validation/{path.stem}", read_image(path), step, dataformats="HWC")

    def text(self, name: str, content: str) -> None:
        """Write a text, in a fixed-width font."""
        self._writer.add_text(name, "\n".join(f"    {line}" for line in content.splitlines()))

    def end(self) -> None:
        """Close the event file."""
        self._writer.close()
