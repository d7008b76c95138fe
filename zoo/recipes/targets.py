"""Telling names of recipes from run directories and files of weights on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.errors import RecipeError
from zoo.recipes.book import Book

WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt")


def sort_targets(book: Book, words: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Return the recipes and the files among words. A recipe's name goes before a file's.

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
        elif "/" in word or path.suffix in WEIGHTS_SUFFIXES:
            raise RecipeError(f"{word}: there is no such run directory or file of weights")
        else:
            book.recipe(word)
    return recipes, files
