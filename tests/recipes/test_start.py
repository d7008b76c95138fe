"""What `pretrained` of a recipe may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import RecipeError
from zoo.recipes.book import Book, load_book
from zoo.recipes.start import Start


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


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_run_beside_a_network_is_refused_in_its_line(tmp_path: Path, network: str) -> None:
    written = f"  mine:\n    extends: srgan-nobn\n    pretrained: {{run: r, {network}: g}}\n"
    found = r"mine\.yaml:5: recipes\.mine\.pretrained: the run r names the weights of both"
    with pytest.raises(RecipeError, match=found):
        book_of(tmp_path, written)


def test_a_run_replaces_the_networks_that_a_parent_names(tmp_path: Path) -> None:
    recipes = (
        "  one:\n    extends: srgan-nobn\n"
        "    pretrained: {generator: g, discriminator: d, strict: false}\n"
        "  two: {extends: one, pretrained: {run: r}}\n"
        "  three: {extends: two, pretrained: {generator: h}}\n"
    )
    book = book_of(tmp_path, recipes)
    assert book.recipe("two").start == Start(run="r", strict=False)
    assert book.recipe("three").start == Start(run="r", generator="h", strict=False)
