"""Frozen feature networks: a timm backbone from the image to one named layer, and no further.

Where their weights come from is in `zoo.weights`; what is done with the features, in `perceptual`.
"""

from __future__ import annotations

from typing import Self

import timm
import torch
from timm.models import create_feature_extractor
from torch import Tensor, nn

from zoo.errors import RecipeError, WeightsError, did_you_mean
from zoo.weights.catalog import describe
from zoo.weights.store import load
from zoo.weights.tensors import tensors_sha256

_OUTPUT = "features"


class FeatureNetwork(nn.Module):
    """Images to the features of one layer. Frozen, and in evaluation mode whatever its owner does.

    Args:
        network: a name of `zoo weights list`, or of timm.
        layer: a module of the timm network, such as `blocks.2`; for a block, its output.
        weights: `auto`, `imagenet`, `package`, `random`, or a file; see `zoo.weights.store`.

    Attributes:
        source: where the weights came from.
        sha256: of the tensors up to the layer: the same for the same values from another file.

    Raises:
        RecipeError: if the network has no such layer.
        WeightsError: if the weights cannot be had or do not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, network: str, layer: str, weights: str = "auto") -> None:
        super().__init__()
        entry = describe(network)
        _check_layer(entry.timm_name, layer)
        loaded = load(network, weights)
        self.body = _truncated(entry.timm_name, layer, loaded.tensors)
        self.body.requires_grad_(requires_grad=False)
        self.source = loaded.source
        self.sha256 = tensors_sha256(self.body.state_dict())
        for name, values in (("mean", entry.mean), ("std", entry.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self.train(mode=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the features of `(N, 3, H, W)` images, RGB around [0, 1]: `(N, C, H', W')`."""
        features: Tensor = self.body((image - self.mean) / self.std)[_OUTPUT]
        return features

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002, FBT001, FBT002  torch's signature
        """Stay in evaluation mode: batch norm must not follow the images it compares."""
        return super().train(mode=False)


def _check_layer(timm_name: str, layer: str) -> None:
    with torch.device("meta"):
        modules = dict(timm.create_model(timm_name).named_modules())
    if not layer or layer not in modules:
        hint = did_you_mean(layer, filter(None, modules))
        raise RecipeError(f"{timm_name} has no layer {layer!r}{hint}")


def _truncated(timm_name: str, layer: str, tensors: dict[str, Tensor]) -> nn.Module:
    """Return the network up to `layer`, which is all that is computed, with its weights in it.

    It is built without memory, so that the 124 million parameters of VGG's classifier never are.
    A network that computes tensors outside its state dict needs memory for them and is built again.
    """
    body = _filled(_cut(timm_name, layer, "meta"), tensors)
    if any(tensor.is_meta for tensor in body.buffers()):
        body = _filled(_cut(timm_name, layer, "cpu"), tensors)
    return body


def _cut(timm_name: str, layer: str, device: str) -> nn.Module:
    with torch.device(device), torch.random.fork_rng(devices=[]):
        network = timm.create_model(timm_name).eval()
    body: nn.Module = create_feature_extractor(network, {layer: _OUTPUT})
    return body


def _filled(body: nn.Module, tensors: dict[str, Tensor]) -> nn.Module:
    needed = body.state_dict().keys()
    missing = sorted(needed - tensors.keys())
    if missing:
        raise WeightsError(f"the weights lack {missing[0]}, which lies before the layer asked for")
    body.load_state_dict({name: tensors[name] for name in needed}, assign=True)
    return body
