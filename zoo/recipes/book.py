"""From registry files to a book of recipes and profiles, checked without importing torch.

Structure, types and names are checked here. Arguments of components are checked against their
constructors in `zoo.recipes.checks`, for which the components are imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

import zoo
from zoo.errors import RecipeError, UnknownNameError, did_you_mean
from zoo.recipes.explain import problems_of
from zoo.recipes.problems import KeyPath, Place, Problem, raise_problems
from zoo.recipes.reader import Document, read_document
from zoo.recipes.schema import RegistryFile
from zoo.recipes.tree import TERM_SECTION, Leaves, flatten, overlay
from zoo.registry import REGISTRIES

Kind = Literal["recipe", "profile"]
MAX_EXTENDS = 8
_SECTION_REGISTRIES = {
    "generator": "generators",
    "discriminator": "discriminators",
    "adversary": "adversaries",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A recipe or profile of a book: its leaves with those it inherits, and where it is written."""

    kind: Kind
    name: str
    place: Place
    leaves: Leaves
    own: Leaves

    def text(self, key: str) -> str:
        """Return a descriptive field, `summary` or `source`, or an empty string."""
        leaf = self.leaves.get((key,))
        return "" if leaf is None else str(leaf.value)

    def reference(self, key: str) -> str | None:
        """Return the name in `extends` or `pretrained`, None where there is none."""
        leaf = self.leaves.get((key,))
        return None if leaf is None or leaf.value is None else str(leaf.value)


@dataclass(slots=True)
class Book:
    """All recipes and profiles of one or more registry files."""

    recipes: dict[str, Entry] = field(default_factory=dict)
    profiles: dict[str, Entry] = field(default_factory=dict)

    def recipe(self, name: str) -> Entry:
        """Return a recipe by name, or raise `UnknownNameError` with a suggestion."""
        if name not in self.recipes:
            raise UnknownNameError("recipe", name, self.recipes)
        return self.recipes[name]

    def profile(self, name: str) -> Entry:
        """Return a profile by name, or raise `UnknownNameError` with a suggestion."""
        if name not in self.profiles:
            raise UnknownNameError("profile", name, self.profiles)
        return self.profiles[name]


def builtin_registry() -> Path:
    """Return the registry that comes with zoo: inside the package, or at the checkout's root."""
    package = Path(zoo.__file__).parent
    inside = package / "registry.yaml"
    return inside if inside.is_file() else package.parent / "registry.yaml"


def load_book(extra: Sequence[Path] = ()) -> Book:
    """Read the built-in registry and then each file of `extra`, and check them together.

    Raises:
        RecipeError: with every problem of structure, type and name, each on a line of its own.
    """
    return read_book([builtin_registry(), *extra])


def read_book(files: Sequence[Path]) -> Book:
    """Read registry files into one book; see `load_book`."""
    documents = [read_document(file) for file in files]
    problems = [problem for document in documents for problem in _check_document(document)]
    book = Book()
    for document in documents:
        problems += _collect(document, book)
    for entries in (book.recipes, book.profiles):
        problems += _inherit(entries)
    problems += _check_names(book)
    raise_problems(problems)
    return book


def _check_document(document: Document) -> Iterable[Problem]:
    yield from document.problems
    if not isinstance(document.data, dict):
        raise RecipeError(
            f"{document.file}: a registry is a mapping with `version`, `recipes`, ..."
        )
    try:
        RegistryFile.model_validate(document.data)
    except ValidationError as error:
        yield from problems_of(error, RegistryFile, lambda path: (document.place(path), path))


def _collect(document: Document, book: Book) -> Iterable[Problem]:
    for section, kind, entries in (
        ("recipes", "recipe", book.recipes),
        ("profiles", "profile", book.profiles),
    ):
        written = document.data.get(section)
        for name, body in written.items() if isinstance(written, dict) else ():
            path: KeyPath = (section, name)
            place = document.place(path)
            if name in entries:
                yield Problem(
                    place, path, f"{kind} {name!r} is already defined in {entries[name].place}"
                )
                continue
            data: dict[str, Any] = body if isinstance(body, dict) else {}
            leaves = flatten(data, document.places, path)
            entries[name] = Entry(kind, name, place, leaves, leaves)  # type: ignore[arg-type]


def _inherit(entries: dict[str, Entry]) -> Iterable[Problem]:
    """Replace each entry's leaves by its parent's overlaid with its own."""
    own = dict(entries)
    for name, entry in own.items():
        chain, seen = [entry], {name}
        while (parent := chain[-1].reference("extends")) is not None:
            leaf = chain[-1].own["extends",]
            if parent not in own:
                if chain[-1] is entry:
                    hint = did_you_mean(parent, own)
                    yield Problem(leaf.place, leaf.path, f"unknown {entry.kind} {parent!r}{hint}")
                break
            if parent in seen or len(chain) >= MAX_EXTENDS:
                loop = " -> ".join([*(link.name for link in chain), parent])
                yield Problem(leaf.place, leaf.path, f"`extends` goes round or too deep: {loop}")
                break
            seen.add(parent)
            chain.append(own[parent])
        leaves: Leaves = {}
        for link in reversed(chain):
            leaves = overlay(leaves, link.own)
        entries[name] = Entry(entry.kind, name, entry.place, leaves, entry.own)


def _check_names(book: Book) -> Iterable[Problem]:
    for recipe in book.recipes.values():
        yield from _check_components(recipe)
        leaf = recipe.own.get(("pretrained",))
        if leaf is not None and isinstance(leaf.value, str):
            yield from _check_pretrained(book, leaf.value, leaf.place, leaf.path)
    for profile in book.profiles.values():
        for path, leaf in profile.own.items():
            if path[0] != "overrides" or len(path) < 3:
                continue
            registry = REGISTRIES.get(str(path[1]))
            if registry is not None:
                names = [path[2], *([leaf.value] if path[3:] == ("name",) else [])]
                for name in names:
                    yield from _check_name(registry.kind, str(path[1]), name, leaf.place, leaf.path)


def _check_components(recipe: Entry) -> Iterable[Problem]:
    for path, leaf in recipe.own.items():
        section = str(path[0])
        if path[1:] == ("name",) and section in _SECTION_REGISTRIES:
            folder = _SECTION_REGISTRIES[section]
            yield from _check_name(section, folder, leaf.value, leaf.place, leaf.path)
        elif section == TERM_SECTION and path[2:] == ("name",):
            yield from _check_name("loss", "losses", leaf.value, leaf.place, leaf.path)
        elif section == TERM_SECTION and path[1:] and (*path[:2], "name") not in recipe.leaves:
            yield from _check_name("loss", "losses", path[1], leaf.place, leaf.path)
    if ("generator", "name") not in recipe.leaves and not recipe.reference("extends"):
        yield Problem(recipe.place, ("recipes", recipe.name), "'generator' is missing")


def _check_name(
    kind: str, folder: str, name: Any, place: Place, path: KeyPath
) -> Iterable[Problem]:
    known = REGISTRIES[folder].names()
    if isinstance(name, str) and name not in known:
        hint = did_you_mean(name, known)
        yield Problem(place, path, f"unknown {kind} {name!r}{hint} (see: zoo list {folder})")


def _check_pretrained(book: Book, name: str, place: Place, path: KeyPath) -> Iterable[Problem]:
    if name not in book.recipes:
        hint = did_you_mean(name, book.recipes)
        yield Problem(place, path, f"unknown recipe {name!r}{hint} (see: zoo list recipes)")
    elif book.recipes[name].reference("pretrained") is not None:
        yield Problem(place, path, f"recipe {name!r} is itself pretrained; name a content recipe")
