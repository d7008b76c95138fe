"""What words on a command line mean: a recipe, a model, a run directory or a file; a generator."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path

from pydantic import ValidationError

from zoo.errors import RecipeError, UnknownNameError
from zoo.recipes.arguments import complaints
from zoo.recipes.book import Book
from zoo.recipes.problems import raise_problems
from zoo.recipes.reader import parse_document
from zoo.recipes.schema import ComponentSpec

WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt")


def sort_targets(
    book: Book,
    words: Sequence[str],
    models: Mapping[str, Path],
    finished: Callable[[str], list[Path]] = lambda _pattern: [],
) -> tuple[list[str], list[Path]]:
    """Return the recipes and the files among words.

    A recipe's name goes before a file's, a file's before a model's. A pattern such as `pw-*` stands
    for all recipes that match it; if none does, for the finished runs; if none does, for all paths.
    Cells of a matrix match no pattern as recipes, but their runs do.

    Args:
        book: where the recipes are defined.
        words: what was typed.
        models: the files of the models that have a name.
        finished: finds the finished runs that match a pattern.

    Raises:
        RecipeError: if a word looks like a file and none is there, or a pattern matches nothing.
        UnknownNameError: if it is no recipe.
    """
    recipes: list[str] = []
    files: list[Path] = []
    for word in words:
        path = Path(word)
        if word in book.recipes:
            recipes.append(word)
        elif path.exists():
            files.append(path)
        elif word in models:
            files.append(models[word])
        elif has_magic(word):
            matching = fnmatch.filter(book.written_recipes, word)
            paths = [] if matching else finished(word) or _paths(word)
            if not (matching or paths):
                raise RecipeError(f"{word}: no recipe, run directory or weights file matches it")
            recipes += matching
            files += paths
        elif "/" in word or path.suffix in WEIGHTS_SUFFIXES:
            raise RecipeError(f"{word}: there is no run directory or weights file of this name")
        else:
            raise UnknownNameError("recipe", word, [*book.recipes, *models])
    return recipes, files


def _paths(pattern: str) -> list[Path]:
    return [Path(found) for found in sorted(glob(pattern))]  # noqa: PTH207  absolute or not


def parse_generator(text: str) -> ComponentSpec:
    """Read a generator as a recipe names it: `rrdb`, or `{name: rrdb, num_blocks: 6}`.

    Raises:
        RecipeError: if it is no such thing, or an argument is wrong.
        UnknownNameError: if there is no generator of that name.
    """
    document = parse_document(text, "--generator")
    raise_problems(document.problems)
    data = {"name": document.data} if isinstance(document.data, str) else document.data
    try:
        spec = ComponentSpec.model_validate(data)
    except ValidationError as error:
        raise RecipeError(
            f"--generator {text}: write a name, such as rrdb, or '{{name: rrdb, num_blocks: 6}}'"
        ) from error
    wrong = list(complaints("generators", spec.name, spec.arguments))
    if wrong:
        raise RecipeError(f"--generator {text}: {'; '.join(one.message for one in wrong)}")
    return spec
