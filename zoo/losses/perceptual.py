"""Perceptual losses: distances between the features of a frozen network.

Johnson et al. 2016; as used by SRGAN (Ledig et al. 2017, Eq. 5) and ESRGAN (Wang et al. 2018,
Sec. 3.3). The networks are in `zoo.features`, their weights in `zoo.weights`; distances learned
from human judgements are in `zoo.losses.learned`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import torch
from annotated_types import MinLen
from pydantic import PositiveFloat
from torch import Tensor

from zoo.errors import RecipeError, did_you_mean
from zoo.features.network import FeatureNetwork
from zoo.losses.base import SOURCE, Loss
from zoo.losses.pixel import Criterion, mean_distance
from zoo.registry import register_loss

VGG19Layer = Literal[
    "conv1_1", "conv1_2",
    "conv2_1", "conv2_2",
    "conv3_1", "conv3_2", "conv3_3", "conv3_4",
    "conv4_1", "conv4_2", "conv4_3", "conv4_4",
    "conv5_1", "conv5_2", "conv5_3", "conv5_4",
]  # fmt: skip
VGG16Layer = Literal[
    "conv1_1", "conv1_2",
    "conv2_1", "conv2_2",
    "conv3_1", "conv3_2", "conv3_3",
    "conv4_1", "conv4_2", "conv4_3",
    "conv5_1", "conv5_2", "conv5_3",
]  # fmt: skip
VGG_DEPTHS: Final = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions before each pooling."""


