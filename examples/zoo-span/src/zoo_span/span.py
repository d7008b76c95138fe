"""SPAN, a small generator whose attention has no parameters.

Wan et al., "Swift Parameter-free Attention Network for Efficient Super-Resolution", CVPR Workshops
2024 (arXiv:2311.12770). This is the network as it runs: during training the authors replace every
3x3 convolution by a deeper linear branch that is merged into one afterwards, which is left out.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from pydantic import PositiveInt
from torch import Tensor, nn

from zoo import Generator, register_generator
from zoo.generators.bicubic import bicubic_upscale
from zoo.generators.blocks import start_near_zero


class AttentionBlock(nn.Module):
    """Three convolutions, whose output is both what is added and how much of the sum is kept.

    With H the output of the convolutions for features O and s the logistic function:
    V = s(H) - 1/2 and the block is (O + H) * V, element by element. V is an odd function of H, so
    that what the convolutions say nothing about is suppressed.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, width, h, w)` features to the same shape."""
        high: Tensor = self.convolutions(features)
        return (features + high) * (torch.sigmoid(high) - 0.5)


@register_generator("span")
class SPAN(Generator):
    """Attention blocks at low resolution, and features of four depths in one sub-pixel convolution.

    Those of the first convolution, of the first block, of the last but one, and of the last after a
    convolution are joined by a 1x1 convolution. The defaults are the paper's network: 426,288
    parameters at x4.

    Args:
        scale: the upscaling factor.
        width: channels of every feature map.
        num_blocks: attention blocks.
        interpolation_skip: add the bicubic image to the output, and start as that image; not the
            paper's.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        width: PositiveInt = 48,
        num_blocks: Annotated[int, Ge(2)] = 6,
        interpolation_skip: bool = False,
    ) -> None:
        super().__init__(scale=scale)
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(AttentionBlock(width) for _ in range(num_blocks))
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.join = nn.Conv2d(4 * width, width, 1)
        self.tail = nn.Conv2d(width, 3 * scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)
        self.interpolation_skip = interpolation_skip
        if interpolation_skip:
            start_near_zero(self.tail)

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)`, not clamped."""
        depths = [self.head(lr_image)]
        for block in self.blocks:
            depths.append(block(depths[-1]))
        joined = self.join(torch.cat([depths[0], depths[1], depths[-2], self.last(depths[-1])], 1))
        sr_image: Tensor = self.shuffle(self.tail(joined))
        if self.interpolation_skip:
            return sr_image + bicubic_upscale(lr_image, self.scale)
        return sr_image
