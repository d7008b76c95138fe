"""Turns pydantic's errors into problems a user can act on: place, path, suggestion."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zoo.errors import did_you_mean
from zoo.recipes.problems import KeyPath, Place, Problem

Locate = Callable[[KeyPath], tuple[Place, KeyPath]]
"""From a key path in validated data to where and under which path it was written."""


def problems_of(
    error: ValidationError, model: type[BaseModel], locate: Locate
) -> Iterable[Problem]:
    """Yield one problem for each error pydantic found in data validated against `model`."""
    for details in error.errors(include_url=False):
        path = tuple(part for part in details["loc"] if part != "[key]")
        place, written = locate(path)
        yield Problem(place, written, explain(details, model))


def explain(details: ErrorDetails, model: type[BaseModel]) -> str:
    """Say in one sentence what is wrong with one value."""
    kind, value = details["type"], details["input"]
    path = details["loc"]
    if kind == "extra_forbidden":
        key = str(path[-1])
        return f"unknown key {key!r}{did_you_mean(key, keys_at(model, path[:-1]))}"
    if kind == "missing":
        return f"{str(path[-1])!r} is missing"
    if kind == "string_pattern_mismatch":
        return f"{value!r} is not a name (kebab-case: lower-case letters, digits, '-')"
    if kind == "value_error":
        return str(details.get("ctx", {}).get("error", details["msg"]))
    expectation = details["msg"][:1].lower() + details["msg"][1:]
    expectation = expectation.removeprefix("input should be ")
    hint = ""
    if kind == "literal_error" and isinstance(value, str):
        hint = did_you_mean(value, re.findall(r"'([^']*)'", details["msg"]))
    return f"{value!r} should be {expectation}{hint}"


def keys_at(model: type[BaseModel], path: Iterable[Any]) -> list[str]:
    """Return the keys a model accepts at a key path."""
    current: type[BaseModel] | None = model
    skip_key = False
    for part in path:
        if skip_key:
            skip_key = False
            continue
        if current is None or part not in current.model_fields:
            return []
        annotation = current.model_fields[part].annotation
        current = _model_in(annotation)
        skip_key = _is_mapping(annotation)
    return [] if current is None else list(current.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def _is_mapping(annotation: Any) -> bool:
    origin = getattr(annotation, "__origin__", None)
    return origin is dict or any(_is_mapping(argument) for argument in get_args(annotation))
