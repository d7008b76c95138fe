"""Several degradations, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, TypeAdapter, ValidationError

from zoo.degradations.base import Degradation, Image
from zoo.errors import PluginError, UnknownNameError, did_you_mean
from zoo.registry import DEGRADATIONS, constructor_parameters, register_degradation


def _check_steps(steps: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    if not steps:
        raise ValueError("a chain needs at least one step, such as {name: blur}")
    for number, step in enumerate(steps, start=1):
        try:
            _step(step)
        except (PluginError, UnknownNameError, TypeError, ValueError) as error:
            raise ValueError(f"step {number}: {error}") from error
    return steps


Steps = Annotated[tuple[dict[str, Any], ...], AfterValidator(_check_steps)]


@register_degradation("chain")
class Chain(Degradation):
    """Several degradations in order: the first one downscales, the others keep the size.

    Args:
        steps: each the name of a degradation with its arguments beside it, as in
            `[{name: blur, sigma: [0.2, 2.0]}, {name: jpeg}]`.
    """

    def __init__(self, *, steps: Steps) -> None:
        super().__init__()
        self.steps: tuple[Degradation, ...] = tuple(_step(step) for step in steps)
        self.per_sample = any(step.per_sample for step in self.steps)
        self.context = sum(step.context for step in self.steps)

    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        """Degrade `(H, W, 3)` to `(H/scale, W/scale, 3)`; draws what its steps draw, in order."""
        first, *others = self.steps
        image = first(hr_image, scale=scale, rng=rng)
        for step in others:
            image = step(image, scale=1, rng=rng)
        return image


def _step(written: Mapping[str, Any]) -> Degradation:
    """Build one step.

    Raises:
        UnknownNameError: if there is no degradation of that name.
        PluginError: if it cannot be imported.
        ValueError: if an argument is unknown or wrong.
    """
    name = str(written.get("name", ""))
    component = DEGRADATIONS.get(name)
    known = constructor_parameters(component)
    arguments = {}
    for key, value in written.items():
        if key == "name":
            continue
        if key not in known:
            raise ValueError(f"unknown parameter {key!r} of {name!r}{did_you_mean(key, known)}")
        try:
            # as in a file: a list fits a tuple
            arguments[key] = TypeAdapter(known[key].annotation).validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"{key} of {name!r}: {first['msg']}") from error
    return component(**arguments)
