"""SRResNet, the generator of SRGAN, with and without batch normalisation.

Ledig et al., "Photo-realistic single image super-resolution using a generative adversarial
network", CVPR 2017, Sec. 2.1.1 and Fig. 4 (arXiv:1609.04802). The residual block and the sub-pixel
upsampling are in `zoo.generators.blocks`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from zoo.generators.base import Generator
from zoo.generators.bicubic import bicubic_upscale
from zoo.generators.blocks import (
    GeneratorNorm,
    PixelShuffleUpsampler,
    ResidualBlock,
    conv_norm,
    start_near_zero,
)
from zoo.registry import register_generator


@register_generator("srresnet")
class SRResNet(Generator):
    """Residual blocks at low resolution, then sub-pixel convolutions.

    The defaults are the paper's network: 1,549,462 parameters at x4, of which batch normalisation
    has 4,224. Images go in and out in [0, 1]; the paper's output is in [-1, 1].

    Args:
        scale: the upscaling factor.
        width: channels of every feature map.
        num_blocks: residual blocks.
        norm: normalisation after each convolution of the trunk.
        kernel_size: side of the first and the last convolution, in pixels.
        residual_scaling: factor on every residual branch; 1 is the paper's.
        interpolation_skip: add the bicubic image to the output, and start as that image.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        width: PositiveInt = 64,
        num_blocks: PositiveInt = 16,
        norm: GeneratorNorm = "batch",
        kernel_size: Literal[1, 3, 5, 7, 9, 11] = 9,
        residual_scaling: PositiveFloat = 1.0,
        interpolation_skip: bool = False,
    ) -> None:
        super().__init__(scale=scale)
        padding = kernel_size // 2
        blocks = [
            ResidualBlock(width, norm=norm, residual_scaling=residual_scaling)
            for _ in range(num_blocks)
        ]
        self.head = nn.Sequential(nn.Conv2d(3, width, kernel_size, padding=padding), nn.PReLU())
        self.trunk = nn.Sequential(*blocks, *conv_norm(width, norm))
        self.upsampler = PixelShuffleUpsampler(width, scale)
        self.tail = nn.Conv2d(width, 3, kernel_size, padding=padding)
        self.interpolation_skip = interpolation_skip
        if interpolation_skip:
            start_near_zero(self.tail)

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)`, not clamped."""
        shallow = self.head(lr_image)
        sr_image: Tensor = self.tail(self.upsampler(shallow + self.trunk(shallow)))
        if self.interpolation_skip:
            return sr_image + bicubic_upscale(lr_image, self.scale)
        return sr_image
