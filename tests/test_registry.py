"""The registries: what may be registered, and that a refusal changes nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from torch import Tensor

from zoo.errors import DuplicateNameError, PluginError, UnknownNameError, did_you_mean
from zoo.generators.base import Generator
from zoo.registry import (
    REGISTRIES,
    Entry,
    Origin,
    Registry,
    constructor_parameters,
    register_generator,
)

GENERATORS = REGISTRIES["generators"]


class Doubler(Generator):
    """A generator that could be registered."""

    def forward(self, lr_image: Tensor) -> Tensor:
        return lr_image


@pytest.fixture(autouse=True)
def registry() -> Iterator[Registry[Any]]:
    """Return the generators' registry; it is as before afterwards."""
    before = GENERATORS.snapshot()
    yield GENERATORS
    GENERATORS.restore(before)


def test_a_registered_class_is_found_with_its_origin() -> None:
    assert register_generator("doubler")(Doubler) is Doubler
    assert GENERATORS.get("doubler") is Doubler
    assert "doubler" in GENERATORS.names()
    assert GENERATORS.origin("doubler").kind == "package"
    assert list(GENERATORS.entries) == GENERATORS.names() == sorted(GENERATORS.names())


def test_registering_the_same_class_again_changes_nothing() -> None:
    register_generator("doubler")(Doubler)
    register_generator("doubler")(Doubler)
    assert GENERATORS.get("doubler") is Doubler


def test_a_duplicate_is_refused_with_both_origins_and_changes_nothing() -> None:
    before = GENERATORS.snapshot()
    with pytest.raises(DuplicateNameError) as caught:
        register_generator("rrdb")(Doubler)
    message = str(caught.value)
    assert "generator 'rrdb' of package" in message
    assert __name__ in message
    assert "already used by built-in (zoo.generators.rrdb:RRDBNet)" in message
    assert GENERATORS.snapshot() == before


class Positional(Doubler):
    def __init__(self, width: int = 3) -> None:
        super().__init__()


class Variadic(Doubler):
    def __init__(self, **options: int) -> None:
        super().__init__()


class Weighted(Doubler):
    def __init__(self, *, scale: int = 4, weight: float = 1.0) -> None:
        super().__init__(scale=scale)


class Unfinished(Generator):
    pass


@pytest.mark.parametrize(
    ("name", "component", "message"),
    [
        ("Bad_Name", Doubler, "'Bad_Name' is not in kebab case"),
        ("", Doubler, "is not in kebab case"),
        ("a-", Doubler, "is not in kebab case"),
        ("a\n", Doubler, "is not in kebab case"),
        ("wrong", int, "does not derive from Generator"),
        ("wrong", "Doubler", "does not derive from Generator"),
        ("wrong", Positional, "parameter 'width' of Positional must be keyword-only"),
        ("wrong", Variadic, "parameter 'options' of Variadic must be keyword-only"),
        ("wrong", Weighted, "a parameter of Weighted cannot be called 'weight'"),
        ("wrong", Unfinished, "Unfinished lacks forward"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    name: str, component: Any, message: str
) -> None:
    before = GENERATORS.snapshot()
    with pytest.raises(PluginError, match=message):
        GENERATORS.add(name, component)
    assert GENERATORS.snapshot() == before


def test_an_unknown_name_has_a_suggestion() -> None:
    message = r"unknown generator 'rrbd'; did you mean 'rrdb'\? \(see: zoo list generators\)"
    for ask in (GENERATORS.get, GENERATORS.origin):
        with pytest.raises(UnknownNameError, match=message):
            ask("rrbd")


def test_initials_are_close_to_a_name() -> None:
    known = ["learning_rate", "log_every", "steps"]
    assert did_you_mean("lr", known) == "; did you mean 'learning_rate'?"
    assert did_you_mean("s", known) == ""


def test_a_class_is_imported_once_and_on_first_use() -> None:
    target = "zoo.generators.bicubic:Bicubic"
    GENERATORS.restore({"lazy": Entry("lazy", Origin("built-in", target), target)})
    assert GENERATORS.entries["lazy"].component is None
    loaded = GENERATORS.get("lazy")
    assert GENERATORS.entries["lazy"].component is loaded


def test_every_builtin_loads_under_its_name() -> None:
    for registry in REGISTRIES.values():
        for name, entry in registry.entries.items():
            if entry.origin.kind == "built-in":
                assert registry.get(name).__module__.startswith("zoo.")


def test_listing_imports_no_component() -> None:
    script = """
import sys
from zoo.registry import REGISTRIES
names = {kind: registry.names() for kind, registry in REGISTRIES.items()}
origins = [str(entry.origin) for registry in REGISTRIES.values() for entry in registry.entries.values()]
folders = tuple(f"zoo.{kind}." for kind in names)
loaded = [name for name in sys.modules if name == "torch" or name.startswith(folders)]
sys.exit(f"imported {loaded}" if loaded or not all(names.values()) else 0)
"""  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_annotations_that_cannot_be_evaluated_are_the_plugins_mistake() -> None:
    class Hidden(Doubler):
        def __init__(self, *, scale: NotThere = 4) -> None:  # type: ignore[name-defined]  # noqa: F821
            super().__init__(scale=scale)

    with pytest.raises(PluginError, match=r"Hidden.* cannot be evaluated \(NameError"):
        constructor_parameters(Hidden)
