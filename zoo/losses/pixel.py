"""Pixel losses, and the distances that losses on features share with them."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from zoo.errors import ShapeError
from zoo.losses.base import Loss
from zoo.registry import register_loss

Criterion = Literal["mse", "l1"]


def mean_distance(criterion: Criterion, first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared or absolute difference over all elements, in float32 under autocast.

    Raises:
        ShapeError: if the shapes differ; PyTorch would broadcast them.
    """
    require_same_shape(first, second)
    return F.mse_loss(first, second) if criterion == "mse" else F.l1_loss(first, second)


def require_same_shape(first: Tensor, second: Tensor) -> None:
    """Raise a `ShapeError` unless both have one shape."""
    if first.shape != second.shape:
        raise ShapeError(
            f"cannot compare images of shapes {tuple(first.shape)} and {tuple(second.shape)}"
        )


@register_loss("mse")
class MSE(Loss):
    """Mean squared error over images, channels and pixels (SRGAN, Eq. 4, averaged over RGB too)."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Compare `(N, 3, H, W)` images, RGB around [0, 1]; returns a scalar."""
        return mean_distance("mse", sr_image, hr_image)


@register_loss("l1")
class L1(Loss):
    """Mean absolute error over images, channels and pixels (ESRGAN, Sec. 3.3)."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Compare `(N, 3, H, W)` images, RGB around [0, 1]; returns a scalar."""
        return mean_distance("l1", sr_image, hr_image)
