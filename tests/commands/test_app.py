"""The program as a whole: help, version, how it ends, and what it must not import."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from zoo.commands.app import app
from zoo.errors import CheckpointError, DataError, MachineError, ZooError
from zoo.recipes import book as recipes_book

Zoo = Callable[..., Result]
HEAVY = ("torch", "torchvision", "timm", "numpy", "skimage", "huggingface_hub")
LISTING = """
import json, sys
from typer.testing import CliRunner
from zoo.commands.app import app
result = CliRunner().invoke(app, sys.argv[1:], catch_exceptions=False)
heavy = [name for name in {heavy} if name in sys.modules]
print(json.dumps([result.exit_code, heavy]))
"""


def in_fresh_process(*arguments: str) -> tuple[int, list[str]]:
    """Run a command in a new interpreter; return its exit code and the heavy modules it has."""
    code = LISTING.format(heavy=HEAVY)
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    exit_code, heavy = json.loads(done.stdout.splitlines()[-1])
    return exit_code, heavy


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("train", "--help"),
        ("list",),
        ("list", "--json"),
        ("show", "profile", "demo"),
        ("show", "no-such-recipe"),
        ("train", "no-such-recipe", "--profile", "demo"),
    ],
    ids=" ".join,
)
def test_answers_without_importing_anything_heavy(arguments: tuple[str, ...]) -> None:
    assert in_fresh_process(*arguments)[1] == []


@pytest.mark.parametrize("arguments", [("data", "list"), ("weights", "list")], ids=" ".join)
def test_lists_of_files_do_without_torch(arguments: tuple[str, ...]) -> None:
    exit_code, heavy = in_fresh_process(*arguments)
    assert exit_code == 0
    assert not {"torch", "torchvision", "timm"} & set(heavy)


def test_help_begins_with_three_examples(zoo: Zoo) -> None:
    result = zoo("--help")
    assert result.exit_code == 0
    before_options = result.stdout.partition("Options")[0]
    examples = [line.strip() for line in before_options.splitlines() if line.startswith(" zoo ")]
    assert len(examples) == 3


def test_version_is_that_of_the_distribution(zoo: Zoo) -> None:
    from importlib.metadata import version

    assert zoo("--version").stdout == f"zoo {version('srgan-zoo')}\n"


@pytest.mark.parametrize(
    ("error", "exit_code"), [(DataError, 2), (CheckpointError, 4), (MachineError, 5)]
)
def test_an_error_of_the_users_is_one_paragraph(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, error: type[ZooError], exit_code: int
) -> None:
    def fail(_files: object) -> None:
        raise error("the [disk] is full; make room")

    monkeypatch.setattr(recipes_book, "read_book", fail)
    result = zoo("list")
    assert result.exit_code == exit_code
    assert result.stderr == "Error: the [disk] is full; make room\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("Storage size calculation overflowed with sizes=[4294967296, 4294967296]"),
    ],
)
def test_memory_that_runs_out_is_no_bug(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_files: object) -> None:
        raise error

    monkeypatch.setattr(recipes_book, "read_book", fail)
    result = zoo("list")
    assert result.exit_code == 5
    assert result.stderr.startswith("Error: not enough memory (")
    assert "use smaller batches" in result.stderr


@pytest.mark.parametrize("error", [KeyError, RuntimeError])
def test_a_bug_keeps_its_traceback(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(_files: object) -> None:
        raise error("a bug")

    monkeypatch.setattr(recipes_book, "read_book", fail)
    with pytest.raises(error, match="a bug"):
        zoo("list")


def test_ctrl_c_is_130(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_files: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes_book, "read_book", interrupt)
    assert zoo("list").exit_code == 130


def test_every_command_that_prints_results_has_json(zoo: Zoo) -> None:
    group = typer.main.get_command(app)
    # they make something, or (watch) draw what `zoo list runs --json` prints
    without = {"get", "verify", "add", "report", "new", "card", "preview", "models", "watch"}
    for command in _leaves(group):
        options = {name for parameter in command.params for name in parameter.opts}
        assert ("--json" in options) != (command.name in without), command.name


def test_a_checkout_runs_without_the_console_script() -> None:
    cli = Path(__file__).parents[2] / "cli.py"
    done = subprocess.run(
        [sys.executable, cli, "list", "recipes", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["recipes"]


def _leaves(command: Any) -> Iterator[Any]:
    commands = getattr(command, "commands", None)
    if commands is None:
        yield command
        return
    for child in commands.values():
        yield from _leaves(child)


def test_commands_are_thin() -> None:
    """They parse, call the library and print: 25 lines do, without signature and docstring."""
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    long = {}
    for command in [one for group in groups if group for one in group.registered_commands]:
        assert command.callback is not None
        (function,) = ast.parse(inspect.getsource(command.callback)).body
        assert isinstance(function, ast.FunctionDef)
        first = function.body[1 if ast.get_docstring(function) else 0]
        long[function.name] = (function.end_lineno or 0) - first.lineno + 1
    assert len(long) > 15
    assert {name: lines for name, lines in long.items() if lines > 25} == {}
