"""Whether a word on a command line is a recipe, a model, a run directory or a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zoo.errors import RecipeError, UnknownNameError
from zoo.recipes.book import Book

WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt")


def sort_targets(
    book: Book, words: Sequence[str], models: Mapping[str, Path]
) -> tuple[list[str], list[Path]]:
    """Return the recipes and the files among words.

    A recipe's name goes before a file's, a file's before a model's.

    Args:
        book: where the recipes are defined.
        words: what was typed.
        models: the files of the models that have a name.

    Raises:
        RecipeError: if a word looks like a file and none is there.
        UnknownNameError: if it is no recipe.
    """
    recipes, files = [], []
    for word in words:
        path = Path(word)
        if word in book.recipes:
            recipes.append(word)
        elif path.exists():
            files.append(path)
        elif word in models:
            files.append(models[word])
        elif "/" in word or path.suffix in WEIGHTS_SUFFIXES:
            raise RecipeError(f"{word}: there is no run directory or weights file of this name")
        else:
            raise UnknownNameError("recipe", word, [*book.recipes, *models])
    return recipes, files
