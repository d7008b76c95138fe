"""Specifications at smoke size, without the feature network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec

MakeSpec = Callable[..., RunSpec]


@pytest.fixture(scope="session")
def make_spec() -> MakeSpec:
    """Return the complete specification of a built-in recipe at smoke size."""
    book = load_book()

    def make(recipe: str, *settings: str, seed: int = 0) -> RunSpec:
        return complete(resolve(book, recipe, "smoke", seed=seed, settings=settings)).spec

    return make
