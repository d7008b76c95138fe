"""What every discriminator is: an image in, one logit out."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Discriminator(nn.Module, ABC):
    """A network that scores how real an image looks; a critic where the adversary is Wasserstein.

    A subclass takes keyword-only arguments and ends in a logit: a sigmoid, where the adversary
    has one, belongs to the adversary's loss.

    Attributes:
        scores_images_apart: whether the logits of an image depend on no other image of its batch,
            in training too. Only then are real and fake images scored in one batch, which is
            faster: with batch normalisation they would be normalised together.
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
