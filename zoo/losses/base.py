"""The base class of losses: a distance between generated and real images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

NETWORK = "network"
"""Key of a loss's provenance with the name of its feature network."""
SOURCE = "weights"
"""Key of a loss's provenance with the source of its weights, in words."""


class Loss(nn.Module, ABC):
    """A term of the generator's loss. Its weight belongs to the recipe, not to the loss.

    A subclass takes keyword-only arguments. Its parameters are frozen.

    Attributes:
        places: constructor arguments that only locate something. `provenance` describes what was
            found there; the arguments themselves are not part of a run's identity.
        later: constructor arguments that were added after runs had been trained with the loss. If
            they are None, they are not part of a run's identity, so the identity of those runs
            stays the same.
        min_side: the smallest accepted side of an image, in pixels.
        needs: weights of `zoo weights list` that the default arguments need.

    Example:
        >>> import torch
        >>> import zoo
        >>> loss = zoo.create("l1", kind="losses")
        >>> loss(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)).item()
        1.0
    """

    places: ClassVar[tuple[str, ...]] = ()
    later: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    min_side: int = 1

    def __init__(self) -> None:
        # nn.Module's own takes *args and **kwargs, which no recipe could be checked against
        super().__init__()

    @abstractmethod
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Compare two batches of images.

        Args:
            sr_image: `(N, 3, H, W)` generated images, RGB around [0, 1]; receives the gradient.
            hr_image: `(N, 3, H, W)` real images, RGB in [0, 1].

        Returns:
            A scalar, the mean over the batch.
        """

    def provenance(self) -> Mapping[str, str]:
        """Return what else affects the value, such as the sha256 of weights; empty by default.

        It is shown with every result of the loss. All entries except `SOURCE`, a description of
        the origin, are part of a run's identity.
        """
        return {}
