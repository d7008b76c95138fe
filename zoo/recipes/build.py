"""From a run's complete settings to its components. Nothing below this module reads YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from zoo.adversaries.base import Adversary
from zoo.discriminators.base import Discriminator
from zoo.fingerprints import code_hash
from zoo.generators.base import Generator
from zoo.losses.base import Loss
from zoo.recipes.checks import generator_arguments
from zoo.recipes.rules import RunComponent, parts
from zoo.recipes.schema import ComponentSpec, RecipeSettings
from zoo.registry import REGISTRIES, Origin

PLUGIN_SHA256 = "plugin_sha256"
"""Key of a component's code hash in the provenance."""
_GENERATOR_SEED, _DISCRIMINATOR_SEED = 1, 2


@dataclass(frozen=True, slots=True)
class Components:
    """The modules of a run, on the CPU, freshly initialised.

    Attributes:
        generator: the network that is trained.
        losses: content and perceptual terms by their name in the recipe.
        weights: weight of each loss.
        discriminator: the discriminator, None in a content stage.
        adversary: the adversarial objective, None in a content stage.
        adversary_weight: weight of the adversary's term in the generator's loss.
        provenance: what else affected the components: hashes of plugins' code and feature weights.
    """

    generator: Generator
    losses: Mapping[str, Loss]
    weights: Mapping[str, float]
    discriminator: Discriminator | None = None
    adversary: Adversary | None = None
    adversary_weight: float = 0.0
    provenance: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def build_generator(spec: ComponentSpec, scale: int, *, seed: int) -> Generator:
    """Build a generator, its initial weights fixed by the seed alone."""
    cls = REGISTRIES["generators"].get(spec.name)
    with _seeded(seed, _GENERATOR_SEED):
        generator: Generator = cls(**generator_arguments(spec, scale))
    return generator


def build_components(settings: RecipeSettings, *, seed: int) -> Components:
    """Build all modules of a run.

    Each network's initial weights depend only on the seed and its role: adding a discriminator does
    not change the initial generator. Losses of weight 0 are not built.

    Args:
        settings: complete settings (see `zoo.recipes.checks.complete`).
        seed: seed of the run.

    Raises:
        WeightsError: if a feature network's weights are missing.
        RecipeError: if the adversary refuses the discriminator.
    """
    specs = settings.used_losses
    losses: dict[str, Loss] = {name: _create("losses", spec) for name, spec in specs.items()}
    discriminator: Discriminator | None = None
    adversary: Adversary | None = None
    if settings.discriminator is not None and settings.adversary is not None:
        with _seeded(seed, _DISCRIMINATOR_SEED):
            discriminator = _create("discriminators", settings.discriminator)
        adversary = _create("adversaries", settings.adversary)
        adversary.check_discriminator(discriminator)
    found = {name: dict(loss.provenance()) for name, loss in losses.items()}
    provenance = {name: value for name, value in found.items() if value}
    return Components(
        generator=build_generator(settings.generator, settings.scale, seed=seed),
        losses=losses,
        weights={name: spec.weight for name, spec in specs.items()},
        discriminator=discriminator,
        adversary=adversary,
        adversary_weight=settings.adversary.weight if settings.adversary else 0.0,
        provenance=provenance | plugin_hashes(settings),
    )


def component_origins(settings: RecipeSettings) -> dict[str, Origin]:
    """Return where each component of a run comes from, by its role and name."""
    return {_role(part): REGISTRIES[part.kind].origin(part.spec.name) for part in parts(settings)}


def _role(part: RunComponent) -> str:
    """Return the place and name of a component: `generator rrdb`, `losses vgg19 perceptual`."""
    return " ".join([*(str(key) for key in part.root), part.spec.name])


def code_hashes(settings: RecipeSettings) -> dict[str, str | None]:
    """Return the code hash of each existing component by role, None for zoo's own."""
    return {
        _role(part): code_hash(part.component)
        for part in parts(settings)
        if part.spec.name in REGISTRIES[part.kind].names()
    }


def plugin_hashes(settings: RecipeSettings) -> dict[str, dict[str, str]]:
    """Return the hash of the code of each component that is not built in, by its role and name."""
    return {
        role: {PLUGIN_SHA256: digest}
        for role, digest in code_hashes(settings).items()
        if digest is not None
    }


def _create(kind: str, spec: ComponentSpec) -> Any:
    return REGISTRIES[kind].get(spec.name)(**spec.arguments)


@contextmanager
def _seeded(seed: int, role: int) -> Iterator[None]:
    """Use a seed within this context and restore the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed * 1_000 + role)
        yield
