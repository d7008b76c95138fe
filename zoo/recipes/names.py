"""Checks that every name in a book exists: components, recipes, keys that null removes.

Names are looked up in the registries' listings, which imports no component and no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.errors import did_you_mean, plural
from zoo.recipes.problems import KeyPath, Problem, dotted
from zoo.recipes.start import has_pretrained, pretraining_recipe
from zoo.recipes.tree import (
    COMPONENTS,
    OVERRIDES,
    PRETRAINED,
    TERM_SECTION,
    Leaves,
    component_name,
    component_roots,
)
from zoo.registry import REGISTRIES

if TYPE_CHECKING:
    from zoo.recipes.book import Book, Entry
    from zoo.recipes.reader import Document

GENERATOR = ("generator",)
PRETRAINED_ROOT, FIXED = (PRETRAINED,), ("fixed",)


def registry_of(root: KeyPath) -> str:
    """Return the key of `REGISTRIES` for the component at `root` of a recipe or profile."""
    if root[0] == OVERRIDES:
        return str(root[1])
    return TERM_SECTION if root[0] == TERM_SECTION else plural(str(root[-1]))


def check_names(book: Book) -> Iterator[Problem]:
    """Yield every unknown name in a book."""
    for entry in (*book.recipes.values(), *book.profiles.values()):
        yield from component_problems(entry.own, entry.leaves, entry.path, entry.document)
    for recipe in book.recipes.values():
        yield from _check_generator(book, recipe)
        yield from _check_pretrained(book, recipe)
        yield from _check_removals(book, recipe)
        yield from _check_fixed(recipe)


def component_problems(
    own: Leaves, leaves: Leaves, prefix: KeyPath, document: Document
) -> Iterator[Problem]:
    """Yield every name in `own` that no component has.

    Args:
        own: what is written in one place.
        leaves: the same with inherited values.
        prefix: key path of the place in its file.
        document: the file.
    """
    for root in component_roots(own):
        if registry_of(root) not in REGISTRIES:  # an unknown key, reported as such
            continue
        named = own.get((*root, "name"))
        written = [] if named is None else [(named.path, named.value)]
        keyed = root not in COMPONENTS and (*root, "name") not in leaves
        if root[0] == OVERRIDES or keyed:
            written.append(((*prefix, *root), root[-1]))
        for path, name in written:
            message = unknown_component(root, name)
            if message is not None:
                yield document.problem(path, message)


def unknown_component(root: KeyPath, name: Any) -> str | None:
    """Return a message if no component of the kind at `root` has that name, else None."""
    folder = registry_of(root)
    known = REGISTRIES[folder].names()
    if not isinstance(name, str) or name in known:
        return None
    hint = did_you_mean(name, known)
    return f"unknown {REGISTRIES[folder].kind} {name!r}{hint} (see: zoo list {folder})"


def _check_generator(book: Book, recipe: Entry) -> Iterator[Problem]:
    """Check that a recipe has a generator; problems of its parent's are not repeated."""
    own = [path for path in recipe.own if path[:1] == GENERATOR]
    parent = recipe.reference("extends")
    if component_name(recipe.leaves, GENERATOR) is not None or (parent is not None and not own):
        return
    inherits_unknown = ("extends",) in recipe.own and parent not in book.recipes
    wrong = recipe.own.get(GENERATOR)
    if inherits_unknown or not recipe.is_mapping or (wrong is not None and wrong.value is not None):
        return
    what = "the generator has no 'name'" if own and wrong is None else "'generator' is missing"
    path = GENERATOR if own else ()
    yield Problem(recipe.place_of(path), (*recipe.path, *path), what)


def _check_pretrained(book: Book, recipe: Entry) -> Iterator[Problem]:
    leaf, name = recipe.own.get(PRETRAINED_ROOT), pretraining_recipe(recipe.own)
    if leaf is None or name is None:
        return
    if name not in book.recipes:
        hint = did_you_mean(name, book.recipes)
        message = f"unknown recipe {name!r}{hint} (for a model, write {{generator: {name}}})"
        yield Problem(leaf.place, leaf.path, message)
    elif has_pretrained(book.recipes[name].leaves):
        message = f"recipe {name!r} itself has a `pretrained`; name one that trains from scratch"
        yield Problem(leaf.place, leaf.path, message)


def _check_fixed(recipe: Entry) -> Iterator[Problem]:
    """Check that what a recipe has fixed is something that it sets."""
    leaf = recipe.own.get(FIXED)
    if leaf is None:
        return
    for path in recipe.fixed - recipe.leaves.keys():
        hint = did_you_mean(dotted(path), map(dotted, recipe.leaves))
        yield Problem(leaf.place, leaf.path, f"the recipe does not set {dotted(path)!r}{hint}")


def _check_removals(book: Book, recipe: Entry) -> Iterator[Problem]:
    """Check that each loss a recipe removes by null is one that it would inherit."""
    parent = book.recipes.get(recipe.reference("extends") or "")
    yield from removal_problems(recipe.own, parent.leaves if parent else {})


def removal_problems(own: Leaves, inherited_leaves: Leaves) -> Iterator[Problem]:
    """Yield each loss that `own` removes by null and that is not inherited."""
    roots = component_roots(inherited_leaves)
    inherited = [str(root[1]) for root in roots if root[0] == TERM_SECTION]
    for path, leaf in own.items():
        removes = path[0] == TERM_SECTION and len(path) == 2 and leaf.value is None
        if removes and path[1] not in inherited:
            yield Problem(leaf.place, leaf.path, nothing_to_remove(str(path[1]), inherited))


def nothing_to_remove(key: str, inherited: list[str]) -> str:
    """Return the message about a null without a loss to remove."""
    return f"there is no loss {key!r} to remove{did_you_mean(key, inherited)}"
