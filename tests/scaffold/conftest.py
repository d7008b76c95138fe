"""Fixtures of the scaffold's tests: the book of recipes, read once."""

from __future__ import annotations

import pytest

from zoo.recipes.book import Book, load_book


@pytest.fixture(scope="session")
def book() -> Book:
    """Return the built-in recipes."""
    return load_book()