@register_loss("perceptual")
class Perceptual(Loss):
    """Distance between features of any convolutional network of timm.

    The mean is over all elements of the features; SRGAN's Eq. 5 divides by their height and width
    only and is larger by the number of channels.

    Args:
        network: a name of `zoo weights list`, or of timm.
        layer: the module of the network whose output is compared. The default sees 1/8 of the
            resolution, with 40 channels and no activation after it.
        layers: several modules, each with the weight of its distance in the sum; they take the
            place of `layer`.
        criterion: squared distance (SRGAN) or absolute distance (ESRGAN).
        feature_scale: factor on the features before the distance, which is therefore multiplied
            by its square for `mse` and by itself for `l1`. SRGAN takes 1/12.75 on VGG19, which
            multiplies the loss by 0.006 and brings it to the size of a pixel MSE.
        weights: `auto` (an installed package if there is one, else ImageNet weights from the
            store or the sources that `zoo weights get` asks), `imagenet`, `package`, `random`, or
            a file.

    Raises:
        RecipeError: if the network has no such layer, or `layers` is empty.
        WeightsError: if the weights cannot be obtained; the message says how to get them.
    """

    places = ("weights",)
    later = ("layers",)
    needs = ("efficientnet-lite0",)

    def __init__(
        self,
        *,
        network: str = "efficientnet-lite0",
        layer: str = "blocks.2",
        layers: Annotated[dict[str, PositiveFloat], MinLen(1)] | None = None,
        criterion: Criterion = "mse",
        feature_scale: PositiveFloat = 1.0,
        weights: str = "auto",
    ) -> None:
        super().__init__()
        self.layer_weights = chosen_layers(layer, layers)
        self.features = FeatureNetwork(
            network=network, layers=list(self.layer_weights), weights=weights
        )
        self.criterion: Criterion = criterion
        self.factor = feature_scale**2 if criterion == "mse" else feature_scale
        self._names = {"network": network, "layer": in_words(self.layer_weights)}

    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Compare the features of `(N, 3, H, W)` images, RGB around [0, 1]; returns a scalar."""
        with torch.no_grad():
            targets = self.features(hr_image)
        distances = [
            weight * mean_distance(self.criterion, features, target)
            for weight, features, target in zip(
                self.layer_weights.values(), self.features(sr_image), targets, strict=True
            )
        ]
        total = distances[0]
        for distance in distances[1:]:
            total = total + distance
        return self.factor * total

    def provenance(self) -> Mapping[str, str]:
        """Return network, layers, source of the weights, and the sha256 of their values."""
        return self._names | {SOURCE: self.features.source, "sha256": self.features.sha256}


class _VGG(Perceptual):
    """Distance between features of a VGG, whose layers are named as papers name them."""

    def __init__(
        self, network: str, layers: Mapping[str, float], *, before_activation: bool, **options: Any
    ) -> None:
        modules = vgg_modules(network, layers, before_activation=before_activation)
        super().__init__(network=network, layers=modules, **options)
        self._names["layer"] = in_words(layers, before_activation=before_activation)


@register_loss("vgg19")
class VGG19(_VGG):
    """Distance between features of VGG19, the perceptual loss of SRGAN and ESRGAN.

    SRGAN's VGG54 is `conv5_4` after the activation with a squared distance; ESRGAN's is the same
    layer before it, where more features are not zero, with an absolute distance. Real-ESRGAN
    (X. Wang et al. 2021, Sec. 4.1) takes several layers, with `layers: {conv1_2: 0.1, conv2_2: 0.1,
    conv3_4: 1, conv4_4: 1, conv5_4: 1}` and an absolute distance.

    Args:
        layer: the j-th convolution before the i-th pooling, as `convi_j`.
        layers: several layers, each with the weight of its distance in the sum; they take the
            place of `layer`.
        before_activation: compare what the convolution gives, not what its ReLU leaves of it.
        criterion: squared or absolute distance.
        feature_scale: see `Perceptual`.
        weights: `imagenet`, `random`, or a file.
    """

    needs = ("vgg19",)

    def __init__(
        self,
        *,
        layer: VGG19Layer = "conv5_4",
        layers: Annotated[dict[VGG19Layer, PositiveFloat], MinLen(1)] | None = None,
        before_activation: bool = True,
        criterion: Criterion = "mse",
        feature_scale: PositiveFloat = 1.0,
        weights: str = "imagenet",
    ) -> None:
        super().__init__(
            "vgg19",
            chosen_layers(layer, layers),
            before_activation=before_activation,
            criterion=criterion,
            feature_scale=feature_scale,
            weights=weights,
        )


@register_loss("vgg16")
class VGG16(_VGG):
    """Distance between features of VGG16: VGG19's smaller sibling, trained on the same images.

    It takes what `vgg19` takes, and can stand in for it where the weights of VGG19 cannot be
    obtained.

    Args:
        layer: the j-th convolution before the i-th pooling, as `convi_j`.
        layers: see `VGG19`.
        before_activation: compare what the convolution gives, not what its ReLU leaves of it.
        criterion: squared or absolute distance.
        feature_scale: see `Perceptual`.
        weights: `imagenet`, `random`, or a file.
    """

    needs = ("vgg16",)

    def __init__(
        self,
        *,
        layer: VGG16Layer = "conv5_3",
        layers: Annotated[dict[VGG16Layer, PositiveFloat], MinLen(1)] | None = None,
        before_activation: bool = True,
        criterion: Criterion = "mse",
        feature_scale: PositiveFloat = 1.0,
        weights: str = "imagenet",
    ) -> None:
        super().__init__(
            "vgg16",
            chosen_layers(layer, layers),
            before_activation=before_activation,
            criterion=criterion,
            feature_scale=feature_scale,
            weights=weights,
        )


def chosen_layers(layer: str, layers: Mapping[Any, float] | None) -> dict[str, float]:
    """Return each layer that is compared with its weight in the sum.

    Raises:
        RecipeError: if `layers` names none.
    """
    if layers is None:
        return {layer: 1.0}
    if not layers:
        raise RecipeError(f"`layers` is empty: write {{{layer}: 1}}, or omit it")
    return dict(layers)


def vgg_modules(
    network: str, layers: Mapping[str, float], *, before_activation: bool
) -> dict[str, float]:
    """Return the layers as modules of a VGG, such as `features.34` for VGG19's `conv5_4`.

    Args:
        network: `vgg16` or `vgg19`.
        layers: weights by `convi_j`.
        before_activation: the convolution itself, or the ReLU after it.

    Raises:
        RecipeError: if the network has no such layer.
    """
    places = vgg_places(VGG_DEPTHS[network])
    for layer in layers:
        if layer not in places:
            hint = did_you_mean(layer, places)
            raise RecipeError(f"{network} has no layer {layer!r}{hint}")
    offset = 0 if before_activation else 1
    return {f"features.{places[layer] + offset}": weight for layer, weight in layers.items()}


def vgg_places(depths: tuple[int, ...]) -> dict[str, int]:
    """Return the place of each convolution in `features`: VGG19's `conv5_4` is 34, its ReLU 35.

    Args:
        depths: convolutions before each pooling.
    """
    places, place = {}, 0
    for block, depth in enumerate(depths, start=1):
        for position in range(1, depth + 1):
            places[f"conv{block}_{position}"] = place
            place += 2
        place += 1  # the pooling
    return places


def in_words(layers: Mapping[str, float], *, before_activation: bool | None = None) -> str:
    """Name the layers that are compared, and with which weights where there are several."""
    if len(layers) == 1:
        text = next(iter(layers))
    else:
        text = " + ".join(f"{weight:g} {layer}" for layer, weight in layers.items())
    if before_activation is None:
        return text
    return f"{text} {'before' if before_activation else 'after'} activation"
