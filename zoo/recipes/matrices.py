"""Matrices: full factorials, from one definition to a recipe for every combination of levels.

Expansion uses only the registry files, without torch. `zoo.recipes.contrasts`, where all values are
known, proves that cells with one different factor have no other difference.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from zoo.errors import did_you_mean
from zoo.recipes.names import component_problems, removal_problems
from zoo.recipes.problems import KeyPath, Place, Problem
from zoo.recipes.registry_schema import WrittenMatrix
from zoo.recipes.schema import MAX_NAME, RecipeSettings
from zoo.recipes.start import pretraining_recipe
from zoo.recipes.tree import (
    PRETRAINED,
    SHARED_BY_STAGES,
    TERM_SECTION,
    Leaf,
    Leaves,
    component_name,
    flatten,
    nest,
    overlay,
)

if TYPE_CHECKING:
    from zoo.recipes.book import Book, Entry
    from zoo.recipes.reader import Document

GENERATOR = "generator"
PRETRAINED_ROOT, FIXED = (PRETRAINED,), ("fixed",)
PRETRAINING = "pretraining"


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of levels: its recipe, and the level of each factor."""

    recipe: str
    levels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A full factorial design.

    Attributes:
        name: its name.
        summary: the question it answers.
        base: the recipe that the levels change.
        factors: the levels of each factor, the reference level first.
        settings: what each level writes, by factor and level.
        document: its file.
        cells: every combination, the last factor varying fastest.
    """

    name: str
    summary: str
    base: str
    factors: dict[str, tuple[str, ...]]
    settings: dict[tuple[str, str], Leaves] = field(repr=False)
    document: Document = field(repr=False, compare=False)
    cells: tuple[Cell, ...] = field(default=(), repr=False)

    @property
    def path(self) -> KeyPath:
        """Its key path in the file."""
        return ("matrices", self.name)

    @property
    def place(self) -> Place:
        """Where it is written."""
        return self.document.place(self.path)

    def written(self, factor: str) -> Leaves:
        """Return what the levels of a factor write, a later level over an earlier one."""
        found: Leaves = {}
        for level in self.factors[factor]:
            found |= self.settings[factor, level]
        return found

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return what is wrong at `path` of the matrix."""
        return self.document.problem((*self.path, *path), message)


def matrix_cells(book: Book, name: str) -> list[Cell]:
    """Return the cells of a matrix, the reference level of each factor first.

    Raises:
        UnknownNameError: if there is no such matrix.
    """
    return list(book.matrix(name).cells)


def read_matrix(name: str, body: Any, document: Document) -> Matrix | None:
    """Return a matrix of a registry file; None if its structure is wrong, reported elsewhere."""
    try:
        written = WrittenMatrix.model_validate(body)
    except ValidationError:
        return None
    factors: dict[str, tuple[str, ...]] = {}
    settings: dict[tuple[str, str], Leaves] = {}
    for factor, levels in body["factors"].items():
        factors[factor] = tuple(levels)
        for level, content in levels.items():
            prefix = ("matrices", name, "factors", factor, level)
            settings[factor, level] = flatten(content, document.places, prefix)
    return Matrix(name, written.summary or "", written.base, factors, settings, document)


def check_matrix(matrix: Matrix, recipes: Mapping[str, Entry]) -> Iterator[Problem]:
    """Yield the problems of a matrix before it is expanded: names, and factors that overlap."""
    if matrix.base not in recipes:
        hint = did_you_mean(matrix.base, recipes)
        yield matrix.problem(("base",), f"unknown recipe {matrix.base!r}{hint}")
        return
    base = recipes[matrix.base].leaves
    for (factor, level), leaves in matrix.settings.items():
        path = ("factors", factor, level)
        below = overlay(base, leaves)
        prefix = (*matrix.path, *path)
        yield from component_problems(leaves, below, prefix, matrix.document)
        yield from removal_problems(leaves, base)
        if component_name(below, (GENERATOR,)) is None and component_name(base, (GENERATOR,)):
            yield matrix.problem(path, "a recipe needs a generator; choose another base")
    yield from _factor_problems(matrix)


def expand(matrix: Matrix, book: Book) -> list[Problem]:
    """Add the cells of a matrix to a book as recipes, with their pretraining if they have one.

    If a recipe of the book has the values of a cell, it is that cell's recipe.

    Args:
        matrix: one without problems in `check_matrix`, and whose base is valid.
        book: receives the cells; its matrix is replaced by one that knows them.

    Returns:
        At most one problem; with a problem, the matrix stays without cells.
    """
    return _Expansion(matrix, book).run()


