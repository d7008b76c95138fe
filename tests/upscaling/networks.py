"""Small generators with known properties, and a picture that is hard to cut."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.generators.base import Generator

SCALE = 2


class Blur(Generator):
    """3x3 means, one after another: what is `steps` pixels away matters, though less and less."""

    def __init__(self, *, scale: int = SCALE, steps: int = 4) -> None:
        super().__init__(scale=scale)
        self.steps = steps

    def forward(self, lr_image: Tensor) -> Tensor:
        for _ in range(self.steps):
            lr_image = F.avg_pool2d(lr_image, 3, stride=1, padding=1)
        return F.interpolate(lr_image, scale_factor=self.scale)


class Tinted(Generator):
    """Makes red lighter and blue darker, as networks do of what they were trained on."""

    def __init__(self, *, scale: int = SCALE) -> None:
        super().__init__(scale=scale)

    def forward(self, lr_image: Tensor) -> Tensor:
        tint = torch.tensor([0.1, 0.0, -0.1], device=lr_image.device).view(1, 3, 1, 1)
        return F.interpolate(lr_image + tint, scale_factor=self.scale)


class Pooled(Generator):
    """Takes the mean of the whole image away."""

    def __init__(self, *, scale: int = SCALE) -> None:
        super().__init__(scale=scale)

    def forward(self, lr_image: Tensor) -> Tensor:
        centred = lr_image - lr_image.mean(dim=(2, 3), keepdim=True) + 0.5
        return F.interpolate(centred, scale_factor=self.scale)


class Placed(Generator):
    """Adds a ramp over the width, wherever it is run."""

    def __init__(self, *, scale: int = SCALE) -> None:
        super().__init__(scale=scale)

    def forward(self, lr_image: Tensor) -> Tensor:
        ramp = torch.linspace(0, 0.5, lr_image.shape[-1])
        return F.interpolate(lr_image / 2 + ramp, scale_factor=self.scale)


class Greedy(Blur):
    """Runs out of memory beyond a number of pixels."""

    def __init__(self, *, scale: int = SCALE, most: int = 100, error: Exception) -> None:
        super().__init__(scale=scale, steps=1)
        self.most = most
        self.error = error

    def forward(self, lr_image: Tensor) -> Tensor:
        if lr_image.shape[-1] * lr_image.shape[-2] > self.most:
            raise type(self.error)(*self.error.args)
        return super().forward(lr_image)


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    """Return `(1, 3, height, width)` in [0, 1] with edges at every scale."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, -(-height // 8), -(-width // 8), generator=random)
    fine = torch.rand(1, 3, height, width, generator=random)
    return (0.6 * F.interpolate(coarse, scale_factor=8)[..., :height, :width] + 0.4 * fine).round(
        decimals=3
    )
