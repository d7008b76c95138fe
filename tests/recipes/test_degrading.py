"""The degradation of a recipe: written in a recipe, a profile, an override or by `--set`."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import RecipeError
from zoo.recipes.book import Book, load_book
from zoo.recipes.checks import check_book
from zoo.recipes.schema import BICUBIC
from zoo.recipes.variants import budget_folder, specify, with_variant

MINE = """
version: 1
recipes:
  blurry:
    summary: on blurred images
    extends: srresnet
    data: {degradation: {name: blur, sigma: [0.5, 1.0]}}
  blurry-gan: {extends: srgan, summary: x, data: {degradation: blur}, pretrained: srresnet}
profiles:
  narrow: {extends: smoke, summary: x, overrides: {degradations: {blur: {sigma: [2, 3]}}}}
  packed: {extends: smoke, summary: x, data: {degradation: {name: jpeg, quality: [9, 9]}}}
  plain: {extends: smoke, summary: x, data: {degradation: bicubic}}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Book:
    (tmp_path / "mine.yaml").write_text(MINE)
    return load_book([tmp_path / "mine.yaml"])


@pytest.mark.parametrize(
    ("recipe", "profile", "settings", "expected"),
    [
        ("srresnet", "smoke", [], ("bicubic", {})),
        ("blurry", "smoke", [], ("blur", {"sigma": (0.5, 1.0)})),
        ("blurry", "narrow", [], ("blur", {"sigma": (2.0, 3.0)})),
        ("srresnet", "narrow", [], ("bicubic", {})),
        ("blurry", "packed", [], ("jpeg", {"quality": (9, 9)})),
        ("blurry", "plain", [], ("bicubic", {})),
        ("blurry", "smoke", ["data.degradation=null"], ("bicubic", {})),
        ("blurry", "smoke", ["data.degradation=blur"], ("blur", {"sigma": (0.5, 1.0)})),
        ("blurry", "smoke", ["data.degradation=jpeg"], ("jpeg", {"quality": (30, 95)})),
        ("srresnet", "smoke", ["data.degradation=blur"], ("blur", {"sigma": (0.2, 3.0)})),
        ("blurry", "smoke", ["data.degradation.sigma=[1, 2]"], ("blur", {"sigma": (1.0, 2.0)})),
    ],
)
def test_later_layers_override_earlier_ones(
    mine: Book, recipe: str, profile: str, settings: list[str], expected: tuple[str, dict]
) -> None:
    spec = specify(mine, recipe, profile, settings=settings)
    found = spec.settings.data.degradation
    assert (found.name, found.arguments) == expected
    assert (found == BICUBIC) == (expected[0] == "bicubic")
    again = with_variant(spec, mine)
    restored = specify(mine, recipe, profile, settings=again.variant)
    assert restored.settings == spec.settings


def test_a_pretraining_has_the_degradation_of_its_run(mine: Book) -> None:
    spec = specify(mine, "blurry-gan", "smoke")
    assert spec.pretraining is not None
    assert spec.pretraining.settings.data.degradation == spec.settings.data.degradation
    assert spec.settings.data.degradation.name == "blur"


def test_another_degradation_has_another_directory(mine: Book) -> None:
    folders = {
        budget_folder(specify(mine, "srresnet", "smoke", settings=settings))
        for settings in ([], ["data.degradation=bicubic"], ["data.degradation=jpeg"])
    }
    assert folders == {"smoke", "smoke+data.degradation.name=jpeg"}


def test_wrong_names_and_arguments_are_reported_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(MINE.replace("degradation: blur}", "degradation: blurr}"))
    with pytest.raises(RecipeError, match=r"bad.yaml:8: .*unknown degradation 'blurr'; did you"):
        load_book([path])
    path.write_text(MINE.replace("sigma: [0.5, 1.0]", "sgma: 3"))
    with pytest.raises(RecipeError, match=r"bad.yaml:7: .*unknown argument 'sgma' of 'blur'"):
        check_book(load_book([path]))
    path.write_text(MINE.replace("[2, 3]", "[3, 2]"))
    with pytest.raises(RecipeError, match=r"bad.yaml:10: .*is no range"):
        check_book(load_book([path]))
