"""MSRResNet, the modified SRResNet in which most published SRGAN weights come.

Wang et al., "ESRGAN: enhanced super-resolution generative adversarial networks", ECCV workshops
2018, used it beside RRDBNet (its name is from the authors' code). It is another function than
`zoo.generators.srresnet`: 3x3 convolutions only, no batch norm, ReLU in the blocks and LeakyReLU
outside, no convolution or skip around the trunk, and the bilinear image added at the end.
Parameters are named as in the files that are exchanged (`conv_first`, `body.0.conv1`, `upconv1`).
"""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import PositiveInt
from torch import Tensor, nn

from zoo.generators.base import Generator
from zoo.generators.blocks import msra_init, upsampling_stages
from zoo.registry import register_generator

NEGATIVE_SLOPE = 0.1
_GAIN = 0.1


def _activate(features: Tensor) -> Tensor:
    return F.leaky_relu(features, NEGATIVE_SLOPE, inplace=True)


class _Block(nn.Module):
    """Convolution, ReLU, convolution, and the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, width, h, w)` features to the same shape."""
        branch: Tensor = self.conv2(F.relu(self.conv1(features), inplace=True))
        return features + branch


@register_generator("msrresnet")
class MSRResNet(Generator):
    """Residual blocks at low resolution, sub-pixel convolutions, and the bilinear image.

    The defaults are the published network: 1,517,571 parameters at x4. There are published weights
    for x2, x3 and x4; x8 has a third stage of two.

    Args:
        scale: the upscaling factor.
        width: channels of every feature map.
        num_blocks: residual blocks.
    """

    def __init__(
        self, *, scale: int = 4, width: PositiveInt = 64, num_blocks: PositiveInt = 16
    ) -> None:
        super().__init__(scale=scale)
        self.stages = upsampling_stages(scale)
        self.conv_first = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(*(_Block(width) for _ in range(num_blocks)))
        for stage, factor in enumerate(self.stages, start=1):
            conv = nn.Conv2d(width, width * factor**2, 3, padding=1)
            self.add_module(f"upconv{stage}", conv)
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, 3, 3, padding=1)
        msra_init(self, gain=_GAIN)

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)`, not clamped."""
        features = self.body(_activate(self.conv_first(lr_image)))
        for stage, factor in enumerate(self.stages, start=1):
            enlarged = F.pixel_shuffle(getattr(self, f"upconv{stage}")(features), factor)
            features = _activate(enlarged)
        residual: Tensor = self.conv_last(_activate(self.conv_hr(features)))
        return residual + F.interpolate(lr_image, scale_factor=self.scale, mode="bilinear")
