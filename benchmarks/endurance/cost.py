"""What a step, a validation and a checkpoint cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.endurance.kills import PHASES
from benchmarks.endurance.processes import RECIPE, Place, Result
from zoo.recipes.book import load_book
from zoo.recipes.resolve import resolve
from zoo.recipes.variants import specify
from zoo.train.observer import Observer
from zoo.train.prepare import Options
from zoo.train.run import train


def price(place: Place, profile: str = "demo", num_steps: int = 12) -> Result:
    """Measure a step, a validation and a checkpoint of a profile, and their shares of its run."""
    book, found = load_book(), {}
    for recipe in ("srresnet", RECIPE):
        usual = resolve(book, recipe, profile, seed=0, settings=[]).spec.settings.training
        lengths = [f"training.steps={num_steps}"]
        lengths += ["training.validate_every=4", "training.checkpoint_every=4"]
        spec = specify(book, recipe, profile, settings=lengths)
        inner = spec.pretraining
        if inner is not None:
            training = inner.settings.training.model_copy(update={"steps": 1})
            settings = inner.settings.model_copy(update={"training": training})
            spec = spec.model_copy(
                update={"pretraining": inner.model_copy(update={"settings": settings})}
            )
        timer = Timer()
        train(spec, Options(place.folder / f"price-{recipe}", device="cpu", observer=timer))
        seconds = timer.medians()
        length = float(usual.steps or 0)
        parts = {
            "training": seconds["training"] * length,
            "validation": seconds["validation"] * (1 + length // usual.validate_every),
            "checkpoint": seconds["checkpoint"] * (length // usual.checkpoint_every),
        }
        whole = sum(parts.values())
        found[recipe] = {f"seconds a {phase}": round(seconds[phase], 4) for phase in PHASES} | {
            f"share of {phase}": round(parts[phase] / whole, 4) for phase in PHASES
        }
    return {"profile": profile, "threads": torch.get_num_threads(), **found}


class Timer(Observer):  # its arguments are the base's
    """Measures what the last stage of a run spends its time on."""

    def __init__(self) -> None:
        self._found: dict[str, list[float]] = {}
        self._since = 0.0

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:  # noqa: ARG002
        """Begin anew."""
        self._found = {phase: [] for phase in PHASES}
        self._since = time.perf_counter()

    def stepped(self, step: int, num_images: int) -> None:  # noqa: ARG002
        """Take a step's time."""
        self._take("training")

    def logged(self, row: Mapping[str, Any]) -> None:
        """Take a validation's time."""
        if row["kind"] == "validation":
            self._take("validation")

    def saved(self, path: Path, step: int) -> None:  # noqa: ARG002
        """Take a checkpoint's time."""
        self._take("checkpoint")

    def medians(self) -> dict[str, float]:
        """Return the median seconds of each phase."""
        return {phase: median(seconds) for phase, seconds in self._found.items()}

    def _take(self, phase: str) -> None:
        now = time.perf_counter()
        self._found[phase].append(now - self._since)
        self._since = now
