"""BasicSR's discriminator as a component of zoo's: both sides train the same networks.

Not in zoo: it is for one image size, and zoo's `vgg` takes any.
"""

from __future__ import annotations

from typing import Final

from pydantic import PositiveInt
from torch import Tensor, nn

from zoo.discriminators.base import Discriminator
from zoo.registry import DISCRIMINATORS, register_discriminator

NAME: Final = "basicsr-vgg"
SIDE: Final = 128
"""Side of the images it takes, in pixels."""
_FACTORS: Final = (1, 2, 4, 8, 8)
_HIDDEN: Final = 100


class BasicSRDiscriminator(Discriminator):
    """Ten convolutions, every second one 4x4 and strided, BatchNorm after all but the first.

    The function of `VGGStyleDiscriminator` in BasicSR 1.4.2, its tensors in the same order.

    Args:
        width: channels of the first convolution; the others have up to 8 times as many.
    """

    def __init__(self, *, width: PositiveInt = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for factor in _FACTORS:
            outputs = width * factor
            first = not layers
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=first))
            layers += [] if first else [nn.BatchNorm2d(outputs)]
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            layers.append(nn.Conv2d(outputs, outputs, 4, stride=2, padding=1, bias=False))
            layers += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True)]
            inputs = outputs
        features = inputs * (SIDE // 2 ** len(_FACTORS)) ** 2
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(features, _HIDDEN),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(_HIDDEN, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Score `(N, 3, 128, 128)` images, RGB in [0, 1], with `(N, 1)` logits."""
        logits: Tensor = self.head(self.trunk(image))
        return logits


def register() -> None:
    """Make it known to recipes as `basicsr-vgg`."""
    if NAME not in DISCRIMINATORS.names():
        register_discriminator(NAME)(BasicSRDiscriminator)
