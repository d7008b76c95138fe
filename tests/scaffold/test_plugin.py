"""The text of new plugins: for every kind, as a file and as a package, under any name."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from zoo.errors import DuplicateNameError, PluginError, UnknownNameError, plural
from zoo.recipes.book import Book, load_book
from zoo.recipes.checks import check_book
from zoo.registry import REGISTRIES, constructor_parameters
from zoo.scaffold.names import MAX_NAME
from zoo.scaffold.plugin import KINDS, Plugin, new_plugin
from zoo.scaffold.writing import write_all

REPOSITORY = Path(__file__).resolve().parents[2]
LONG = "n" + "o" * (MAX_NAME - 5) + "-net"
all_kinds = pytest.mark.parametrize("kind", KINDS)


def text_of(plugin: Plugin, name: str) -> str:
    return next(text for path, text in plugin.files.items() if path.name == name)


def test_there_is_one_for_every_kind_of_component() -> None:
    assert {plural(kind) for kind in KINDS} == set(REGISTRIES)


@all_kinds
def test_a_file_comes_with_its_recipes_and_its_test(book: Book, kind: str) -> None:
    plugin = new_plugin(kind, "my-thing", book)
    suite = {"my-thing-suite.yaml"} if kind == "metric" else set()
    expected = {"my_thing.py", "my_thing.yaml", "test_my_thing.py"} | suite
    assert {str(path) for path in plugin.files} == expected
    assert plugin.component_file == PurePosixPath("my_thing.py")


@all_kinds
def test_a_component_begins_with_what_zoo_gives(book: Book, kind: str) -> None:
    code = text_of(new_plugin(kind, "my-thing", book), "my_thing.py")
    imported = {
        alias.name
        for node in ast.parse(code).body
        if isinstance(node, ast.ImportFrom) and node.module == "zoo"
        for alias in node.names
    }
    assert imported == {kind.capitalize(), f"register_{kind}"}
    assert f'@register_{kind}("my-thing")\nclass MyThing({kind.capitalize()}):' in code


@all_kinds
def test_a_package_declares_what_it_has(book: Book, kind: str) -> None:
    plugin = new_plugin(kind, "my-thing", book, packaged=True)
    assert {path.parts[0] for path in plugin.files} == {"zoo-my-thing"}
    project = tomllib.loads(text_of(plugin, "pyproject.toml"))["project"]
    assert project["name"] == "zoo-my-thing"
    assert project["entry-points"] == {
        f"zoo.{plural(kind)}": {"my-thing": "zoo_my_thing.my_thing:MyThing"},
        "zoo.registries": {"my-thing": "zoo_my_thing"},
    }
    source = PurePosixPath("zoo-my-thing/src/zoo_my_thing")
    assert {source / "my_thing.py", source / "registry.yaml", source / "py.typed"} <= set(
        plugin.files
    )
    needed = {requirement.partition(">")[0] for requirement in project["dependencies"]}
    names = {"zoo": "srgan-zoo", "annotated_types": "annotated-types"}
    imported = {module_of(node) for node in ast.walk(ast.parse(text_of(plugin, "my_thing.py")))}
    foreign = imported - {None} - set(sys.stdlib_module_names)
    assert {names.get(str(module), module) for module in foreign} == needed


def module_of(node: ast.AST) -> str | None:
    """Return the top-level module that a node imports, if it does."""
    if isinstance(node, ast.ImportFrom):
        return str(node.module).partition(".")[0]
    return node.names[0].name.partition(".")[0] if isinstance(node, ast.Import) else None


@all_kinds
def test_its_registry_is_right(book: Book, kind: str, tmp_path: Path) -> None:
    """Every recipe and claim of it is checked, with the component it names registered."""
    from zoo.plugins import load_plugin_file

    plugin = new_plugin(kind, "my-thing", book)
    write_all(tmp_path, plugin.files)
    before = {folder: registry.snapshot() for folder, registry in REGISTRIES.items()}
    try:
        load_plugin_file(tmp_path / "my_thing.py")
        extended = load_book([tmp_path / "my_thing.yaml"])
        check_book(extended)
    finally:
        for folder, registry in REGISTRIES.items():
            registry.restore(before[folder])
    added = set(extended.written_recipes) - set(book.written_recipes)
    assert added == (set() if kind == "metric" else {"my-thing"})
    assert set(plugin.beside) <= set(book.written_recipes)


@all_kinds
def test_it_takes_all_that_its_base_class_takes(book: Book, kind: str, tmp_path: Path) -> None:
    """What a recipe may say of any adversary, say, it may say of a new one."""
    from zoo.plugins import load_plugin_file

    registry = REGISTRIES[plural(kind)]
    before = registry.snapshot()
    write_all(tmp_path, new_plugin(kind, "my-thing", book).files)
    try:
        load_plugin_file(tmp_path / "my_thing.py")
        component = registry.get("my-thing")
    finally:
        registry.restore(before)
    base: Any = component.__base__
    own, inherited = constructor_parameters(component), constructor_parameters(base)
    assert own.keys() >= inherited.keys()
    assert {name: (own[name].default, own[name].annotation) for name in inherited} == {
        name: (each.default, each.annotation) for name, each in inherited.items()
    }


@pytest.mark.parametrize("name", ["my-thing", "x", LONG], ids=["usual", "short", "long"])
def test_all_of_it_passes_our_own_linter_and_formatter(
    book: Book, name: str, tmp_path: Path
) -> None:
    """With the exemptions our own tests have, for the tests."""
    rules = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    exempt = sorted({*rules["per-file-ignores"]["tests/**"], "RUF012"})
    configuration = (
        f'extend = "{REPOSITORY / "pyproject.toml"}"\n'
        f'[lint.extend-per-file-ignores]\n"**/test_*.py" = {exempt}\n'
    )
    for kind in KINDS:
        for packaged in (False, True):
            folder = tmp_path / f"{kind}-{packaged}"
            plugin = new_plugin(kind, name, book, packaged=packaged)
            write_all(folder, plugin.files)
            project = folder / plugin.names.distribution if packaged else folder
            (project / "ruff.toml").write_text(configuration)
    for command in (["check"], ["format", "--check"]):
        arguments = [sys.executable, "-m", "ruff", *command, "--no-cache", tmp_path]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_kind_is_an_error(book: Book) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'generator'"):
        new_plugin("generators", "my-thing", book)


@pytest.mark.parametrize("name", ["edsr", "rrdb"])
def test_a_component_that_is_there_is_refused_with_both_origins(book: Book, name: str) -> None:
    with pytest.raises(DuplicateNameError, match=rf"of {name}\.py is already used by built-in"):
        new_plugin("generator", name, book)


def test_a_recipe_that_is_there_is_refused_with_both_places(book: Book) -> None:
    with pytest.raises(
        DuplicateNameError, match=r"of esrgan\.py .* defined in .*registry\.yaml:\d+"
    ):
        new_plugin("generator", "esrgan", book)
    new_plugin("metric", "esrgan", book)  # comes without a recipe


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("generator", "block"),
        ("loss", "tensor"),
        ("adversary", "critic"),
        ("metric", "metric-contract"),
    ],
)
def test_a_class_that_hides_another_of_its_file_is_refused(
    book: Book, kind: str, name: str
) -> None:
    with pytest.raises(PluginError, match="would hide another"):
        new_plugin(kind, name, book)
