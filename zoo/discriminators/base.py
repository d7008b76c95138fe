"""The base class of discriminators: an image in, one logit out."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Discriminator(nn.Module, ABC):
    """A network that scores how real an image looks; a critic if the adversary is Wasserstein.

    A subclass takes keyword-only arguments and ends in a logit. A sigmoid belongs to the loss of
    the adversary.

    Attributes:
        scores_images_apart: whether the logits of an image are independent of the other images of
            its batch, also in training. Only then does zoo score real and fake images in one
            batch, which is faster; batch normalisation would normalise them together.

    Example:
        >>> import torch
        >>> import zoo
        >>> critic = zoo.create("vgg", kind="discriminators", norm="layer")
        >>> critic(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1])
    """

    scores_images_apart: bool = False

    def __init__(self) -> None:
        # nn.Module's own takes *args and **kwargs, which no recipe could be checked against
        super().__init__()

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Score a batch of images.

        Args:
            image: `(N, 3, H, W)`, RGB around [0, 1].

        Returns:
            `(N, 1)` logits, unbounded, larger for more real. A discriminator that scores patches
            may return `(N, 1, H', W')`.
        """
