"""Any network that spandrel knows as a generator: no architecture is named here.

spandrel's package holds the code of each architecture, and rules by which it reads sizes out of
weights. A network is built here from the architecture's identifier and the arguments of its class,
and run as spandrel runs it; what it asks of an image's size is met by padding. Not here: telling
the architecture of a file (`zoo.models.recognition`).
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.data.images import LUMA
from zoo.errors import MachineError, RecipeError, UnknownNameError, ZooError, did_you_mean
from zoo.generators.base import Generator
from zoo.generators.bicubic import bicubic_upscale
from zoo.registry import register_generator

if TYPE_CHECKING:
    from spandrel import Architecture, ImageModelDescriptor

PACKAGE: Final = "spandrel"
INSTALL: Final = "pip install 'srgan-zoo[spandrel]'"
MAX_SCALE: Final = 16
MAX_STRIP: Final = 64
"""Rows to which a strip may be padded, in pixels."""
_LINES, _LENGTH = 2, 300
_INNER: Final = "network."
_OWN: Final = "zoo-"
"""How the identifiers of the architectures begin that zoo itself adds to spandrel's registry."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a network asks of the sides of an image, in pixels.

    Attributes:
        minimum: the shortest side.
        multiple: what both sides are a multiple of.
        square: whether the sides are equal.
    """

    minimum: int = 0
    multiple: int = 1
    square: bool = False

    def __str__(self) -> str:
        parts = [f"at least {self.minimum}"] if self.minimum > 1 else []
        parts += [f"a multiple of {self.multiple}"] if self.multiple > 1 else []
        parts += ["square"] if self.square else []
        return ", ".join(parts) or "any"

    @property
    def allow_strips(self) -> bool:
        """Whether an image of a few rows is not padded to many times its size."""
        return not self.square and max(self.minimum, self.multiple) <= MAX_STRIP

    def padded(self, image: Tensor) -> Tensor:
        """Return an image reflected beyond its right and lower edge until it has such a size.

        Where an image is too small to be reflected as far, its last pixels are repeated.
        """
        rows, columns = (self._side(side) for side in image.shape[-2:])
        if self.square:
            rows = columns = max(rows, columns)
        down, across = rows - image.shape[-2], columns - image.shape[-1]
        if not (down or across):
            return image
        near = min(down, image.shape[-2] - 1), min(across, image.shape[-1] - 1)
        reflected = F.pad(image, (0, near[1], 0, near[0]), mode="reflect")
        return F.pad(reflected, (0, across - near[1], 0, down - near[0]), mode="replicate")

    def _side(self, side: int) -> int:
        return -(-max(side, self.minimum) // self.multiple) * self.multiple


@register_generator("spandrel")
class SpandrelNetwork(Generator):
    """A network of the package spandrel, by its architecture and the arguments of its class.

    A network of one channel sees the luma; the colours beside it are enlarged by bicubic
    interpolation. In evaluation images go through one by one, as spandrel's own call takes them.

    Args:
        scale: the upscaling factor; it must be the one that the arguments make.
        architecture: its identifier in spandrel.
        network: name of its class, where the architecture has several.
        hyperparameters: arguments of that class; its defaults count for all others.

    Attributes:
        sizes: what the network asks of an image's size.
        takes_strips: whether narrow images are not much more work than their pixels.
        purpose: what spandrel says it is for.
        supports_half: whether spandrel says that it can be computed in float16.
        supports_bfloat16: the same of bfloat16.
        channels: 3 for RGB, 1 for luma.
    """

    scales = frozenset(range(1, MAX_SCALE + 1))
    package: ClassVar[str] = PACKAGE

    def __init__(
        self,
        *,
        scale: int = 4,
        architecture: str,
        network: str | None = None,
        hyperparameters: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(scale=scale)
        known = find_architecture(architecture)
        cls = _network_class(known, network)
        self.network = _built(cls, hyperparameters or {}, architecture)
        descriptor = described(known, self.network.state_dict())
        if descriptor.scale != scale:
            raise RecipeError(
                f"{architecture} with these arguments enlarges {descriptor.scale} times, "
                f"not {scale}"
            )
        needs = descriptor.size_requirements
        self.sizes = Sizes(needs.minimum, needs.multiple_of, needs.square)
        self.takes_strips = self.sizes.allow_strips
        self.purpose: str = descriptor.purpose
        self.supports_half: bool = descriptor.supports_half
        self.supports_bfloat16: bool = descriptor.supports_bfloat16
        self.channels: int = descriptor.input_channels
        self._call: Callable[[nn.Module, Tensor], Tensor] = call_of(descriptor)
        self.register_state_dict_post_hook(_to_their_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_to_our_names)  # type: ignore[no-untyped-call]

    @classmethod
    def argument_problems(cls, arguments: Mapping[str, Any]) -> dict[str, str]:
        """Return what is wrong with the names in a recipe's arguments, without building anything.

        Args:
            arguments: plain data; some may be missing yet.
        """
        architecture = arguments.get("architecture")
        if not isinstance(architecture, str):
            return {}
        try:
            known = find_architecture(architecture)
        except (MachineError, UnknownNameError) as error:
            return {"architecture": str(error)}
        try:
            network = _network_class(known, arguments.get("network"))
        except (RecipeError, UnknownNameError) as error:
            is_given = arguments.get("network") is not None
            return {"network": str(error)} if is_given else {}
        given = arguments.get("hyperparameters")
        unknown = _unknown(given if isinstance(given, Mapping) else {}, network)
        return {"hyperparameters": f"{architecture}: {'; '.join(unknown)}"} if unknown else {}

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)`, not clamped."""
        if self.channels != 1:
            return self._enlarged(lr_image)
        weights = torch.tensor(LUMA, dtype=lr_image.dtype, device=lr_image.device)
        luma = (lr_image * weights[:, None, None]).sum(1, keepdim=True)
        colours = bicubic_upscale(lr_image - luma, self.scale)
        return self._enlarged(luma) + colours

    def _enlarged(self, image: Tensor) -> Tensor:
        height, width = (side * self.scale for side in image.shape[-2:])
        padded = self.sizes.padded(image)
        # An exported graph has one call for a batch of any size.
        whole = self.training or torch.compiler.is_exporting()
        pieces = [padded] if whole else padded.split(1)
        sr_image = torch.cat([self.run(piece) for piece in pieces])
        return sr_image[..., :height, :width]

    def run(self, image: Tensor) -> Tensor:
        """Run the network on `(N, channels, h, w)` in [0, 1] of a size that it takes.

        It gets a copy: some networks change their input in place.
        """
        return self._call(self.network, image.clone())


