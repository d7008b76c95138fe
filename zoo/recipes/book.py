"""From registry files to a book of recipes, profiles, claims and matrices, without torch.

Files come from zoo itself, from installed packages, and from `--registry`. A wrong file of a
package is excluded; a wrong file that the user named is an error.

Structure and types are checked here, names in `zoo.recipes.names`. `zoo.recipes.checks` imports
components and checks their arguments against their constructors.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

import zoo
from zoo.errors import RecipeError, UnknownNameError, did_you_mean
from zoo.plugins import PackageRegistry, package_registries
from zoo.recipes.claims import Claim, check_claim_names, read_claim
from zoo.recipes.explain import problems_of
from zoo.recipes.matrices import Matrix, check_matrix, expand, read_matrix
from zoo.recipes.names import check_names
from zoo.recipes.problems import (
    KeyPath,
    Place,
    Problem,
    display_path,
    in_order,
    raise_problems,
)
from zoo.recipes.reader import Document, read_document
from zoo.recipes.registry_schema import RegistryFile
from zoo.recipes.start import Start, pretraining_recipe, written_start
from zoo.recipes.tree import Leaves, flatten, overlay

logger = logging.getLogger(__name__)

Kind = Literal["recipe", "profile"]
MAX_EXTENDS = 8
_SECTIONS: tuple[tuple[str, Kind], ...] = (("recipes", "recipe"), ("profiles", "profile"))
_NOT_INHERITED = ("summary", "source", "extends")


@dataclass(frozen=True, slots=True)
class Entry:
    """A recipe or profile of a book.

    Attributes:
        kind: `recipe` or `profile`.
        name: its name.
        document: its file.
        leaves: its values, including inherited ones.
        own: the values written in the entry itself.
        matrix: the matrix for which a recipe was generated, None for a written recipe.
    """

    kind: Kind
    name: str
    document: Document = field(repr=False)
    leaves: Leaves = field(repr=False)
    own: Leaves = field(repr=False)
    matrix: str | None = None

    @property
    def path(self) -> KeyPath:
        """Its key path in the file; that of the matrix for a generated recipe."""
        return (f"{self.kind}s", self.name) if self.matrix is None else ("matrices", self.matrix)

    @property
    def place(self) -> Place:
        """Where it is written."""
        return self.place_of(())

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping, as required."""
        section, name = self.path
        return isinstance(self.document.data[section][name], dict)

    def place_of(self, path: KeyPath) -> Place:
        """Return where `path` is written in this entry, or the nearest key above it."""
        return self.document.place((*self.path, *path))

    def text(self, key: str) -> str:
        """Return a descriptive field, `summary` or `source`, or an empty string."""
        return self.reference(key) or ""

    @property
    def fixed(self) -> frozenset[KeyPath]:
        """The settings of a recipe that no profile changes."""
        leaf = self.leaves.get(("fixed",))
        written = leaf.value if leaf is not None and isinstance(leaf.value, list) else []
        return frozenset(tuple(str(path).split(".")) for path in written)

    @property
    def pretraining(self) -> str | None:
        """The recipe that a recipe's `pretrained` names."""
        return pretraining_recipe(self.leaves)

    @property
    def start(self) -> Start:
        """The weights that a recipe's `pretrained` names."""
        return written_start(self.leaves)

    def reference(self, key: str) -> str | None:
        """Return the text at a key, such as the name in `extends`; None if there is none."""
        leaf = self.leaves.get((key,))
        return leaf.value if leaf is not None and isinstance(leaf.value, str) else None


@dataclass(slots=True)
class Book:
    """Everything that registry files define, including recipes generated from matrices.

    `packages` are the files of installed packages, including excluded ones.
    """

    recipes: dict[str, Entry] = field(default_factory=dict)
    profiles: dict[str, Entry] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    matrices: dict[str, Matrix] = field(default_factory=dict)
    packages: tuple[PackageRegistry, ...] = ()

    @property
    def written_recipes(self) -> dict[str, Entry]:
        """The recipes that an author wrote, without those generated from matrices."""
        return {name: entry for name, entry in self.recipes.items() if entry.matrix is None}

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

    def claim(self, name: str) -> Claim:
        """Return a claim by name, or raise `UnknownNameError` with a suggestion."""
        if name not in self.claims:
            raise UnknownNameError("claim", name, self.claims)
        return self.claims[name]

    def matrix(self, name: str) -> Matrix:
        """Return a matrix by name, or raise `UnknownNameError` with a suggestion."""
        if name not in self.matrices:
            raise UnknownNameError("matrix", name, self.matrices)
        return self.matrices[name]


