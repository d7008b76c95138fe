"""A resolved run by stages: every value and where it was written, its networks and their cost.

Not here: resolving (`zoo.recipes`), counting (`zoo.cost.measure`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from zoo.cost.measure import Cost, measure_cost
from zoo.recipes.checks import generator_arguments
from zoo.recipes.problems import KeyPath, dotted
from zoo.recipes.resolve import PRETRAINING, Resolved
from zoo.recipes.schema import COMPLETE
from zoo.registry import REGISTRIES


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a run, and where it is defined."""

    path: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Network:
    """A network of a run and its cost."""

    role: str
    name: str
    cost: Cost

    def document(self) -> dict[str, Any]:
        """Return the network as JSON data."""
        return {
            "role": self.role,
            "name": self.name,
            "parameters": self.cost.parameters,
            "input_shape": list(self.cost.input_shape),
            "flops": self.cost.flops,
            "macs": self.cost.macs,
            "macs_per_input_pixel": self.cost.macs_per_pixel,
        }


@dataclass(frozen=True, slots=True)
class StageCost:
    """One training: content pretraining, or the recipe's own stage."""

    title: str
    recipe: str
    settings: tuple[Setting, ...]
    networks: tuple[Network, ...]

    def document(self) -> dict[str, Any]:
        """Return the stage as JSON data."""
        return {
            "stage": self.title,
            "recipe": self.recipe,
            "settings": [
                {"path": setting.path, "value": setting.value, "origin": setting.origin}
                for setting in self.settings
            ],
            "networks": [network.document() for network in self.networks],
        }


def stages(run: Resolved) -> list[StageCost]:
    """Return the stages of a complete run in the order they are trained."""
    before = [] if run.pretraining is None else [_stage(PRETRAINING, run.pretraining)]
    return [*before, _stage("training", run)]


def _stage(title: str, run: Resolved) -> StageCost:
    values = run.spec.settings.model_dump(context=COMPLETE)
    settings = tuple(
        Setting(dotted(path), value, run.origin(path)) for path, value in _leaves(values, ())
    )
    return StageCost(title, run.spec.recipe, settings, tuple(_networks(run)))


def _leaves(values: dict[str, Any], root: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*root, key))
        else:
            yield (*root, key), value


def _networks(run: Resolved) -> Iterator[Network]:
    settings = run.spec.settings
    lr_side = settings.data.lr_patch_size
    generator: type = REGISTRIES["generators"].get(settings.generator.name)
    build = partial(generator, **generator_arguments(settings.generator, settings.scale))
    cost = measure_cost(build, height=lr_side, width=lr_side)
    yield Network("generator", settings.generator.name, cost)
    if settings.discriminator is not None:
        hr_side = lr_side * settings.scale
        discriminator: type = REGISTRIES["discriminators"].get(settings.discriminator.name)
        build = partial(discriminator, **settings.discriminator.arguments)
        cost = measure_cost(build, height=hr_side, width=hr_side)
        yield Network("discriminator", settings.discriminator.name, cost)
