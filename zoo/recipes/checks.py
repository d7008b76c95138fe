"""Checks a run's components against their constructors, and fills in what was left to them.

This imports the components (and so torch); it runs after the structure is known to be right and
before any data, weights or training. Rules between components are theirs: a component declares
`requirements`, this module enforces them without knowing either side.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from zoo.errors import PluginError, did_you_mean
from zoo.recipes.book import Book
from zoo.recipes.explain import explain
from zoo.recipes.problems import KeyPath, Place, Problem, raise_problems
from zoo.recipes.resolve import Resolved, resolve
from zoo.recipes.schema import ComponentSpec, RecipeSettings, RunSpec
from zoo.recipes.tree import Leaf
from zoo.registry import REGISTRIES, constructor_parameters

SCALE = "scale"
"""The one argument a generator shares with its recipe; it is written there."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A component of a run: where it is in the settings, its kind and its specification."""

    root: KeyPath
    kind: str
    spec: ComponentSpec

    @property
    def component(self) -> type:
        return REGISTRIES[self.kind].get(self.spec.name)


def complete(resolved: Resolved) -> Resolved:
    """Check every component argument of a run and fill in those left to the constructors.

    Raises:
        RecipeError: listing every argument that is unknown or has a wrong value, and every rule
            between components that is broken.
        PluginError: if a component cannot be imported.
    """
    raise_problems(_problems(resolved))
    pretraining = None if resolved.pretraining is None else complete(resolved.pretraining)
    settings = resolved.spec.settings
    leaves = dict(resolved.leaves)
    updates: dict[str, Any] = {"losses": dict(settings.losses)}
    for part in _parts(settings):
        arguments, placed = _completed_arguments(part, settings)
        for name, place in placed.items():
            leaves[*part.root, name] = Leaf(arguments[name], place, part.root)
        component = part.spec.with_arguments(arguments)
        if len(part.root) == 1:
            updates[str(part.root[0])] = component
        else:
            updates["losses"][part.root[1]] = component
    spec = RunSpec(
        recipe=resolved.spec.recipe,
        profile=resolved.spec.profile,
        seed=resolved.spec.seed,
        settings=settings.model_copy(update=updates),
        pretraining=None if pretraining is None else pretraining.spec,
    )
    return replace(resolved, spec=spec, leaves=leaves, pretraining=pretraining)


def check_book(book: Book, *, required: str | None = None) -> None:
    """Check the components of every recipe under every profile.

    Args:
        book: what to check.
        required: a recipe whose plugins must load; a broken plugin is no other recipe's problem.

    Raises:
        RecipeError: listing all problems once each, in file order.
        PluginError: if a component of the `required` recipe cannot be imported.
    """
    problems: list[Problem] = []
    for recipe in book.recipes:
        for profile in book.profiles:
            try:
                resolved = resolve(book, recipe, profile)
                problems += _problems(resolved)
            except PluginError:
                if recipe == required:
                    raise
    raise_problems(problems)


def generator_arguments(settings: RecipeSettings) -> dict[str, Any]:
    """Return the keyword arguments of the generator, the recipe's scale among them."""
    return {**settings.generator.arguments, SCALE: settings.scale}


def _problems(resolved: Resolved) -> Iterator[Problem]:
    settings = resolved.spec.settings
    parts = list(_parts(settings))
    for part in parts:
        yield from _argument_problems(part, resolved)
    for part in parts:
        for requirement in getattr(part.component, "requirements", ()):
            for other in parts:
                yield from _requirement_problems(part, requirement, other, resolved)
    yield from _player_problems(resolved)


def _parts(settings: RecipeSettings) -> Iterator[_Part]:
    yield _Part(("generator",), "generators", settings.generator)
    if settings.discriminator is not None:
        yield _Part(("discriminator",), "discriminators", settings.discriminator)
    yield _Part(("adversary",), "adversaries", settings.adversary)
    for key, spec in settings.losses.items():
        yield _Part(("losses", key), "losses", spec)


