"""Turns pydantic's errors into problems that a user can correct: place, path, suggestion."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zoo.errors import did_you_mean
from zoo.recipes.problems import KeyPath, Place, Problem, all_of, dotted

Locate = Callable[[KeyPath], tuple[Place, KeyPath]]
"""From a key path in validated data to where and under which path it was written."""

_EXPECTED = {
    "bool_type": "be true or false",
    "dict_type": "be a mapping",
    "float_type": "be a number",
    "int_from_float": "be a whole number",
    "int_type": "be a whole number",
    "list_type": "be a list",
    "model_type": "be a mapping",
    "none_required": "be null",
    "string_type": "be text",
    "tuple_type": "be a list",
}
_WORDS = {None: "null", True: "true", False: "false"}
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def problems_of(
    error: ValidationError, model: type[BaseModel], data: Any, locate: Locate
) -> Iterable[Problem]:
    """Yield one problem for each value of `data` that pydantic refused.

    Args:
        error: from validating `data` against `model`.
        model: the schema, for the keys it knows.
        data: what was validated.
        locate: finds where a value was written.
    """
    refused: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        refused.setdefault(_path_in(data, details), []).append(details)
    for path, group in refused.items():
        kind = group[0]["type"]
        place, written = locate(path)
        if kind == "extra_forbidden":
            key = str(path[-1])
            known = keys_at(model, path[:-1])
            hint = f"{did_you_mean(key, known)}{all_of(known)}"
            yield Problem(place, _parent(written, key), f"unknown key {_SHORT.repr(key)}{hint}")
        elif kind == "missing":
            yield Problem(place, _parent(written, group[0]["loc"][-1]), explain(group))
        else:
            yield Problem(place, written, explain(group))


def explain(errors: Sequence[ErrorDetails]) -> str:
    """Return one sentence on what is wrong with a value, which a union may refuse several times.

    Args:
        errors: pydantic's errors about the value, at least one.
    """
    first = errors[0]
    if first["type"] == "missing":
        last = first["loc"][-1]
        return f"value number {last + 1} is missing" if isinstance(last, int) else f"needs {last!r}"
    if first["type"] == "string_pattern_mismatch":
        return (
            f"{shown(first['input'])} is not a valid name (kebab case: lower-case letters, digits, "
            "-)"
        )
    for details in errors:  # a union's other members refuse the type of a value that one knows
        if details["type"] == "value_error":
            return str(details.get("ctx", {}).get("error", details["msg"]))
    expectations = dict.fromkeys(_expectation(details) for details in errors)
    joined = " or ".join(expectations).replace(" or be ", " or ")
    return f"{shown(first['input'])} should {joined}{_nearest_choice(errors)}"


def first_problem(error: ValidationError) -> str:
    """Return one sentence on the first problem in a file that a program wrote."""
    first = error.errors(include_url=False)[0]
    where = dotted(first["loc"])
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "extra_forbidden":
        return f"{where} is an unknown key"
    if first["type"] in _EXPECTED or " should " in first["msg"]:
        return (
            f"{where or 'its content'} is {shown(first['input'])}; it should {_expectation(first)}"
        )
    return ": ".join(filter(None, [where, first["msg"].removeprefix("Value error, ")]))


def shown(value: Any) -> str:
    """Show a value as its author wrote it, shortened if it is long."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, dict):
        return "a mapping"
    return _SHORT.repr(list(value) if isinstance(value, tuple) else value)


def keys_at(model: type[BaseModel], path: Iterable[Any]) -> list[str]:
    """Return the keys a model accepts at a key path."""
    current: type[BaseModel] | None = model
    names_ahead = 0
    for part in path:
        if names_ahead:
            names_ahead -= 1
            continue
        if current is None or part not in current.model_fields:
            return []
        annotation = current.model_fields[part].annotation
        current = _model_in(annotation)
        names_ahead = _mapping_depth(annotation)
    return [] if current is None or names_ahead else list(current.model_fields)


def _parent(path: KeyPath, key: str | int) -> KeyPath:
    """Cut a path before the last `key`: an unknown or missing key is a problem of its parent."""
    return path[: len(path) - 1 - path[::-1].index(key)] if key in path else path


def _path_in(data: Any, details: ErrorDetails) -> KeyPath:
    """Return the part of an error's location that exists in `data`, or a key that is missing.

    What follows names the branch of a union, or a key behind a shorthand.
    """
    path: list[str | int] = []
    for part in details["loc"]:
        is_key = isinstance(data, dict) and part in data
        is_item = isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)
        if not (is_key or is_item):
            if details["type"] == "missing" and isinstance(part, str):
                path.append(part)
            break
        path.append(part)
        data = data[part]
    return tuple(path)


def _expectation(details: ErrorDetails) -> str:
    if details["type"] in _EXPECTED:
        return _EXPECTED[details["type"]]
    if details["type"] == "too_long":
        return f"have at most {details['ctx']['max_length']} values"
    if details["type"] == "too_short":
        return f"have at least {details['ctx']['min_length']} values"
    _, _, expectation = details["msg"].partition(" should ")
    return expectation or f"be right: {details['msg']}"


def _nearest_choice(errors: Sequence[ErrorDetails]) -> str:
    value = errors[0]["input"]
    if not isinstance(value, str):
        return ""
    choices = [
        choice
        for details in errors
        if details["type"] == "literal_error"
        for choice in re.findall(r"'([^']*)'", details["msg"])
    ]
    return did_you_mean(value, choices)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _mapping_depth(annotation: Any) -> int:
    """Return how many mappings by name are between a key and the model below it."""
    inner = max((_mapping_depth(argument) for argument in get_args(annotation)), default=0)
    return inner + (get_origin(annotation) is dict)
