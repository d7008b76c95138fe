"""Frozen feature networks: a backbone from the image to named layers, and no further.

Where their weights come from is in `zoo.weights`; what is done with the features, in
`zoo.losses.perceptual` and `zoo.metrics.learned`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor, nn

from zoo.errors import RecipeError, WeightsError, did_you_mean
from zoo.weights.catalog import ALEXNET, VGG16, describe
from zoo.weights.entries import FeatureNetworkEntry
from zoo.weights.store import load
from zoo.weights.tensors import tensors_sha256

MIN_SIDES: Final = {VGG16: 16, ALEXNET: 31}
"""The smallest side of an image that each trunk of LPIPS takes, in pixels."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A network ready to compare images, and where its weights came from."""

    network: nn.Module
    provenance: dict[str, str]


class FeatureNetwork(nn.Module):
    """Images to the features of layers. Frozen, and in evaluation mode whatever its owner does.

    What lies behind the deepest of the layers is not computed.

    Args:
        network: a name of `zoo weights list`, or of timm.
        layers: modules of the network, such as `blocks.2`; for a block, its output.
        weights: `auto`, `imagenet`, `package`, `random`, or a file; see `zoo.weights.store`.

    Attributes:
        source: where the weights came from.
        sha256: of the tensors up to the layers: the same for the same values from another file.

    Raises:
        RecipeError: if the network has no such layer.
        WeightsError: if the weights cannot be obtained or do not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, network: str, layers: Sequence[str], weights: str = "auto") -> None:
        super().__init__()
        entry = describe(network)
        _check_layers(entry, layers)
        loaded = load(network, weights)
        self.layers = tuple(layers)
        self.body = _truncated(entry, layers, loaded.tensors)
        self.body.requires_grad_(requires_grad=False)
        self.source = loaded.source
        self.sha256 = tensors_sha256(self.body.state_dict())
        for name, values in (("mean", entry.mean), ("std", entry.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self.train(mode=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features of `(N, 3, H, W)` images, RGB around [0, 1].

        Returns:
            `(N, C, H', W')` for each layer, in the order they were named.
        """
        features: Mapping[str, Tensor] = self.body((image - self.mean) / self.std)
        return [features[layer] for layer in self.layers]

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002, FBT001, FBT002  torch's signature
        """Stay in evaluation mode: batch norm must not follow the images it compares."""
        return super().train(mode=False)


def filled(network: nn.Module, tensors: Mapping[str, Tensor], prefix: str = "") -> nn.Module:
    """Return a network with its weights in it, frozen and in evaluation mode.

    Args:
        network: built without memory (on the meta device) or with any values.
        tensors: by name.
        prefix: what the names begin with in `tensors` and not in the network.
    """
    needed = network.state_dict().keys()
    missing = sorted(name for name in needed if f"{prefix}{name}" not in tensors)
    if missing:
        raise WeightsError(f"the weights lack {missing[0]}, which lies before the layer asked for")
    network.load_state_dict({name: tensors[f"{prefix}{name}"] for name in needed}, assign=True)
    return network.requires_grad_(requires_grad=False).eval()


def _check_layers(entry: FeatureNetworkEntry, layers: Sequence[str]) -> None:
    with torch.device("meta"):
        modules = dict(entry.create().named_modules())
    for layer in layers:
        if not layer or layer not in modules:
            hint = did_you_mean(layer, filter(None, modules))
            raise RecipeError(f"{entry.architecture} has no layer {layer!r}{hint}")


def _truncated(
    entry: FeatureNetworkEntry, layers: Sequence[str], tensors: Mapping[str, Tensor]
) -> nn.Module:
    """Return the network up to its deepest layer, which is all that is computed, and its weights.

    It is built without memory, so that the 124 million parameters of VGG's classifier never are.
    A network that computes tensors outside its state dict needs memory for them and is built again.
    """
    body = filled(_cut(entry, layers, "meta"), tensors)
    if any(tensor.is_meta for tensor in body.buffers()):
        body = filled(_cut(entry, layers, "cpu"), tensors)
    return body


def _cut(entry: FeatureNetworkEntry, layers: Sequence[str], device: str) -> nn.Module:
    from timm.models import create_feature_extractor  # takes a second to import

    with torch.device(device), torch.random.fork_rng(devices=[]):
        network = entry.create().eval()
    if len(layers) > 1:  # an activation in place would change what an earlier layer gave
        for module in network.modules():
            if getattr(module, "inplace", False):
                setattr(module, "inplace", False)  # noqa: B010  no type of torch has the field
    body: nn.Module = create_feature_extractor(network, {layer: layer for layer in layers})
    return body
