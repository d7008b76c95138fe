"""Progress of a training as plain lines, for log files and scripts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from zoo.letters import visible
from zoo.train.observer import Observer

SECONDS_BETWEEN_LINES = 30.0
PROGRESS_SHARES = 10


def tell_on_stderr(line: str) -> None:
    """Write a line to standard error; a closed stream does not stop the training."""
    with suppress(OSError, ValueError, AttributeError):  # full, gone, closed, or there is none
        sys.stderr.write(f"{visible(line)}\n")
        sys.stderr.flush()


class LineObserver(Observer):
    """Shows a run as plain lines, at most one in `SECONDS_BETWEEN_LINES`.

    Args:
        tell: receives each line, without its end.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._stage = ""
        self._num_steps = 0
        self._numbers: dict[str, Any] = {}
        self._shown_at = time.monotonic()
        self._begun = 0, self._shown_at
        self._share = 0

    def notice(self, message: str) -> None:
        """Print a line."""
        self._tell(message)

    def preparing(self, done: int, total: int) -> None:
        """Print a line for each tenth of the images."""
        share = PROGRESS_SHARES * done // max(total, 1)
        if share != self._share:
            self._share = share
            self.notice(f"decoding images: {done} of {total}")

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        """Print the start or the resumption of a stage."""
        self._stage, self._num_steps, self._numbers = f"{recipe} ({stage})", num_steps, {}
        self._begun = step, time.monotonic()
        begins = f"resumes at step {step}" if step else "begins"
        self.notice(f"{self._stage} {begins}; {num_steps} steps in all")

    def logged(self, row: Mapping[str, Any]) -> None:
        """Print the latest numbers if the last line is old enough."""
        self._numbers.update(row)
        now = time.monotonic()
        if now - self._shown_at >= SECONDS_BETWEEN_LINES:
            self._shown_at = now
            left = self._time_left(row["step"], now)
            step = f"step {row['step']} of {self._num_steps}, {left} left"
            self.notice(f"{self._stage} {step} | {summarise(self._numbers)}")

    def _time_left(self, step: int, now: float) -> str:
        """Estimate from the speed so far, as hours:minutes:seconds."""
        first, begun = self._begun
        if step <= first:
            return "-:--:--"
        seconds = (self._num_steps - step) * (now - begun) / (step - first)
        return str(timedelta(seconds=round(seconds)))

    def stage_finished(self, directory: Path, summary: Mapping[str, Any]) -> None:
        """Print where the stage's results are."""
        self.notice(f"done: {directory}, PSNR_Y {summary['psnr_y']:.2f} dB, {summary['verdict']}")


def describe(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Describe logged numbers: the generator's terms, the discriminator's, the others.

    Returns:
        `(heading, values)` pairs; values that were not logged are omitted.
    """
    generator = _terms(numbers, "loss_")
    critic = _terms(numbers, "discriminator_")
    rest = [
        form.format(scale * numbers[key])
        for key, form, scale in (
            ("psnr_y", "PSNR_Y {:.2f} dB", 1),
            ("images_per_second", "{:.1f} images/s", 1),
            ("memory_bytes", "memory {:,.0f} MiB", 2**-20),
        )
        if key in numbers
    ]
    lines = [("G loss", generator), ("D loss", critic), ("", rest)]
    return [(heading, "  ".join(values)) for heading, values in lines if values]


def summarise(numbers: Mapping[str, Any]) -> str:
    """Write logged numbers in one line."""
    parts = (f"{heading}: {text}" if heading else text for heading, text in describe(numbers))
    return " | ".join(parts)


def _terms(numbers: Mapping[str, Any], prefix: str) -> list[str]:
    """Write the terms of one player, mean logits of images as the field writes them."""
    names = {"d_real": "D(real)", "d_fake": "D(fake)"}
    found = {
        key.removeprefix(prefix): value for key, value in numbers.items() if key.startswith(prefix)
    }
    return [f"{names.get(name, name)} {value:.4g}" for name, value in found.items()]
