"""EDSR, plain residual blocks without batch normalisation, as wide and deep as one can pay for.

Lim et al., "Enhanced deep residual networks for single image super-resolution", CVPR Workshops
2017, Sec. 3.1 to 3.3 and Fig. 3 (arXiv:1707.02921). The authors subtract DIV2K's mean colour before
the first convolution and add it after the last; here a bias does that.
"""

from __future__ import annotations

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from zoo.generators.base import Generator
from zoo.generators.bicubic import bicubic_upscale
from zoo.generators.blocks import (
    GeneratorNorm,
    conv_norm,
    start_near_zero,
    upsampling_stages,
)
from zoo.registry import register_generator


class PlainResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, and the identity: no activation after the sum (Fig. 2c).

    Args:
        width: channels.
        norm: normalisation after each convolution.
        residual_scaling: factor on the branch before the sum (Sec. 3.3).
    """

    def __init__(self, width: int, *, norm: GeneratorNorm, residual_scaling: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *conv_norm(width, norm), nn.ReLU(inplace=True), *conv_norm(width, norm)
        )
        self.residual_scaling = residual_scaling

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, width, h, w)` features to the same shape."""
        return torch.add(features, self.branch(features), alpha=self.residual_scaling)


@register_generator("edsr")
class EDSR(Generator):
    """Residual blocks at low resolution, then sub-pixel convolutions without activations.

    The defaults are the paper's large network, 43,089,923 parameters at x4; its baseline is
    `width` 64, `num_blocks` 16 and `residual_scaling` 1, with 1,517,571.

    Args:
        scale: the upscaling factor.
        width: channels of every feature map.
        num_blocks: residual blocks.
        norm: normalisation after each convolution of the blocks; the paper's is none.
        residual_scaling: factor on every residual branch.
        interpolation_skip: add the bicubic image to the output, and start as that image.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        width: PositiveInt = 256,
        num_blocks: PositiveInt = 32,
        norm: GeneratorNorm = "none",
        residual_scaling: PositiveFloat = 0.1,
        interpolation_skip: bool = False,
    ) -> None:
        super().__init__(scale=scale)
        blocks = [
            PlainResidualBlock(width, norm=norm, residual_scaling=residual_scaling)
            for _ in range(num_blocks)
        ]
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(*blocks, nn.Conv2d(width, width, 3, padding=1))
        upsampling: list[nn.Module] = []
        for factor in upsampling_stages(scale):
            upsampling += [
                nn.Conv2d(width, width * factor**2, 3, padding=1),
                nn.PixelShuffle(factor),
            ]
        self.upsampler = nn.Sequential(*upsampling)
        self.tail = nn.Conv2d(width, 3, 3, padding=1)
        self.interpolation_skip = interpolation_skip
        if interpolation_skip:
            start_near_zero(self.tail)

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)`, not clamped."""
        shallow = self.head(lr_image)
        sr_image: Tensor = self.tail(self.upsampler(shallow + self.body(shallow)))
        if self.interpolation_skip:
            return sr_image + bicubic_upscale(lr_image, self.scale)
        return sr_image
