"""The plan of a sweep: which runs are missing, in which order, and how long they take."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.errors import staying
from zoo.models.initial import StartError, specified_seeds
from zoo.recipes.book import Book
from zoo.recipes.schema import RunSpec
from zoo.runs import RUN_ROOT
from zoo.runs.run_state import RunState, State, find_run

logger = logging.getLogger(__name__)
ENDS: tuple[State, ...] = ("finished", "diverged")
Measure = Callable[[RunSpec], Sequence[float]]


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        spec: the run.
        found: its state.
        brings_pretraining: whether its pretraining is trained with it, because no earlier run does.
        seconds: expected time, including such a pretraining; None if unknown or not requested.
    """

    spec: RunSpec
    found: RunState
    brings_pretraining: bool = False
    seconds: float | None = None

    @property
    def state(self) -> State:
        """The state of the run."""
        return self.found.state

    @property
    def is_needed(self) -> bool:
        """Whether the sweep trains it: it is missing, and nothing else is in its place."""
        return self.found.can_be_trained


def specs_of(
    book: Book,
    recipes: Iterable[str],
    profile: str,
    seeds: Sequence[int],
    settings: Sequence[str] = (),
    *,
    run_root: Path = RUN_ROOT,
) -> list[RunSpec]:
    """Return the complete specifications of recipes under a profile, for every seed.

    A recipe whose initial weights are not there is left out, with a warning.

    Raises:
        RecipeError: if a recipe does not fit the profile.
    """
    specs: list[RunSpec] = []
    for recipe in recipes:
        try:
            specs += specified_seeds(
                book, recipe, profile, seeds, settings=settings, run_root=run_root
            )
        except StartError as error:
            logger.warning("%s is not trained: %s", recipe, error)
    return specs


def in_training_order(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Sort runs by seed, so that whole seeds finish first, and pretraining before its users."""
    return sorted(specs, key=lambda spec: (spec.seed, spec.settings.is_adversarial))


def plan_runs(specs: Iterable[RunSpec], run_root: Path) -> list[PlannedRun]:
    """Return the state of each run, in training order.

    Args:
        specs: the runs.
        run_root: folder of run directories.
    """
    ordered = in_training_order(specs)
    brought = {content_key(spec) for spec in ordered if spec.pretraining is None}
    planned = []
    for spec in ordered:
        found, inner = find_run(spec, run_root), spec.pretraining
        brings = found.can_be_trained and inner is not None
        if brings and inner is not None:
            content = content_key(inner)
            brings = content not in brought and find_run(inner, run_root).state not in ENDS
            brought.add(content)
        planned.append(PlannedRun(spec, found, brings))
    return planned


def with_seconds(planned: Iterable[PlannedRun], measure: Measure) -> Iterator[list[PlannedRun]]:
    """Yield the runs to train, recipe by recipe, with their expected time.

    Args:
        planned: runs in training order.
        measure: returns the expected seconds of each stage of a run, pretraining first; called once
            for each recipe. If it fails, the time is unknown, and the error appears when the run is
            trained.
    """
    by_recipe: dict[str, list[PlannedRun]] = {}
    for run in planned:
        if run.is_needed:
            by_recipe.setdefault(run.spec.recipe, []).append(run)
    for runs in by_recipe.values():
        stages = _expected(measure, runs[0].spec)
        yield [replace(run, seconds=_seconds(run, stages)) for run in runs]


def _seconds(run: PlannedRun, stages: Sequence[float] | None) -> float | None:
    if stages is None:
        return None
    return sum(stages if run.brings_pretraining else stages[-1:])


def _expected(measure: Measure, spec: RunSpec) -> Sequence[float] | None:
    try:
        with staying():
            return measure(spec)
    except Exception as error:  # noqa: BLE001  it runs a recipe's code, which may raise anything
        logger.warning(
            "%s: could not estimate the time: %s: %s", spec.recipe, type(error).__name__, error
        )
        return None


def content_key(spec: RunSpec) -> str:
    """Return a content stage without its name; stages of equal content are one run."""
    return json.dumps(spec.model_dump(mode="json", exclude={"recipe", "variant"}), sort_keys=True)
