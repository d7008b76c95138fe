"""Settings as leaves: every value by its key path, each with the place it was written.

Layering a recipe over its parent, a profile over a recipe and `--set` over all of them is one
operation on leaves, `overlay`; where a value came from is never lost. Null takes back what a
lower layer said: a loss, a discriminator, a section, or one value, which is its default again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zoo.losses import ALIKE
from zoo.recipes.problems import KeyPath, Place

ALTERNATIVES = {
    ("training", "steps"): ("training", "epochs"),
    ("training", "epochs"): ("training", "steps"),
}
PRETRAINED = "pretrained"
REPLACED: dict[KeyPath, tuple[KeyPath, ...]] = {
    **{path: (other,) for path, other in ALTERNATIVES.items()},
    (PRETRAINED, "run"): ((PRETRAINED, "generator"), (PRETRAINED, "discriminator")),
}
"""What a value replaces elsewhere: a run names both networks."""
COMPONENTS: tuple[KeyPath, ...] = (
    ("generator",),
    ("discriminator",),
    ("adversary",),
    ("data", "degradation"),
)
"""Where a recipe has one component by its name; losses and overrides have several, by keys."""
TERM_SECTION = "losses"
OVERRIDES = "overrides"
SHARED_BY_STAGES = ("generator", "scale", "data", "runtime")
"""Settings that a pretraining stage takes from the run it is for."""
_OWN_KEYS = ("name", "weight")
"""Keys beside a component's arguments that are the recipe's, not the constructor's."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that is not a mapping, where it was written, and under which key path there."""

    value: Any
    place: Place
    path: KeyPath


Leaves = dict[KeyPath, Leaf]


def component_root(path: KeyPath) -> KeyPath | None:
    """Return the path of the component that `path` belongs to, None outside components."""
    for root in COMPONENTS:
        if path[: len(root)] == root:
            return root
    if len(path) > 1 and path[0] == TERM_SECTION:
        return path[:2]
    if len(path) > 2 and path[0] == OVERRIDES:
        return path[:3]
    return None


def component_roots(leaves: Leaves) -> list[KeyPath]:
    """Return the path of every component that `leaves` mention, without removed ones."""
    roots = ((component_root(path), path) for path in leaves)
    return list(dict.fromkeys(root for root, path in roots if root is not None and root != path))


def component_name(leaves: Leaves, root: KeyPath) -> Any:
    """Return the component named at `root`; one in a mapping by name has that of its key."""
    named = leaves.get((*root, "name"))
    if named is not None and named.value is not None:
        return named.value
    keyed = root not in COMPONENTS and any(path[:-1][: len(root)] == root for path in leaves)
    return root[-1] if keyed else None


def find_leaf(leaves: Leaves, path: KeyPath) -> Leaf | None:
    """Return the leaf at `path`, else one below it, else the nearest above it."""
    for length in range(len(path), 0, -1):
        stem = path[:length]
        if stem in leaves:
            return leaves[stem]
        for other, leaf in leaves.items():
            if other[:length] == stem:
                return leaf
    return None


def flatten(data: Mapping[str, Any], places: Mapping[KeyPath, Place], prefix: KeyPath) -> Leaves:
    """Turn nested data into leaves.

    Shorthands are written out: `generator: rrdb` is `generator: {name: rrdb}`, and
    `losses: {mse: 1}` is `losses: {mse: {weight: 1}}`.

    Args:
        data: nested mappings as a file holds them.
        places: place of each key path of the file.
        prefix: path of `data` in the file.
    """
    leaves: Leaves = {}
    for key, value in data.items():
        _flatten(value, (key,), places, prefix, leaves)
    return leaves


def overlay(base: Leaves, top: Leaves) -> Leaves:
    """Lay `top` over `base`; neither is changed.

    Another component name drops the arguments of the component it replaces (its weight stays),
    unless both are alike: then they stay, with its layers renamed. Null removes what is below it; a
    length in epochs replaces one in steps.
    """
    result = dict(base)
    for path, leaf in top.items():  # all of it first: a name may follow the arguments it is for
        _make_room(result, path, leaf)
    return result | top


