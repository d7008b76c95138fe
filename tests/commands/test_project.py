"""A project's file: defaults of the options of all commands."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.commands.conftest import Zoo
from zoo.commands.project import find_project

TOML = """
plugins = ["plugin.py"]
registries = ["mine.yaml"]
data_root = "data"
run_root = "made"
"""
RECIPES = """
version: 1
recipes:
  plugged: {generator: plugged-net, losses: {l1: 1}, summary: mine}
"""


@pytest.fixture
def project(tmp_path: Path, plugin_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project's folder; the current folder is one below it."""
    plugin_file.rename(tmp_path / "plugin.py")
    (tmp_path / "mine.yaml").write_text(RECIPES)
    (tmp_path / "zoo.toml").write_text(TOML)
    (tmp_path / "made").mkdir()
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    return tmp_path


def test_its_values_are_defaults_of_the_options(zoo: Zoo, project: Path) -> None:
    listed = json.loads(zoo("list", "recipes", "plugged", "--json").stdout)
    assert [row["name"] for row in listed["recipes"]] == ["plugged"]
    done = zoo("list", "runs")
    assert str(project / "made") in done.stderr, "the folder of runs is the file's"
    assert str(project / "zoo.toml") in zoo("doctor").stdout


def test_an_option_on_the_command_line_replaces_a_value(zoo: Zoo, project: Path) -> None:
    other = project / "other.yaml"
    other.write_text(RECIPES.replace("plugged:", "other:"))
    listed = json.loads(zoo("list", "recipes", "--registry", other, "--json").stdout)
    names = [row["name"] for row in listed["recipes"]]
    assert "other" in names
    assert "plugged" not in names


def test_a_missing_run_is_told_with_the_options_of_the_file(zoo: Zoo, project: Path) -> None:
    done = zoo("bench", "plugged", "--profile", "smoke", "--seeds", "1", "--plan")
    assert done.exit_code == 0, done.stderr
    assert "plugged" in done.stdout + done.stderr
    assert not (project / "below" / "runs").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plugin = []", "unknown key 'plugin'; did you mean 'plugins'?"),
        ("plugins = 'mine.py'", "plugins is not a list of paths"),
        ("plugins = ['absent.py']", "absent.py, which does not exist"),
        ("run_root = 3", "run_root is not a path"),
        ("run_root = ", "is not TOML"),
    ],
)
def test_a_mistake_names_the_file(zoo: Zoo, project: Path, text: str, said: str) -> None:
    (project / "zoo.toml").write_text(text)
    done = zoo("list", "recipes")
    assert done.exit_code == 2
    assert f"{project / 'zoo.toml'}" in done.stderr
    assert said in done.stderr


def test_the_nearest_file_counts_and_pyproject_only_with_a_table(project: Path) -> None:
    below = project / "below"
    (below / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert find_project(below).file == project / "zoo.toml"
    (below / "pyproject.toml").write_text("[tool.zoo]\nrun_root = 'here'\n")
    found = find_project(below)
    assert (found.file, found.run_root) == (below / "pyproject.toml", below / "here")
    assert find_project(Path("/")).file is None


@pytest.mark.parametrize("name", ["zoo.toml", "plugin.py", "a link"])
def test_plugins_of_another_user_are_not_executed(
    zoo: Zoo, project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    theirs = project / name
    if name == "a link":
        theirs = project / "zoo.toml"
        theirs.rename(project / "mine.toml")
        theirs.symlink_to(project / "mine.toml")
    real = Path.lstat

    class Theirs:
        st_uid = os.geteuid() + 1

    monkeypatch.setattr(Path, "lstat", lambda path: Theirs() if path == theirs else real(path))
    done = zoo("list", "generators")
    assert done.exit_code == 2
    assert "belongs to another user" in done.stderr
