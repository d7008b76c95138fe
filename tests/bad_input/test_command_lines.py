"""Any command line ends with an exit status that is documented, and never with a traceback.

Commands and options come from the program itself, so that a new one is tried as soon as it is
there. 0 is well, 2 is the user's mistake. Besides, 3 says that some pictures or rows failed, 4 that
a file is damaged, 5 that the machine lacks what was asked for (a device, a network, a folder that
can be written to); 1 is typer's for a question that nobody answers, and `zoo doctor`'s and
`zoo check`'s for what they find.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from zoo.commands.app import app
from zoo.registry import REGISTRIES

DOCUMENTED = {0, 2, 3, 4, 5}
FINDS = {"doctor": {1}, "check": {1}, "data get": {1}}
"""What else a command may end with: what it is for is to find something, or it asks."""
PATHS = ["../x", "../../../../etc/passwd", "a/b", ".", "..", "", "/", "~", "x" * 300, "-", "--"]
ODD = ["\x00", "a\x00b", "\ud800", "é", "💥", "\n", " ", "%s", "{}", "$(touch was-here)", "*"]
KNOWN = ["srresnet", "esrgan-wgangp", "bicubic", "smoke", "demo", "rrdb", "generator", "samples"]
NUMBERS = ["0", "-1", "1", "2", "9" * 30, "1e9", "nan", "inf", "0x10", "1.5", "true", "null"]
SETTINGS = ["scale=2", "scale=", "=1", "a.b=c", "training.steps=1", "losses.l1=null", "data=[", "x"]
FILES = ["text.yaml", "bad.png", "bad.pth", "bad.safetensors", "a-folder", "none.yaml"]
WORDS = st.sampled_from([*PATHS, *ODD, *KNOWN, *NUMBERS, *SETTINGS, *FILES]) | st.text(max_size=6)
HARMLESS = {"train": ["--dry-run", "--device", "cuda:99"], "bench": ["--plan"]}
counts: Counter[int] = Counter()


def commands() -> dict[tuple[str, ...], list[tuple[str, bool]]]:
    """Return each command's options, and whether each takes a value."""

    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*path, name))
        yield path, command

    found = {}
    for path, command in walk(typer.main.get_command(app), ()):
        options = [
            (name, not getattr(parameter, "is_flag", False))
            for parameter in command.params
            if parameter.param_type_name == "option"
            for name in (*parameter.opts, *parameter.secondary_opts)
        ]
        found[path] = options
    return found


COMMANDS = commands()


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Draw a command with options of its own, and words."""
    path = draw(st.sampled_from(sorted(COMMANDS)))
    typed = st.sampled_from(KNOWN + FILES) | WORDS
    words = [*path, *draw(st.lists(typed, max_size=2))]
    options = COMMANDS[path]
    for _ in range(draw(st.integers(0, 4)) if options else 0):
        name, takes_value = draw(st.sampled_from(options))
        if name != "--yes" and not name.startswith("-y"):
            words += [name, draw(WORDS)] if takes_value else [name]
    return [*words, *HARMLESS.get(path[0] if path else "", [])]


def run(words: list[str]) -> Result:
    """Run a command in this process; leave no plugin behind."""
    before = {folder: registry.snapshot() for folder, registry in REGISTRIES.items()}
    try:
        return CliRunner().invoke(app, words)
    finally:
        for folder, registry in REGISTRIES.items():
            registry.restore(before[folder])


def require_documented(words: list[str], result: Result) -> None:
    """Raise if it ended in a way that nobody announced."""
    name = " ".join(word for word in words[:2] if (word,) in COMMANDS or words[0] == "data")
    allowed = DOCUMENTED | FINDS.get(name, set()) | FINDS.get(words[0] if words else "", set())
    error = result.exception
    if error is not None and not isinstance(error, SystemExit | click.exceptions.Exit):
        raise AssertionError(f"zoo {words!r} ended in {error!r}") from error
    assert result.exit_code in allowed, f"zoo {words!r}: {result.exit_code}: {result.output[-500:]}"
    assert "Traceback" not in result.output
    counts[result.exit_code] += 1


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with a few files that are not what their names say."""
    home = tmp_path / "home"
    home.mkdir()
    folder = tmp_path / "deep" / "deeper" / "here"
    (folder / "a-folder").mkdir(parents=True)
    (folder / "text.yaml").write_text("version: 1\nrecipes: {a: {extends: a}}\n")
    for name in FILES[1:4]:
        (folder / name).write_bytes(b"nothing of the kind")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    return folder


