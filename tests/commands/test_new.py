"""`zoo new`: what it writes and says, what it refuses, and that what it writes passes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Zoo = Callable[..., Result]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def next_commands(result: Result) -> list[str]:
    _, _, listed = result.stderr.partition("next:\n")
    return [line.strip() for line in listed.splitlines()]


def test_it_writes_three_files_here_and_names_them(zoo: Zoo, here: Path) -> None:
    result = zoo("new", "generator", "my-net")
    assert result.exit_code == 0
    assert result.stdout.split() == ["my_net.py", "my_net.yaml", "test_my_net.py"]
    assert {path.name for path in here.iterdir()} == set(result.stdout.split())


def test_it_says_what_to_do_next(zoo: Zoo, here: Path) -> None:
    sources = "--plugin my_net.py --registry my_net.yaml"
    assert next_commands(zoo("new", "generator", "my-net")) == [
        "zoo check my_net.py",
        f"zoo train my-net --profile smoke {sources}",
        f"zoo bench my-net srresnet --profile smoke --train --seeds 1 {sources}",
        "zoo report",
    ]


def test_a_package_is_installed_first_and_needs_no_options(zoo: Zoo, here: Path) -> None:
    commands = next_commands(zoo("new", "adversary", "my-game", "--package", "--to", "in here"))
    assert commands == [
        "pip install -e 'in here/zoo-my-game'",
        "zoo list adversaries",
        "zoo check my-game",
        "zoo train my-game --profile smoke",
        "zoo bench my-game srgan --profile smoke --train --seeds 1",
        "zoo report",
    ]
    assert (here / "in here" / "zoo-my-game" / "pyproject.toml").is_file()


@pytest.mark.parametrize("kind", ["generator", "discriminator", "adversary", "loss", "metric"])
def test_what_it_says_next_parses_and_finds_its_files(zoo: Zoo, here: Path, kind: str) -> None:
    for command in next_commands(zoo("new", kind, "my-thing", "--to", "some where")):
        program, *words = shlex.split(command)
        assert program == "zoo"
        missing = [word for word in words if "where/" in word and not (here / word).is_file()]
        assert missing == []
        assert "Usage" in zoo(*words, "--help").stdout


def test_it_overwrites_nothing_unless_told_to(zoo: Zoo, here: Path) -> None:
    (here / "my_net.yaml").write_text("mine")
    refused = zoo("new", "generator", "my-net")
    assert refused.exit_code == 2
    assert "my_net.yaml is already there" in refused.stderr
    assert [path.name for path in here.iterdir()] == ["my_net.yaml"]
    assert zoo("new", "generator", "my-net", "--force").exit_code == 0
    assert "my-net" in (here / "my_net.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MyNet", "is not in kebab case"),
        ("torch", "a module 'torch' is already installed"),
        ("json", "Python has a module"),
        ("rrdb", "already used by built-in"),
        ("srgan", "already defined in"),
    ],
)
def test_a_name_that_does_not_do_is_an_error_and_writes_nothing(
    zoo: Zoo, here: Path, name: str, message: str
) -> None:
    result = zoo("new", "generator", name)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(here.iterdir()) == []


def test_a_packages_module_may_be_called_as_another(zoo: Zoo, here: Path) -> None:
    """`zoo_torch` is what Python imports: it is in nobody's way."""
    assert zoo("new", "generator", "torch", "--package").exit_code == 0


def test_a_name_that_a_plugin_file_has_is_taken(zoo: Zoo, here: Path, plugin_file: Path) -> None:
    result = zoo("new", "generator", "plugged-net", "--plugin", plugin_file)
    assert result.exit_code == 2
    assert f"'plugged-net' of plugged_net.py is already used by file {plugin_file}" in result.stderr


def run_its_test(folder: Path, *options: str) -> str:
    """Run plain pytest on a new plugin's test, in its folder and without our configuration."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    (test,) = folder.glob("test_*.py")
    arguments.append(test.name)
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_the_test_of_a_new_metric_passes_at_once(zoo: Zoo, here: Path) -> None:
    """One kind here, the one that is checked fastest; all of them in the slow test."""
    zoo("new", "metric", "my-score")
    assert "passed" in run_its_test(here)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["generator", "discriminator", "adversary", "loss", "metric"])
def test_the_test_of_a_new_component_passes_at_once(zoo: Zoo, here: Path, kind: str) -> None:
    zoo("new", kind, "my-thing")
    assert "failed" not in run_its_test(here, "-W", "error")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_new_components_are_typed(zoo: Zoo, here: Path) -> None:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    files = []
    for kind in ("generator", "discriminator", "adversary", "loss", "metric"):
        written = zoo("new", kind, f"my-{kind}").stdout.split()
        files += [name for name in written if name.endswith(".py")]
    arguments = [sys.executable, "-m", "mypy", "--strict", "--config-file", pyproject, *files]
    done = subprocess.run(arguments, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["discriminator", "adversary", "loss", "metric"])
def test_what_it_says_next_works_as_it_stands(zoo: Zoo, here: Path, kind: str) -> None:
    """For a generator: tests/examples/test_first_plugin.py. The check is that of its own test."""
    commands = next_commands(zoo("new", kind, "my-thing"))
    printed = {}
    for command in commands:
        _, name, *words = shlex.split(command)
        if name == "check":
            continue
        done = zoo(name, *words)
        assert done.exit_code == 0, f"{command}\n{done.output}"
        printed[name] = done.stdout
    table = printed["bench"]
    if kind == "metric":
        assert "MyThing (levels) ↓" in table
        assert "my-thing-of-bn-removal" in table
    else:
        assert "\nmy-thing " in table
    page = (here / "runs" / "report" / "index.html").read_text(encoding="utf-8")
    assert ("MyThing" if kind == "metric" else "my-thing") in page