def builtin_registry() -> Path:
    """Return the built-in registry: inside the package, or at the clone's root."""
    package = Path(zoo.__file__).parent
    inside = package / "registry.yaml"
    return inside if inside.is_file() else package.parent / "registry.yaml"


def load_book(extra: Sequence[Path] = (), *, warn: bool = True) -> Book:
    """Read the built-in registry, those of installed packages, and each file of `extra`.

    They are checked together. A wrong file of a package is excluded, with a warning.

    Args:
        extra: files that the user named, in this order.
        warn: whether to log exclusions; false if the caller shows them.

    Raises:
        RecipeError: with every problem of structure, type and name, each on its own line.
    """
    packages = checked_packages()
    for package in packages:
        if package.error is not None and warn:
            text = "excluded the recipes %r of %s: %s"
            logger.warning(text, package.name, package.origin, package.error)
    book = read_book([builtin_registry(), *sound_files(packages), *extra])
    book.packages = packages
    return book


def read_book(files: Sequence[Path]) -> Book:
    """Read registry files into one book; see `load_book`."""
    book, problems = survey(files)
    raise_problems(problems)
    return book


def checked_packages() -> tuple[PackageRegistry, ...]:
    """Return the registries of installed packages; wrong ones with the cause.

    A registry that causes a problem together with the built-in and the valid ones is wrong itself.
    """
    found = package_registries()
    waiting = [each for each in found if each.file is not None and each.error is None]
    if not waiting or _error_of(waiting) is None:  # as nearly always
        return tuple(found)
    sound: list[PackageRegistry] = []
    errors: dict[PackageRegistry, str] = {}
    while waiting:
        errors = {each: _error_of([*sound, each]) or "" for each in waiting}
        good = next((each for each, error in errors.items() if not error), None)
        if good is None:
            break
        sound.append(good)
        waiting.remove(good)
    return tuple(replace(each, error=errors[each]) if each in waiting else each for each in found)


def sound_files(packages: Iterable[PackageRegistry]) -> list[Path]:
    """Return the files of the packages without problems."""
    return [each.file for each in packages if each.file is not None and each.error is None]


def _error_of(packages: Sequence[PackageRegistry]) -> str | None:
    """Return the first problem of the registries of packages, None if there is none."""
    try:
        problems = in_order(survey([builtin_registry(), *sound_files(packages)])[1])
    except RecipeError as error:
        return str(error)
    own = {display_path(each.file) for each in packages if each.file is not None}
    problems.sort(key=lambda problem: problem.place.file not in own)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}" if problems else None


def survey(files: Sequence[Path]) -> tuple[Book, list[Problem]]:
    """Read registry files; return what could be read, and every problem of structure and name.

    Raises:
        RecipeError: if a file is missing or not YAML.
    """
    documents = [read_document(file) for file in dict.fromkeys(file.resolve() for file in files)]
    problems = [problem for document in documents for problem in _check_document(document)]
    book = Book()
    for document in documents:
        problems += _collect(document, book)
    for entries in (book.recipes, book.profiles):
        problems += _inherit(entries)
    problems += check_names(book)
    for matrix in list(book.matrices.values()):
        problems += _expand(matrix, book, broken_paths(problems))
    problems += check_claim_names(book.claims, book.recipes)
    return book, problems


def broken_paths(problems: Iterable[Problem]) -> set[KeyPath]:
    """Return the paths of the entries with problems: section and name."""
    return {problem.path[:2] for problem in problems}


def is_sound(book: Book, entry: Entry, broken: set[KeyPath]) -> bool:
    """Return whether an entry and everything it is based on have no problem.

    Circular references count as broken, so this terminates.

    Args:
        book: the book of the entry.
        entry: a recipe or profile.
        broken: see `broken_paths`.
    """
    if entry.path in broken:
        return False
    family = book.recipes if entry.kind == "recipe" else book.profiles
    base = None if entry.matrix is None else book.matrices[entry.matrix].base
    names = (entry.reference("extends"), base)
    sources = [family[name] for name in names if name in family]
    pretrained = book.recipes.get(entry.pretraining or "")
    sources += [] if pretrained is None else [pretrained]
    return all(is_sound(book, source, broken) for source in sources)