def find_architecture(identifier: str) -> Architecture[nn.Module]:
    """Return spandrel's architecture of that name.

    Raises:
        MachineError: if spandrel is not installed.
        UnknownNameError: if it has none.
    """
    known = {each.id: each for each in architectures()}
    if identifier not in known:
        raise UnknownNameError("architecture", identifier, known, see="spandrel")
    return known[identifier]


def architectures() -> list[Architecture[nn.Module]]:
    """Return spandrel's architectures in the order in which it tries them on a file.

    Raises:
        MachineError: if spandrel is not installed.
    """
    try:
        from spandrel import MAIN_REGISTRY
    except ImportError as error:
        raise MachineError(f"spandrel is not installed: {INSTALL}") from error
    found = [support.architecture for support in MAIN_REGISTRY.architectures("detection")]
    return [each for each in found if not each.id.startswith(_OWN)]


def network_classes(architecture: Architecture[nn.Module]) -> dict[str, type[nn.Module]]:
    """Return the classes of networks that an architecture's module publishes, by name."""
    module = importlib.import_module(type(architecture).__module__)
    named = {name: getattr(module, name) for name in module.__all__}
    return {
        name: value
        for name, value in named.items()
        if isinstance(value, type) and issubclass(value, nn.Module)
    }


def described(
    architecture: Architecture[nn.Module], tensors: Mapping[str, Tensor]
) -> ImageModelDescriptor[nn.Module]:
    """Return what spandrel makes of tensors: a network with its scale, channels and call.

    Raises:
        RecipeError: if it makes nothing of them, or what zoo has no use for.
    """
    from spandrel import ImageModelDescriptor

    try:
        with _in_silence():
            found = architecture.load(dict(tensors))
    except ZooError:
        raise
    except Exception as error:  # what shapes that do not go together raise has no common base
        raise RecipeError(
            f"spandrel cannot load it as {architecture.name}: {_line(error)}"
        ) from error
    if not isinstance(found, ImageModelDescriptor):
        raise RecipeError(f"{architecture.name} fills holes in an image: it needs a mask beside it")
    channels = found.input_channels, found.output_channels
    if channels not in ((3, 3), (1, 1)):
        raise RecipeError(
            f"this {architecture.name} maps {channels[0]} channels to {channels[1]}; zoo's images "
            "have three, or one of luma"
        )
    if not 1 <= found.scale <= MAX_SCALE:
        raise RecipeError(f"this {architecture.name} enlarges {found.scale} times")
    return found


def call_of(descriptor: ImageModelDescriptor[nn.Module]) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return how spandrel runs a network, without what it does around: no clamp, with gradients.

    Raises:
        MachineError: if this version of spandrel keeps it elsewhere.
    """
    call: Callable[[nn.Module, Tensor], Tensor] | None = vars(descriptor).get("_call_fn")
    if call is None:
        raise MachineError(f"this version of spandrel is not known to zoo; install {INSTALL}")
    return call


def _network_class(architecture: Architecture[nn.Module], name: str | None) -> type[nn.Module]:
    known = network_classes(architecture)
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None:
        listed = ", ".join(known)
        raise RecipeError(f"{architecture.id} has several networks: say which ({listed})")
    if name not in known:
        raise UnknownNameError("network", name, known, see=f"spandrel's {architecture.id}")
    return known[name]


def _built(cls: type[nn.Module], arguments: Mapping[str, Any], architecture: str) -> nn.Module:
    try:
        with _in_silence():
            return cls(**arguments)
    except ZooError:
        raise
    except Exception as error:  # code of another package: what it raises has no common base
        raise RecipeError(
            f"{architecture} cannot be built from these arguments: "
            + ("; ".join(_unknown(arguments, cls)) or _line(error))
        ) from error


def _unknown(arguments: Mapping[str, Any], cls: type[nn.Module]) -> list[str]:
    """Return a sentence for each argument that the class does not have."""
    known = list(inspect.signature(cls).parameters)
    return [
        f"it has no argument {name!r}{did_you_mean(name, known)}"
        for name in arguments
        if name not in known
    ]


@contextmanager
def _in_silence() -> Iterator[None]:
    """Leave out warnings about the package's code, which are for who wrote it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _line(error: Exception) -> str:
    """Return an exception on one line: of what torch says of weights the first two."""
    lines = str(error).strip().splitlines()[:_LINES]
    told = " ".join(line.strip() for line in lines)[:_LENGTH]
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


def _to_their_names(
    _module: nn.Module, state: dict[str, Any], prefix: str, _metadata: object
) -> None:
    """Save tensors under the names that the network itself gives them: other tools read those."""
    inner = prefix + _INNER
    for name in [name for name in state if name.startswith(inner)]:
        state[prefix + name.removeprefix(inner)] = state.pop(name)


def _to_our_names(_module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        state[prefix + _INNER + name.removeprefix(prefix)] = state.pop(name)
