"""From records to arrays: the scores of a recipe's runs, by seed and image.

Not here: which records may be compared (`zoo.records.selection`), statistics of the arrays
(`zoo.compare.statistics`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.compare.statistics import Floats
from zoo.recipes.claims import Family
from zoo.records.record import Column, Record

Seed = int | None
Image = tuple[str, str]
"""Names of a dataset and an image in it."""
WHOLE_RUN: Image = ("", "")
"""Replaces the image for a metric with one number per run."""
COUNTED = ("parameters", "macs", "activation_memory")
"""Costs that are counted: the same for every run of a recipe, on every machine."""
TIMED = ("peak_memory", "ms_per_megapixel")
"""Costs that are measured, and depend on the machine."""
YES_OR_NO = ("finite", "stable")
"""Measures of which a run has 1 or 0, one that diverged too; recipes are compared by shares."""

Scores = dict[Seed, Mapping[Image, float]]


@dataclass(frozen=True, slots=True)
class Paired:
    """Arrays `[seed, image]` of several recipes over the same seeds and images.

    Attributes:
        values: one array a recipe, in the order they were given.
        seeds: the seeds that all have; None alone where none has a seed.
        images: the images that all these runs have a score for.
    """

    values: tuple[Floats, ...]
    seeds: tuple[Seed, ...]
    images: tuple[Image, ...]


def of_recipe(records: Iterable[Record], recipe: str) -> list[Record]:
    """Return the runs of a recipe, or its record where it needs no training.

    A weights file or a function may bear the name of a recipe; it is not that recipe. Nor is a
    run of it with other settings, whose name says so (`zoo.records.naming`).
    """
    return [
        record
        for record in records
        if record.target.kind in ("run", "baseline")
        and record.target.recipe == record.target.name == recipe
    ]


def not_recipes(records: Iterable[Record], recipes: Iterable[str] | None = None) -> list[str]:
    """Return notes on runs that are not their recipes' under their profiles, so not judged.

    Args:
        records: of any kind.
        recipes: the recipes that matter, all where None.
    """
    wanted = None if recipes is None else set(recipes)
    found: dict[tuple[str, str, str | None], dict[int, None]] = {}
    for record in records:
        target = record.target
        recipe = target.recipe or ""
        if target.kind != "run" or target.name == recipe or not recipe:
            continue
        if wanted is None or recipe in wanted:
            found.setdefault((target.name, recipe, target.profile), {})[target.seed or 0] = None
    return [
        f"excluded from claims and factorials: {name} ({_seeds(seeds)}), because it is not "
        f"{recipe} under profile {profile}"
        for (name, recipe, profile), seeds in found.items()
    ]


def _seeds(seeds: Iterable[int]) -> str:
    numbers = sorted(seeds)
    return f"seed{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def scores_of(records: Iterable[Record], family: Family, key: str) -> Scores:
    """Return the scores of one recipe by seed and image; a run without any has no entry.

    Args:
        records: of one recipe, at most one for each seed.
        family: what the number is measured of.
        key: its key in records.
    """
    found: Scores = {}
    for record in records:
        scores = _scores(record, family, key)
        if scores:
            found[record.target.seed] = scores
    return found


def pair(sides: Sequence[Scores]) -> Paired:
    """Return the scores of several recipes over the seeds and images they share.

    A recipe without seeds (a baseline) is the same for every seed of the others.
    """
    seeded = [set(side) for side in sides if set(side) != {None}]
    shared: set[Seed] = set.intersection(*seeded) if seeded else {None}
    seeds = sorted(shared, key=lambda seed: -1 if seed is None else seed)
    rows = [[side.get(seed, side.get(None, {})) for seed in seeds] for side in sides]
    flat = [row for side in rows for row in side]
    images = [image for image in flat[0] if all(image in row for row in flat)] if flat else []
    values = tuple(
        np.array([[row[image] for image in images] for row in side], dtype=np.float64)
        for side in rows
    )
    return Paired(values, tuple(seeds), tuple(images))


def not_shared(sides: Sequence[Scores], paired: Paired) -> list[str]:
    """Return which seeds and images are excluded because not every recipe has them."""
    notes = []
    everyone = {seed for side in sides for seed in side if seed is not None}
    lonely = sorted(everyone - set(paired.seeds))
    if lonely:
        seeds = ", ".join(map(str, lonely))
        notes.append(f"seed {seeds} excluded: not every compared recipe has it")
    images = {image for side in sides for run in side.values() for image in run}
    if len(images) > len(paired.images):
        count = len(images) - len(paired.images)
        notes.append(f"{count} of {len(images)} images excluded: not every run has them")
    return notes


def other_start(first: Iterable[Record], second: Iterable[Record]) -> list[int]:
    """Return the seeds whose runs of two recipes started from different pretraining."""
    start, other = (
        {
            record.target.seed: record.target.pretraining_sha256
            for record in side
            if record.target.seed is not None and record.target.pretraining_sha256
        }
        for side in (first, second)
    )
    return sorted(seed for seed in start if seed in other and start[seed] != other[seed])


def column_of(records: Iterable[Record], key: str) -> Column:
    """Return what a key means; its reason, where no record has the score."""
    columns = [record.columns[key] for record in records if key in record.columns]
    return columns[-1] if columns else Column(label=key)


def training_seconds(records: Iterable[Record]) -> float:
    """Return the wall-clock time that training the runs took together."""
    return sum(record.training.seconds for record in records if record.training is not None)


def _scores(record: Record, family: Family, key: str) -> Mapping[Image, float]:
    if family == "image":
        scored = record.scored.items()
        return {
            image: scores[key] for image, scores in scored if np.isfinite(scores.get(key, np.nan))
        }
    value = record.cost.get(key) if family == "cost" else _measure(record, key)
    return {} if value is None or not np.isfinite(value) else {WHOLE_RUN: value}


def _measure(record: Record, key: str) -> float | None:
    if record.training is None:
        return None
    return record.training.measures.get(key)
