"""Kinds of losses beside a plain distance: in full precision, of one image, or of a whole step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import ShapeError
from zoo.losses.base import Loss
from zoo.losses.pixel import require_same_shape


class PreciseLoss(Loss):
    """A distance that is computed in float32, or in a higher precision of its images."""

    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Compare `(N, 3, H, W)` images, RGB around [0, 1]; returns a scalar.

        Raises:
            ShapeError: if the shapes differ, or the images are smaller than `min_side`.
        """
        require_same_shape(sr_image, hr_image)
        if min(sr_image.shape[-2:]) < self.min_side:
            raise ShapeError(
                f"this loss needs images of at least {self.min_side}x{self.min_side} pixels, got "
                f"{tuple(sr_image.shape)}"
            )
        with torch.autocast(sr_image.device.type, enabled=False):
            return self.distance(precise(sr_image), precise(hr_image.detach()))

    @abstractmethod
    def distance(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Compare `(N, 3, H, W)` images of one shape, in float32 at least; returns a scalar."""


class Regulariser(PreciseLoss):
    """A term of the generated image alone: the real image need not have the smallest value."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a training step has beside the images that a loss compares.

    Attributes:
        lr_image: `(N, 3, h, w)` low-resolution images, RGB in [0, 1].
        average: returns what the moving average of the generator makes of them, `(N, 3, H, W)`,
            without a gradient. It costs a pass through the generator.
    """

    lr_image: Tensor
    average: Callable[[], Tensor]


class StepLoss(Loss):
    """A loss that needs more of a training step than the generated and the real image."""

    def forward(self, sr_image: Tensor, hr_image: Tensor, seen: Seen | None = None) -> Tensor:
        """Compare `(N, 3, H, W)` images, RGB around [0, 1]; returns a scalar.

        Raises:
            TypeError: without `seen`.
            ShapeError: if the shapes differ.
        """
        if seen is None:
            raise TypeError(f"{type(self).__name__} needs `seen`, the rest of the training step")
        require_same_shape(sr_image, hr_image)
        with torch.autocast(sr_image.device.type, enabled=False):
            return self.distance(precise(sr_image), precise(hr_image.detach()), seen)

    @abstractmethod
    def distance(self, sr_image: Tensor, hr_image: Tensor, seen: Seen) -> Tensor:
        """Compare `(N, 3, H, W)` images of one shape, in float32 at least; returns a scalar."""


def precise(image: Tensor) -> Tensor:
    """Return images in float32, or as they are if they are more precise."""
    return image.to(torch.promote_types(image.dtype, torch.float32))


def filtered(image: Tensor, weights: Sequence[float], dim: int) -> Tensor:
    """Return sums of weighted neighbours along one axis, where all of them are inside the image.

    A GPU's convolution may round its products to TF32, which differences of squares do not survive.

    Args:
        image: any shape.
        weights: of the neighbours, in their order.
        dim: the axis, which becomes shorter by one less than there are weights.
    """
    size = image.shape[dim] - len(weights) + 1
    total = torch.zeros_like(image.narrow(dim, 0, size))
    for offset, weight in enumerate(weights):
        total = total.add(image.narrow(dim, offset, size), alpha=weight)
    return total
