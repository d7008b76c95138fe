"""The published JSON schema: up to date, valid, and of one mind with the checker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from zoo.recipes.book import builtin_registry
from zoo.recipes.json_schema import PUBLISHED, schema_text
from zoo.recipes.reader import read_document


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(schema_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_published_schema_is_up_to_date() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m zoo.recipes.json_schema"
    )


def test_the_built_in_registry_is_valid_and_names_the_schema(
    validator: Draft202012Validator,
) -> None:
    path = builtin_registry()
    assert list(validator.iter_errors(read_document(path).data)) == []
    first_line = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first_line == "# yaml-language-server: $schema=./docs/registry.schema.json"


@pytest.mark.parametrize(
    "data",
    [
        {"recipes": {}},
        {"version": 2},
        {"version": 1, "recipe": {}},
        {"version": 1, "recipes": {"Bad_Name": {"generator": "x"}}},
        {"version": 1, "recipes": {"x": {"generator": 3}}},
        {"version": 1, "recipes": {"x": {"losses": {"mse": -1}}}},
        {"version": 1, "recipes": {"x": {"training": {"step": 3}}}},
        {"version": 1, "recipes": {"x": {"scale": 5}}},
        {"version": 1, "profiles": {"x": {"data": {"sampling": "grid"}}}},
        {"version": 1, "profiles": {"x": {"overrides": {"generator": {}}}}},
    ],
)
def test_an_editor_sees_mistakes_of_structure(validator: Draft202012Validator, data: Any) -> None:
    assert not validator.is_valid(data)
