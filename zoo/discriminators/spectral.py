"""Spectral normalisation of a network's layers, and the VGG-style discriminator with it."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from zoo.discriminators.vgg import VGGDiscriminator
from zoo.registry import register_discriminator


@register_discriminator("vgg-sn")
class SpectralVGG(VGGDiscriminator):
    """`vgg` with spectral normalisation of every layer: Miyato et al., ICLR 2018, Eq. 8.

    Args:
        width: channels of the first convolution, as in `vgg`.
        head: see `vgg`.
        patch_size: see `vgg`.
        hidden: units of the first linear layer.
    """

    def __init__(
        self,
        *,
        width: PositiveInt = 64,
        head: Literal["pool", "flatten"] = "pool",
        patch_size: PositiveInt | None = None,
        hidden: PositiveInt = 1024,
    ) -> None:
        super().__init__(width=width, norm="none", head=head, patch_size=patch_size, hidden=hidden)
        normalise(self)


def normalise(network: nn.Module) -> None:
    """Divide the weight of every convolution and linear layer by its largest singular value.

    The value is estimated by one power iteration for each pass in training (Miyato et al. 2018,
    Algorithm 1). Its vectors are buffers, so a resumed run goes on with them.
    """
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spectral_norm(layer)
