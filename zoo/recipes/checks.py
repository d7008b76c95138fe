"""Checks registries and runs, including constructor signatures, and completes runs.

This imports the components (and so torch), but needs no data, no weights and no training. The rules
within one run are in `zoo.recipes.rules`.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.errors import PluginError
from zoo.plugins import load_plugin_file
from zoo.recipes.arguments import SCALE, Complaint, complaints
from zoo.recipes.book import (
    Book,
    Entry,
    broken_paths,
    builtin_registry,
    checked_packages,
    is_sound,
    load_book,
    sound_files,
    survey,
)
from zoo.recipes.claims import Claim
from zoo.recipes.contrasts import contrast_problems, factor_problems
from zoo.recipes.matrices import Matrix
from zoo.recipes.names import registry_of
from zoo.recipes.problems import (
    KeyPath,
    Problem,
    ProblemsError,
    display_path,
    in_order,
    raise_problems,
)
from zoo.recipes.resolve import Resolved, resolve
from zoo.recipes.rules import completed_arguments, parts, placed, run_problems
from zoo.recipes.schema import ComponentSpec, RunSpec
from zoo.recipes.tree import Leaf, arguments_at, component_name, component_roots
from zoo.registry import REGISTRIES

logger = logging.getLogger(__name__)


def check_registry(extra: Sequence[Path] = (), *, builtin: bool = True) -> list[Problem]:
    """Return all problems of the registries, in file order.

    One call reports structure, names, components that cannot be imported, arguments of components,
    the rules between them in every recipe under every profile, as far as both have no other
    problem, and compared recipes that differ in more than the comparison is about.

    Args:
        extra: registry files.
        builtin: whether to read the built-in registry and the valid ones of installed packages
            first.

    Raises:
        RecipeError: if a file is missing or not YAML.
    """
    own = [builtin_registry(), *sound_files(checked_packages())] if builtin else []
    book, problems = survey([*own, *extra])
    for entry in (*book.recipes.values(), *book.profiles.values()):
        problems += _plugin_problems(entry)
    return in_order([*problems, *_component_problems(book, broken_paths(problems))])


def checked_book(
    registry: Sequence[str | Path], plugins: Sequence[str | Path], *, required: str | None = None
) -> Book:
    """Load plugins and registry files, and return the book of recipes, checked by `check_book`."""
    for plugin in plugins:
        load_plugin_file(plugin)
    book = load_book([Path(file) for file in registry])
    check_book(book, required=required)
    return book


def check_book(book: Book, *, required: str | None = None) -> None:
    """Check every recipe under every profile, and the comparisons of claims and matrices.

    What the built-in registry combines with itself is not checked again: the tests hold it, and
    `complete` checks each run.

    Args:
        book: what to check.
        required: a recipe whose plugins must load; broken plugins of other recipes are ignored.

    Problems in the registry of an installed package are logged, and are an error only if a recipe
    of that file is required.

    Raises:
        RecipeError: listing all problems once each, in file order.
        PluginError: if a component of the `required` recipe cannot be imported.
    """
    if required is not None:
        leaves = book.recipe(required).leaves
        for root in component_roots(leaves):
            REGISTRIES[registry_of(root)].get(component_name(leaves, root))
    theirs = {display_path(file) for file in sound_files(book.packages)}
    if required is not None:
        theirs.discard(book.recipe(required).place.file)
    builtin = display_path(builtin_registry().resolve())
    problems = in_order(_component_problems(book, set(), sound=builtin))
    for problem in problems:
        if problem.place.file in theirs:
            logger.warning("%s", problem)
    raise_problems(problem for problem in problems if problem.place.file not in theirs)


def complete(resolved: Resolved) -> Resolved:
    """Check every component argument of a run and fill in the constructors' defaults.

    Raises:
        RecipeError: listing every argument that is unknown or has a wrong value, and every broken
            rule between components.
        PluginError: if a component cannot be imported.
    """
    before = resolved.pretraining
    raise_problems([*run_problems(resolved), *(run_problems(before) if before else ())])
    return filled(resolved)


def filled(resolved: Resolved) -> Resolved:
    """Fill in the constructors' defaults without checks."""
    before = resolved.pretraining
    pretraining = None if before is None else filled(before)
    written = settings = resolved.spec.settings
    leaves = dict(resolved.leaves)
    for part in parts(written):
        arguments, origins = completed_arguments(part, written)
        for name, place in origins.items():
            leaves[*part.root, name] = Leaf(arguments[name], place, part.root)
        settings = _with(settings, part.root, part.spec.with_arguments(arguments))
    completed = {
        "settings": settings,
        "pretraining": None if pretraining is None else pretraining.spec,
    }
    spec = resolved.spec.model_copy(update=completed)
    return replace(resolved, spec=spec, leaves=leaves, pretraining=pretraining)


