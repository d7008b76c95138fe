"""From a recipe, a profile and `--set` options to the specification of a run.

Later layers override earlier ones: recipe (with what it extends), profile, `--set`.
`zoo.recipes.checks` imports components and fills in their defaults; nothing here does.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from zoo.errors import RecipeError
from zoo.recipes.book import Book, Entry
from zoo.recipes.explain import problems_of, shown
from zoo.recipes.names import nothing_to_remove, registry_of, unknown_component
from zoo.recipes.problems import KeyPath, Place, Problem, raise_problems
from zoo.recipes.reader import parse_document
from zoo.recipes.schema import Initial, RecipeSettings, RunSpec
from zoo.recipes.tree import (
    OVERRIDES,
    SHARED_BY_STAGES,
    TERM_SECTION,
    Leaf,
    Leaves,
    below,
    component_name,
    component_roots,
    expand_shorthand,
    find_leaf,
    flatten,
    nest,
    overlay,
)

PRETRAINING = "pretraining"
GENERATOR, SCALE = ("generator",), "scale"
_NOT_IN_YAML = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_LENGTHS = (("training", "steps"), ("training", "epochs"))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A run's specification, and where each of its values was written."""

    spec: RunSpec
    leaves: Leaves
    pretraining: Resolved | None = None

    def origin(self, path: KeyPath) -> str:
        """Return where the value at `path` was written; `default` if it was not written."""
        leaf = self.leaves.get(path)
        return "default" if leaf is None else str(leaf.place)


def resolve(
    book: Book,
    recipe: str,
    profile: str,
    *,
    seed: int = 0,
    settings: Sequence[str] = (),
    init: Initial | None = None,
) -> Resolved:
    """Resolve a recipe under a profile.

    Args:
        book: where both are defined.
        recipe: name of the recipe.
        profile: name of the profile.
        seed: seed of the run and of its pretraining.
        settings: `path=value` overrides; those below `pretraining.` are for that stage.
        init: the generator that the run starts from, instead of a pretraining. What recipe and
            settings do not say of the generator is as there; a profile does not change it. What
            they say otherwise is an error, unless the weights need not fit (`strict`).

    Raises:
        UnknownNameError: if there is no such recipe or profile.
        RecipeError: if the values do not fit together; all problems are listed.
    """
    entry, budget = book.recipe(recipe), book.profile(profile)
    overrides = parse_settings(settings)
    own = {path: leaf for path, leaf in overrides.items() if path[0] != PRETRAINING}
    leaves = _layers(entry, budget, own, init)
    source = None if init is not None else entry.pretraining
    pretraining = None
    if source is not None:
        shared = {path: leaf for path, leaf in leaves.items() if path[0] in SHARED_BY_STAGES}
        stage = below(overrides, (PRETRAINING,), ())
        inner = _layers(book.recipe(source), budget, stage)
        inner = {
            path: leaf for path, leaf in inner.items() if path[0] not in SHARED_BY_STAGES
        } | shared
        pretraining = _validated((source, profile, seed), inner, None)
    elif any(path[0] == PRETRAINING for path in overrides):
        raise RecipeError(f"--set {PRETRAINING}...: recipe {recipe!r} has no pretraining stage")
    found = _validated((recipe, profile, seed), leaves, pretraining)
    return replace(found, spec=found.spec.model_copy(update={"init": init}))


def written_settings(settings: Mapping[str, Any] | Sequence[str]) -> list[str]:
    """Return settings as `path=value` texts; accepts a mapping from paths to values.

    Raises:
        RecipeError: if a value cannot be written in YAML.
    """
    if isinstance(settings, str):
        return [settings]
    if not isinstance(settings, Mapping):
        return list(settings)
    return [f"{path}={_as_yaml(path, value)}" for path, value in settings.items()]


