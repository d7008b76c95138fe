"""The rules within one run: each component's arguments, and the rules between components.

Rules are data: a component declares `requirements`, a generator its `scales`, an adversary whether
it uses a discriminator. They are enforced here generically.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zoo.recipes.arguments import SCALE, Complaint, complaints, parameters
from zoo.recipes.optimizers import betas_problem
from zoo.recipes.problems import KeyPath, Place, Problem
from zoo.recipes.resolve import Resolved
from zoo.recipes.schema import BICUBIC, ComponentSpec, RecipeSettings
from zoo.recipes.tree import Leaves, find_leaf
from zoo.registry import REGISTRIES


@dataclass(frozen=True, slots=True)
class RunComponent:
    """A component of a run: its place in the settings, its kind and its specification."""

    root: KeyPath
    kind: str
    spec: ComponentSpec

    @property
    def component(self) -> Any:
        """The class."""
        return REGISTRIES[self.kind].get(self.spec.name)


def parts(settings: RecipeSettings) -> Iterator[RunComponent]:
    """Yield the components of a run; the default degradation has no arguments and is omitted."""
    yield RunComponent(("generator",), "generators", settings.generator)
    if settings.discriminator is not None:
        yield RunComponent(("discriminator",), "discriminators", settings.discriminator)
    if settings.adversary is not None:
        yield RunComponent(("adversary",), "adversaries", settings.adversary)
    for key, spec in settings.losses.items():
        yield RunComponent(("losses", key), "losses", spec)
    if settings.data.degradation != BICUBIC:
        yield RunComponent(("data", "degradation"), "degradations", settings.data.degradation)


def run_problems(resolved: Resolved) -> Iterator[Problem]:
    """Yield the problems with the components of one stage of a run.

    Raises:
        PluginError: if a component cannot be imported.
    """
    leaves = resolved.leaves
    for part in parts(resolved.spec.settings):
        for complaint in complaints(part.kind, part.spec.name, part.spec.arguments):
            yield placed(complaint, part.root, leaves)
    yield from _requirement_problems(resolved)
    yield from _player_problems(resolved)
    yield from _generator_problems(resolved)
    yield from _optimizer_problems(resolved)


def placed(complaint: Complaint, root: KeyPath, leaves: Leaves) -> Problem:
    """Return a complaint as a problem, at the place where its argument was written.

    An unknown argument is a problem of the component, a wrong value one of the argument.
    """
    place, path = _written(leaves, (*root, complaint.argument))
    is_key = path[-1:] == (complaint.argument,) and not complaint.about_value
    return Problem(place, path[:-1] if is_key else path, complaint.message)


def completed_arguments(
    part: RunComponent, settings: RecipeSettings
) -> tuple[dict[str, Any], dict[str, Place]]:
    """Return all arguments of a component, and the origin of those that the recipe does not set.

    If another component forbids a default, its required value replaces it.
    """
    written = part.spec.arguments
    arguments: dict[str, Any] = {}
    origins: dict[str, Place] = {}
    for name, parameter in parameters(part.component).items():
        if name == SCALE and part.kind == "generators":
            continue
        if name in written:
            arguments[name] = parameter.read(written[name])
            continue
        if parameter.required:  # its absence is a complaint of its own
            continue
        arguments[name] = parameter.default
        origins[name] = Place(f"default of {part.spec.name}")
        for other, requirement in _requirements(part.kind, name, settings):
            if arguments[name] in requirement.forbidden:
                arguments[name] = requirement.instead
                origins[name] = Place(f"required by {other.spec.name}")
    return arguments, origins


def _requirements(
    kind: str, parameter: str, settings: RecipeSettings
) -> Iterator[tuple[RunComponent, Any]]:
    """Yield what the components of a run require of one parameter of a kind of component."""
    for part in parts(settings):
        for requirement in getattr(part.component, "requirements", ()):
            about = (requirement.kind, requirement.parameter)
            if about == (REGISTRIES[kind].kind, parameter):
                yield part, requirement


def _requirement_problems(resolved: Resolved) -> Iterator[Problem]:
    settings = resolved.spec.settings
    for part in parts(settings):
        for name, value in part.spec.arguments.items():
            for other, requirement in _requirements(part.kind, name, settings):
                if value in requirement.forbidden:
                    place, path = _written(resolved.leaves, (*part.root, name))
                    message = (
                        f"{name} {value!r} cannot be used with {other.spec.name!r}: "
                        f"{requirement.reason}; use {requirement.instead!r}"
                    )
                    yield Problem(place, path, message)


def _player_problems(resolved: Resolved) -> Iterator[Problem]:
    """Check that a discriminator and an objective that uses it are both present."""
    settings = resolved.spec.settings
    adversary = settings.adversary
    has_objective = (
        adversary is not None and REGISTRIES["adversaries"].get(adversary.name).uses_discriminator
    )
    if adversary is not None and has_objective and settings.discriminator is None:
        place, path = _written(resolved.leaves, ("adversary", "name"))
        yield Problem(place, path, f"adversary {adversary.name!r} needs a `discriminator`")
    if settings.discriminator is not None and not has_objective:
        place, path = _written(resolved.leaves, ("discriminator", "name"))
        message = "no adversary uses the discriminator; set `discriminator: null`"
        yield Problem(place, path, message)


def _generator_problems(resolved: Resolved) -> Iterator[Problem]:
    settings = resolved.spec.settings
    name = settings.generator.name
    generator = REGISTRIES["generators"].get(name)
    terms = [*settings.losses.values(), settings.adversary]
    if generator.trainable and not any(term is not None and term.weight > 0 for term in terms):
        place, path = _written(resolved.leaves, ("generator", "name"))
        yield Problem(place, path, "there is nothing to minimise: no loss has a weight above 0")
    if settings.scale not in generator.scales:
        place, path = _written(resolved.leaves, (SCALE,))
        known = ", ".join(str(scale) for scale in sorted(generator.scales))
        yield Problem(place, path, f"{name!r} has no scale {settings.scale} (it has {known})")


def _optimizer_problems(resolved: Resolved) -> Iterator[Problem]:
    """Refuse settings of a discriminator that is not there, and betas its optimizer cannot take."""
    settings = resolved.spec.settings
    adversary, training = settings.adversary, settings.training
    if adversary is None or not settings.is_adversarial:
        for key, field in type(training).model_fields.items():
            if key.startswith("discriminator_") and getattr(training, key) != field.default:
                place, path = _written(resolved.leaves, ("training", key))
                message = f"`{key}` has no effect without a `discriminator`; remove it, or set null"
                yield Problem(place, path, message)
        return
    name, options = training.discriminator_optimizer, training.discriminator_optimizer_options
    component: Any = REGISTRIES["adversaries"].get(adversary.name)
    known = parameters(component).get("discriminator_betas")
    betas = adversary.arguments.get("discriminator_betas", known and known.default)
    if isinstance(betas, tuple | list):
        problem = betas_problem("adversary.discriminator_betas", tuple(betas), name, options)
        if problem is not None:
            place, path = _written(resolved.leaves, ("training", "discriminator_optimizer"))
            yield Problem(place, path, problem)


def _written(leaves: Leaves, path: KeyPath) -> tuple[Place, KeyPath]:
    """Return where a value was written; without a value, where the generator was written."""
    leaf = find_leaf(leaves, path) or leaves["generator", "name"]
    return leaf.place, leaf.path
