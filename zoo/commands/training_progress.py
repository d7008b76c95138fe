"""Progress of a training on stderr: a bar on a terminal, occasional lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from zoo.commands.output import draws, shown, stderr
from zoo.letters import visible
from zoo.train.lines import LineObserver, describe
from zoo.train.observer import Observer


@contextmanager
def training_progress() -> Iterator[Observer]:
    """Yield an observer that shows a run within this context."""
    console = stderr()
    if draws(console):
        observer = BarObserver(console)
        with Live(get_renderable=observer.render, console=console, refresh_per_second=4):
            yield observer
    else:
        yield LineObserver(lambda line: console.print(shown(line)))


class BarObserver(Observer):
    """Shows one bar for each stage, with the latest numbers below it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = _bar(console)
        self._preparing: TaskID | None = None
        self._stage: TaskID | None = None
        self._numbers: dict[str, Any] = {}

    def render(self) -> Group:
        """Return the current screen."""
        grid = Table.grid(padding=(0, 1))
        for heading, text in describe(self._numbers):
            grid.add_row(shown(heading, "dim"), shown(text))
        return Group(self._bar.get_renderable(), grid)

    def notice(self, message: str) -> None:
        """Print a line above the bar."""
        self._console.print(shown(message, "dim"))

    def preparing(self, done: int, total: int) -> None:
        """Show how many images have been decoded."""
        if self._preparing is None:
            self._preparing = self._bar.add_task("decoding images")
        self._bar.update(self._preparing, completed=done, total=total)

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        """Start a bar at the stage's current step."""
        self._numbers = {}
        self._stage = self._bar.add_task(visible(f"{recipe} ({stage})"), total=num_steps)
        self._bar.update(self._stage, completed=step)

    def stepped(self, step: int, num_images: int) -> None:  # noqa: ARG002  the base's signature
        """Move the bar."""
        if self._stage is not None:
            self._bar.update(self._stage, completed=step)

    def logged(self, row: Mapping[str, Any]) -> None:
        """Show the latest numbers below the bar."""
        self._numbers.update(row)

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        """Print where the stage's results are."""
        self.notice(f"done: {directory}, PSNR_Y {summary['psnr_y']:.2f} dB, {summary['verdict']}")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
