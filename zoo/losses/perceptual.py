"""Perceptual losses: distances between the features of a frozen network.

Johnson et al. 2016; as used by SRGAN (Ledig et al. 2017, Eq. 5) and ESRGAN (Wang et al. 2018,
Sec. 3.3). The networks are in `zoo.losses.features`, their weights in `zoo.weights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from zoo.losses.base import SOURCE, Loss
from zoo.losses.features import FeatureNetwork
from zoo.losses.pixel import Criterion, mean_distance
from zoo.registry import register_loss

VGG19Layer = Literal[
    "conv1_1", "conv1_2",
    "conv2_1", "conv2_2",
    "conv3_1", "conv3_2", "conv3_3", "conv3_4",
    "conv4_1", "conv4_2", "conv4_3", "conv4_4",
    "conv5_1", "conv5_2", "conv5_3", "conv5_4",
]  # fmt: skip
_VGG19_DEPTHS = (2, 2, 4, 4, 4)


@register_loss("perceptual")
class Perceptual(Loss):
    """Distance between features of any convolutional network of timm.

    The mean is over all elements of the features; SRGAN's Eq. 5 divides by their height and width
    only and is larger by the number of channels.

    Args:
        network: a name of `zoo weights list`, or of timm.
        layer: the module of the timm network whose output is compared. The default sees 1/8 of
            the resolution, with 40 channels and no activation after it.
        criterion: squared distance (SRGAN) or absolute distance (ESRGAN).
        feature_scale: factor on the features before the distance, which is therefore multiplied
            by its square for `mse` and by itself for `l1`. SRGAN takes 1/12.75 on VGG19, which
            multiplies the loss by 0.006 and brings it to the size of a pixel MSE.
        weights: `auto` (an installed package where there is one, else ImageNet weights from the
            store or the hub), `imagenet`, `package`, `random`, or a file.

    Raises:
        WeightsError: if the weights cannot be had; the message says how to get them.
    """

    places = ("weights",)

    def __init__(
        self,
        *,
        network: str = "efficientnet-lite0",
        layer: str = "blocks.2",
        criterion: Criterion = "mse",
        feature_scale: PositiveFloat = 1.0,
        weights: str = "auto",
    ) -> None:
        super().__init__()
        self.features = FeatureNetwork(network=network, layer=layer, weights=weights)
        self.criterion: Criterion = criterion
        self.factor = feature_scale**2 if criterion == "mse" else feature_scale
        self._names = {"network": network, "layer": layer}

    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Compare the features of `(N, 3, H, W)` images, RGB around [0, 1]; returns a scalar."""
        with torch.no_grad():
            target = self.features(hr_image)
        return self.factor * mean_distance(self.criterion, self.features(sr_image), target)

    def provenance(self) -> Mapping[str, str]:
        """Return network, layer, source of the weights, and the sha256 of their values."""
        return self._names | {SOURCE: self.features.source, "sha256": self.features.sha256}


@register_loss("vgg19")
class VGG19(Perceptual):
    """Distance between features of VGG19, the perceptual loss of SRGAN and ESRGAN.

    SRGAN's VGG54 is `conv5_4` after the activation with a squared distance; ESRGAN's is the same
    layer before it, where more features are not zero, with an absolute distance.

    Args:
        layer: the j-th convolution before the i-th pooling, as `convi_j`.
        before_activation: compare what the convolution gives, not what its ReLU leaves of it.
        criterion: squared or absolute distance.
        feature_scale: see `Perceptual`.
        weights: `imagenet`, `random`, or a file.
    """

    def __init__(
        self,
        *,
        layer: VGG19Layer = "conv5_4",
        before_activation: bool = True,
        criterion: Criterion = "mse",
        feature_scale: PositiveFloat = 1.0,
        weights: str = "imagenet",
    ) -> None:
        index = vgg19_index(layer) + (0 if before_activation else 1)
        super().__init__(
            network="vgg19",
            layer=f"features.{index}",
            criterion=criterion,
            feature_scale=feature_scale,
            weights=weights,
        )
        activation = "before" if before_activation else "after"
        self._names = {"network": "vgg19", "layer": f"{layer} {activation} activation"}


def vgg19_index(layer: VGG19Layer) -> int:
    """Return the place of a convolution in `features`: `conv5_4` is 34, and its ReLU is 35."""
    block, position = int(layer[4]), int(layer[6])
    before = sum(2 * depth + 1 for depth in _VGG19_DEPTHS[: block - 1])
    return before + 2 * (position - 1)
