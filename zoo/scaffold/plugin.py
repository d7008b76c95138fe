"""The text of a new plugin: which files there are, and what is in them.

Nothing here writes: `zoo.scaffold.writing` does. The templates are in `templates/`, a folder for
each kind of component and one for what a package has around it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from zoo.errors import DuplicateNameError, PluginError, UnknownNameError, plural
from zoo.recipes.book import Book
from zoo.registry import REGISTRIES
from zoo.scaffold.names import Names, names_of

KINDS = tuple(registry.kind for registry in REGISTRIES.values())
LINE_LENGTH = 100
_WITHOUT_RECIPE = ("metric",)
_WITH_SUITE = ("metric",)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin to be written.

    Attributes:
        kind: of component, singular: `generator`.
        names: what it is called.
        packaged: whether it is a package for pip, or a single file.
        files: their text by path, relative to the folder they go to.
        trained: the recipe that trains it, None if a recipe cannot.
        beside: the recipes to score it beside.
    """

    kind: str
    names: Names
    packaged: bool
    files: Mapping[PurePosixPath, str]
    trained: str | None
    beside: tuple[str, ...]

    @property
    def component_file(self) -> PurePosixPath:
        """The file with the component."""
        return next(path for path in self.files if path.name == f"{self.names.module}.py")

    @property
    def suite_file(self) -> PurePosixPath | None:
        """The suite that scores by it, where it is a metric."""
        return next((path for path in self.files if path.name.endswith("-suite.yaml")), None)


def new_plugin(kind: str, name: str, book: Book, *, packaged: bool = False) -> Plugin:
    """Return a plugin with a small component of a kind that works as it is.

    Args:
        kind: one of `KINDS`.
        name: of the component and its recipe, kebab-case.
        book: the recipes there are.
        packaged: make it a package for pip.

    Raises:
        UnknownNameError: if there is no such kind.
        PluginError: if the name does not do.
        DuplicateNameError: if a component of that kind or a recipe has the name.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS, see="zoo new --help")
    names = names_of(name)
    _check_free(kind, names, book, packaged=packaged)
    component = _render(f"{kind}/component.py", kind, names, packaged=packaged)
    test = _render(f"{kind}/test.py", kind, names, packaged=packaged)
    for code in (component, test):
        _check_class_name(code, names)
    files = dict(_files(kind, names, (component, test), packaged=packaged))
    trained = None if kind in _WITHOUT_RECIPE else names.component
    beside = tuple(_render(f"{kind}/beside.txt", kind, names, packaged=packaged).split())
    return Plugin(kind, names, packaged, files, trained, beside)


def _files(
    kind: str, names: Names, code: tuple[str, str], *, packaged: bool
) -> Mapping[PurePosixPath, str]:
    """Return the files of a plugin, given the code of its component and of its test."""

    def text(template: str) -> str:
        return _render(template, kind, names, packaged=packaged)

    component, test = code
    module, recipes = names.module, text(f"{kind}/registry.yaml")
    if packaged:
        source = f"src/{names.package}"
        files = {
            "pyproject.toml": text("package/pyproject.toml"),
            "README.md": text("package/README.md"),
            f"{source}/__init__.py": text("package/__init__.py"),
            f"{source}/{module}.py": component,
            f"{source}/registry.yaml": recipes,
            f"{source}/py.typed": "",
            f"tests/test_{module}.py": test,
        }
    else:
        files = {f"{module}.py": component, f"{module}.yaml": recipes, f"test_{module}.py": test}
    if kind in _WITH_SUITE:
        files[f"{names.component}-suite.yaml"] = text(f"{kind}/suite.yaml")
    folder = PurePosixPath(names.distribution if packaged else "")
    return {folder / path: content for path, content in files.items()}


def _check_free(kind: str, names: Names, book: Book, *, packaged: bool) -> None:
    new = f"{names.distribution}/" if packaged else f"{names.module}.py"
    registry = REGISTRIES[plural(kind)]
    if names.component in registry.names():
        raise DuplicateNameError(
            f"{kind} {names.component!r} of {new} is already used by "
            f"{registry.origin(names.component)}; choose another name"
        )
    if kind not in _WITHOUT_RECIPE and names.component in book.recipes:
        place = book.recipe(names.component).place
        raise DuplicateNameError(
            f"recipe {names.component!r} of {new} is already defined in {place}; choose another "
            "name"
        )


def _check_class_name(code: str, names: Names) -> None:
    """Refuse a class that would hide, or be hidden by, another name of a file it is in."""
    body = ast.parse(code).body
    named = [node.name for node in body if isinstance(node, ast.ClassDef)]
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            named += [alias.asname or alias.name for alias in node.names]
    if named.count(names.class_name) > 1:
        raise PluginError(
            f"{names.component!r} cannot be the name of a plugin: its class {names.class_name} "
            "would hide another class of that name in its file; choose another name"
        )


def _render(template: str, kind: str, names: Names, *, packaged: bool) -> str:
    home = f"{names.package}.{names.module}" if packaged else names.module
    return (
        _environment()
        .get_template(f"{template}.j2")
        .render(
            kind=kind,
            an="an" if kind[0] in "aeiou" else "a",
            group=plural(kind),
            name=names.component,
            module=names.module,
            class_name=names.class_name,
            distribution=names.distribution,
            package=names.package,
            packaged=packaged,
            import_line=_import_line(home, names.class_name),
        )
    )


def _import_line(module: str, name: str) -> str:
    """Return an import as a formatter leaves it, however long the names are."""
    line = f"from {module} import {name}"
    return line if len(line) <= LINE_LENGTH else f"from {module} import (\n    {name},\n)"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("zoo.scaffold"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(),  # off for these: they are code, not pages
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
