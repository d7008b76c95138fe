"""RRDBNet, the generator of ESRGAN: residual-in-residual dense blocks.

Wang et al., "ESRGAN: enhanced super-resolution generative adversarial networks", ECCV workshops
2018, Sec. 3.1 (arXiv:1809.00219). Parameters are named as in the files the community exchanges
(`conv_first`, `body.0.rdb1.conv1`, `conv_up1`, ...), so that spandrel and the tools built on it
load ours, and ours theirs. They assume `growth=32`, `norm="none"` and a scale of 2, 4 or 8.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from zoo.generators.base import Generator
from zoo.generators.bicubic import bicubic_upscale
from zoo.generators.blocks import (
    GeneratorNorm,
    msra_init,
    norm_layer,
    start_near_zero,
    upsampling_stages,
)
from zoo.registry import register_generator

NEGATIVE_SLOPE = 0.2
DENSE_CONVS = 5


def _activate(features: Tensor) -> Tensor:
    """Apply LeakyReLU in place: its gradient needs the output only, and memory is short at x4."""
    return F.leaky_relu(features, NEGATIVE_SLOPE, inplace=True)


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the outputs of all before it, and a scaled identity.

    Args:
        width: channels in and out.
        growth: channels that each of the first four convolutions adds.
        norm: normalisation after each convolution.
        residual_scaling: beta, the factor on the branch before the sum.
    """

    def __init__(
        self, width: int, growth: int, *, norm: GeneratorNorm, residual_scaling: float
    ) -> None:
        super().__init__()
        for index in range(1, DENSE_CONVS + 1):
            outputs = growth if index < DENSE_CONVS else width
            inputs = width + (index - 1) * growth
            self.add_module(f"conv{index}", nn.Conv2d(inputs, outputs, 3, padding=1))
            self.add_module(f"norm{index}", norm_layer(norm, outputs))
        self.residual_scaling = residual_scaling

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, width, h, w)` features to the same shape."""
        dense = features
        for index in range(1, DENSE_CONVS):
            dense = torch.cat((dense, _activate(self._layer(index, dense))), 1)
        branch = self._layer(DENSE_CONVS, dense)
        return torch.add(features, branch, alpha=self.residual_scaling)

    def _layer(self, index: int, features: Tensor) -> Tensor:
        conv, norm = getattr(self, f"conv{index}"), getattr(self, f"norm{index}")
        normalised: Tensor = norm(conv(features))
        return normalised


class RRDB(nn.Module):
    """Three dense blocks and a scaled identity around them (ESRGAN, Fig. 4); see `DenseBlock`.

    The branch contains the dense blocks' own identities, so features grow by about 1 + beta in
    every block: 66-fold over the paper's 23. This is the published network, not a slip.
    """

    def __init__(
        self, width: int, growth: int, *, norm: GeneratorNorm, residual_scaling: float
    ) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(width, growth, norm=norm, residual_scaling=residual_scaling)
        self.rdb2 = DenseBlock(width, growth, norm=norm, residual_scaling=residual_scaling)
        self.rdb3 = DenseBlock(width, growth, norm=norm, residual_scaling=residual_scaling)
        self.residual_scaling = residual_scaling

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, width, h, w)` features to the same shape."""
        branch = self.rdb3(self.rdb2(self.rdb1(features)))
        return torch.add(features, branch, alpha=self.residual_scaling)


@register_generator("rrdb")
class RRDBNet(Generator):
    """Residual-in-residual dense blocks at low resolution, then nearest-neighbour upsampling.

    The defaults are the paper's network: 16,697,987 parameters at x4. Each upsampling stage repeats
    pixels and convolves, which leaves no checkerboard. x2 has one stage at full width (Real-ESRGAN
    folds the image into channels instead), x3 one stage of three, x8 three stages.

    Args:
        scale: the upscaling factor.
        width: channels of every feature map.
        growth: channels that each convolution of a dense block adds.
        num_blocks: residual-in-residual dense blocks.
        norm: normalisation after each convolution of the dense blocks.
        residual_scaling: beta of Sec. 3.1, on the dense blocks and on the blocks around them.
        initialisation_gain: factor on the MSRA initialisation of the dense blocks' convolutions;
            the others keep PyTorch's.
        interpolation_skip: add the bicubic image to the output, and start as that image.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        width: PositiveInt = 64,
        growth: PositiveInt = 32,
        num_blocks: PositiveInt = 23,
        norm: GeneratorNorm = "none",
        residual_scaling: PositiveFloat = 0.2,
        initialisation_gain: PositiveFloat = 0.1,
        interpolation_skip: bool = False,
    ) -> None:
        super().__init__(scale=scale)
        blocks = [
            RRDB(width, growth, norm=norm, residual_scaling=residual_scaling)
            for _ in range(num_blocks)
        ]
        self.conv_first = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(*blocks)
        self.conv_body = nn.Conv2d(width, width, 3, padding=1)
        self.stages = upsampling_stages(scale)
        for stage in range(1, len(self.stages) + 1):
            self.add_module(f"conv_up{stage}", nn.Conv2d(width, width, 3, padding=1))
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, 3, 3, padding=1)
        self.interpolation_skip = interpolation_skip
        msra_init(self.body, gain=initialisation_gain)
        if interpolation_skip:
            start_near_zero(self.conv_last)

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale `(N, 3, h, w)` RGB in [0, 1] to `(N, 3, scale * h, scale * w)`, not clamped."""
        shallow = self.conv_first(lr_image)
        features = shallow + self.conv_body(self.body(shallow))
        for stage, factor in enumerate(self.stages, start=1):
            enlarged = F.interpolate(features, scale_factor=factor, mode="nearest")
            features = _activate(getattr(self, f"conv_up{stage}")(enlarged))
        sr_image: Tensor = self.conv_last(_activate(self.conv_hr(features)))
        if self.interpolation_skip:
            return sr_image + bicubic_upscale(lr_image, self.scale)
        return sr_image
