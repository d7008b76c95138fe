"""What every metric is: a number for one super-resolved image, with its meaning declared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor


class Metric(ABC):
    """A score of one image. The protocol (rounding, crop, luma) is applied inside, by name.

    Attributes:
        unit: unit of the value, empty where it has none.
        higher_is_better: the direction.
        value_range: smallest and largest possible value.
    """

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @abstractmethod
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        """Score one image.

        Args:
            sr_image: `(C, H, W)`, C of 3 (RGB) or 1 (raw values), around [0, 1], not yet rounded.
            hr_image: `(C, H, W)`, the ground truth in [0, 1].
            scale: upscaling factor, the number of border pixels the protocol ignores.

        Returns:
            The score.
        """
