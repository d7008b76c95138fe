"""A model in memory: its description and its tensors, and how it becomes a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.errors import RecipeError, WeightsError
from zoo.generators.base import Generator
from zoo.models.details import Details
from zoo.recipes.arguments import complaints
from zoo.recipes.build import build_generator
from zoo.recipes.schema import RecipeSettings

_MAX_LISTED = 2


@dataclass(frozen=True, slots=True)
class Model:
    """A generator's weights and what is known of them.

    Attributes:
        details: what it is.
        tensors: the state dict of its generator; floating-point values in float32.
        path: the file or run directory it was read from, None where it was made in memory.
        sha256: of the file of weights, None where there is none.
    """

    details: Details
    tensors: Mapping[str, torch.Tensor]
    path: Path | None = None
    sha256: str | None = None

    def build(self) -> Generator:
        """Return its generator with its weights: in evaluation mode, float32, on the CPU.

        Raises:
            UnknownNameError: if no generator has its name; a plugin is missing.
            RecipeError: if an argument is not one of the generator's.
            WeightsError: if the tensors do not fit.
        """
        generator = build_generator(self._settings(), seed=0)
        try:
            generator.load_state_dict(self.tensors)
        except RuntimeError as error:
            lines = [line.strip() for line in str(error).splitlines()]
            raise WeightsError(
                f"{self.path or self.details.name} does not fit generator "
                f"{self.details.generator_name!r}: {' '.join(lines[:_MAX_LISTED])}"
            ) from error
        return generator.eval()

    def _settings(self) -> RecipeSettings:
        """Return the least that a generator is built from, its arguments checked."""
        arguments: dict[str, Any] = dict(self.details.generator)
        name = arguments.pop("name")
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
