"""Losses: content and perceptual terms of the generator."""

from collections.abc import Mapping
from typing import Final

from zoo.weights.catalog import CATALOG

BUILTINS = {
    "charbonnier": "zoo.losses.charbonnier:Charbonnier",
    "consistency": "zoo.losses.consistency:Consistency",
    "dists": "zoo.losses.learned:DISTS",
    "fft": "zoo.losses.frequency:Fourier",
    "focal-frequency": "zoo.losses.frequency:FocalFrequency",
    "gradient": "zoo.losses.gradient:Gradient",
    "l1": "zoo.losses.pixel:L1",
    "ldl": "zoo.losses.artifacts:LocallyDiscriminative",
    "lpips": "zoo.losses.learned:LPIPS",
    "ms-ssim": "zoo.losses.structure:MultiScaleSSIM",
    "mse": "zoo.losses.pixel:MSE",
    "perceptual": "zoo.losses.perceptual:Perceptual",
    "total-variation": "zoo.losses.gradient:TotalVariation",
    "vgg16": "zoo.losses.perceptual:VGG16",
    "vgg19": "zoo.losses.perceptual:VGG19",
}
_LAST_CONVOLUTIONS: Final = {"conv3_4": "conv3_3", "conv4_4": "conv4_3", "conv5_4": "conv5_3"}
ALIKE: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("vgg19", "vgg16"): _LAST_CONVOLUTIONS,
    ("vgg16", "vgg19"): {new: old for old, new in _LAST_CONVOLUTIONS.items()},
}
"""Losses that take the same arguments: the one that goes and the one that takes its place.

To each pair belong the layers that have another name in the second: the last convolution of a block
stays the last."""


def stand_ins(components: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the losses that compare by another network than they are named for, and by which.

    A profile may put VGG16 instead of VGG19, whose weights are harder to have.

    Args:
        components: provenance of a run's components by their names, as runs record it.
    """
    return {
        name: f"{known['network']} ({known.get('layer', 'layer not stated')})"
        for name, known in components.items()
        if name in CATALOG and known.get("network", name) != name
    }
