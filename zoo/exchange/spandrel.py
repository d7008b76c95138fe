"""Support for spandrel, the loader of many upscaling tools.

spandrel reads zoo's RRDB files as its ESRGAN. After `install()` it also reads zoo's other networks,
computed by zoo's own classes. The extra `spandrel` installs the package; only `install` imports it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from zoo.errors import MachineError, WeightsError
from zoo.generators.base import Generator
from zoo.generators.bicubic import bicubic_upscale
from zoo.generators.msrresnet import MSRResNet
from zoo.generators.rrdb import RRDBNet
from zoo.generators.spandrel import SpandrelNetwork
from zoo.generators.srresnet import SRResNet
from zoo.models.details import Details
from zoo.models.sizes import Sizes, Tensors, msrresnet_sizes, rrdb_sizes, srresnet_sizes
from zoo.models.trial import smooth_image
from zoo.registry import GENERATORS, constructor_parameters

if TYPE_CHECKING:
    from spandrel import ArchRegistry

INSTALL = "pip install 'srgan-zoo[spandrel]'"
SUPPORT = "from zoo.exchange.spandrel import install; install()"
SKIP = "interpolation_skip"
SIDE = 16
_MAX_DIFFERENCE = 0.15
_MARGIN = 2


@dataclass(frozen=True, slots=True)
class Family:
    """A generator whose files spandrel can be taught to load.

    Attributes:
        generator: our class.
        marks: names that a file of it has.
        sizes: from tensors to constructor arguments.
        published: values of arguments that leave no trace in a file: no other can be loaded.
        native: what spandrel's own architecture for these names computes; empty if it has none.
        before: identifier of that architecture.
        mistaken: scales whose shapes are also those of another scale, for which they are taken.
    """

    generator: type[Generator]
    marks: tuple[str, ...]
    sizes: Callable[[Tensors], Sizes]
    published: dict[str, Any]
    native: dict[str, Any]
    before: tuple[str, ...] = ()
    mistaken: Mapping[int, int] = field(default_factory=dict)


FAMILIES = (
    Family(
        SRResNet,
        ("head.0.weight", "trunk.0.branch.0.weight", "upsampler.0.weight", "tail.weight"),
        srresnet_sizes,
        {"residual_scaling": 1.0},
        {},
    ),
    Family(
        MSRResNet,
        ("conv_first.weight", "body.0.conv1.weight", "upconv1.weight", "conv_hr.weight"),
        msrresnet_sizes,
        {},
        {},
    ),
    Family(
        RRDBNet,
        ("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_body.weight", "conv_up1.weight"),
        rrdb_sizes,
        {"residual_scaling": 0.2},
        {"growth": 32, "norm": "none", SKIP: False},
        before=("ESRGAN",),
        mistaken={3: 2},
    ),
)


def install(registry: ArchRegistry | None = None) -> None:
    """Teach spandrel our networks: SRResNet, MSRResNet, and the RRDB it has no means for.

    Calling it again does nothing.

    Args:
        registry: of architectures; spandrel's own, which all its loaders share, by default.

    Raises:
        MachineError: if spandrel is not installed.
    """
    try:
        from spandrel import MAIN_REGISTRY, ArchSupport
    except ImportError as error:
        raise MachineError(f"spandrel is not installed: {INSTALL}") from error

    from zoo.exchange.spandrel_architecture import ZooArchitecture

    supports = [
        ArchSupport.from_architecture(ZooArchitecture(family), before=family.before)
        for family in FAMILIES
    ]
    (MAIN_REGISTRY if registry is None else registry).add(*supports, ignore_duplicates=True)


def spandrel_problem(details: Details) -> str | None:
    """Return what stands between a model and spandrel, as a sentence; None if nothing does."""
    generator = GENERATORS.get(details.generator_name)
    if generator is SpandrelNetwork:
        return None
    family = next((one for one in FAMILIES if one.generator is generator), None)
    if family is None:
        return f"spandrel has no architecture for generator {details.generator_name!r}"
    arguments = _all_arguments(generator, details)
    lost = [key for key, value in family.published.items() if arguments[key] != value]
    if lost:
        told = ", ".join(f"{key} {arguments[key]:g}" for key in lost)
        return f"spandrel would compute this model wrongly: its weights do not show {told}"
    if details.scale in family.mistaken:
        taken = family.mistaken[details.scale]
        return f"spandrel would read this model as x{taken}: the shapes are the same"
    foreign = [key for key, value in family.native.items() if arguments[key] != value]
    if family.native and not foreign:
        return None
    why = f"it does not support {', '.join(foreign)}" if foreign else "it has no such network"
    return f"spandrel loads this model only after `{SUPPORT}`: {why}"


def arguments_of(family: Family, tensors: Tensors) -> tuple[int, dict[str, Any]]:
    """Return the scale and all arguments of the network in a file, a skip found by trying.

    Raises:
        WeightsError: if the shapes are no network of the family, or the skip stays in doubt.
    """
    sizes = family.sizes(tensors)
    arguments = dict(sizes.arguments)
    if SKIP in constructor_parameters(family.generator):
        arguments[SKIP] = _has_skip(family, sizes, tensors)
    return sizes.scale, arguments


def is_native(family: Family, arguments: dict[str, Any]) -> bool:
    """Return whether spandrel's own architecture computes a network with these arguments."""
    return bool(family.native) and all(
        arguments[key] == value for key, value in family.native.items()
    )


@torch.no_grad()
def _has_skip(family: Family, sizes: Sizes, tensors: Tensors) -> bool:
    """Return whether a bicubic image is to be added: without it, is the output one, or a residual?

    A skip has no tensor, and spandrel hands over no metadata.
    """
    bare = family.generator(scale=sizes.scale, **sizes.arguments).eval()
    try:
        bare.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise WeightsError(str(error)) from error
    image, inner = smooth_image(SIDE), slice(_MARGIN * sizes.scale, -_MARGIN * sizes.scale)
    output = bare(image)[..., inner, inner]
    expected = bicubic_upscale(image, sizes.scale)[..., inner, inner]
    if _size(output - expected) <= _MAX_DIFFERENCE:
        return False
    if _size(output) <= _MAX_DIFFERENCE:
        return True
    raise WeightsError(
        f"cannot determine whether this {family.generator.__name__} has {SKIP}: on a smooth image, "
        f"its output differs from bicubic by {_size(output - expected):.3g} without it and by "
        f"{_size(output):.3g} with it; check that it is trained"
    )


def _size(difference: torch.Tensor) -> float:
    return float(difference.square().mean().sqrt())


def _all_arguments(generator: type[Generator], details: Details) -> dict[str, Any]:
    defaults = {
        name: parameter.default
        for name, parameter in constructor_parameters(generator).items()
        if parameter.default is not inspect.Parameter.empty
    }
    return {**defaults, **details.generator}
