"""PatchGAN, the discriminator of pix2pix: a logit for each of many overlapping patches."""

from __future__ import annotations

from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from zoo.discriminators.base import Discriminator
from zoo.discriminators.vgg import NEGATIVE_SLOPE, DiscriminatorNorm, norm_layer
from zoo.errors import ShapeError
from zoo.registry import register_discriminator

MAX_FACTOR = 8
"""Channels of the widest convolutions over those of the first."""


@register_discriminator("patchgan")
class PatchDiscriminator(Discriminator):
    """4x4 convolutions whose logits see 70x70 pixels: Isola et al., CVPR 2017, Sec. 6.1.2.

    C64-C128-C256-C512 of the paper: the first `num_strided` have stride 2, the last one and the
    convolution that makes the logits have stride 1. The first has no normalisation. It sees the
    image alone; the paper's also sees the input. With the defaults it has 2,765,633 parameters.

    Args:
        width: channels of the first convolution; each has twice as many as the one before, up to
            eight times as many as the first.
        num_strided: convolutions of stride 2; 3 see 70 pixels, 2 see 34, 1 sees 16.
        norm: normalisation after every convolution but the first and the last.
    """

    def __init__(
        self,
        *,
        width: PositiveInt = 64,
        num_strided: NonNegativeInt = 3,
        norm: DiscriminatorNorm = "batch",
    ) -> None:
        super().__init__()
        self.scores_images_apart = norm != "batch"
        # three pixels of the last but one level; instance norm needs more than one value there
        self.min_side = 3 * 2**num_strided
        layers: list[nn.Module] = []
        inputs = 3
        for index in range(num_strided + 1):
            outputs = width * min(2**index, MAX_FACTOR)
            stride = 2 if index < num_strided else 1
            is_plain = index == 0 or norm == "none"
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=is_plain))
            layers += [] if is_plain else [norm_layer(norm, outputs)]
            layers.append(nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True))
            inputs = outputs
        self.layers = nn.Sequential(*layers, nn.Conv2d(inputs, 1, 4, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Score `(N, 3, H, W)` images, RGB around [0, 1], with `(N, 1, H', W')` unbounded logits.

        Raises:
            ShapeError: if the images are too small for a logit.
        """
        if min(image.shape[-2:]) < self.min_side:
            raise ShapeError(
                f"this discriminator needs images of at least {self.min_side}x{self.min_side} "
                f"pixels, not {image.shape[-2]}x{image.shape[-1]}; reduce num_strided"
            )
        logits: Tensor = self.layers(image)
        return logits
