"""The single-file example: its recipes are right, and it is used as a user would, by --plugin."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.conftest import REPOSITORY, User
from zoo.plugins import load_plugin_file
from zoo.recipes.book import Book, load_book
from zoo.registry import REGISTRIES

FOLDER = REPOSITORY / "examples" / "plksr"
SOURCES = ("--plugin", FOLDER / "plksr.py", "--registry", FOLDER / "plksr.yaml")


@pytest.fixture
def extended() -> Iterator[Book]:
    """Return the recipes with the example's, its component registered; all is undone after."""
    before = {folder: registry.snapshot() for folder, registry in REGISTRIES.items()}
    module = load_plugin_file(FOLDER / "plksr.py")
    yield load_book([FOLDER / "plksr.yaml"])
    del sys.modules[module.__name__]  # so that another test may load it again
    for folder, registry in REGISTRIES.items():
        registry.restore(before[folder])


def test_its_recipes_profiles_and_claim_are_right(extended: Book) -> None:
    from zoo.recipes.checks import check_book

    check_book(extended)
    assert {"plksr", "plksr-no-attention"} <= set(extended.recipes)
    assert {"plksr-smoke", "plksr-demo"} <= set(extended.profiles)
    assert "plksr-attention" in extended.claims


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> User:
    """Return a user of this environment in an empty folder."""
    programs = Path(sys.executable).parent
    if not (programs / "zoo").exists():
        pytest.skip(f"no zoo in {programs}: install the checkout (pip install -e .)")
    return User(tmp_path_factory.mktemp("user"), programs)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_own_tests_pass(here: User) -> None:
    """The contract is among them."""
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "-c", "/dev/null")
    done = here.run("python", "-m", "pytest", *options, "--rootdir", FOLDER, FOLDER)
    assert "failed" not in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_trains_and_is_scored_beside_what_is_built_in(here: User) -> None:
    device = ("--device", "cpu")
    here.zoo("train", "plksr", "-p", "plksr-smoke", *device, *SOURCES)
    assert (here.folder / "runs/plksr/plksr-smoke/seed-0/weights.safetensors").is_file()
    again = here.zoo("train", "plksr", "-p", "plksr-smoke", *device, *SOURCES)
    assert "run: runs/plksr/plksr-smoke/seed-0" in again.stdout
    assert "begins" not in again.stderr  # the same command finds the finished run
    options = ("-p", "plksr-smoke", "--train", "--seeds", "1", "--json", *device)
    rows = json.loads(here.zoo("bench", "plksr", "srresnet", *options, *SOURCES).stdout)
    assert {row["recipe"] for row in rows} == {"bicubic", "plksr", "srresnet"}
