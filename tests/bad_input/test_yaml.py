"""Hostile YAML, wherever YAML is read: the registry, a suite, `--set`, and a run's recipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bad_input.entrances import peak_bytes
from zoo.bench.definitions import read_suite
from zoo.errors import CheckpointError, RecipeError
from zoo.recipes.book import Book, load_book
from zoo.recipes.reader import read_dumped
from zoo.recipes.resolve import resolve
from zoo.runs.directory import RunDirectory

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no peak can be forgotten"),
]
MAX_BYTES = 100_000_000
_FORGET_PEAK = Path("/proc/self/clear_refs")
MARK = "was-here"

_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
_TAGS = {
    "apply": f"!!python/object/apply:os.system ['touch {MARK}']",
    "new": f"!!python/object/new:subprocess.Popen [[touch, {MARK}]]",
    "object": "!!python/object:zoo.registry.Registry {}",
    "name": "!!python/name:os.system",
    "module": "!!python/module:antigravity",
    "tuple": "!!python/tuple [1, 2]",
    "binary": "!!binary aGVsbG8=",
    "set": "!!set {a, b}",
    "omap": "!!omap [a: 1]",
    "own": "!anything {a: 1}",
    "timestamp": "!!timestamp 2020-01-01",
}
HOSTILE: dict[str, str | bytes] = {
    **{f"tag-{name}": f"recipes: {text}\n" for name, text in _TAGS.items()},
    **{f"tag-{name}-key": f"? {text}\n: 1\n" for name, text in _TAGS.items()},
    "aliases": _BOMB,
    "merge-bomb": "a: &a {x: 1}\n" + "".join(f"b{n}: &b{n}\n  <<: [*a, *a]\n" for n in range(200)),
    "merge-itself": "a: &a\n  <<: *a\n  b: 1\n",
    "merge-each-other": "a: &a {<<: *b}\nb: &b {<<: *a}\n",
    "list-in-itself": "&a [*a, *a]\n",
    "map-in-itself": "a: &a {b: *a}\n",
    "deep-lists": "[" * 100_000 + "]" * 100_000,
    "deep-maps": "{a: " * 50_000 + "1" + "}" * 50_000,
    "deep-blocks": "\n".join(" " * depth + "a:" for depth in range(600)),
    "deep-dashes": "- " * 100_000 + "x",
    "deep-and-huge": b"[" * 1_000_000 + b"]" * 1_000_000,
    "huge": b"# nothing\n" * 1_000_000,
    "long-line": "a: " + 250_000 * "x",
    "many-keys": "".join(f"k{number}: 1\n" for number in range(2_000)),
    "duplicate": "version: 1\nversion: 1\nsummary: twice\n",
    "duplicate-quoted": 'version: 1\n"version": 1\nsummary: twice\n',
    "nan": "version: .nan\n",
    "infinity": "version: .inf\n",
    "overflow": "version: 1e999\n",
    "huge-integer": "version: " + 100_000 * "9",
    "sexagesimal": "version: 190:20:30\n",
    "latin-1": "summary: caf\xe9\n".encode("latin-1"),
    "utf-16": "summary: café\n".encode("utf-16"),
    "zero": b"version: 1\n\x00\x00\n",
    "control": b"version: \x07\n",
    "half-surrogate": b'summary: "\\ud800"\n',
    "escape": b'summary: "\\UFFFFFFFF"\n',
    "several": "version: 1\n---\nversion: 2\n",
    "directive": "%YAML 9.9\n---\nversion: 1\n",
    "tab": "a:\n\tb: 1\n",
    "not-closed": "version: {a: [1, 2\n",
    "odd-keys": "? [a, b]\n: 1\n? {a: 1}\n: 2\n",
    "null": "null\n",
    "scalar": "just words\n",
    "list": "- 1\n- 2\n",
    "date": "version: 2020-01-01\n",
}


@contextmanager
def cheap() -> Iterator[None]:
    """Raise if what is inside takes much memory; pytest's own limit is that of its time."""
    _FORGET_PEAK.write_text("5")
    before = peak_bytes()
    yield
    assert peak_bytes() - before < MAX_BYTES


def write(path: Path, name: str) -> Path:
    text = HOSTILE[name]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def as_registry(folder: Path, name: str) -> None:
    load_book([write(folder / "mine.yaml", name)])


def as_suite(folder: Path, name: str) -> None:
    read_suite(str(write(folder / "mine.yaml", name)))


def as_run(folder: Path, name: str) -> None:
    write(folder / "recipe.yaml", name)
    RunDirectory(folder).spec()


@pytest.mark.parametrize(
    "read", [pytest.param(as_registry, marks=pytest.mark.slow), as_suite, as_run]
)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_an_error_soon_and_cheaply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[[Path, str], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = CheckpointError if read is as_run else RecipeError
    with cheap(), pytest.raises(kind) as caught:
        read(tmp_path, name)
    assert "recipe.yaml" in str(caught.value) or "mine.yaml" in str(caught.value)
    assert len(str(caught.value)) < 30_000
    assert not (tmp_path / MARK).exists()


@pytest.fixture(scope="module")
def book() -> Book:
    """Return what comes with zoo."""
    return load_book()


@pytest.mark.parametrize(
    "name", [name for name, text in HOSTILE.items() if len(text) < 10_000 and name != "null"]
)
def test_hostile_settings_are_an_error_or_a_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, book: Book
) -> None:
    monkeypatch.chdir(tmp_path)
    text = HOSTILE[name]
    value = text.decode("latin-1") if isinstance(text, bytes) else text
    with cheap(), pytest.raises(RecipeError):
        resolve(book, "srresnet", "smoke", settings=[f"scale={value}"])
    assert not (tmp_path / MARK).exists()


def test_what_runs_write_of_themselves_is_read_back(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "words": ["on", "1e-4", "1e5", "~", "2020-01-01", "a: b", "&a", "*a", "!tag", "<<", "é\n"],
        "numbers": [1, -1, 1e-4, 1e5, 1e300, 0.1, 0],
        "others": [None, True, False, [], {}],
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert read_dumped(path) == values


@pytest.mark.parametrize(
    ("line", "reason"),
    [("b: &x 1", "anchors"), ("b: !!int 1", "tag '"), ("b: !x {}", "tag '!x'")],
)
def test_what_they_never_write_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"a: 1\n{line}\n")
    with pytest.raises(RecipeError, match=rf"recipe\.yaml:2: .*{reason}"):
        read_dumped(path)


def test_a_folder_in_its_place_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").mkdir()
    with pytest.raises(CheckpointError, match="damaged"):
        RunDirectory(tmp_path).spec()
    shutil.rmtree(tmp_path / "recipe.yaml")
    assert RunDirectory(tmp_path).spec() is None
