"""Observers that pass a training's numbers and pictures on to a program that draws them.

Not here: the programs (`zoo.tracking.tensorboard`, `wandb`, `mlflow`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from zoo.files import read_text
from zoo.runs.provenance import identity_hash
from zoo.runs.shapes import RECIPE
from zoo.runs.verdicts import DIVERGED
from zoo.train.observer import Observer

_NO_NUMBERS = ("kind", "step")


class Tracker(ABC, Observer):
    """Passes the events of trainings on to a program; each stage is a run of its own there."""

    name: ClassVar[str]
    """What `--track` calls it."""

    def __init__(self) -> None:
        self._directory = Path()
        self._is_open = False

    @abstractmethod
    def begin(self, directory: Path, key: str, step: int) -> None:
        """Begin a run in the program, or go on with it.

        Args:
            directory: the run's directory.
            key: 16 hexadecimal digits; the same whenever this directory's run is resumed.
            step: the step after which it goes on.
        """

    @abstractmethod
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers of a step."""

    @abstractmethod
    def picture(self, path: Path, step: int) -> None:
        """Log a PNG file: LR, bicubic, SR and HR of a validation image, side by side."""

    @abstractmethod
    def text(self, name: str, content: str) -> None:
        """Log a text: the resolved recipe, the verdict."""

    @abstractmethod
    def end(self) -> None:
        """End the run in the program; what is not written yet is written."""

    def opened(self, directory: Path) -> None:
        """Remember the directory of the stage that starts next."""
        self._directory = directory

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:  # noqa: ARG002
        """Begin the stage's run, and log the resolved recipe."""
        self.close()
        key = identity_hash({"directory": str(self._directory.absolute())})[:16]
        self.begin(self._directory, key, step)
        self._is_open = True
        self.text("recipe", read_text(self._directory / RECIPE))

    def logged(self, row: Mapping[str, Any]) -> None:
        """Log a row's numbers under its kind, such as `train/loss_total`, and a divergence."""
        numbers = {
            f"{row['kind']}/{key}": float(value)
            for key, value in row.items()
            if key not in _NO_NUMBERS and isinstance(value, int | float)
        }
        self.scalars(numbers, int(row["step"]))
        if row["kind"] == DIVERGED:
            self.text("verdict", DIVERGED)

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        """Log the validation pictures and the verdict, and end the stage's run."""
        for picture in summary["pictures"]:
            self.picture(directory / "samples" / picture, int(summary["steps"]))
        self.text("verdict", str(summary["verdict"]))
        self.close()

    def close(self) -> None:
        """End the run that is open, if any."""
        if self._is_open:
            self._is_open = False
            self.end()


class Tracked(Observer):
    """Passes every event to an observer and to trackers; a tracker that fails is left out.

    Args:
        observer: hears of every event, and of trackers that fail.
        trackers: whose errors never stop the training.
    """

    def __init__(self, observer: Observer, trackers: Sequence[Tracker]) -> None:
        self._observer = observer
        self._trackers = list(trackers)
        self._beside: list[Tracked] = []

    def notice(self, message: str) -> None:
        """Pass a message on."""
        self._observer.notice(message)

    def beside(self, name: str) -> Observer:
        """Return the observer of one of several trainings, with trackers of its own."""
        own = Tracked(self._observer.beside(name), [type(each)() for each in self._trackers])
        self._beside.append(own)
        return own

    def preparing(self, done: int, total: int) -> None:
        """Pass the progress of the patch store on."""
        self._observer.preparing(done, total)

    def opened(self, directory: Path) -> None:
        """Pass the directory of a stage on."""
        self._pass("opened", directory)

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        """Pass the start of a stage on."""
        self._pass("stage_started", recipe, stage, step, num_steps)

    def stepped(self, step: int, num_images: int) -> None:
        """Pass a step on; trackers do not hear of it."""
        self._observer.stepped(step, num_images)

    def logged(self, row: Mapping[str, Any]) -> None:
        """Pass a row on."""
        self._pass("logged", row)

    def saved(self, path: Path, step: int) -> None:
        """Pass a checkpoint on."""
        self._observer.saved(path, step)

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        """Pass the end of a stage on."""
        self._pass("stage_finished", directory, summary)

    def close(self) -> None:
        """End what the trackers have open."""
        for other in self._beside:
            other.close()
        for tracker in list(self._trackers):
            self._try(tracker, "close")

    def _pass(self, event: str, *arguments: Any) -> None:
        getattr(self._observer, event)(*arguments)
        for tracker in list(self._trackers):
            self._try(tracker, event, *arguments)

    def _try(self, tracker: Tracker, event: str, *arguments: Any) -> None:
        try:
            getattr(tracker, event)(*arguments)
        except Exception as error:  # noqa: BLE001  another program's; the training goes on
            self._trackers.remove(tracker)
            self._observer.notice(
                f"tracking with {tracker.name} failed and stops; the training goes on "
                f"({type(error).__name__}: {error})"
            )


@contextmanager
def tracked(observer: Observer, trackers: Sequence[Tracker]) -> Iterator[Observer]:
    """Yield an observer that passes every event to trackers, too; they are closed at the end."""
    if not trackers:
        yield observer
        return
    both = Tracked(observer, trackers)
    try:
        yield both
    finally:
        both.close()
