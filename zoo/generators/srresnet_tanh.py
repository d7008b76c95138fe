"""SRResNet whose output is squashed into (0, 1) by a tanh, as several SRGAN ports have it.

It is here to run weights that were trained so: what a tanh does cannot be folded into the weights
of `zoo.generators.srresnet`. SRGAN's authors put no tanh at the end, and a new network has no use
for one: near black and white its gradient is close to zero.
"""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor

from zoo.generators.blocks import GeneratorNorm
from zoo.generators.srresnet import SRResNet
from zoo.registry import register_generator


@register_generator("srresnet-tanh")
class TanhSRResNet(SRResNet):
    """SRResNet with `(tanh(y) + 1) / 2` for its output y.

    Args:
        scale: the upscaling factor.
        width: channels of every feature map.
        num_blocks: residual blocks.
        norm: normalisation after each convolution of the trunk.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        width: PositiveInt = 64,
        num_blocks: PositiveInt = 16,
        norm: GeneratorNorm = "batch",
    ) -> None:
        super().__init__(scale=scale, width=width, num_blocks=num_blocks, norm=norm)

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)` in (0, 1)."""
        return (torch.tanh(super().forward(lr_image)) + 1) / 2
