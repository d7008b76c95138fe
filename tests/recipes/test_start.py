"""What `pretrained` of a recipe may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import RecipeError
from zoo.recipes.book import Book, load_book


def book_of(folder: Path, recipes: str) -> Book:
    """Return the built-in book with these lines of recipes."""
    file = folder / "mine.yaml"
    file.write_text(f"version: 1\nrecipes:\n{recipes}")
    return load_book([file])


@pytest.mark.parametrize(
    "inner", ["pretrained: x.pth", "pretrained: {generator: m}", "pretrained: {run: r}"]
)
def test_a_pretraining_that_starts_from_weights_is_refused(tmp_path: Path, inner: str) -> None:
    recipes = (
        f"  inner: {{extends: srresnet-nobn, {inner}}}\n"
        "  outer: {extends: srgan-nobn, pretrained: inner}\n"
    )
    found = r"mine\.yaml:4: recipes\.outer\.pretrained: recipe 'inner' itself has a `pretrained`"
    with pytest.raises(RecipeError, match=found):
        book_of(tmp_path, recipes)


def test_a_pretraining_that_takes_its_start_back_is_allowed(tmp_path: Path) -> None:
    recipes = (
        "  inner: {extends: srresnet-nobn, pretrained: x.pth}\n"
        "  plain: {extends: inner, pretrained: null}\n"
        "  outer: {extends: srgan-nobn, pretrained: plain}\n"
    )
    assert book_of(tmp_path, recipes).recipe("outer").pretraining == "plain"
