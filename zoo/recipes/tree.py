"""Settings as leaves: every value by its key path, each with the place it was written.

Layering a recipe over its parent, a profile over a recipe and `--set` over all of them is one
operation on leaves, `overlay`; what a value replaced and where it came from are never lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.recipes.problems import KeyPath, Place

ALTERNATIVES = {
    ("training", "steps"): ("training", "epochs"),
    ("training", "epochs"): ("training", "steps"),
}
COMPONENT_SECTIONS = ("generator", "discriminator", "adversary")
TERM_SECTION = "losses"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that is not a mapping, where it was written, and under which key path there."""

    value: Any
    place: Place
    path: KeyPath


Leaves = dict[KeyPath, Leaf]


def component_root(path: KeyPath) -> KeyPath | None:
    """Return the path of the component that `path` belongs to, None outside components."""
    if path[:1] and path[0] in COMPONENT_SECTIONS:
        return path[:1]
    if len(path) > 1 and path[0] == TERM_SECTION:
        return path[:2]
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

    Another component name drops the arguments of the component it replaces (its weight stays);
    null removes an optional component or a loss; a length in epochs replaces one in steps.
    """
    result = dict(base)
    for path, leaf in top.items():
        root = component_root(path)
        if root is not None and path == (*root, "name"):
            if _component_name(result, root) not in (None, leaf.value):
                _drop_below(result, root, keep={"weight"})
        elif root is not None and path == root:
            _drop_below(result, root, keep=set())
        if path in ALTERNATIVES and leaf.value is not None:
            result.pop(ALTERNATIVES[path], None)
        for length in range(1, len(path)):  # a mapping replaces a null
            result.pop(path[:length], None)
        result[path] = leaf
    return result


def nest(leaves: Leaves) -> dict[str, Any]:
    """Turn leaves back into nested mappings; removed losses are left out."""
    nested: dict[str, Any] = {}
    for path, leaf in leaves.items():
        if path[0] == TERM_SECTION and len(path) == 2 and leaf.value is None:
            continue
        target = nested
        for part in path[:-1]:
            target = target.setdefault(str(part), {})
        target[str(path[-1])] = leaf.value
    return nested


def below(leaves: Leaves, prefix: KeyPath, new_prefix: KeyPath) -> Leaves:
    """Return the leaves below `prefix`, moved below `new_prefix`."""
    length = len(prefix)
    return {
        (*new_prefix, *path[length:]): leaf
        for path, leaf in leaves.items()
        if path[:length] == prefix and len(path) > length
    }


def _flatten(
    value: Any, path: KeyPath, places: Mapping[KeyPath, Place], prefix: KeyPath, leaves: Leaves
) -> None:
    root = component_root(path)
    if isinstance(value, dict) and value:
        for key, item in value.items():
            _flatten(item, (*path, key), places, prefix, leaves)
        return
    written = (*prefix, *path)
    if root == path and isinstance(value, str):
        path = (*path, "name")
    elif root == path and isinstance(value, int | float) and not isinstance(value, bool):
        path = (*path, "weight")
    elif root == path and value == {}:
        path, value = (*path, "name"), path[-1]
    leaves[path] = Leaf(value, places[written], written)


def _component_name(leaves: Leaves, root: KeyPath) -> Any:
    """Return the component named at `root`; a loss without a name has that of its key."""
    named = leaves.get((*root, "name"))
    if named is not None:
        return named.value
    if root[0] == TERM_SECTION and any(path[: len(root)] == root for path in leaves):
        return root[-1]
    return None


def _drop_below(leaves: Leaves, root: KeyPath, keep: set[str]) -> None:
    for path in [p for p in leaves if p[: len(root)] == root and p != root]:
        if path[-1] not in keep:
            del leaves[path]
