"""The VGG-style discriminator of SRGAN, with a choice of normalisation and of head.

Ledig et al., CVPR 2017, Sec. 2.1.1 and Fig. 4 (arXiv:1609.04802), without the sigmoid: the
objective of `zoo.adversaries` has it where it needs one.
"""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from zoo.discriminators.base import Discriminator
from zoo.errors import RecipeError, ShapeError
from zoo.registry import register_discriminator

DiscriminatorNorm = Literal["batch", "layer", "instance", "none"]

NEGATIVE_SLOPE = 0.2
REDUCTION = 16
_WIDTHS = (1, 1, 2, 2, 4, 4, 8, 8)


def norm_layer(norm: DiscriminatorNorm, channels: int) -> nn.Module:
    """Return the normalisation of `channels`, with a gain and an offset per channel.

    `layer` is layer normalisation over channels, height and width with per-channel gain and offset,
    as in the code of Gulrajani et al. 2017 (igul222/improved_wgan_training, `layernorm.py`): a
    group norm with one group, which fits any image size and couples no two images.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "layer":
        return nn.GroupNorm(1, channels)
    if norm == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.Identity()


@register_discriminator("vgg")
class VGGDiscriminator(Discriminator):
    """Eight 3x3 convolutions, every second one strided, and two linear layers.

    All convolutions have a bias and the first has no normalisation. With 96x96 images, batch norm
    and the `flatten` head it is the paper's network: 23,565,505 parameters, 4,685,376 of them in
    the convolutions.

    Args:
        width: channels of the first convolution; the others have 1, 2, 2, 4, 4, 8, 8 times as many.
        norm: normalisation after every convolution but the first.
        head: `pool` averages over the image and takes any size; `flatten` is the paper's, for one
            size.
        patch_size: side in HR pixels of the images a `flatten` head takes; `pool` needs none.
        hidden: units of the first linear layer.
    """

    def __init__(
        self,
        *,
        width: PositiveInt = 64,
        norm: DiscriminatorNorm = "batch",
        head: Literal["pool", "flatten"] = "pool",
        patch_size: PositiveInt | None = None,
        hidden: PositiveInt = 1024,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.scores_images_apart = norm != "batch"
        self.patch_size = patch_size if head == "flatten" else None
        self.trunk = _trunk(width, norm)
        self.head = nn.Sequential(
            *_reduce(head, patch_size),
            nn.Linear(_features(width, head, patch_size), hidden),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            nn.Linear(hidden, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Score `(N, 3, H, W)` images, RGB around [0, 1], with `(N, 1)` unbounded logits.

        Raises:
            ShapeError: if the head or the normalisation does not take images of this size.
        """
        self._check_size(image.shape[-2], image.shape[-1])
        logits: Tensor = self.head(self.trunk(image))
        return logits

    def _check_size(self, height: int, width: int) -> None:
        size = self.patch_size
        if size is not None and (height, width) != (size, size):
            raise ShapeError(
                f"this discriminator's flatten head needs images of {size}x{size}, not "
                f"{height}x{width}; build it with another patch_size, or with head 'pool', which "
                "accepts any size"
            )
        if self.norm == "instance" and max(height, width) <= REDUCTION:
            raise ShapeError(
                "instance norm has a single value per channel in the last convolution for a "
                f"{height}x{width} image; use images larger than {REDUCTION} pixels, or norm "
                "'layer'"
            )


def _trunk(width: int, norm: DiscriminatorNorm) -> nn.Sequential:
    """Return the convolutions: `(N, 3, H, W)` to `(N, 8 * width, H / 16, W / 16)`, rounded up."""
    layers: list[nn.Module] = []
    inputs = 3
    for index, factor in enumerate(_WIDTHS):
        outputs = width * factor
        layers.append(nn.Conv2d(inputs, outputs, 3, stride=1 + index % 2, padding=1))
        if index > 0 and norm != "none":
            layers.append(norm_layer(norm, outputs))
        layers.append(nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True))
        inputs = outputs
    return nn.Sequential(*layers)


def _reduce(head: str, patch_size: int | None) -> list[nn.Module]:
    if head == "flatten" and patch_size is None:
        raise RecipeError(
            "VGGDiscriminator: head 'flatten' needs a patch_size, the side of the HR patches in "
            "pixels; head 'pool' accepts any size"
        )
    return [nn.Flatten()] if head == "flatten" else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def _features(width: int, head: str, patch_size: int | None) -> int:
    """Return how many numbers the trunk and the reduction leave of an image."""
    side = -(-patch_size // REDUCTION) if head == "flatten" and patch_size is not None else 1
    return width * _WIDTHS[-1] * side**2
