"""How a training shows on stderr: a bar on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from zoo.commands.output import PROGRESS_SHARES, stderr
from zoo.train.observer import Observer

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def watch() -> Iterator[Observer]:
    """Yield an observer that shows a run until the block is left."""
    console = stderr()
    if console.is_terminal:
        with _bar(console) as bar:
            yield BarObserver(bar)
    else:
        yield LineObserver(console)


class BarObserver(Observer):
    """Shows a run as one bar a stage, with its latest numbers beside it."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._preparing: TaskID | None = None
        self._stage: TaskID | None = None
        self._numbers: dict[str, Any] = {}

    def notice(self, message: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(Text(message, style="dim"))

    def preparing(self, done: int, total: int) -> None:
        """Show how many images are decoded."""
        if self._preparing is None:
            self._preparing = self._bar.add_task("decoding images", numbers="")
        self._bar.update(self._preparing, completed=done, total=total)

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        """Begin a bar, at the step the stage goes on from."""
        self._numbers = {}
        self._stage = self._bar.add_task(f"{recipe} ({stage})", total=num_steps, numbers="")
        self._bar.update(self._stage, completed=step)

    def stepped(self, step: int, num_images: int) -> None:  # noqa: ARG002  the base's signature
        """Move the bar."""
        if self._stage is not None:
            self._bar.update(self._stage, completed=step)

    def logged(self, row: Mapping[str, Any]) -> None:
        """Show the latest numbers beside the bar."""
        self._numbers.update(row)
        if self._stage is not None:
            self._bar.update(self._stage, numbers=summarise(self._numbers))

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        """Say where the stage's results are."""
        self.notice(f"done: {directory}, PSNR_Y {summary['psnr_y']:.2f} dB, {summary['verdict']}")


class LineObserver(Observer):
    """Shows a run as plain lines, at most one in `SECONDS_BETWEEN_LINES` while it goes on."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""
        self._num_steps = 0
        self._numbers: dict[str, Any] = {}
        self._shown_at = time.monotonic()
        self._share = 0

    def notice(self, message: str) -> None:
        """Print a line."""
        self._console.print(Text(message))

    def preparing(self, done: int, total: int) -> None:
        """Print a line for each tenth of the images."""
        share = PROGRESS_SHARES * done // max(total, 1)
        if share != self._share:
            self._share = share
            self.notice(f"decoding images: {done} of {total}")

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        """Say what begins, or goes on."""
        self._stage, self._num_steps, self._numbers = f"{recipe} ({stage})", num_steps, {}
        begins = f"goes on at step {step}" if step else "begins"
        self.notice(f"{self._stage} {begins}; {num_steps} steps in all")

    def logged(self, row: Mapping[str, Any]) -> None:
        """Print the latest numbers if the last line is long enough ago."""
        self._numbers.update(row)
        now = time.monotonic()
        if now - self._shown_at >= SECONDS_BETWEEN_LINES:
            self._shown_at = now
            step = f"step {row['step']} of {self._num_steps}"
            self.notice(f"{self._stage} {step}  {summarise(self._numbers)}")

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        """Say where the stage's results are."""
        self.notice(f"done: {directory}, PSNR_Y {summary['psnr_y']:.2f} dB, {summary['verdict']}")


def summarise(numbers: Mapping[str, Any]) -> str:
    """Write the numbers of interest of logged rows in one line; those not there are left out."""
    parts = (
        ("psnr_y", "PSNR_Y {:.2f} dB"),
        ("loss_total", "G {:.4g}"),
        ("discriminator_total", "D {:.4g}"),
        ("images_per_second", "{:.1f} images/s"),
    )
    return "  ".join(form.format(numbers[key]) for key, form in parts if key in numbers)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[numbers]}", markup=False),
        console=console,
    )
