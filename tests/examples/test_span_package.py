"""The example package, installed from its wheel into a fresh environment, used as a user would."""

from __future__ import annotations

import json
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.examples.conftest import PACKAGE, User

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NAMES = {"generators": {"span"}, "adversaries": {"r3gan"}, "profiles": {"span-demo"}}
RECIPES = {"span", "span-r3gan", "span-vanilla"}


@pytest.fixture(scope="module")
def listed(user: User) -> dict[str, Any]:
    document = json.loads(user.zoo("list", "--json").stdout)
    assert isinstance(document, dict)
    return document


def test_it_is_the_wheels_and_not_this_checkout_that_run(user: User, environment: Path) -> None:
    code = "import zoo, zoo_span; print(zoo.__file__); print(zoo_span.__file__)"
    found = user.run("python", "-c", code).stdout.splitlines()
    assert all(Path(path).is_relative_to(environment.parent) for path in found)


def test_its_components_are_listed_with_their_origin(listed: dict[str, Any]) -> None:
    for kind in ("generators", "adversaries"):
        origins = {row["name"]: row["origin"] for row in listed[kind]}
        assert {origins[name] for name in NAMES[kind]} == {"package zoo-span 0.1.0"}


def test_its_recipes_profile_and_claim_are_listed(listed: dict[str, Any]) -> None:
    names = {kind: {row["name"] for row in rows} for kind, rows in listed.items() if kind[0] != "s"}
    assert names["recipes"] >= {*RECIPES, "srresnet", "esrgan"}
    assert names["profiles"] >= NAMES["profiles"]
    assert "r3gan-stable" in names["claims"]


def test_listing_imports_nothing_of_it(user: User) -> None:
    code = (
        "import sys; from zoo.commands.app import app; app(['list'], standalone_mode=False); "
        "sys.exit(any(name.startswith('zoo_span') or name == 'torch' for name in sys.modules))"
    )
    user.run("python", "-c", code)


def test_without_plugins_it_is_not_there(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "1")
    names = {line.split()[0] for line in user.zoo("list").stdout.splitlines() if line.strip()}
    assert names.isdisjoint({*RECIPES, *chain.from_iterable(NAMES.values())})
    assert "srresnet" in names


def test_doctor_finds_nothing_wrong_with_its_recipes(user: User) -> None:
    said = user.zoo("doctor", expect=None)
    assert "zoo-span" in said.stdout
    assert "broken" not in said.stdout


def test_zoo_check_finds_a_component_by_its_name(user: User) -> None:
    """That of the generator is among its own tests, which pass below."""
    verdicts = json.loads(user.zoo("check", "r3gan", "--json").stdout)
    assert verdicts["passed"]
    statuses = [check["status"] for one in verdicts["components"] for check in one["checks"]]
    assert statuses.count("ok") >= 8


def test_its_own_tests_pass(user: User) -> None:
    shutil.copytree(PACKAGE / "tests", user.folder / "their_tests")
    arguments = ("-q", "-p", "no:cacheprovider", "-W", "error", "their_tests")
    done = user.run("python", "-m", "pytest", *arguments)
    assert "failed" not in done.stdout


def test_its_generator_trains_against_its_adversary(user: User) -> None:
    """The content recipe it is pretrained by is trained on the way."""
    done = user.zoo("train", "span-r3gan", "-p", "smoke", "--device", "cpu")
    run = user.folder / "runs" / "span-r3gan" / "smoke" / "seed-0"
    assert f"run: {run.relative_to(user.folder)}" in done.stdout.splitlines()
    assert (run / "weights.safetensors").is_file()
    provenance = (run / "provenance.json").read_text()
    assert "package zoo-span 0.1.0" in provenance


def test_it_is_scored_beside_what_is_built_in(user: User) -> None:
    options = ("-p", "smoke", "--train", "--seeds", "1", "--device", "cpu", "--json")
    rows = json.loads(user.zoo("bench", "span", "span-r3gan", "srresnet", *options).stdout)
    assert {row["recipe"] for row in rows} >= {"bicubic", "span", "span-r3gan", "srresnet"}


def test_its_recipes_extend_with_a_file_of_the_users(user: User) -> None:
    mine = user.folder / "mine.yaml"
    mine.write_text("version: 1\nrecipes:\n  my-span:\n    extends: span\n    losses: {mse: 1}\n")
    shown = user.zoo("show", "my-span", "-p", "span-demo", "--registry", mine).stdout
    assert "interpolation_skip" in shown
