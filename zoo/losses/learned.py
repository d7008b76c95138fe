"""Learned perceptual distances as losses: LPIPS and DISTS on the weights that score.

A run that is trained on one of them is not ranked by a metric on the same network
(`zoo.metrics.learned.trained_against`). Networks and weights are in `zoo.features` and
`zoo.weights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

import torch
from torch import Tensor

from zoo.errors import ShapeError
from zoo.features.learned import dists_network, lpips_network
from zoo.features.network import MIN_SIDES, Prepared
from zoo.losses.base import NETWORK, SOURCE, Loss
from zoo.losses.pixel import require_same_shape
from zoo.registry import register_loss


class _Learned(Loss):
    """A learned distance, computed in float32 under autocast too."""

    places = ("weights",)

    def __init__(self, prepared: Prepared) -> None:
        super().__init__()
        self.network = prepared.network
        self._provenance = prepared.provenance
        self.min_side = MIN_SIDES[prepared.provenance[NETWORK]]
        self.train(mode=False)

    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Compare `(N, 3, H, W)` images, RGB around [0, 1]; returns a scalar.

        Raises:
            ShapeError: if the shapes differ, or the images are too small for the network.
        """
        require_same_shape(sr_image, hr_image)
        if min(sr_image.shape[-2:]) < self.min_side:
            raise ShapeError(
                f"this loss needs images of at least {self.min_side}x{self.min_side} pixels, got "
                f"{tuple(sr_image.shape)}"
            )
        # unit vectors of features have too few digits in half precision
        with torch.autocast(sr_image.device.type, enabled=False):
            distance: Tensor = self.network(sr_image.float(), hr_image.detach().float())
        return distance

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002, FBT001, FBT002  torch's signature
        """Stay in evaluation mode."""
        return super().train(mode=False)

    def provenance(self) -> Mapping[str, str]:
        """Return the network, the source of the weights, and the hashes of their values."""
        return {
            key: text
            for key, text in self._provenance.items()
            if key in (NETWORK, SOURCE) or key.endswith("sha256")
        }


@register_loss("lpips")
class LPIPS(_Learned):
    """LPIPS as a loss: R. Zhang et al., CVPR 2018, Eq. 1.

    Args:
        network: the trunk. A run trained on one can be ranked by the metric on the other: `lpips`
            scores by VGG16, `lpips-alex` by AlexNet.
        weights: of the trunk: `imagenet`, `random`, or a file. With `random` ones every linear
            weight is 1.

    Raises:
        WeightsError: if the weights cannot be obtained; the message says how to get them.
    """

    needs = ("vgg16", "lpips")

    def __init__(
        self, *, network: Literal["vgg16", "alexnet"] = "vgg16", weights: str = "imagenet"
    ) -> None:
        super().__init__(lpips_network(network, weights, fetch=True))


@register_loss("dists")
class DISTS(_Learned):
    """DISTS as a loss: K. Ding et al., TPAMI 2020, Eq. 7, on VGG16.

    Args:
        weights: of the trunk: `imagenet`, `random`, or a file. With `random` ones alpha and beta
            are equal for all channels.

    Raises:
        WeightsError: if the weights cannot be obtained; the message says how to get them.
    """

    needs = ("vgg16", "dists")

    def __init__(self, *, weights: str = "imagenet") -> None:
        super().__init__(dists_network(weights, fetch=True))
