"""From a degradation in a recipe or suite to the component, with what identifies it."""

from __future__ import annotations

import json

from zoo.data.degrading import Degrading
from zoo.errors import RecipeError
from zoo.fingerprints import code_hash
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
    identity = {"name": spec.name, "arguments": arguments, "code": code_hash(component)}
    shown = f" {json.dumps(spec.arguments)}" if spec.arguments else ""
    return Degrading(
        degradation=component(**arguments),
        text=f"{spec.name!r}{shown}",
        identity=json.dumps(identity, sort_keys=True),
    )
