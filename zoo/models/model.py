"""A model in memory: its description and its tensors, and how to build its network."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_parameter_registration_hook

from zoo.errors import RecipeError, WeightsError, ZooError
from zoo.fingerprints import code_hash
from zoo.generators.base import Generator
from zoo.models.details import Details
from zoo.plugins import require_registered
from zoo.recipes.arguments import complaints
from zoo.recipes.build import PLUGIN_SHA256, build_generator
from zoo.recipes.schema import RecipeSettings
from zoo.registry import GENERATORS

logger = logging.getLogger(__name__)

_MAX_LISTED = 2
# Some layers register a parameter more than once: weight norm, parametrizations.
_MOST_REGISTERED = 4


@dataclass(frozen=True, slots=True)
class Model:
    """A generator's weights and their description.

    Attributes:
        details: the description.
        tensors: the state dict of its generator; floating-point values in float32.
        path: the file or run directory it was read from; None if it was made in memory.
        sha256: sha256 of the weights file; None if there is none.

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

    def build(self) -> Generator:
        """Return the generator with its weights: in evaluation mode, float32, on the CPU.

        Raises:
            PluginError: if no generator has its name, and the plugin that had it is known.
            UnknownNameError: if no generator has its name.
            RecipeError: if the generator does not have an argument.
            WeightsError: if the tensors do not fit, or the generator cannot be built.
        """
        settings = self._settings()
        self._require_fit(settings)
        generator = self._built(settings)
        self._fill(generator)
        if has_other_code(self.details):
            logger.warning(
                "%s: its output may differ", self._told("was trained with other code of")
            )
        return generator.eval()

    def _built(self, settings: RecipeSettings) -> Generator:
        try:
            return build_generator(settings, seed=0)
        except ZooError:
            raise
        except (RuntimeError, ValueError, ArithmeticError, MemoryError) as error:
            raise WeightsError(f"{self._told('cannot be built into')}: {error}") from error

    def _require_fit(self, settings: RecipeSettings) -> None:
        """Compare names and shapes without memory: a file may describe a network of any size."""
        most = _MOST_REGISTERED * (len(self.tensors) + 1)
        try:
            with torch.device("meta"), _at_most(most, self._told("has too few tensors for")):
                sketch = build_generator(settings, seed=0)
        except (RuntimeError, ValueError, ArithmeticError):
            logger.debug(
                "%s: zoo compares the tensors when it builds the network", self.path, exc_info=True
            )
            return  # a plugin whose constructor computes with values
        self._fill(sketch, assign=True)

    def _fill(self, generator: Generator, *, assign: bool = False) -> None:
        try:
            generator.load_state_dict(self.tensors, assign=assign)
        except RuntimeError as error:
            lines = [line.strip() for line in str(error).splitlines()]
            reason = " ".join(lines[:_MAX_LISTED])
            raise WeightsError(f"{self._told('does not fit')}: {reason}") from error

    def _told(self, what: str) -> str:
        return f"{self.path or self.details.name} {what} generator {self.details.generator_name!r}"

    def _settings(self) -> RecipeSettings:
        """Return the minimal settings that build a generator, with checked arguments."""
        arguments: dict[str, Any] = dict(self.details.generator)
        name = arguments.pop("name")
        origin = self.details.plugins.get(f"generator {name}")
        require_registered("generators", name, origin, self.path or self.details.name)
        wrong = list(complaints("generators", name, arguments))
        if wrong:
            told = "; ".join(one.message for one in wrong)
            raise RecipeError(f"{self.path or self.details.name}: {told}")
        return RecipeSettings.model_validate(
            {
                "scale": self.details.scale,
                "generator": self.details.generator,
                "training": {"steps": 1},
            }
        )


def has_other_code(details: Details) -> bool:
    """Whether a generator's plugin has changed since a model was trained.

    Raises:
        UnknownNameError: if no generator has its name.
        PluginError: if its plugin cannot be imported.
    """
    recorded = {} if details.training is None else details.training.components
    then = recorded.get(f"generator {details.generator_name}", {}).get(PLUGIN_SHA256)
    return then is not None and then != code_hash(GENERATORS.get(details.generator_name))


@contextmanager
def _at_most(most: int, complaint: str) -> Iterator[None]:
    """Stop a constructor that makes more parameters than there are tensors."""
    count = 0

    def register(*_: object) -> None:
        nonlocal count
        count += 1
        if count > most:
            raise WeightsError(complaint)

    hook = register_module_parameter_registration_hook(register)
    try:
        yield
    finally:
        hook.remove()
