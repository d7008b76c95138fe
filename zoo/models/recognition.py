"""Recognises, with spandrel, a file of weights that fits none of zoo's layouts.

spandrel tells the architecture by the names of the tensors and its arguments by their shapes. What
it found is written down in full, so that the model is built again without telling anything twice.
Where spandrel is not installed, its rules for names are at hand as data (`architectures.json`, made
by `benchmarks/architectures.py`): enough to say what a file is. Not here: reading files
(`zoo.models.checkpoint`), running the network (`zoo.generators.spandrel`).
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from zoo.errors import RecipeError, WeightsError
from zoo.files import read_text
from zoo.generators.spandrel import (
    INSTALL,
    PACKAGE,
    SpandrelNetwork,
    architectures,
    call_of,
    described,
    network_classes,
)
from zoo.models.bounds import Bounded
from zoo.models.trial import smooth_image

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor
    from torch import nn

RULES: Final = Path(__file__).with_name("architectures.json")
MAX_NUMBER: Final = 9_999
"""In a tensor's name. spandrel counts layers by such numbers, and builds as many."""
_NUMBERS: Final = re.compile(r"\d{5,}")
_PROBE: Final = 16
_TOLERANCE: Final = 1e-5
"""How far zoo's output may be from spandrel's own, of values in [0, 1]; it should be 0."""

Rule = str | list[Any]
"""A tensor's name; or `all` or `any` and the rules that it is about."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What spandrel makes of tensors.

    Attributes:
        title: architecture and version of spandrel, for people.
        scale: upscaling factor.
        arguments: of `zoo.generators.spandrel.SpandrelNetwork`.
        tensors: as the network has them.
        descriptor: spandrel's own, with the weights in it.
    """

    title: str
    scale: int
    arguments: dict[str, Any]
    tensors: dict[str, Tensor]
    descriptor: ImageModelDescriptor[nn.Module]

    def output(self, image: Tensor) -> Tensor:
        """Return what spandrel's network makes of an image of a size that it takes."""
        descriptor = self.descriptor
        with torch.no_grad():
            return call_of(descriptor)(descriptor.model.eval(), image.clone())

    @torch.no_grad()
    def require_same(self, generator: SpandrelNetwork, place: str) -> None:
        """Compare a network that was rebuilt from the arguments with spandrel's.

        Args:
            generator: the network, with the same weights.
            place: the file, for messages.

        Raises:
            WeightsError: if it computes something else, or does not enlarge by the scale.
        """
        image = smooth_image(_PROBE)
        image = image[:, :1] if generator.channels == 1 else image
        image = generator.sizes.padded(image)
        ours, theirs = _drawn(generator.run, image), _drawn(self.output, image)
        if theirs.shape[-1] != self.scale * image.shape[-1]:
            raise WeightsError(
                f"{place}: spandrel infers x{self.scale} from the shapes of the tensors, but the "
                f"network enlarges {theirs.shape[-1] / image.shape[-1]:g} times"
            )
        if not torch.allclose(ours, theirs, rtol=0, atol=_TOLERANCE, equal_nan=True):
            off = float((ours - theirs).abs().max())
            raise WeightsError(
                f"{place}: the network that was rebuilt from its arguments differs from "
                f"spandrel's by up to {off:.2g} of values in [0, 1]: some argument leaves no trace "
                "in the record"
            )


