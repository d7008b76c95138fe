"""Names of runs: only runs of a recipe under its profile have the plain name of the recipe.

Any other run is named by its difference (`srgan-nobn losses.vgg19.weight=3`), has its own row, and
takes part in no claim and no factorial.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from zoo.errors import ZooError
from zoo.recipes.book import Book
from zoo.recipes.variants import joined, shaping, specify, with_variant
from zoo.records.record import Record, Target
from zoo.records.selection import told_spec
from zoo.runs.commands import settings_in, words_of


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
