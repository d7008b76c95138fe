"""From a degradation in a recipe or suite to the component, with what identifies it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from zoo import degradations
from zoo.data.degrading import Degrading
from zoo.degradations.base import Degradation
from zoo.errors import RecipeError
from zoo.fingerprints import code_hash, own_code
from zoo.recipes.arguments import complaints, parameters
from zoo.recipes.schema import BICUBIC, ComponentSpec
from zoo.registry import DEGRADATIONS

_KIND = "degradations"


def build_degradation(spec: ComponentSpec) -> Degrading | None:
    """Build a degradation; None for the default, MATLAB's bicubic.

    Raises:
        UnknownNameError: if there is no degradation of that name.
        PluginError: if it cannot be imported.
        RecipeError: if an argument is unknown or wrong.
    """
    if spec == BICUBIC:
        return None
    component = DEGRADATIONS.get(spec.name)
    wrong = [each.message for each in complaints(_KIND, spec.name, spec.arguments)]
    if wrong:
        raise RecipeError("; ".join(wrong))
    known = parameters(component)
    written = {name: known[name].read(value) for name, value in spec.arguments.items()}
    arguments = {name: written.get(name, each.default) for name, each in known.items()}
    degradation = component(**arguments)
    code = [_code(type(each)) for each in _with_steps(degradation)]
    identity = {"name": spec.name, "arguments": arguments, "code": code}
    shown = f" {json.dumps(spec.arguments)}" if spec.arguments else ""
    return Degrading(
        degradation=degradation,
        text=f"{spec.name!r}{shown}",
        identity=json.dumps(identity, sort_keys=True, default=str),
    )


def _with_steps(degradation: Degradation) -> Iterator[Degradation]:
    yield degradation
    for step in degradation.steps:
        yield from _with_steps(step)


def _code(component: type[Degradation]) -> str:
    """Return the hash of a degradation's code; zoo's own ones share their modules."""
    folder = Path(degradations.__file__).parent
    return code_hash(component) or own_code(
        *sorted(f"{folder.name}/{one.name}" for one in folder.glob("*.py"))
    )
