"""Fixtures of the recipe tests: registry files on disk, the built-in book."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.recipes.book import Book, load_book

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes a registry file into the working directory of the test."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str, name: str = "mine.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture(scope="session")
def book() -> Book:
    return load_book()
