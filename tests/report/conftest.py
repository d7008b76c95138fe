"""Fixtures of the report's tests: a page of made-up records."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.synthetic import make_cells, make_records
from zoo.recipes.book import Book, load_book
from zoo.report.model import Page
from zoo.report.page import build_page, write_page
from zoo.report.selection import select


@pytest.fixture(scope="session")
def book() -> Book:
    return load_book()


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory, book: Book) -> Path:
    """Return a folder with records of nine recipes and the cells of a factorial."""
    root = tmp_path_factory.mktemp("records")
    make_records(root)
    make_cells(root, next(iter(book.matrices.values())).cells)
    return root


@pytest.fixture(scope="session")
def page(records: Path, book: Book) -> Page:
    return build_page(select(records, order=list(book.recipes)), records, book=book)


@pytest.fixture(scope="session")
def written(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(page, tmp_path_factory.mktemp("report"))