def _expand(matrix: Matrix, book: Book, broken: set[KeyPath]) -> list[Problem]:
    """Expand a matrix, unless it or its base is wrong."""
    problems = list(check_matrix(matrix, book.recipes))
    if problems or matrix.path in broken:
        return problems
    sound = is_sound(book, book.recipes[matrix.base], broken)
    return expand(matrix, book) if sound else []


def _check_document(document: Document) -> Iterable[Problem]:
    yield from document.problems
    data = document.data
    if not isinstance(data, dict):
        message = "a registry must be a mapping with `version: 1`, `recipes` and `profiles`"
        yield document.problem((), message)
        return
    try:
        RegistryFile.model_validate(data)
    except ValidationError as error:
        yield from problems_of(error, RegistryFile, data, lambda path: (document.place(path), path))


def _collect(document: Document, book: Book) -> Iterable[Problem]:
    """Add the definitions of a document to the book; the first definition of a name stays."""
    for section, kind in _SECTIONS:
        entries = book.recipes if kind == "recipe" else book.profiles
        for name, body in _bodies(document, section):
            if name in entries:
                yield _taken(document, (section, name), kind, entries[name].place)
                continue
            content: dict[str, Any] = body if isinstance(body, dict) else {}
            leaves = flatten(content, document.places, (section, name))
            entries[name] = Entry(kind, name, document, leaves, leaves)
    for name, body in _bodies(document, "claims"):
        if name in book.claims:
            yield _taken(document, ("claims", name), "claim", book.claims[name].place)
        elif (claim := read_claim(name, body, document)) is not None:
            book.claims[name] = claim
    for name, body in _bodies(document, "matrices"):
        if name in book.matrices:
            yield _taken(document, ("matrices", name), "matrix", book.matrices[name].place)
        elif (matrix := read_matrix(name, body, document)) is not None:
            book.matrices[name] = matrix


def _bodies(document: Document, section: str) -> list[tuple[str, Any]]:
    """Return name and body of each entry of a section."""
    data = document.data if isinstance(document.data, dict) else {}
    written = data.get(section)
    return list(written.items()) if isinstance(written, dict) else []


def _taken(document: Document, path: KeyPath, kind: str, place: Place) -> Problem:
    return document.problem(path, f"{kind} {path[-1]!r} is already defined in {place}")


def _inherit(entries: dict[str, Entry]) -> Iterable[Problem]:
    """Replace each entry's leaves by its parent's, overridden by its own."""
    written = dict(entries)
    for name, entry in written.items():
        chain = [entry]
        while (parent := chain[-1].reference("extends")) is not None:
            problem = _check_parent(chain, parent, written)
            if problem is not None:
                yield problem
                break
            chain.append(written[parent])
        leaves: Leaves = {}
        for link in reversed(chain):
            inherited = {p: leaf for p, leaf in leaves.items() if p[0] not in _NOT_INHERITED}
            leaves = overlay(inherited, link.own)
        entries[name] = replace(entry, leaves=leaves)


def _check_parent(chain: list[Entry], parent: str, entries: dict[str, Entry]) -> Problem | None:
    """Return the problem with the parent of the last entry in a chain.

    A mistake reached from several entries is the same problem each time.
    """
    names = [link.name for link in chain]
    if parent not in entries:
        return _extends_problem(
            chain[-1], f"unknown {chain[-1].kind} {parent!r}{did_you_mean(parent, entries)}"
        )
    if parent in names:
        loop = names[names.index(parent) :]
        first = loop.index(min(loop))
        loop = [*loop[first:], *loop[:first], loop[first]]
        return _extends_problem(entries[loop[0]], f"`extends` is circular: {' -> '.join(loop)}")
    if len(chain) > MAX_EXTENDS:
        return _extends_problem(chain[0], f"`extends` has more than {MAX_EXTENDS} levels")
    return None


def _extends_problem(entry: Entry, message: str) -> Problem:
    return Problem(entry.place_of(("extends",)), (*entry.path, "extends"), message)
