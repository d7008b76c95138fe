"""What the words on a command line mean."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from zoo.errors import RecipeError
from zoo.recipes.book import load_book
from zoo.recipes.targets import sort_targets
from zoo.runs.overview import finished_runs


def test_a_pattern_stands_for_recipes_or_else_for_paths(tmp_path: Path) -> None:
    book = load_book()
    recipes, files = sort_targets(book, ["edsr*"], {})
    assert recipes == ["edsr", "edsr-bn", "edsr-beta1"]
    assert files == []
    for name in ("b.pth", "a.pth"):
        (tmp_path / name).touch()
    recipes, files = sort_targets(book, [f"{tmp_path}/*.pth"], {})
    assert (recipes, [path.name for path in files]) == ([], ["a.pth", "b.pth"])
    with pytest.raises(RecipeError, match="no recipe, run directory or weights file matches"):
        sort_targets(book, ["pw-*"], {})


def test_a_pattern_that_no_recipe_matches_stands_for_finished_runs(tmp_path: Path) -> None:
    for name in (
        "pw-a/short/seed-0",
        "pw-a/smoke/seed-0",
        "pw-b/short/seed-1",
        "pw-c/short/seed-0",
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "recipe.yaml").touch()
        if not name.startswith("pw-c"):  # it is not finished
            (tmp_path / name / "summary.json").touch()
    find = partial(finished_runs, tmp_path)

    def runs(pattern: str) -> list[str]:
        recipes, files = sort_targets(load_book(), [pattern], {}, find)
        assert recipes == []
        return ["/".join(path.parts[-3:]) for path in files]

    assert runs("pw-*") == ["pw-a/short/seed-0", "pw-a/smoke/seed-0", "pw-b/short/seed-1"]
    assert runs("pw-*/short") == ["pw-a/short/seed-0", "pw-b/short/seed-1"]
    assert runs("*/*/seed-1") == ["pw-b/short/seed-1"]
    assert sort_targets(load_book(), ["edsr*"], {}, find)[1] == []
    with pytest.raises(RecipeError, match="no recipe, run directory or weights file matches"):
        runs("pw-c*")


def test_cells_of_a_matrix_match_no_pattern() -> None:
    book = load_book()
    recipes, _ = sort_targets(book, ["*"], {})
    assert recipes == list(book.written_recipes)
    assert len(recipes) < len(book.recipes)


def test_a_file_with_brackets_in_its_name_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x[1].pth"
    path.touch()
    assert sort_targets(load_book(), [str(path)], {}) == ([], [path])
