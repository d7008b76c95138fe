"""A model in memory: its description and its tensors, and how to build its network."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from zoo.errors import RecipeError, WeightsError, ZooError
from zoo.fingerprints import code_hash
from zoo.generators.base import Generator
from zoo.models.bounds import Bounded
from zoo.models.details import Details
from zoo.plugins import require_registered
from zoo.recipes.arguments import complaints
from zoo.recipes.build import PLUGIN_SHA256, build_generator
from zoo.recipes.schema import ComponentSpec
from zoo.registry import GENERATORS

logger = logging.getLogger(__name__)

_MAX_LISTED = 2


@dataclass(frozen=True, slots=True)
class Model:
    """A generator's weights and their description.

    Attributes:
        details: the description.
        tensors: the state dict of its generator; floating-point values in float32.
        path: the file or run directory it was read from; None if it was made in memory.
        sha256: sha256 of the weights file; None if there is none.
        ready: its network, if it was built already, to be tried; `build` hands it out once.

    Example:
        >>> from zoo.models.find import find_model
        >>> model = find_model("srresnet-nobn-compact")
        >>> model.details.generator_name, model.details.scale
        ('srresnet', 4)
        >>> generator = model.build()
    """

    details: Details
    tensors: Mapping[str, torch.Tensor]
    path: Path | None = None
    sha256: str | None = None
    ready: list[Generator] = field(default_factory=list, repr=False, compare=False)

    def build(self) -> Generator:
        """Return the generator with its weights: in evaluation mode, float32, on the CPU.

        Each call returns a network of its own.

        Raises:
            PluginError: if no generator has its name, and the plugin that had it is known.
            UnknownNameError: if no generator has its name.
            RecipeError: if the generator does not have an argument.
            WeightsError: if the tensors do not fit, or the generator cannot be built.
        """
        if self.ready:
            return self.ready.pop()
        spec = self._generator()
        told = f"generator {spec.name!r}"
        where = str(self.path or self.details.name)
        generator = filled_generator(
            spec, self.details.scale, self.tensors, place=where, whose=told
        )
        if has_other_code(self.details):
            logger.warning(
                "%s was trained with other code of %s: its output may differ", where, told
            )
        return generator

    def _generator(self) -> ComponentSpec:
        """Return the generator that it is for, its name and arguments checked."""
        spec = ComponentSpec.model_validate(self.details.generator)
        origin = self.details.plugins.get(f"generator {spec.name}")
        require_registered("generators", spec.name, origin, self.path or self.details.name)
        wrong = list(complaints("generators", spec.name, spec.arguments))
        if wrong:
            told = "; ".join(one.message for one in wrong)
            raise RecipeError(f"{self.path or self.details.name}: {told}")
        return spec


def filled_generator(
    spec: ComponentSpec,
    scale: int,
    tensors: Mapping[str, torch.Tensor],
    *,
    place: str,
    whose: str,
    seed: int = 0,
) -> Generator:
    """Return a generator with its weights: in evaluation mode, float32, on the CPU.

    It is built once, and no larger than its weights ask for: a file may name a network of any size.

    Args:
        spec: the generator and its arguments.
        scale: upscaling factor.
        tensors: its state dict.
        place: where the tensors are from, for an error.
        whose: what they should be of, for an error.
        seed: of what the constructor draws and a state dict does not hold.

    Raises:
        UnknownNameError: if no generator has its name.
        WeightsError: if the tensors do not fit, or the generator cannot be built.
    """
    try:
        with Bounded(tensors, f"{place} has too few tensors for {whose}"):
            generator = build_generator(spec, scale, seed=seed)
    except ZooError:
        raise
    except (RuntimeError, ValueError, ArithmeticError, MemoryError) as error:
        raise WeightsError(f"{place} cannot be built into {whose}: {error}") from error
    fill(generator, tensors, place=place, whose=whose)
    return generator.eval()


def fill(
    network: nn.Module, tensors: Mapping[str, torch.Tensor], *, place: str, whose: str
) -> None:
    """Put weights into a network that is there: the only place where it is done.

    Raises:
        WeightsError: if they do not fit.
    """
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(line.strip() for line in str(error).splitlines()[:_MAX_LISTED])
        raise WeightsError(f"{place} does not fit {whose}: {reason}") from error


def has_other_code(details: Details) -> bool:
    """Whether a generator's plugin has changed since a model was trained.

    Raises:
        UnknownNameError: if no generator has its name.
        PluginError: if its plugin cannot be imported.
    """
    recorded = {} if details.training is None else details.training.components
    then = recorded.get(f"generator {details.generator_name}", {}).get(PLUGIN_SHA256)
    return then is not None and then != code_hash(GENERATORS.get(details.generator_name))