def _factor_problems(matrix: Matrix) -> Iterator[Problem]:
    """Check that the levels of a factor differ, and that no two factors write the same setting."""
    for factor, levels in matrix.factors.items():
        values = {
            level: {path: leaf.value for path, leaf in matrix.settings[factor, level].items()}
            for level in levels
        }
        for first, second in itertools.combinations(levels, 2):
            if values[first] == values[second]:
                message = f"{first!r} and {second!r} are the same; the levels of a factor differ"
                yield matrix.problem(("factors", factor), message)
    for factor, other in itertools.combinations(matrix.factors, 2):
        for path, leaf in matrix.written(other).items():
            for taken in matrix.written(factor):
                shorter = min(len(path), len(taken))
                if path[:shorter] == taken[:shorter]:
                    message = (
                        f"factor {factor!r} sets this too; a setting can belong to one factor only"
                    )
                    yield Problem(leaf.place, leaf.path, message)


class _Expansion:
    """The expansion of one matrix in a book."""

    def __init__(self, matrix: Matrix, book: Book) -> None:
        self.matrix = matrix
        self.recipes = book.recipes
        self.matrices = book.matrices
        self.base = book.recipes[matrix.base]
        self.problems: list[Problem] = []
        self.names = [(self._identity(entry.leaves), name) for name, entry in self.recipes.items()]

    def run(self) -> list[Problem]:
        """Add all cells; stop at the first invalid name."""
        matrix, cells = self.matrix, []
        for names in itertools.product(*matrix.factors.values()):
            levels = dict(zip(matrix.factors, names, strict=True))
            cells.append(Cell(self._cell(levels), levels))
            if self.problems:
                return self.problems
        self.matrices[matrix.name] = replace(matrix, cells=tuple(cells))
        return []

    def _cell(self, levels: dict[str, str]) -> str:
        """Return the recipe of a cell: the base with all levels applied."""
        top: Leaves = {}
        for choice in levels.items():
            top |= self.matrix.settings[choice]
        leaves = overlay(_settings(self.base.leaves), top)
        pretrained = self.base.pretraining
        if pretrained is not None:
            name = self._pretraining(pretrained, levels, top)
            leaves[PRETRAINED_ROOT] = replace(self.base.leaves[PRETRAINED_ROOT], value=name)
        return self._find_or_add(leaves, levels, "cell")

    def _pretraining(self, source: str, levels: dict[str, str], top: Leaves) -> str:
        """Return the recipe that pretrains a cell: the base's, with the cell's generator."""
        generator = {path: leaf for path, leaf in top.items() if path[0] == GENERATOR}
        leaves = overlay(_settings(self.recipes[source].leaves), generator)
        chosen = {
            factor: level
            for factor, level in levels.items()
            if any(path[0] == GENERATOR for path in self.matrix.written(factor))
        }
        return self._find_or_add(leaves, chosen, PRETRAINING, PRETRAINING)

    def _find_or_add(self, leaves: Leaves, levels: dict[str, str], what: str, *infix: str) -> str:
        """Return the name of the recipe with these values, which is added if there is none."""
        identity = self._identity(leaves)
        for known, name in self.names:
            if known == identity:
                return name
        matrix = self.matrix
        name = "-".join((matrix.name, *infix, *levels.values()))
        if len(name) > MAX_NAME:
            message = f"the name of {what} {name!r} has more than {MAX_NAME} characters"
            self.problems.append(matrix.problem((), message))
        elif name in self.recipes:
            message = f"the name of {what} {name!r} is already the name of a recipe in "
            self.problems.append(matrix.problem((), message + str(self.recipes[name].place)))
        about = ", ".join(f"{factor} {level}" for factor, level in levels.items())
        summary = Leaf(f"{what} of {matrix.name}: {about}", matrix.place, matrix.path)
        leaves = {("summary",): summary, **leaves}
        self.recipes[name] = replace(
            self.base,
            name=name,
            document=matrix.document,
            leaves=leaves,
            own={path: leaf for path, leaf in leaves.items() if leaf.path[:2] == matrix.path},
            matrix=matrix.name,
        )
        self.names.append((identity, name))
        return name

    def _identity(self, leaves: Leaves) -> tuple[Any, ...]:
        """Return what distinguishes recipes: their values, pretraining and fixed settings."""
        fixed, pretrained = leaves.get(FIXED), pretraining_recipe(leaves)
        own = _values(leaves), fixed and fixed.value
        before = None if pretrained is None else self.recipes.get(pretrained)
        if before is None:
            return *own, {p: each.value for p, each in leaves.items() if p[0] == PRETRAINED}
        alone = {p: found for p, found in before.leaves.items() if p[0] not in SHARED_BY_STAGES}
        return *own, _values(alone)


def _values(leaves: Leaves) -> dict[str, Any]:
    """Return settings as nested values; a loss is called by its key unless it says otherwise."""
    known = RecipeSettings.model_fields
    values = nest({path: leaf for path, leaf in leaves.items() if path[0] in known})
    terms = values.get(TERM_SECTION)
    for key, term in terms.items() if isinstance(terms, dict) else ():
        if isinstance(term, dict):
            term.setdefault("name", key)
    return values


def _settings(leaves: Leaves) -> Leaves:
    """Return the training settings: no summary, no source, no parent."""
    known = {*RecipeSettings.model_fields, PRETRAINED, *FIXED}
    return {path: leaf for path, leaf in leaves.items() if path[0] in known}
