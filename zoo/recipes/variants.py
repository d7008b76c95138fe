"""How a run differs from its recipe under its profile: the `--set` options that lead to it.

They are found by comparing what both resolve to, whatever was typed: a value set to what it is
anyway is none, and a run trained before its recipe was edited is known by what the edit changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from zoo.errors import ZooError
from zoo.recipes.book import Book
from zoo.recipes.checks import complete, filled
from zoo.recipes.contrasts import ABSENT, Difference, differences
from zoo.recipes.problems import KeyPath, dotted
from zoo.recipes.reader import parse_scalar
from zoo.recipes.resolve import PRETRAINING, resolve
from zoo.recipes.schema import MONITORING, Initial, RunSpec
from zoo.recipes.tree import ALTERNATIVES, SHARED_BY_STAGES, TERM_SECTION, component_root

SHAPES_NOTHING: tuple[KeyPath, ...] = (
    *(("training", name) for name in MONITORING),
    *(("runtime", name) for name in ("num_workers", "store", "threads", "tune")),
)
"""Settings that a run's numbers do not depend on: they make no other run (`zoo.train.identity`)."""
VALIDATION: KeyPath = ("data", "validation")
"""Another, where the source says itself which images are held out."""
JOINT = "+"
"""Joins a profile and what was set beside it in a folder's name; no profile's name has it."""
MOST_ROUNDS = 8
"""A value that is set may bring others in, as a component its arguments; so often at most."""
LONGEST_FOLDER = 100
"""Characters of a folder's name; file systems end at 255 bytes."""


def specify(
    book: Book,
    recipe: str,
    profile: str,
    *,
    seed: int = 0,
    settings: Sequence[str] = (),
    init: Initial | None = None,
) -> RunSpec:
    """Return the complete specification of a run; it says in what it is not its recipe's.

    Args:
        book: where recipe and profile are defined.
        recipe: name of the recipe.
        profile: name of the profile.
        seed: seed of the run and of its pretraining.
        settings: what is set besides recipe and profile, as `path=value`.
        init: the generator that the run starts from, see `resolve`.

    Raises:
        UnknownNameError: if there is no such recipe, profile or component.
        RecipeError: if the values do not fit together; all problems are listed.
        PluginError: if a component cannot be imported.
    """
    resolved = resolve(book, recipe, profile, seed=seed, settings=settings, init=init)
    spec = complete(resolved).spec
    return with_variant(spec, book, typed=settings)


def with_variant(spec: RunSpec, book: Book, *, typed: Sequence[str] | None = None) -> RunSpec:
    """Return a run that says in what it is not its recipe's in a book, of both its stages.

    What it said before stays where the book has no such recipe or profile.

    Args:
        spec: complete specification.
        book: where recipes and profiles are defined.
        typed: the settings it was resolved with, None if they are unknown.
    """
    inner = spec.pretraining
    changes: dict[str, Any] = {} if inner is None else {PRETRAINING: with_variant(inner, book)}
    variant = spec.variant if typed is None else tuple(typed)
    if typed is None or typed:
        found, is_exact = _variant(spec, book)
        variant = found if is_exact or (found and typed is None) else variant
    return spec.model_copy(update=changes | {"variant": variant})


def shaping(spec: RunSpec) -> tuple[str, ...]:
    """Return what was set beside a run's recipe and profile and shapes its numbers.

    The weights that it starts from come first.
    """
    idle = {*SHAPES_NOTHING}
    if not spec.settings.data.is_split_by_validation:
        idle.add(VALIDATION)
    begun = [f"{key}={weights.label}" for key, weights in spec.begun_from.items()]
    return (*begun, *(one for one in spec.variant if _stripped(one) not in idle))


def run_name(spec: RunSpec) -> str:
    """Return what a run is called in tables: its recipe, and in what it is not that recipe."""
    return joined(spec.recipe, shaping(spec))


def joined(recipe: str, variant: Sequence[str]) -> str:
    """Return the name of runs of a recipe that differ from it in these settings."""
    return " ".join((recipe, *variant))


