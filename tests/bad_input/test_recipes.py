"""Whatever a recipe says, the program ends with 0 or 2, and never with a traceback.

What is tried begins as a registry that works, of which one or two values are then replaced, so that
much of it is right and all of it is read. Registries as text, and as any structure at all, are in
`tests.recipes.test_fuzz`.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.bad_input.repeatable import REPEATABLE
from zoo.commands.app import app

pytestmark = pytest.mark.timeout(300)
Registry = dict[str, Any]
SOUND: Registry = {
    "version": 1,
    "recipes": {
        "first": {
            "summary": "a small network",
            "generator": {"name": "srresnet", "norm": "none"},
            "losses": {"l1": 1, "mse": {"weight": 0.5}},
            "training": {"learning_rate": 1e-3, "betas": [0.9, 0.99], "ema_decay": 0.9},
        },
        "second": {
            "extends": "first",
            "pretrained": "first",
            "discriminator": {"name": "vgg", "norm": "layer"},
            "adversary": {"name": "wgan-gp", "weight": 1e-3, "discriminator_steps": 2},
            "losses": {"l1": None},
            "training": {"schedule": {"kind": "step", "milestones": [0.5], "gamma": 0.5}},
        },
    },
    "profiles": {
        "tiny": {
            "data": {"source": "samples", "lr_patch_size": 8, "batch_size": 2},
            "content": {"steps": 2, "log_every": 1},
            "adversarial": {"steps": 2, "validate_every": 1, "checkpoint_every": 1},
            "runtime": {"num_workers": 0},
            "overrides": {
                "generators": {"srresnet": {"width": 8, "num_blocks": 1}},
                "discriminators": {"vgg": {"width": 4, "hidden": 8}},
            },
        }
    },
}
SMALL = [0, 1, 2, 3, 4, 8, 16, -1, 0.1, 0.5, 1.5, 1e-9]
LARGE = [1e9, 2**31, 10**17, 10**18, 1e308]
TEXTS = [
    *("first", "second", "srresnet", "rrdb", "edsr", "bicubic", "vgg", "patch", "wgan-gp", "hinge"),
    *("batch", "layer", "none", "auto", "samples", "uniform", "cosine", "step", "conv5_4"),
]
ODD: list[Any] = [None, True, "", "x" * 300, "../x", "\x1b[2J", "é", [], {}, [0, 1], [[1]]]
KEYS = ["scale", "name", "weight", "steps", "epochs", "kind", "norm", "extends", "width", "layer"]


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a structure that holds nothing else."""
    inner = dict(enumerate(value)) if isinstance(value, list) else value
    if not isinstance(inner, dict):
        return [path]
    return [found for key, each in inner.items() for found in places(each, (*path, key))]


@st.composite
def registries(draw: st.DrawFn, numbers: Sequence[float]) -> Registry:
    """Draw the sound registry with one or two of its values replaced, left out or added.

    What replaces a value is more often of its kind than not.
    """
    registry = copy.deepcopy(SOUND)
    for _ in range(draw(st.integers(1, 2))):
        *path, last = draw(st.sampled_from(places(registry)))
        inner: Any = registry
        for key in path:
            inner = inner[key]
        what = draw(st.sampled_from(["replace", "replace", "leave out", "add"]))
        if what == "leave out":
            del inner[last]
        elif what == "add" and isinstance(inner, dict):
            new = draw(st.sampled_from([*numbers, *TEXTS, *ODD]))
            inner[draw(st.sampled_from(KEYS))] = copy.deepcopy(new)
        else:
            alike = st.sampled_from(TEXTS if isinstance(inner[last], str) else numbers)
            inner[last] = copy.deepcopy(draw(alike | alike | st.sampled_from(ODD)))
    return registry


EVERY = (*SMALL, *LARGE)
COMMANDS = {
    "show": (("show", "RECIPE", "-p", "tiny"), {0, 2}, EVERY),
    "check": (("list", "--check"), {0, 2}, EVERY),
    "plan": (("bench", "--plan", "RECIPE", "-p", "tiny", "--seeds", "1"), {0, 2}, EVERY),
    "dry run": (
        ("train", "RECIPE", "--dry-run", "-p", "tiny", "--device", "cpu"),
        {0, 1, 2},
        SMALL,
    ),
}
"""Words, exit statuses and numbers; what really takes a step may diverge, which is 1."""


def ends(name: str, num_examples: int) -> Counter[int]:
    """Give a command that many registries; return how it ended."""
    words, expected, numbers = COMMANDS[name]
    counts: Counter[int] = Counter()

    @settings(REPEATABLE, max_examples=num_examples)
    @example(registry=SOUND, recipe="first")  # which others are drawn, 0 and 2 among them or not,
    @example(registry=SOUND | {"version": None}, recipe="first")  # hypothesis decides
    @given(registry=registries(numbers), recipe=st.sampled_from(["first", "second"]))
    def each(registry: Registry, recipe: str) -> None:
        Path("mine.yaml").write_text(json.dumps(registry), encoding="utf-8")
        typed = [recipe if word == "RECIPE" else word for word in words]
        result = CliRunner().invoke(app, [*typed, "--registry", "mine.yaml"])
        error = result.exception
        if error is not None and not isinstance(error, SystemExit):
            raise AssertionError(f"{typed} of {registry}") from error
        assert result.exit_code in expected, f"{registry}: {result.output[-500:]}"
        assert "Traceback" not in result.output
        assert "\x1b" not in result.output
        counts[result.exit_code] += 1

    each()
    return counts


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, away from the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_OFFLINE", "1")


def test_a_recipe_is_shown_or_what_is_wrong_with_it() -> None:
    counts = ends("show", 6)
    assert counts[0], counts
    assert counts[2], counts


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_many_recipes(name: str) -> None:
    counts = ends(name, 6 if name == "dry run" else 15)
    assert counts[0], counts
    assert counts[2], counts


@pytest.mark.slow
def test_a_network_larger_than_any_memory() -> None:
    words = ["train", "srresnet", "-p", "smoke", "--dry-run", "--device", "cpu"]
    result = CliRunner().invoke(app, [*words, "--set", "generator.width=2147483648"])
    assert result.exit_code == 5
    assert "not enough memory" in result.stderr