def _as_yaml(path: str, value: Any) -> str:
    """Write a value as JSON that YAML reads in the same way, with invisible characters as escapes.

    Raises:
        RecipeError: if it cannot be written.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, default=os.fspath)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"settings: {path}: a recipe cannot contain a {type(value).__name__}; use a number, a "
            "text, True, False, None or a list of these"
        ) from error
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def parse_settings(settings: Sequence[str]) -> Leaves:
    """Parse `--set path=value` options; values are read as in a registry file.

    Raises:
        RecipeError: if an option is not of that form.
    """
    leaves: Leaves = {}
    for setting in settings:
        dotted_path, separator, text = setting.partition("=")
        path: KeyPath = tuple(part.strip() for part in dotted_path.split("."))
        if not separator or not all(path) or path == (PRETRAINING,):
            raise RecipeError(
                f"--set {setting}: write path=value, for example training.learning_rate=1e-4"
            )
        document = parse_document(text, f"--set {setting}")
        raise_problems(document.problems)
        if isinstance(document.data, dict):
            raise RecipeError(f"--set {setting}: set one value at a time, with its full path")
        stage, stem = (path[:1], path[1:]) if path[0] == PRETRAINING else ((), path)
        leaf = Leaf(document.data, Place(f"--set {setting}"), stem)
        leaves = overlay(leaves, {(*stage, *expand_shorthand(stem, leaf.value)): leaf})
    return leaves


def _layers(recipe: Entry, profile: Entry, own: Leaves, init: Initial | None = None) -> Leaves:
    """Return a recipe's settings under a profile, with `own` settings over both.

    The profile's budget and overrides are those of the components that `own` leaves in place. What
    the recipe has fixed they do not change, nor the generator of weights that are there.
    """
    known, fixed = RecipeSettings.model_fields, recipe.fixed

    def from_profile(prefix: KeyPath, new_prefix: KeyPath) -> Leaves:
        moved = below(profile.leaves, prefix, new_prefix)
        return {path: leaf for path, leaf in moved.items() if path not in fixed}

    leaves = {path: leaf for path, leaf in recipe.leaves.items() if path[0] in known}
    _check_names(own)
    _check_removals(leaves, own)
    leaves = overlay(leaves, own)
    stage = "content" if component_name(leaves, ("discriminator",)) is None else "adversarial"
    leaves = overlay(leaves, from_profile((stage,), ("training",)))
    if not any(leaf.value is not None for leaf in map(leaves.get, _LENGTHS) if leaf is not None):
        message = "neither `steps` nor `epochs` is set, here or in the recipe"
        place = profile.place_of((stage,))
        raise_problems([Problem(place, (*profile.path, stage), message)])
    for section in ("data", "runtime"):
        leaves = overlay(leaves, from_profile((section,), (section,)))
    for root in component_roots(leaves):
        if init is not None and root == GENERATOR:
            continue
        name = component_name(leaves, root)
        change = from_profile((OVERRIDES, registry_of(root), name), root)
        chosen = own.get((*root, "name"))
        if chosen is None or component_name(change, root) in (None, chosen.value):
            leaves = overlay(leaves, change)
    leaves = overlay(leaves, own)
    return leaves if init is None else _begun(leaves, init)


def _begun(leaves: Leaves, init: Initial) -> Leaves:
    """Fill in what is not written of the generator and the scale, as the weights have it.

    Raises:
        RecipeError: listing what is written otherwise, if the weights must fit.
    """
    place = Place(f"--init {init.file}")
    data = {SCALE: init.scale, GENERATOR[0]: init.generator.model_dump(mode="json")}
    theirs = flatten(data, defaultdict(lambda: place), ())
    written = {
        path: leaf
        for path, leaf in leaves.items()
        if path[0] in data and not (leaf.value in (None, {}) and path not in theirs)
    }
    other = [
        path
        for path, leaf in written.items()
        if path not in theirs or theirs[path].value != leaf.value
    ]
    name = (*GENERATOR, "name")
    rest = {path: leaf for path, leaf in leaves.items() if path[0] not in data}
    if not init.strict:
        return leaves if name in other else rest | theirs | written
    raise_problems(
        Problem(written[path].place, written[path].path, _contradiction(written[path], found, init))
        for path in ([name] if name in other else other)
        for found in [theirs.get(path)]
    )
    return rest | theirs


def _contradiction(leaf: Leaf, theirs: Leaf | None, init: Initial) -> str:
    found = "no such argument" if theirs is None else shown(theirs.value)
    return (
        f"{shown(leaf.value)} is written here, but the generator of {init.file} has {found}: "
        "remove it, use another recipe, override it with --set, or load what fits with --partial"
    )


def _check_names(own: Leaves) -> None:
    """Refuse a `--set` that names an unknown component."""
    named = ((root, own[*root, "name"]) for root in component_roots(own) if (*root, "name") in own)
    found = ((leaf, unknown_component(root, leaf.value)) for root, leaf in named)
    raise_problems(Problem(leaf.place, leaf.path, text) for leaf, text in found if text is not None)


def _check_removals(leaves: Leaves, own: Leaves) -> None:
    """Refuse a `--set losses.NAME=null` that removes nothing."""
    inherited = [str(root[1]) for root in component_roots(leaves) if root[0] == TERM_SECTION]
    raise_problems(
        Problem(leaf.place, leaf.path, nothing_to_remove(str(path[1]), inherited))
        for path, leaf in own.items()
        if leaf.value is None
        and path[0] == TERM_SECTION
        and len(path) == 2
        and path[1] not in inherited
    )


def _validated(run: tuple[str, str, int], leaves: Leaves, pretraining: Resolved | None) -> Resolved:
    """Validate the settings of a run: recipe, profile and seed."""
    recipe, profile, seed = run
    for root in component_roots(leaves):
        if root[0] == TERM_SECTION and (*root, "name") not in leaves:
            written = next(leaf for path, leaf in leaves.items() if path[:2] == root)
            leaves = leaves | {(*root, "name"): Leaf(root[1], written.place, written.path[:4])}
    data = {"recipe": recipe, "profile": profile, "seed": seed, "settings": nest(leaves)}

    def locate(path: KeyPath) -> tuple[Place, KeyPath]:
        leaf = find_leaf(leaves, path[1:])
        if leaf is None:
            where = f"recipe {recipe}, profile {profile}"
            return Place(where), path[1:] if path[:1] == ("settings",) else path
        return leaf.place, leaf.path

    try:
        spec = RunSpec.model_validate(data)
    except ValidationError as error:
        raise_problems(problems_of(error, RunSpec, data, locate))
        raise
    if pretraining is not None:
        spec = spec.model_copy(update={"pretraining": pretraining.spec})
    return Resolved(spec, leaves, pretraining)