def _with(whole: Any, path: KeyPath, value: Any) -> Any:
    """Return a model or mapping with another value at a path."""
    if not path:
        return value
    key = str(path[0])
    if isinstance(whole, dict):
        return whole | {key: _with(whole[key], path[1:], value)}
    return whole.model_copy(update={key: _with(getattr(whole, key), path[1:], value)})


def generator_arguments(spec: ComponentSpec, scale: int) -> dict[str, Any]:
    """Return the keyword arguments of a generator, the recipe's scale among them."""
    return {**spec.arguments, SCALE: scale}


def _component_problems(
    book: Book, broken: set[KeyPath], *, sound: str | None = None
) -> Iterator[Problem]:
    """Check components where they are written, and their combinations if there is no other problem.

    Args:
        book: what to check.
        broken: paths of recipes, profiles, claims and matrices whose structure is wrong.
        sound: a file that is only checked together with the others, not by itself.
    """

    def asks(*written: Entry | Claim | Matrix) -> bool:
        return any(each.place.file != sound for each in written)

    for entry in filter(asks, (*book.recipes.values(), *book.profiles.values())):
        yield from _argument_problems(entry)
    recipes = [name for name, entry in book.recipes.items() if is_sound(book, entry, broken)]
    profiles = [name for name, entry in book.profiles.items() if is_sound(book, entry, broken)]

    @functools.cache
    def combination(recipe: str, profile: str) -> tuple[list[Problem], RunSpec | None]:
        return _combination(book, recipe, profile)

    for recipe, profile in itertools.product(recipes, profiles):
        if asks(book.recipes[recipe], book.profiles[profile]):
            yield from combination(recipe, profile)[0]

    def run_of(recipe: str, profile: str) -> RunSpec | None:
        return combination(recipe, profile)[1] if recipe in recipes else None

    compared: list[Claim | Matrix] = [*book.claims.values(), *book.matrices.values()]
    for each in compared:
        if each.path in broken or not asks(each):
            continue
        if isinstance(each, Claim):
            yield from contrast_problems(each, profiles, run_of)
        else:
            yield from factor_problems(each, book, profiles, run_of)


def _combination(book: Book, recipe: str, profile: str) -> tuple[list[Problem], RunSpec | None]:
    """Return the problems of a recipe under a profile; without problems, the completed run."""
    try:
        resolved = resolve(book, recipe, profile)
        problems = list(run_problems(resolved))
        return problems, None if problems else complete(resolved).spec
    except ProblemsError as error:
        return list(error.problems), None
    except PluginError:  # `_plugin_problems` has it, where the component is named
        return [], None


def _components(entry: Entry) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield root, kind and name of each component of an entry whose name is known."""
    for root in component_roots(entry.leaves):
        kind, name = registry_of(root), component_name(entry.leaves, root)
        if kind in REGISTRIES and isinstance(name, str) and name in REGISTRIES[kind].names():
            yield root, kind, name


def _plugin_problems(entry: Entry) -> Iterator[Problem]:
    """Yield the components of an entry that cannot be imported."""
    for root, kind, name in _components(entry):
        try:
            REGISTRIES[kind].get(name)
        except PluginError as error:
            yield placed(Complaint("name", str(error)), root, entry.leaves)


def _argument_problems(entry: Entry) -> Iterator[Problem]:
    """Check the arguments written in a recipe or profile, independently of other problems."""
    for root, kind, name in _components(entry):
        try:
            found = list(complaints(kind, name, arguments_at(entry.leaves, root), partial=True))
        except PluginError:  # `_plugin_problems` has it, where the component is named
            continue
        for complaint in found:
            yield placed(complaint, root, entry.leaves)
