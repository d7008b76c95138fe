"""The U-Net discriminator of Real-ESRGAN: a logit for each pixel, spectrally normalised."""

from __future__ import annotations

from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.discriminators.base import Discriminator
from zoo.discriminators.spectral import normalise
from zoo.discriminators.vgg import NEGATIVE_SLOPE
from zoo.errors import ShapeError
from zoo.registry import register_discriminator

SMALLEST = 8
"""Pixels that three convolutions of stride 2 leave one of."""


@register_discriminator("unet-sn")
class UNetDiscriminator(Discriminator):
    """U-Net with skip connections: X. Wang et al., Real-ESRGAN, ICCV Workshops 2021, Sec. 3.4.

    The idea of a U-Net as discriminator is of Schönfeld et al., CVPR 2020. Three convolutions of
    stride 2 lead down, three bilinear enlargements and convolutions lead up, and what came before a
    step down is added after the step up. All convolutions but the first and the last are
    spectrally normalised. With the default width it has 4,376,897 parameters.

    Args:
        width: channels of the first convolution; the deepest level has eight times as many.
    """

    scores_images_apart = True

    def __init__(self, *, width: PositiveInt = 64) -> None:
        super().__init__()
        levels = [width, 2 * width, 4 * width, 8 * width]
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
            for inputs, outputs in pairwise(levels)
        )
        self.up = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            for inputs, outputs in zip(levels[:0:-1], levels[-2::-1], strict=True)
        )
        self.body = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)
        )
        for convolutions in (self.down, self.up, self.body):
            normalise(convolutions)
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Score `(N, 3, H, W)` images, RGB around [0, 1], with `(N, 1, H, W)` unbounded logits.

        Raises:
            ShapeError: if a side has fewer than 8 pixels.
        """
        if min(image.shape[-2:]) < SMALLEST:
            raise ShapeError(
                f"this discriminator needs images of at least {SMALLEST}x{SMALLEST} pixels, not "
                f"{image.shape[-2]}x{image.shape[-1]}"
            )
        features = _active(self.first(image))
        skips = []
        for convolution in self.down:
            skips.append(features)
            features = _active(convolution(features))
        for convolution in self.up:
            skip = skips.pop()
            size = skip.shape[-2:]
            larger = F.interpolate(features, size=size, mode="bilinear", align_corners=False)
            features = _active(convolution(larger)) + skip
        for convolution in self.body:
            features = _active(convolution(features))
        logits: Tensor = self.last(features)
        return logits


def _active(features: Tensor) -> Tensor:
    return F.leaky_relu(features, NEGATIVE_SLOPE)
