"""Names of runs: only runs of a recipe under its profile have the plain name of the recipe.

Any other run is named by its difference (`srgan-nobn losses.vgg19.weight=3`), has its own row, and
takes part in no claim and no factorial.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.bench.records import Record, Target
from zoo.bench.selection import told_spec
from zoo.errors import ZooError
from zoo.recipes.book import Book
from zoo.recipes.variants import joined, shaping, specify, with_variant
from zoo.runs.commands import settings_in, words_of

if TYPE_CHECKING:
    from zoo.bench.candidates import Candidate


def named_by(book: Book, records: Iterable[Record]) -> list[Record]:
    """Return records whose runs are named by what a book says of their recipes now.

    A recipe may have been edited after it was scored: its older runs are runs of something else.
    What the book does not know, and what was named by its place, keeps its name.
    """
    known: dict[str, tuple[str, ...]] = {}
    named = []
    for record in records:
        target = record.target
        if target.kind == "run" and target.recipe in book.recipes:
            found = _variant(book, target, known)
            is_own = target.name == joined(target.recipe, target.variant)
            name = joined(target.recipe, found) if is_own else target.name
            renamed = target.model_copy(update={"name": name, "variant": found})
            named.append(record.model_copy(update={"target": renamed}))
        else:
            named.append(record)
    return named


def told_apart(
    candidates: Sequence[Candidate], places: Sequence[Path], others: Iterable[Candidate] = ()
) -> list[Candidate]:
    """Give rows of their own to files and runs that would share one: they are named by place.

    Args:
        candidates: files and runs that were named.
        places: the file or directory of each.
        others: what else is scored, and keeps its name.
    """
    found, kept = list(candidates), list(others)
    for level in (3, 0):  # the folder of runs says enough, unless both lie in one
        contents: dict[tuple[Any, ...], set[str | None]] = {}
        for candidate in (*kept, *found):
            contents.setdefault(_row(candidate), set()).add(candidate.target.weights_sha256)
        shared = {row[:3] for row, several in contents.items() if len(several) > 1}
        found = [
            _placed(candidate, _at(place, level)) if _row(now)[:3] in shared else now
            for candidate, now, place in zip(candidates, found, places, strict=True)
        ]
    return found


def _variant(book: Book, target: Target, known: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return in what a run is not its recipe's; seeds are alike in that, and looked up.

    A record made before runs told their settings is judged by its command and generator.
    """
    settings = settings_in(words_of(target.command))
    spec = told_spec(target)
    told = {"set": settings, "of": target.generator} if spec is None else spec.model_dump()
    key = json.dumps([target.recipe, target.profile, told], sort_keys=True)
    if key not in known:
        try:
            known[key] = (
                _guessed(book, target, settings)
                if spec is None
                else shaping(with_variant(spec, book))
            )
        except (ZooError, ValueError):  # another profile or plugin than those at hand
            known[key] = target.variant
    return known[key]


def _guessed(book: Book, target: Target, settings: Sequence[str]) -> tuple[str, ...]:
    spec = specify(book, target.recipe or "", target.profile or "", settings=settings)
    own = spec.settings.generator.model_dump(mode="json")
    odd = [key for key, value in target.generator.items() if key in own and own[key] != value]
    other = [f"generator.{key}={json.dumps(target.generator[key])}" for key in odd]
    return (*shaping(spec), *other)


def _row(candidate: Candidate) -> tuple[Any, ...]:
    target = candidate.target
    return target.name, target.kind, target.profile, target.seed


def _at(place: Path, level: int) -> Path:
    above = (place, *place.parents)
    return above[level] if place.is_dir() and level < len(above) else place


def _placed(candidate: Candidate, place: Path) -> Candidate:
    target = candidate.target
    name = f"{target.name} in {place}" if target.kind == "run" else str(place)
    return dataclasses.replace(candidate, target=target.model_copy(update={"name": name}))
