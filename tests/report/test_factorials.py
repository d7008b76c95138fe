"""A factorial on the page: its effects, or what is missing of it; never silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.synthetic import PROFILE, make_cells, make_record, make_records
from zoo.recipes.book import Book
from zoo.recipes.matrices import Matrix
from zoo.records.record import write_record
from zoo.report.model import FactorialView, Page
from zoo.report.numbers import MINUS
from zoo.report.page import build_page, render
from zoo.report.selection import select


@pytest.fixture
def matrix(book: Book) -> Matrix:
    (found,) = book.matrices.values()
    return found


def views(root: Path, book: Book) -> tuple[FactorialView, ...]:
    return build_page(select(root), root, book=book).factorials


@pytest.mark.slow
def test_a_missing_cell_is_named_with_the_command(
    tmp_path: Path, book: Book, matrix: Matrix
) -> None:
    make_cells(tmp_path, matrix.cells[1:])
    (view,) = views(tmp_path, book)
    assert view.tables == ()
    assert view.lacking
    assert all(matrix.cells[0].recipe in told.text for told in view.lacking)
    command = f"zoo bench --matrix {matrix.name} --suite samples-x4 --profile {PROFILE} --train"
    text = render(build_page(select(tmp_path), tmp_path, book=book))
    assert {told.command for told in view.lacking} == {command}
    assert "some are missing" in text
    assert "was trained (" not in text


def test_a_crashed_cell_is_missing_too(tmp_path: Path, book: Book, matrix: Matrix) -> None:
    make_cells(tmp_path, matrix.cells[1:])
    for seed in range(3):
        failed = make_record("esrgan-wgangp", seed, name=matrix.cells[0].recipe)
        changed = {"error": "loss is not finite", "datasets": (), "cost": {}}
        write_record(tmp_path, failed.model_copy(update=changed))
    (view,) = views(tmp_path, book)
    assert matrix.cells[0].recipe in view.lacking[0].text


@pytest.mark.slow
def test_only_what_was_tried_is_missed(tmp_path: Path, book: Book, matrix: Matrix) -> None:
    named = [cell for cell in matrix.cells if book.recipes[cell.recipe].matrix is None]
    assert named
    make_records(tmp_path, recipes=["bicubic", "rrdb"], seeds=1, pictures=False)
    make_cells(tmp_path, named)
    assert views(tmp_path, book) == ()
    (first,) = [cell for cell in matrix.cells if cell not in named][:1]
    make_cells(tmp_path, [first], seeds=1)
    assert len(views(tmp_path, book)) == 1


def test_a_whole_factorial_lacks_nothing(tmp_path: Path, book: Book, matrix: Matrix) -> None:
    make_cells(tmp_path, matrix.cells)
    (view,) = views(tmp_path, book)
    assert view.lacking == ()
    assert [table.metric for table in view.tables] == ["PSNR-Y (dB)", "Lite1 distance"]


def test_a_factorial_says_in_short_what_is_clear(page: Page) -> None:
    for table in page.factorials[0].tables:
        clear = [effect for effect in table.effects if effect.is_clear]
        assert table.sentence.startswith(
            f"{len(clear)} of 10 effects have a significant sign; the larg"
        )
        largest = max(clear, key=lambda effect: float(effect.estimate.replace(MINUS, "-")) ** 2)
        assert f"is {largest.name}, {largest.estimate}" in table.sentence
        sign = -1 if table.note.startswith("lower") else 1
        for effect in table.effects:
            is_up = not effect.estimate.startswith(MINUS)
            word = "better" if is_up == (sign == 1) else "worse"
            told = effect.is_clear and not effect.is_interaction
            assert effect.judged == (word if told else "")


def test_without_a_clear_effect_it_says_how_large_they_may_be(
    tmp_path: Path, book: Book, matrix: Matrix
) -> None:
    for number, cell in enumerate(matrix.cells):
        recipes = ("srgan", "esrgan") if number % 3 else ("esrgan", "srgan")
        for seed, recipe in enumerate(recipes):
            write_record(tmp_path, make_record(recipe, seed, name=cell.recipe))
    (view,) = views(tmp_path, book)
    start = "No effect is significant after correction for all 10; by their intervals, none exceeds"
    assert view.tables[0].sentence.startswith(start)
    assert not any(effect.judged for effect in view.tables[0].effects)