def budget_folder(spec: RunSpec) -> str:
    """Return the name of the folder of a run's budget: its profile, and what was set beside it.

    If a value does not fit into a folder's name, the name ends in eight digits of a hash.
    """
    variant = shaping(spec)
    if not variant:
        return spec.profile
    text = JOINT.join((spec.profile, *variant))
    short = JOINT.join((spec.profile, *(_folder_text(one) for one in variant)))
    if short == text and len(text) <= LONGEST_FOLDER:
        return text
    digest = hashlib.sha256(json.dumps(variant).encode()).hexdigest()[:8]
    return f"{short[:LONGEST_FOLDER]}-{digest}"


def _folder_text(setting: str) -> str:
    path, _, text = setting.partition("=")
    value = json.loads(text) if text.startswith('"') else text
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", f"{path}={value.rsplit('/', 1)[-1]}").rstrip("-")


def _stripped(setting: str) -> KeyPath:
    """Return the path of a setting, whichever stage it is of."""
    path: KeyPath = tuple(setting.partition("=")[0].split("."))
    return path[1:] if path[0] == PRETRAINING else path


def _variant(spec: RunSpec, book: Book) -> tuple[tuple[str, ...], bool]:
    """Return the settings that make a run of its recipe under its profile, and whether they do.

    They do not where the book has no such recipe, or what differs is nothing that can be set.
    """
    found: dict[str, str] = {}
    texts: tuple[str, ...] = ()
    with suppress(ZooError):
        for _ in range(MOST_ROUNDS):
            run = (book, spec.recipe, spec.profile)
            made = filled(resolve(*run, seed=spec.seed, settings=texts, init=spec.init))
            differing = [one for one in differences(spec, made.spec) if not _is_later(one)]
            if not differing:
                return texts, True
            found |= dict(_settings(differing))
            texts = tuple(f"{path}={text}" for path, text in found.items())
    return texts, False


def _is_later(each: Difference) -> bool:
    """Return whether only one side has an argument, unset: it was added after a run was trained."""
    one, other = each.changed, each.reference
    return (one is ABSENT and other is None) or (one is None and other is ABSENT)


def _settings(differing: Sequence[Difference]) -> Iterator[tuple[str, str]]:
    """Yield path and value of what must be set next: components first, then their arguments."""
    shared = [each for each in differing if not _is_not_set(each.path)]
    structural = [pair for each in shared for pair in _components(each)]
    yield from structural or (pair for each in shared for pair in _values(each))


def _is_not_set(path: KeyPath) -> bool:
    """Return whether a difference is not set by itself.

    It is a value that pretraining takes from the run, or pretraining as a whole, which a recipe
    has or has not.
    """
    return path[0] == PRETRAINING and (len(path) == 1 or path[1] in SHARED_BY_STAGES)


def _components(each: Difference) -> Iterator[tuple[str, str]]:
    """Yield what makes one component of another, or of none, or none of it."""
    root = component_root(each.setting) or ()
    of_term = root[:1] == (TERM_SECTION,)
    if each.setting and not root:
        return
    if each.setting == root:
        if not isinstance(each.changed, dict):
            yield dotted(each.path), "null"
        elif of_term and each.changed["name"] == each.setting[1]:
            yield dotted(each.path), _text(each.changed["weight"], (TERM_SECTION, "", "weight"))
        else:
            yield dotted((*each.path, "name")), str(each.changed["name"])
    elif each.setting[len(root) :] == ("name",):
        yield dotted(each.path if of_term else each.path[:-1]), str(each.changed)


def _values(each: Difference) -> Iterator[tuple[str, str]]:
    if isinstance(each.changed, dict):
        for key, value in each.changed.items():
            yield from _values(Difference((*each.path, key), value, ABSENT))
    elif not (each.changed is None and each.setting in ALTERNATIVES):
        value = None if each.changed is ABSENT else each.changed
        yield dotted(each.path), _text(value, each.setting)


def _text(value: Any, setting: KeyPath) -> str:
    """Write a value as `--set` reads it; a float of the schema's own needs no `.0`."""
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
    text = json.dumps(value)
    is_weight = setting[-1:] == ("weight",) and setting[0] in ("adversary", TERM_SECTION)
    if isinstance(value, float) and (setting[0] == "training" or is_weight):
        return text.removesuffix(".0")
    return text


def _is_plain(text: str) -> bool:
    """Return whether a text is read as itself when it is written without quotes."""
    return bool(re.fullmatch(r"[A-Za-z/.][A-Za-z0-9/._+-]*", text)) and parse_scalar(text) == text
