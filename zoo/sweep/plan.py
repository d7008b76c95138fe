"""What a sweep has to train: which runs are missing, in which order, and how long they take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.recipes.book import Book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec
from zoo.runs.directory import RunDirectory, run_path

State = Literal["finished", "begun", "missing"]
DIVERGED = "diverged"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        spec: the run.
        state: whether it is there already.
        seconds: expected time, its pretraining included where no run before it brings that; None
            where nothing is known.
    """

    spec: RunSpec
    state: State
    seconds: float | None = None


def specs_of(
    book: Book,
    recipes: Iterable[str],
    profile: str,
    seeds: Sequence[int],
    settings: Sequence[str] = (),
) -> list[RunSpec]:
    """Return the complete specifications of recipes under a profile, for every seed.

    Raises:
        RecipeError: if a recipe does not fit the profile.
    """
    return [
        complete(resolve(book, recipe, profile, seed=seed, settings=settings)).spec
        for recipe in recipes
        for seed in seeds
    ]


def in_training_order(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Put what others are pretrained by first, seed by seed: a broken sweep has whole seeds."""
    return sorted(specs, key=lambda spec: (spec.seed, spec.settings.is_adversarial))


def plan_runs(
    specs: Iterable[RunSpec],
    run_root: Path,
    measure: Callable[[RunSpec], Sequence[float]] | None = None,
) -> list[PlannedRun]:
    """Say for each run, in training order, whether it is there and how long it will take.

    Args:
        specs: the runs.
        run_root: folder of run directories.
        measure: returns the expected seconds of each stage of a run, pretraining first; asked
            once a recipe. None to expect nothing.
    """
    ordered = in_training_order(specs)
    estimates: dict[str, Sequence[float]] = {}
    brought = {_content(spec) for spec in ordered if spec.pretraining is None}
    planned = []
    for spec in ordered:
        state = state_of(spec, run_root)
        seconds: float | None = 0.0
        if state != "finished":
            if measure is not None and spec.recipe not in estimates:
                estimates[spec.recipe] = measure(spec)
            stages = estimates.get(spec.recipe)
            inner = spec.pretraining
            shared = (
                inner is None
                or _content(inner) in brought
                or state_of(inner, run_root) == "finished"
            )
            if inner is not None:
                brought.add(_content(inner))
            seconds = None if stages is None else sum(stages[-1:] if shared else stages)
        planned.append(PlannedRun(spec, state, seconds))
    return planned


def state_of(spec: RunSpec, run_root: Path) -> State:
    """Tell whether a run is finished (or diverged, which is an end too), begun or missing."""
    directory = RunDirectory(run_path(spec, run_root))
    if directory.summary() is not None:
        return "finished"
    rows = directory.rows()
    if any(row["kind"] == DIVERGED for row in rows):
        return "finished"
    return "begun" if rows else "missing"


def _content(spec: RunSpec) -> str:
    """Return what a content stage is but its name: stages of equal content are one run."""
    return json.dumps(spec.model_dump(mode="json", exclude={"recipe"}), sort_keys=True)
