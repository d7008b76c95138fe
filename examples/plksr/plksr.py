"""PLKSR, convolutions with a large kernel on a part of the channels: a generator in one file.

Lee, Yun and Ro, "Partial Large Kernel CNNs for Efficient Super-Resolution", 2024
(arXiv:2404.11848). A 17x17 convolution sees far and costs much; on a quarter of the channels it
costs a sixteenth. Written from the paper's description.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Gt, Le
from pydantic import PositiveInt
from torch import Tensor, nn

from zoo import Generator, register_generator

INIT_STD = 0.02


class PartialLargeKernel(nn.Module):
    """A convolution with a large kernel on the first channels; the others pass as they are.

    Args:
        channels: how many channels it sees.
        kernel_size: its side, in pixels of the input.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.channels = channels
        self.conv = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, width, h, w)` features to the same shape."""
        seen, passed = features.split([self.channels, features.shape[1] - self.channels], dim=1)
        return torch.cat([self.conv(seen), passed], dim=1)


class ElementwiseAttention(nn.Module):
    """Features times a gate between 0 and 1 that is computed from them, for each element."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, width, h, w)` features to the same shape."""
        return features * torch.sigmoid(self.gate(features))


class Block(nn.Module):
    """Channel mixer, partial large kernel, attention, 1x1 convolution, and the identity.

    Args:
        width: channels.
        large_channels: channels the large kernel sees.
        kernel_size: side of the large kernel.
        attention: whether there is an element-wise attention.
    """

    def __init__(
        self, width: int, *, large_channels: int, kernel_size: int, attention: bool
    ) -> None:
        super().__init__()
        self.mixer = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(2 * width, width, 3, padding=1),
        )
        self.large = PartialLargeKernel(large_channels, kernel_size)
        self.attention = ElementwiseAttention(width) if attention else nn.Identity()
        self.refine = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, width, h, w)` features to the same shape."""
        mixed: Tensor = self.refine(self.attention(self.large(self.mixer(features))))
        return features + mixed


@register_generator("plksr")
class PLKSR(Generator):
    """Blocks at low resolution, one sub-pixel convolution, and the image by nearest neighbour.

    The defaults are the paper's network: 7,386,096 parameters at x4. Its tiny one has `num_blocks`
    12, `kernel_size` 13 and no attention, 2,370,544.

    Args:
        scale: the upscaling factor.
        width: channels of every feature map.
        num_blocks: blocks.
        kernel_size: side of the large kernel, in pixels of the low-resolution image.
        share: of the channels, what the large kernel sees; at least one channel.
        attention: whether every block has an element-wise attention.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        width: PositiveInt = 64,
        num_blocks: PositiveInt = 28,
        kernel_size: Literal[5, 7, 9, 11, 13, 15, 17, 19, 21] = 17,
        share: Annotated[float, Gt(0), Le(1)] = 0.25,
        attention: bool = True,
    ) -> None:
        super().__init__(scale=scale)
        large_channels = max(1, int(width * share))
        blocks = [
            Block(
                width, large_channels=large_channels, kernel_size=kernel_size, attention=attention
            )
            for _ in range(num_blocks)
        ]
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(*blocks)
        self.tail = nn.Conv2d(width, 3 * scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.trunc_normal_(layer.weight, std=INIT_STD)

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)`, not clamped."""
        detail: Tensor = self.shuffle(self.tail(self.blocks(self.head(lr_image))))
        return detail + F.interpolate(lr_image, scale_factor=float(self.scale), mode="nearest")
