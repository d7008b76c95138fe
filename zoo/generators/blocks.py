"""Building blocks that several generators share: normalisation, residual block, upsampling, init.

Blocks of one family only (dense blocks, say) live in that family's file.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from zoo.errors import RecipeError

GeneratorNorm = Literal["batch", "none"]
"""`none` is ESRGAN's change: batch normalisation brings artefacts and costs memory."""

_STAGES = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}
_NEAR_ZERO = 1e-3


def upsampling_stages(scale: int) -> tuple[int, ...]:
    """Return the factors of the successive upsampling stages: 8 -> (2, 2, 2), 3 -> (3,)."""
    if scale not in _STAGES:
        raise RecipeError(f"no upsampling for scale {scale} (there is one for 2, 3, 4 and 8)")
    return _STAGES[scale]


def norm_layer(norm: GeneratorNorm, channels: int) -> nn.Module:
    """Return batch normalisation of `channels`, or a layer that does nothing."""
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.Identity()


def conv_norm(channels: int, norm: GeneratorNorm) -> list[nn.Module]:
    """Return a 3x3 convolution, with bias also before batch norm, and its normalisation if any."""
    conv = nn.Conv2d(channels, channels, 3, padding=1)
    return [conv] if norm == "none" else [conv, norm_layer(norm, channels)]


class ResidualBlock(nn.Module):
    """Convolution, norm, PReLU, convolution, norm, and the identity (SRGAN, Fig. 4).

    Args:
        width: channels.
        norm: normalisation after each convolution.
        residual_scaling: factor on the branch before the sum (EDSR, Sec. 3.3).
    """

    def __init__(self, width: int, *, norm: GeneratorNorm, residual_scaling: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(*conv_norm(width, norm), nn.PReLU(), *conv_norm(width, norm))
        self.residual_scaling = residual_scaling

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, width, h, w)` features to the same shape."""
        return torch.add(features, self.branch(features), alpha=self.residual_scaling)


class PixelShuffleUpsampler(nn.Sequential):
    """Stages of convolution, pixel shuffle and PReLU (sub-pixel convolution, Shi et al. 2016).

    Maps `(N, width, h, w)` to `(N, width, scale * h, scale * w)`.
    """

    def __init__(self, width: int, scale: int) -> None:
        layers: list[nn.Module] = []
        for factor in upsampling_stages(scale):
            conv = nn.Conv2d(width, width * factor**2, 3, padding=1)
            layers += [conv, nn.PixelShuffle(factor), nn.PReLU()]
        super().__init__(*layers)


def msra_init(module: nn.Module, *, gain: float) -> None:
    """Draw the convolutions of `module` from the MSRA normal times `gain`, with zero bias.

    He et al. 2015, Eq. 10: standard deviation sqrt(2 / fan-in). ESRGAN's supplement multiplies it
    by 0.1, so that the residual branches of a deep stack start out small.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            with torch.no_grad():
                layer.weight.mul_(gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def start_near_zero(conv: nn.Conv2d) -> None:
    """Shrink an output convolution so that what is added to it, a bicubic image, is all one sees.

    Shrunk, not zeroed: behind a zero weight no other parameter has a gradient.
    """
    with torch.no_grad():
        conv.weight.mul_(_NEAR_ZERO)
        if conv.bias is not None:
            conv.bias.zero_()
