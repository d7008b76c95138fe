"""Whatever a registry file holds, reading and checking it ends in a result or a ZooError."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import RecipeError, UnknownNameError
from zoo.recipes.book import builtin_registry, read_book
from zoo.recipes.checks import check_registry
from zoo.recipes.reader import parse_document
from zoo.recipes.resolve import parse_settings, resolve

TEXT = builtin_registry().read_text(encoding="utf-8")
TOKENS = [
    *("null", "[]", "{}", "[1]", "{a: 1}", "3", "1e999", "-1", "true", "''", "!!int 3", "&a x"),
    *("*a", "<<: 1", "? x", "- x", "|", ": ", "# ", "\t", "\x00", "\ud7ff", '"\\ud800"', "rrdb"),
    *("name: vgg", "weight: 2", "extends: esrgan", "losses: 3", "generator: [1]", "profiles: null"),
]
FUZZ = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def mutate(text: str, seed: int) -> str:
    """Replace values, delete, double and swap lines, and indent a few otherwise."""
    chance = random.Random(seed)  # noqa: S311
    lines = text.splitlines()
    for _ in range(chance.randint(1, 6)):
        index = chance.randrange(len(lines))
        line = lines[index]
        key, colon, _ = line.partition(":")
        edits = [
            key + colon + " " + chance.choice(TOKENS),
            " " * chance.randint(0, 6) + line.strip(),
            line.replace(chance.choice(line or " "), chance.choice(TOKENS), 1),
            "",
            f"{line}\n{line}",
            lines[chance.randrange(len(lines))],
        ]
        lines[index] = chance.choice(edits)
    return "\n".join(lines)


@FUZZ
@given(seed=st.integers(0, 2**32))
def test_mutated_registries(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(mutate(TEXT, seed), encoding="utf-8")
    with contextlib.suppress(RecipeError):
        check_registry([path], builtin=False)
    with contextlib.suppress(RecipeError, UnknownNameError):
        book = read_book([path])
        for recipe in book.recipes:
            for profile in book.profiles:
                resolve(book, recipe, profile)


KEYS = ["generator", "discriminator", "adversary", "losses", "training", "extends", "pretrained"]
KEYS += ["scale", "data", "content", "overrides", "name", "weight", "mse", "generators", "rrdb"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS | st.sampled_from(["a", "rrdb"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=8,
)
ENTRIES = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES)
SECTIONS = ("recipes", "profiles", "claims", "matrices")


@FUZZ
@given(entries=ENTRIES)
def test_well_formed_nonsense(tmp_path: Path, entries: dict[str, object]) -> None:
    path = tmp_path / "mine.yaml"
    content = {"version": 1} | dict.fromkeys(SECTIONS, entries)
    path.write_text(json.dumps(content), encoding="utf-8")
    with contextlib.suppress(RecipeError):
        check_registry([path], builtin=False)


LEVELS = st.fixed_dictionaries({}, optional=dict.fromkeys(["older", "newer", "third"], VALUES))


@FUZZ
@given(one=LEVELS, other=LEVELS, base=st.sampled_from(["a", "b"]))
def test_matrices_of_nonsense(tmp_path: Path, one: object, other: object, base: str) -> None:
    path = tmp_path / "mine.yaml"
    recipe = {"generator": {"name": "rrdb", "norm": "none"}, "losses": {"l1": 1, "mse": 1}}
    matrix = {"base": base, "factors": {"one": one, "other": other}}
    profile = {"content": {"steps": 1}, "adversarial": {"steps": 1}}
    content = {"version": 1, "recipes": {"a": recipe}, "profiles": {"p": profile}}
    content["matrices"] = {"m": matrix}
    path.write_text(json.dumps(content), encoding="utf-8")
    with contextlib.suppress(RecipeError):
        check_registry([path], builtin=False)


@FUZZ
@given(st.text())
def test_any_text(text: str) -> None:
    with contextlib.suppress(RecipeError):
        parse_document(text, "r.yaml")
    with contextlib.suppress(RecipeError):
        parse_settings([text, f"a.b={text}"])


@pytest.mark.parametrize(
    "data", [b"\x00", b"\xff\xfe", b"%YAML 9.9\n---\na", b"a: |9\n x", b"\r\r"]
)
def test_odd_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(data)
    with contextlib.suppress(RecipeError):
        check_registry([path])