def nest(leaves: Leaves) -> dict[str, Any]:
    """Turn leaves back into nested mappings; what null took back is excluded."""
    nested: dict[str, Any] = {}
    for path, leaf in leaves.items():
        if leaf.value is None and not _is_argument(path):
            continue
        target = nested
        for part in path[:-1]:
            target = target.setdefault(str(part), {})
        target[str(path[-1])] = leaf.value
    return nested


def arguments_at(leaves: Leaves, root: KeyPath) -> dict[str, Any]:
    """Return the constructor arguments of the component at `root`, nested."""
    nested: Any = nest({path: leaf for path, leaf in leaves.items() if path[: len(root)] == root})
    for part in root:
        nested = nested.get(str(part), {})
    return {key: value for key, value in nested.items() if key not in _OWN_KEYS}


def below(leaves: Leaves, prefix: KeyPath, new_prefix: KeyPath) -> Leaves:
    """Return the leaves below `prefix`, moved below `new_prefix`."""
    length = len(prefix)
    return {
        (*new_prefix, *path[length:]): leaf
        for path, leaf in leaves.items()
        if path[:length] == prefix and len(path) > length
    }


def expand_shorthand(path: KeyPath, value: Any) -> KeyPath:
    """Return the path that a shorthand stands for: a component's name or a loss's weight."""
    if path in COMPONENTS and isinstance(value, str):
        return (*path, "name")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if len(path) == 2 and path[0] == TERM_SECTION and is_number:
        return (*path, "weight")
    return path


def _flatten(
    value: Any, path: KeyPath, places: Mapping[KeyPath, Place], prefix: KeyPath, leaves: Leaves
) -> None:
    if isinstance(value, dict) and (value or not _is_argument(path)):
        for key, item in value.items():
            _flatten(item, (*path, key), places, prefix, leaves)
        return
    written = (*prefix, *path)
    leaves[expand_shorthand(path, value)] = Leaf(value, places[written], written)


def _rename(leaves: Leaves, root: KeyPath, names: Mapping[str, str]) -> None:
    """Give new names to what the arguments of a component name, as keys and as values.

    A key stays where its new name is taken: the component that has no such layer says so.
    """
    for path in [path for path in leaves if path[: len(root)] == root and path != root]:
        leaf = leaves[path]
        value = names.get(leaf.value, leaf.value) if isinstance(leaf.value, str) else leaf.value
        renamed = (*path[:-1], names.get(str(path[-1]), path[-1]))
        if renamed == path or renamed not in leaves:
            del leaves[path]
            leaves[renamed] = replace(leaf, value=value)


def _is_argument(path: KeyPath) -> bool:
    root = component_root(path)
    return root is not None and len(path) > len(root) and path[len(root)] not in _OWN_KEYS


def _make_room(leaves: Leaves, path: KeyPath, leaf: Leaf) -> None:
    """Remove what a leaf at `path` replaces."""
    root = component_root(path)
    keep: tuple[KeyPath, ...] = ()
    doomed: KeyPath | None = path
    if root is not None and path == (*root, "name"):
        current = component_name(leaves, root)
        keep = ((*root, "weight"),)
        stays = current is None or leaf.value in (None, current)
        if (current, leaf.value) in ALIKE:
            _rename(leaves, root, ALIKE[current, leaf.value])
            stays = True
        doomed = None if stays else root
    if doomed is not None:
        for other in [key for key in leaves if key[: len(doomed)] == doomed and key not in keep]:
            del leaves[other]
    for other in REPLACED.get(path, ()) if leaf.value is not None else ():
        leaves.pop(other, None)
    for length in range(1, len(path)):  # a mapping replaces a null
        leaves.pop(path[:length], None)
