"""Checks a component's arguments against its constructor: names, types, missing ones.

Values are checked as JSON, strictly: a list fits a tuple, `3` fits a float, `"3"` does not. This
imports the component, and so torch.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import ErrorDetails

from zoo.errors import PluginError, did_you_mean
from zoo.recipes.explain import explain
from zoo.recipes.problems import all_of
from zoo.registry import REGISTRIES, constructor_parameters

SCALE = "scale"
"""The argument of a generator that the recipe sets outside the generator."""
_CONFIG = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a component's constructor."""

    name: str
    adapter: TypeAdapter[Any]
    default: Any

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    def read(self, value: Any) -> Any:
        """Return plain data as the type the constructor declares.

        Raises:
            ValidationError: if the value does not fit.
        """
        return self.adapter.validate_json(json.dumps(value), strict=True)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A mistake in a component's arguments: a sentence, and the argument."""

    argument: str
    message: str
    about_value: bool = False


@cache
def parameters(component: Callable[..., object]) -> dict[str, Parameter]:
    """Return the parameters of a component's constructor that a recipe may set.

    Raises:
        PluginError: if an annotation cannot be understood.
    """
    declared = constructor_parameters(component)
    return {
        name: Parameter(name, _adapter(component, p), p.default) for name, p in declared.items()
    }


def complaints(
    kind: str, name: str, arguments: Mapping[str, Any], *, partial: bool = False
) -> Iterator[Complaint]:
    """Yield the mistakes in the arguments of one component.

    What no signature says, a component's own `argument_problems` finds: from plain arguments,
    which may be incomplete, to a message for each wrong one.

    Args:
        kind: key of `REGISTRIES`.
        name: registered name of the component.
        arguments: plain data, as in a recipe.
        partial: whether another layer may still add missing arguments.

    Raises:
        PluginError: if the component cannot be imported or its signature is invalid.
    """
    registry = REGISTRIES[kind]
    component: Any = registry.get(name)
    known = parameters(component)
    takes_scale = kind == "generators"
    for argument, value in arguments.items():
        if takes_scale and argument == SCALE:
            message = "write `scale` in the recipe, next to `generator`"
            yield Complaint(argument, message, about_value=True)
        elif argument not in known:
            names = [other for other in known if not (takes_scale and other == SCALE)]
            hint = did_you_mean(argument, names)
            see = f"(see: zoo show {registry.kind} {name}){all_of(names)}"
            yield Complaint(argument, f"unknown argument {argument!r} of {name!r}{hint} {see}")
        else:
            yield from _value_complaints(known[argument], value)
    if not partial:
        yield from _missing(name, known, {*arguments, SCALE} if takes_scale else {*arguments})
    own: Callable[[Mapping[str, Any]], Mapping[str, str]] | None
    own = getattr(component, "argument_problems", None)
    for argument, message in (own(arguments) if own is not None else {}).items():
        yield Complaint(argument, message, about_value=True)
    if takes_scale and SCALE not in known:
        yield Complaint(
            "name",
            f"{name!r} cannot be used as a generator: its constructor has no parameter `scale`",
        )


def _missing(name: str, known: Mapping[str, Parameter], given: set[str]) -> Iterator[Complaint]:
    for parameter in known.values():
        if parameter.required and parameter.name not in given:
            yield Complaint(parameter.name, f"{name!r} needs {parameter.name!r}")


def _value_complaints(parameter: Parameter, value: Any) -> Iterator[Complaint]:
    try:
        parameter.read(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        position = _position(details[0])
        where = "" if position is None else f"value number {position + 1}: "
        message = explain([each for each in details if _position(each) == position])
        yield Complaint(parameter.name, where + message, about_value=True)


def _position(details: ErrorDetails) -> int | None:
    """Return which item of a list an error is about."""
    if details["type"] == "missing":
        return None
    return next((part for part in details["loc"] if isinstance(part, int)), None)


def _adapter(component: Callable[..., object], parameter: inspect.Parameter) -> TypeAdapter[Any]:
    untyped = parameter.annotation is inspect.Parameter.empty
    annotation = Any if untyped else parameter.annotation
    try:
        return TypeAdapter(annotation, config=_CONFIG)
    except PydanticSchemaGenerationError as error:
        raise PluginError(
            f"{component.__qualname__}: a recipe cannot contain values of the type of parameter "
            f"{parameter.name!r}: {annotation!r}"
        ) from error
    except PydanticUserError:  # a model or dataclass brings its own configuration
        return TypeAdapter(annotation)
