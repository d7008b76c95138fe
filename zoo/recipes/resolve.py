"""From a recipe, a profile and `--set` options to the specification of a run.

Layers, later ones win: recipe (with what it extends), profile, `--set`. Defaults of components
are filled in by `zoo.recipes.checks`, which imports them; nothing here does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from zoo.errors import RecipeError
from zoo.recipes.book import Book, Entry
from zoo.recipes.explain import problems_of
from zoo.recipes.problems import KeyPath, Place, raise_problems
from zoo.recipes.reader import parse_document
from zoo.recipes.schema import RecipeSettings, RunSpec
from zoo.recipes.tree import COMPONENT_SECTIONS, TERM_SECTION, Leaf, Leaves, below, nest, overlay

PRETRAINING = "pretraining"
_SHARED = ("generator", "scale", "data", "runtime")
_KINDS = {"generator": "generators", "discriminator": "discriminators", "adversary": "adversaries"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """A run's specification, and where each of its values was written."""

    spec: RunSpec
    leaves: Leaves
    pretraining: Resolved | None = None

    def origin(self, path: KeyPath) -> str:
        """Return where the value at `path` was written; `default` where nobody wrote it."""
        leaf = self.leaves.get(path)
        return "default" if leaf is None else str(leaf.place)


def resolve(
    book: Book, recipe: str, profile: str, *, seed: int = 0, settings: Sequence[str] = ()
) -> Resolved:
    """Resolve a recipe under a profile.

    Args:
        book: where both are defined.
        recipe: name of the recipe.
        profile: name of the profile.
        seed: seed of the run and of its pretraining.
        settings: `path=value` overrides; those below `pretraining.` are for that stage.

    Raises:
        UnknownNameError: if there is no such recipe or profile.
        RecipeError: if the values do not fit together; all problems are listed.
    """
    entry, budget = book.recipe(recipe), book.profile(profile)
    overrides = parse_settings(settings)
    own = {path: leaf for path, leaf in overrides.items() if path[0] != PRETRAINING}
    leaves = overlay(_layers(entry, budget), own)
    source = entry.reference("pretrained")
    pretraining = None
    if source is not None:
        shared = {path: leaf for path, leaf in leaves.items() if path[0] in _SHARED}
        inner = _without(_layers(book.recipe(source), budget), _SHARED)
        inner = overlay(inner | shared, below(overrides, (PRETRAINING,), ()))
        pretraining = _validated(source, profile, seed, inner, None)
    elif any(path[0] == PRETRAINING for path in overrides):
        raise RecipeError(f"--set {PRETRAINING}...: recipe {recipe!r} has no pretraining stage")
    return _validated(recipe, profile, seed, leaves, pretraining)


def parse_settings(settings: Sequence[str]) -> Leaves:
    """Parse `--set path=value` options; values are read as in a registry file.

    Raises:
        RecipeError: if an option is not of that form.
    """
    leaves: Leaves = {}
    for setting in settings:
        dotted_path, separator, text = setting.partition("=")
        path = tuple(dotted_path.strip().split("."))
        if not separator or not all(path):
            raise RecipeError(
                f"--set {setting}: write it as path=value, for example training.learning_rate=1e-4"
            )
        document = parse_document(text, f"--set {setting}")
        raise_problems(document.problems)
        if isinstance(document.data, dict):
            raise RecipeError(f"--set {setting}: set one value at a time, by its full path")
        stem = path[1:] if path[0] == PRETRAINING else path
        short = len(stem) == 1 and stem[0] in COMPONENT_SECTIONS
        if short and isinstance(document.data, str):
            path = (*path, "name")
        elif len(stem) == 2 and stem[0] == TERM_SECTION and _is_number(document.data):
            path = (*path, "weight")
        leaves[path] = Leaf(document.data, Place(f"--set {setting}"), stem)
    return leaves


def _layers(recipe: Entry, profile: Entry) -> Leaves:
    """Return the settings of a recipe under a profile."""
    known = RecipeSettings.model_fields
    leaves = {path: leaf for path, leaf in recipe.leaves.items() if path[0] in known}
    stage = "adversarial" if ("discriminator", "name") in leaves else "content"
    leaves = overlay(leaves, below(profile.leaves, (stage,), ("training",)))
    for section in ("data", "runtime"):
        leaves = overlay(leaves, below(profile.leaves, (section,), (section,)))
    for root, kind, name in _components(leaves):
        leaves = overlay(leaves, below(profile.leaves, ("overrides", kind, name), root))
    return leaves


def _components(leaves: Leaves) -> list[tuple[KeyPath, str, str]]:
    """Return root, kind and name of every component, losses named by key where not otherwise."""
    found: list[tuple[KeyPath, str, str]] = [
        ((section,), kind, str(leaves[section, "name"].value))
        for section, kind in _KINDS.items()
        if (section, "name") in leaves
    ]
    terms = dict.fromkeys(path[1] for path in leaves if path[0] == TERM_SECTION and path[2:])
    for key in terms:
        named = leaves.get((TERM_SECTION, key, "name"))
        found.append(((TERM_SECTION, key), "losses", str(named.value if named else key)))
    return found


def _validated(
    recipe: str, profile: str, seed: int, leaves: Leaves, pretraining: Resolved | None
) -> Resolved:
    for root, kind, name in _components(leaves):
        if kind == "losses" and (*root, "name") not in leaves:
            written = next(leaf for path, leaf in leaves.items() if path[:2] == root)
            leaves = leaves | {(*root, "name"): Leaf(name, written.place, written.path)}
    nested = nest(leaves)
    inner = None if pretraining is None else pretraining.spec
    try:
        spec = RunSpec(
            recipe=recipe,
            profile=profile,
            seed=seed,
            settings=RecipeSettings.model_validate(nested),
            pretraining=inner,
        )
    except ValidationError as error:
        default = (Place(f"recipe {recipe}, profile {profile}"), ())

        def locate(path: KeyPath) -> tuple[Place, KeyPath]:
            while path:
                if path in leaves:
                    return leaves[path].place, leaves[path].path
                path = path[:-1]
            return default

        raise_problems(problems_of(error, RecipeSettings, locate))
        raise
    return Resolved(spec, leaves, pretraining)


def _without(leaves: Leaves, sections: Sequence[str]) -> Leaves:
    return {path: leaf for path, leaf in leaves.items() if path[0] not in sections}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
