"""A run that the operating system kills again and again ends as if nothing had happened."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest

from tests.train.bits import assert_same_bits, count_tensors, final_state, trainable_recipes
from tests.train.conftest import MakeSpec
from tests.train.mortal import STAGES, Moment, train_elsewhere, train_through
from zoo.recipes.book import Book, load_book
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec
from zoo.runs.directory import run_path

pytestmark = pytest.mark.slow

LONGEST_DELAY = 0.06
"""Seconds: the time that validating, logging and saving a smoke step take, and a step or two."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return zoo's home and the root of uninterrupted runs, which share their pretraining."""
    return tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("straight")


def draw_moments(spec: RunSpec, random_numbers: random.Random) -> list[Moment]:
    """Draw for each stage a step to die at, then one that saves, to die a random time after."""
    moments = []
    for stage, run in zip(STAGES, filter(None, (spec.pretraining, spec)), strict=False):
        training = run.settings.training
        saving = range(training.checkpoint_every, training.steps, training.checkpoint_every)
        last = random_numbers.choice(saving)
        step = random_numbers.randint(1, last)
        moments.append(Moment(stage, step))
        moments.append(Moment(stage, last, random_numbers.uniform(0.0, LONGEST_DELAY)))
    return moments


def pairs_of_components(recipe: str, book: Book) -> set[frozenset[str]]:
    """Return all pairs of what a recipe is made of: networks, norms, adversary, losses, start."""
    spec = resolve(book, recipe, "smoke").spec
    settings = spec.settings
    critic = settings.discriminator
    parts = {
        "generator": settings.generator.name,
        "norm": settings.generator.arguments.get("norm"),
        "critic": critic and critic.arguments.get("norm"),
        "adversary": settings.adversary and settings.adversary.name,
        "losses": sorted(one.name for one in settings.losses.values()),
        "pretrained": spec.pretraining is not None,
    }
    return {frozenset(pair) for pair in combinations((f"{k} {v}" for k, v in parts.items()), 2)}


def recipes() -> list[str]:
    """Return recipes that together have every pair of components that some recipe has."""
    book = load_book()
    left = {name: pairs_of_components(name, book) for name in trainable_recipes()}
    chosen: list[str] = []
    covered: set[frozenset[str]] = set()
    while gains := {name: len(pairs - covered) for name, pairs in left.items() if pairs - covered}:
        best = max(gains, key=gains.__getitem__)
        chosen.append(best)
        covered |= left[best]
    return chosen


@pytest.mark.parametrize("recipe", recipes())
def test_killed_at_random_moments_it_ends_in_the_bits_of_the_uninterrupted_run(
    recipe: str,
    make_spec: MakeSpec,
    places: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home, straight = places
    monkeypatch.setenv("ZOO_HOME", str(home))
    spec = make_spec(recipe)
    moments = draw_moments(spec, random.Random(recipe))  # noqa: S311
    assert train_elsewhere(spec, straight) == 0
    kills = train_through(spec, tmp_path, moments)
    tensors = 0
    for stage in filter(None, (spec.pretraining, spec)):
        ends = [final_state(run_path(stage, root)) for root in (straight, tmp_path)]
        assert_same_bits(*ends)
        tensors += count_tensors(ends[0])
    assert kills >= len(moments) - 1, "only the last one may come after the end"
    line = f"{recipe}: {kills} kills ({', '.join(map(str, moments))}), {tensors} tensors equal"
    with capsys.disabled():
        print(f"\n{line}")  # noqa: T201
