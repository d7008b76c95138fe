"""Any command line ends with an exit status that is documented, and never with a traceback.

Commands and options come from the program itself, so that a new one is tried as soon as it is
there. Most such lines are refused at once; others begin as a line that works, of which up to two
words are spoilt, so that what is wrong is found late.

0 is well, 2 is the user's mistake. Besides, 3 says that some pictures or rows failed, 4 that a file
is damaged, 5 that the machine lacks what was asked for (a device, a network, a folder that can be
written to); 1 is typer's for a question that nobody answers, and `zoo doctor`'s and `zoo check`'s
for what they find.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from tests.bad_input.corpus import photograph
from tests.bad_input.repeatable import REPEATABLE
from zoo.commands.app import app
from zoo.registry import REGISTRIES

DOCUMENTED = {0, 2, 3, 4, 5}
FINDS = {"doctor": {1}, "check": {1}, "data get": {1}}
"""What else a command may end with: what it is for is to find something, or it asks."""
PATHS = ["../x", "../../../../etc/passwd", "a/b", ".", "..", "", "/", "~", "x" * 300, "-", "--"]
ODD = ["\x00", "a\x00b", "\ud800", "é", "💥", "\n", " ", "%s", "{}", "$(touch was-here)", "*"]
KNOWN = ["srresnet", "esrgan-wgangp", "bicubic", "smoke", "demo", "rrdb", "generator", "samples"]
TINY: dict[str, Any] = {"width": 8, "num_blocks": 1, "norm": "none", "interpolation_skip": True}
NUMBERS = ["0", "-1", "1", "2", "9" * 30, "1e9", "nan", "inf", "0x10", "1.5", "true", "null"]
SETTINGS = ["scale=2", "scale=", "=1", "a.b=c", "training.steps=1", "losses.l1=null", "data=[", "x"]
FILES = ["text.yaml", "bad.png", "bad.pth", "bad.safetensors", "a-folder", "none.yaml"]
WORDS = st.sampled_from([*PATHS, *ODD, *KNOWN, *NUMBERS, *SETTINGS, *FILES]) | st.text(max_size=6)
HARMLESS = {"train": ["--dry-run", "--device", "cuda:99"], "bench": ["--plan"]}
NEVER = ("--yes", "-y", "--recursive", "-r")
"""Options not to be tried with any word: one fetches, the other walks whole disks."""
IMPORTED = "-g srresnet --set interpolation_skip=true"
SOUND = {
    "list recipes": 1,
    "list generators r* --json": 1,
    "list --registry mine.yaml --check": 1,
    "show mine -p smoke --registry mine.yaml --set training.steps=3": 1,
    "show esrgan-wgangp -p smoke --json": 1,
    "show generator rrdb": 1,
    "bench --plan srresnet -p smoke --seeds 1 --run-root runs": 2,
    "bench --plan mine -p smoke --registry mine.yaml --data a-folder": 2,
    "data list --json": 2,
    "data verify a-folder": 2,
    "weights list": 2,
    "weights get efficientnet-lite0": 2,
    "new generator my-net --to made --force": 1,
    "upscale small.png --model bicubic --device cpu -o out.png --force": 1,
    "upscale small.png --model tiny.safetensors --tile 64 -o out --force": 1,
    f"import tiny.pth {IMPORTED} -o other.safetensors --force": 1,
    "card tiny.safetensors": 1,
    "export tiny.safetensors -o exported --half --force": 1,
    "interpolate tiny.safetensors tiny.safetensors --alpha 0.5 -o mixed --force": 1,
}
"""Lines that end with 0, and how many of their words stay as they are."""
DEAR = {"train --dry-run mine -p smoke --registry mine.yaml --device cpu": 2}
"""The same, a second each."""
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
    for _ in range(draw(st.integers(0, 4))):
        words += draw(options(path))
    return [*words, *HARMLESS.get(path[0] if path else "", [])]


@st.composite
def options(draw: st.DrawFn, path: tuple[str, ...]) -> list[str]:
    """Draw an option of a command, with any word for its value; nothing where it has none."""
    known = [each for each in COMMANDS[path] if each[0] not in NEVER]
    if not known:
        return []
    name, takes_value = draw(st.sampled_from(known))
    return [name, draw(WORDS)] if takes_value else [name]


@st.composite
def spoilt(draw: st.DrawFn, sound: Mapping[str, int]) -> list[str]:
    """Draw a line that works, and replace, leave out, repeat or add up to two of its words."""
    line = draw(st.sampled_from(sorted(sound)))
    words = line.split()
    path = tuple(words[: sound[line]])
    command = path if path in COMMANDS else path[:1]
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(len(path), len(words)))
        old = words[place : place + 1]
        harmless = WORDS.filter(lambda word: word != "/")
        added = [*draw(options(command)), *old]
        words[place : place + 1] = draw(st.sampled_from([[draw(harmless)], added, [], old * 2]))
    return words


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


@pytest.fixture
def sound(here: Path) -> Path:
    """Return the same folder with files that are what their names say, too."""
    from zoo.data.images import write_png
    from zoo.generators.srresnet import SRResNet

    for number, name in enumerate(("small.png", "a-folder/1.png", "a-folder/2.png")):
        write_png(here / name, photograph() + np.uint8(number))
    (here / "mine.yaml").write_text("version: 1\nrecipes: {mine: {extends: srresnet}}\n")
    state = SRResNet(**TINY).state_dict()
    torch.save({name: value / 10 for name, value in state.items()}, "tiny.pth")
    result = run(["import", "tiny.pth", *IMPORTED.split(), "-o", "tiny.safetensors"])
    assert result.exit_code == 0, result.output
    return here


def try_lines(strategy: st.SearchStrategy[list[str]], num_examples: int) -> Counter[int]:
    """Try that many command lines, and return how they ended."""

    @settings(REPEATABLE, max_examples=num_examples)
    @given(words=strategy)
    def each(words: list[str]) -> None:
        require_documented(words, run(words))

    counts.clear()
    each()
    told = ", ".join(f"{count} with {code}" for code, count in sorted(counts.items()))
    sys.stdout.write(f"{sum(counts.values())} lines of {len(COMMANDS)} commands: {told}\n")
    assert not list(Path.cwd().rglob("was-here"))
    return counts


def test_command_lines(here: Path) -> None:
    try_lines(lines(), 10)


def test_spoilt_command_lines(sound: Path) -> None:
    ends = try_lines(spoilt(SOUND), 14)
    assert ends[0] > 3


@pytest.mark.slow
def test_many_command_lines(here: Path) -> None:
    try_lines(lines(), 80)


@pytest.mark.slow
def test_many_spoilt_command_lines(sound: Path) -> None:
    for line in SOUND | DEAR:
        assert run(line.split()).exit_code == 0, line
    ends = try_lines(spoilt(SOUND | DEAR), 30)
    assert ends[0] > 8


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
    ("weights", "get", "{}"),
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
