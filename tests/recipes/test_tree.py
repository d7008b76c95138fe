"""Leaves and their overlays, in closed form."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.recipes.reader import parse_document
from zoo.recipes.tree import Leaves, arguments_at, find_leaf, flatten, nest, overlay


def leaves(text: str) -> Leaves:
    document = parse_document(text, "r.yaml")
    return flatten(document.data, document.places, ())


@pytest.mark.parametrize(
    ("text", "nested"),
    [
        ("generator: rrdb", {"generator": {"name": "rrdb"}}),
        (
            "losses: {mse: 1, l1: {weight: 2}}",
            {"losses": {"mse": {"weight": 1}, "l1": {"weight": 2}}},
        ),
        ("losses: {mse: null}", {}),
        ("discriminator: null", {}),
        ("training: null", {}),
        ("training: {}", {}),
        ("training: {steps: null, epochs: 2}", {"training": {"epochs": 2}}),
        ("generator: {name: x, size: null}", {"generator": {"name": "x", "size": None}}),
        ("generator: {name: x, table: {}}", {"generator": {"name": "x", "table": {}}}),
        (
            "generator: {name: x, table: {a: {b: 1}}}",
            {"generator": {"name": "x", "table": {"a": {"b": 1}}}},
        ),
    ],
)
def test_shorthands_are_written_out_and_nulls_left_out(text: str, nested: Any) -> None:
    assert nest(leaves(text)) == nested


BASE = """
generator: {name: big, width: 8, depth: 2}
discriminator: {name: judge, width: 4}
adversary: {name: game, weight: 0.5, steps: 5}
losses: {mse: 1, deep: {weight: 3, layer: a}, named: {name: deep, layer: b}}
training: {steps: 10, schedule: {kind: step, gamma: 0.5}}
overrides: {losses: {deep: {name: cheap, size: 1}}}
"""


@pytest.mark.parametrize(
    ("top", "path", "value"),
    [
        ("generator: {width: 9}", "generator", {"name": "big", "width": 9, "depth": 2}),
        ("generator: small", "generator", {"name": "small"}),
        ("generator: big", "generator", {"name": "big", "width": 8, "depth": 2}),
        ("generator: {width: 9, name: small}", "generator", {"name": "small", "width": 9}),
        ("adversary: other", "adversary", {"name": "other", "weight": 0.5}),
        ("adversary: {weight: 1, name: other}", "adversary", {"name": "other", "weight": 1}),
        ("discriminator: null", "discriminator", None),
        ("losses: {mse: 2}", "losses.mse", {"weight": 2}),
        ("losses: {mse: null}", "losses.mse", None),
        ("losses: {deep: {layer: c}}", "losses.deep", {"weight": 3, "layer": "c"}),
        (
            "losses: {deep: {size: 2, name: cheap}}",
            "losses.deep",
            {"weight": 3, "name": "cheap", "size": 2},
        ),
        (
            "losses: {deep: {name: deep}}",
            "losses.deep",
            {"weight": 3, "name": "deep", "layer": "a"},
        ),
        ("losses: {named: 2}", "losses.named", {"weight": 2, "name": "deep", "layer": "b"}),
        ("losses: null", "losses", None),
        (
            "training: {epochs: 3}",
            "training",
            {"epochs": 3, "schedule": {"kind": "step", "gamma": 0.5}},
        ),
        ("training: {schedule: null}", "training", {"steps": 10}),
        ("training: {steps: null}", "training", {"schedule": {"kind": "step", "gamma": 0.5}}),
        ("training: 3", "training", 3),
        ("overrides: {losses: {deep: {name: other}}}", "overrides.losses.deep", {"name": "other"}),
        ("overrides: {losses: {deep: null}}", "overrides", None),
    ],
)
def test_overlay(top: str, path: str, value: Any) -> None:
    result: Any = nest(overlay(leaves(BASE), leaves(top)))
    for part in path.split("."):
        result = result.get(part)
    assert result == value


def test_what_was_removed_can_come_back() -> None:
    removed = overlay(leaves(BASE), leaves("{losses: {deep: null}, discriminator: null}"))
    back = nest(overlay(removed, leaves("{losses: {deep: 1}, discriminator: {name: judge}}")))
    assert back["losses"]["deep"] == {"weight": 1}
    assert back["discriminator"] == {"name": "judge"}


def test_overlay_changes_neither_side() -> None:
    base, top = leaves(BASE), leaves("generator: small")
    before = dict(base), dict(top)
    overlay(base, top)
    assert (base, top) == before


def test_arguments_leave_out_what_is_the_recipes() -> None:
    assert arguments_at(leaves(BASE), ("losses", "deep")) == {"layer": "a"}
    assert arguments_at(leaves(BASE), ("overrides", "losses", "deep")) == {"size": 1}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("training", "schedule", "kind"), 6),
        (("generator",), 2),
        (("generator", "height"), 2),
        (("nothing",), None),
    ],
)
def test_a_leaf_is_found_at_below_or_above_a_path(path: tuple[str, ...], line: int | None) -> None:
    leaf = find_leaf(leaves(BASE), path)
    assert (None if leaf is None else leaf.place.line) == line


def test_a_loss_that_is_alike_keeps_the_arguments_and_renames_the_layers() -> None:
    base = leaves("losses: {vgg19: {weight: 2, layer: conv5_4, before_activation: false}}")
    top = leaves("losses: {vgg19: {name: vgg16}}")
    assert nest(overlay(base, top)) == {
        "losses": {
            "vgg19": {
                "name": "vgg16",
                "weight": 2,
                "layer": "conv5_3",
                "before_activation": False,
            }
        }
    }
    several = leaves("losses: {vgg19: {layers: {conv1_2: 0.1, conv3_4: 1, conv5_4: 2}}}")
    renamed = nest(overlay(several, top))["losses"]["vgg19"]
    assert renamed == {"name": "vgg16", "layers": {"conv1_2": 0.1, "conv3_3": 1, "conv5_3": 2}}
    back = nest(overlay(overlay(several, top), leaves("losses: {vgg19: {name: vgg19}}")))
    assert back["losses"]["vgg19"]["layers"] == {"conv1_2": 0.1, "conv3_4": 1, "conv5_4": 2}
    both = leaves("losses: {vgg19: {layers: {conv3_3: 1, conv3_4: 1}}}")
    kept = nest(overlay(both, top))["losses"]["vgg19"]["layers"]
    assert set(kept) == {"conv3_3", "conv3_4"}, "VGG16 refuses the second and says so"
    other = leaves("losses: {vgg19: {name: perceptual, network: resnet18}}")
    assert nest(overlay(base, other)) == {
        "losses": {"vgg19": {"name": "perceptual", "weight": 2, "network": "resnet18"}}
    }
