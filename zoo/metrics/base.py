"""What every metric is: a number for one super-resolved image, with its meaning declared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Comparison:
    """One super-resolved image beside what it is judged by.

    Attributes:
        sr_image: `(C, H, W)`, C of 3 (RGB) or 1 (raw values), around [0, 1], not yet rounded.
        hr_image: `(C, H, W)`, the ground truth in [0, 1].
        lr_image: `(C, h, w)`, what was upscaled, in [0, 1].
        scale: upscaling factor.
    """

    sr_image: Tensor
    hr_image: Tensor
    lr_image: Tensor
    scale: int

    def to(self, device: torch.device | str) -> Comparison:
        """Return the comparison with its images on a device; itself where they are there."""
        if self.sr_image.device == torch.device(device):
            return self
        images = (self.sr_image, self.hr_image, self.lr_image)
        sr_image, hr_image, lr_image = (image.to(device) for image in images)
        return Comparison(sr_image, hr_image, lr_image, self.scale)


class Metric(ABC):
    """A score of one image. The protocol (rounding, crop, luma) is applied inside, by name.

    Attributes:
        label: heading of its column; the registered name where it is empty.
        unit: unit of the value, empty where it has none.
        higher_is_better: the direction; None where neither is better and 0 is right.
        value_range: smallest and largest possible value; None where no bound is known.
        min_side: smallest side, in pixels and after the border is cut, that it can score.
        networks: feature networks it compares images by, as `zoo weights list` calls them. A
            recipe that trains against one of them has trained for this score.
        needs: weights of `zoo weights list` that it takes.
        on_device: whether it takes images on any device and computes there; else it gets them on
            the CPU, wherever the generator ran.
    """

    label: ClassVar[str] = ""
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True
    value_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    min_side: ClassVar[int] = 1
    networks: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    on_device: ClassVar[bool] = False

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

    def score(self, comparison: Comparison) -> float:
        """Score one image; a metric that reads the low-resolution image overrides this."""
        return self(comparison.sr_image, comparison.hr_image, scale=comparison.scale)

    def unavailable(self) -> str | None:
        """Return why this metric cannot be computed here and what to do, None where it can."""
        return None

    def provenance(self) -> dict[str, str]:
        """Return what the scores depend on beyond the protocol: networks, hashes of weights."""
        return {}