def _argument_problems(part: _Part, resolved: Resolved) -> Iterator[Problem]:
    parameters = constructor_parameters(part.component)
    for name, value in part.spec.arguments.items():
        leaf = _leaf(resolved, (*part.root, name))
        if name == SCALE and part.kind == "generators":
            yield Problem(leaf.place, leaf.path, "write `scale` in the recipe, beside `generator`")
        elif name not in parameters:
            known = [known for known in parameters if known != SCALE]
            kind = REGISTRIES[part.kind].kind
            yield Problem(
                leaf.place,
                leaf.path,
                f"unknown parameter {name!r} of {part.spec.name!r}{did_you_mean(name, known)}"
                f" (see: zoo show {kind} {part.spec.name})",
            )
        else:
            for message in _value_problems(parameters[name].annotation, value):
                yield Problem(leaf.place, leaf.path, message)
    written = set(part.spec.arguments) | {SCALE}
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in written:
            leaf = _leaf(resolved, (*part.root, "name"))
            yield Problem(leaf.place, leaf.path, f"{part.spec.name!r} needs {name!r}")


def _value_problems(annotation: Any, value: Any) -> Iterable[str]:
    """Validate one argument against its annotation as a recipe's values are: strictly."""
    try:
        _adapter(annotation).validate_python(_tuples(value))
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        return [explain(details, RecipeSettings)]
    return []


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(strict=True, arbitrary_types_allowed=True))


def _tuples(value: Any) -> Any:
    """Return lists as tuples, as constructors take them: YAML has no tuples."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _requirement_problems(
    part: _Part, requirement: Any, other: _Part, resolved: Resolved
) -> Iterator[Problem]:
    if REGISTRIES[other.kind].kind != requirement.kind:
        return
    arguments = other.spec.arguments
    if requirement.parameter in arguments:
        value = arguments[requirement.parameter]
        if value in requirement.forbidden:
            leaf = _leaf(resolved, (*other.root, requirement.parameter))
            yield Problem(
                leaf.place,
                leaf.path,
                f"{requirement.parameter} {value!r} cannot be used with {part.spec.name!r}: "
                f"{requirement.reason}; use {requirement.instead!r}",
            )


def _player_problems(resolved: Resolved) -> Iterator[Problem]:
    settings = resolved.spec.settings
    adversary = REGISTRIES["adversaries"].get(settings.adversary.name)
    leaf = _leaf(resolved, ("adversary", "name"))
    if adversary.uses_discriminator and settings.discriminator is None:
        yield Problem(
            leaf.place, leaf.path, f"adversary {settings.adversary.name!r} needs a `discriminator`"
        )
    if settings.discriminator is not None and not adversary.uses_discriminator:
        leaf = _leaf(resolved, ("discriminator", "name"))
        yield Problem(leaf.place, leaf.path, "a `discriminator` without an adversary that uses it")
    generator = REGISTRIES["generators"].get(settings.generator.name)
    terms = [*settings.losses.values(), settings.adversary]
    if generator.trainable and not any(term.weight > 0 for term in terms):
        leaf = _leaf(resolved, ("generator", "name"))
        yield Problem(leaf.place, leaf.path, "nothing to train with: no loss has a weight above 0")
    if settings.scale not in generator.scales:
        leaf = _leaf(resolved, (SCALE,))
        known = ", ".join(str(scale) for scale in sorted(generator.scales))
        yield Problem(
            leaf.place,
            leaf.path,
            f"{settings.generator.name!r} has no scale {settings.scale} (it has {known})",
        )


def _completed_arguments(
    part: _Part, settings: RecipeSettings
) -> tuple[dict[str, Any], dict[str, Place]]:
    """Return all arguments of a component, and the origin of those the recipe left out."""
    parameters = constructor_parameters(part.component)
    written = {name: _tuples(value) for name, value in part.spec.arguments.items()}
    arguments, placed = {}, {}
    for name, parameter in parameters.items():
        if name == SCALE and part.kind == "generators":
            continue
        arguments[name] = written.get(name, parameter.default)
        if name not in written:
            placed[name] = Place(f"default of {part.spec.name}")
    for other in _parts(settings):
        for requirement in getattr(other.component, "requirements", ()):
            name = requirement.parameter
            wanted = REGISTRIES[part.kind].kind == requirement.kind and name in placed
            if wanted and arguments[name] in requirement.forbidden:
                arguments[name] = requirement.instead
                placed[name] = Place(f"required by {other.spec.name}")
    return arguments, placed


def _leaf(resolved: Resolved, path: KeyPath) -> Leaf:
    while path:
        if path in resolved.leaves:
            return resolved.leaves[path]
        path = path[:-1]
    place = Place(f"recipe {resolved.spec.recipe}")
    return resolved.leaves.get(("generator", "name"), Leaf(None, place, ()))