def try_lines(num_examples: int) -> None:
    """Try that many command lines."""

    @settings(
        max_examples=num_examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(words=lines())
    def each(words: list[str]) -> None:
        require_documented(words, run(words))

    each()


def test_command_lines(here: Path) -> None:
    counts.clear()
    try_lines(25)
    told = ", ".join(f"{count} with {code}" for code, count in sorted(counts.items()))
    sys.stdout.write(f"{sum(counts.values())} lines of {len(COMMANDS)} commands: {told}\n")
    assert not list(here.rglob("was-here"))


@pytest.mark.slow
def test_many_command_lines(here: Path) -> None:
    counts.clear()
    try_lines(150)
    told = ", ".join(f"{count} with {code}" for code, count in sorted(counts.items()))
    sys.stdout.write(f"{sum(counts.values())} lines of {len(COMMANDS)} commands: {told}\n")
    assert not list(here.rglob("was-here"))


NAMES = [
    "../x",
    "../../x",
    "a/b",
    "/x/y",
    ".",
    "..",
    "",
    "a\x00b",
    "x" * 300,
    "A b",
    "-x",
    "a..b",
]
TAKES_NAME = [
    ("train", "{}", "-p", "smoke", "--dry-run"),
    ("train", "srresnet", "-p", "{}", "--dry-run"),
    ("show", "{}", "-p", "smoke"),
    ("show", "srresnet", "-p", "{}"),
    ("bench", "--plan", "-p", "{}", "srresnet"),
    ("bench", "--matrix", "{}", "-p", "smoke"),
    ("bench", "bicubic", "--suite", "{}", "-p", "smoke"),
    ("data", "verify", "{}"),
    ("data", "get", "{}"),
    ("new", "generator", "{}"),
    ("export", "{}"),
    ("pull", "{}"),
    ("weights", "add", "{}", "bad.pth"),
    ("upscale", "bad.png", "--model", "{}"),
]


LIGHT = (("train", "{}", "-p", "smoke", "--dry-run"), ("data", "verify", "{}"))
"""Those that are tried by default: they import little before they look at a name."""


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=" ".join(words[:3]), marks=[pytest.mark.slow] * (words not in LIGHT))
        for words in TAKES_NAME
    ],
)
def test_names_with_path_parts(here: Path, words: tuple[str, ...]) -> None:
    outside = here.parents[2]
    before = sorted(outside.rglob("*"))
    for name in NAMES:
        line = ["--", name] if name.startswith("-") and words[-1] == "{}" else [name]
        typed = [part for word in words for part in (line if word == "{}" else [word])]
        result = run(typed)
        require_documented(typed, result)
        assert result.exit_code != 0, typed
    made = [path for path in sorted(outside.rglob("*")) if path not in before]
    assert [path for path in made if "home" not in path.parts] == []


@pytest.mark.slow
@pytest.mark.parametrize("section", ["recipes", "profiles", "matrices", "claims"])
@pytest.mark.parametrize("name", NAMES)
def test_a_registry_with_names_of_paths_is_refused(here: Path, section: str, name: str) -> None:
    import json

    entries: dict[str, Any] = {
        "recipes": {"extends": "srresnet"},
        "profiles": {"extends": "smoke"},
        "matrices": {"base": "srresnet", "factors": {}},
        "claims": {"statement": "x"},
    }
    content = {"version": 1, section: {name: entries[section]}}
    (here / "mine.yaml").write_text(json.dumps(content))
    words = ["list", "--registry", "mine.yaml"]
    result = run(words)
    require_documented(words, result)
    assert result.exit_code == 2, result.output