def _drawn(run: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Run a network with fixed random numbers: some draw noise in evaluation, too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return run(image)


def is_installed() -> bool:
    """Tell whether spandrel is there, without importing it: that takes seconds."""
    return find_spec(PACKAGE) is not None


def recognise(tensors: Mapping[str, Tensor], prefix: str, place: str) -> Recognised | None:
    """Return what spandrel makes of the tensors of a file; None where it knows no such names.

    Args:
        tensors: by the file's names.
        prefix: what was removed from the beginning of these names; an architecture may want it.
        place: the file, for messages.

    Raises:
        WeightsError: if the names are known and the shapes do not go together.
        MachineError: if spandrel is not installed.
    """
    if any(_NUMBERS.search(name) for name in tensors):
        raise WeightsError(
            f"{place}: a tensor's name has a number above {MAX_NUMBER}; no network has as many "
            "layers"
        )
    for named in with_prefixes(tensors, prefix):
        for architecture in architectures():
            if architecture.detect(named):
                complaint = f"{place} has too few tensors for {architecture.name}"
                try:
                    with Bounded(named, complaint):
                        found = described(architecture, named)
                    wrong = without_floats(found.model.state_dict(), named)
                    if not wrong:
                        return _recorded(found)
                except RecipeError as error:
                    raise WeightsError(f"{place}: {error}") from error
                raise WeightsError(f"{place}: {wrong[0]}")
    return None


def architecture_of(tensors: Mapping[str, Tensor], prefix: str) -> str | None:
    """Return the architecture that names tell, None where they tell none; without spandrel."""
    rules: dict[str, Rule] = json.loads(read_text(RULES))["rules"]
    for named in with_prefixes(tensors, prefix):
        for architecture, rule in rules.items():
            if _holds(rule, named):
                return architecture
    return None


def absent(architecture: str) -> str:
    """Say what reads a file of an architecture where spandrel is not installed."""
    return f"its tensors are those of {architecture}, which spandrel reads: {INSTALL}"


def with_prefixes(tensors: Mapping[str, Tensor], prefix: str) -> Iterator[dict[str, Tensor]]:
    """Yield tensors with none, then more and more, of the prefix that was removed."""
    parts = [part for part in prefix.split(".") if part]
    for kept in range(len(parts) + 1):
        head = "".join(f"{part}." for part in parts[len(parts) - kept :])
        yield {f"{head}{name}": value for name, value in tensors.items()}


def _holds(rule: Rule, names: Mapping[str, Tensor]) -> bool:
    if isinstance(rule, str):
        return rule in names
    kind, *parts = rule
    return (all if kind == "all" else any)(_holds(part, names) for part in parts)


def without_floats(network: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """Return what is wrong with tensors given as integers where a network has floats."""
    return [
        f"{name} is of type {given[name].dtype}, not of floating-point numbers"
        for name, value in network.items()
        if name in given and value.is_floating_point() > given[name].is_floating_point()
    ]


def _recorded(descriptor: ImageModelDescriptor[nn.Module]) -> Recognised:
    architecture, network = descriptor.architecture, descriptor.model
    known = network_classes(architecture)
    name = next((name for name, cls in known.items() if type(network) is cls), None)
    if name is None:
        raise RecipeError(f"spandrel does not publish the network of {architecture.name}")
    arguments: dict[str, Any] = {
        "architecture": architecture.id,
        "hyperparameters": _hyperparameters(network, architecture.name),
    }
    if len(known) > 1:
        arguments["network"] = name
    title = f"{architecture.name}, as spandrel {version(PACKAGE)} reads it"
    return Recognised(title, descriptor.scale, arguments, dict(network.state_dict()), descriptor)


def _hyperparameters(network: nn.Module, architecture: str) -> dict[str, Any]:
    """Return the arguments a network was built with, as JSON.

    A layer's class or a function, which JSON has no form for, is left to the constructor where it
    is its default.
    """
    recorded = getattr(network, "hyperparameters", None)
    if not isinstance(recorded, dict):
        raise RecipeError(f"spandrel does not record the arguments of {architecture}")
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(type(network)).parameters.items()
    }
    kept = {name: value for name, value in recorded.items() if not callable(value)}
    lost = [
        name
        for name, value in recorded.items()
        if callable(value) and value is not defaults.get(name)
    ]
    if lost:
        raise RecipeError(f"{architecture}: {', '.join(lost)} cannot be written down")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(kept, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{architecture}: an argument cannot be written down: {error}") from error
    return plain
