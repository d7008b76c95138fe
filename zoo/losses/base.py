"""What every loss is: a distance between generated and real images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

NETWORK = "network"
"""The entry of a loss's provenance that names the feature network it compares images by."""
SOURCE = "weights"
"""The entry of a loss's provenance that says in words where its weights came from."""


class Loss(nn.Module, ABC):
    """A term of the generator's loss. Its weight belongs to the recipe, not to the loss.

    A subclass takes keyword-only arguments. Parameters it holds are frozen.

    Attributes:
        places: constructor arguments that only say where something is found. `provenance` speaks
            for what was found there; the arguments themselves are no part of a run's identity.
        later: constructor arguments that it learned after runs had been trained with it. Where they
            are None, they are no part of a run's identity, so that those runs stay what they are.
        min_side: the smallest side of an image that it takes, in pixels.
        needs: weights of `zoo weights list` that it takes with its default arguments.
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
        """Return what else shaped the value, such as the sha256 of weights; empty by default.

        It is shown with every result the loss touched. All but the entry `SOURCE`, which says in
        words where it came from, is part of a run's identity.
        """
        return {}
