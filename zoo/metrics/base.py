"""The base class of metrics: a number for one super-resolved image, with its meaning declared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Comparison:
    """One super-resolved image with its references.

    Attributes:
        sr_image: `(C, H, W)`, C of 3 (RGB) or 1 (raw values), around [0, 1], not yet rounded.
        hr_image: `(C, H, W)`, the ground truth in [0, 1].
        lr_image: `(C, h, w)`, the input of the generator, in [0, 1].
        scale: scale of the generator.
    """

    sr_image: Tensor
    hr_image: Tensor
    lr_image: Tensor
    scale: int

    def to(self, device: torch.device | str) -> Comparison:
        """Return the comparison with its images on a device."""
        if self.sr_image.device == torch.device(device):
            return self
        images = (self.sr_image, self.hr_image, self.lr_image)
        sr_image, hr_image, lr_image = (image.to(device) for image in images)
        return Comparison(sr_image, hr_image, lr_image, self.scale)


class Metric(ABC):
    """A score of one image. The metric itself applies the protocol (rounding, crop, luma).

    Attributes:
        label: heading of its column; by default the registered name.
        unit: unit of the value, empty if it has none.
        higher_is_better: the direction; None if 0 is the ideal value.
        value_range: smallest and largest possible value; None if no bound is known.
        min_side: smallest side, in pixels after the border is cut, that it can score.
        networks: its feature networks, by their names in `zoo weights list`. A recipe that trains
            against one of them has been optimised for this score.
        needs: weights of `zoo weights list` that it uses.
        on_device: whether it computes on any device; otherwise it gets images on the CPU.

    Example:
        >>> import torch
        >>> import zoo
        >>> metric = zoo.create("psnr-y", kind="metrics")
        >>> image = torch.rand(3, 32, 32)
        >>> round(metric(image, image, scale=4))
        80
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
        """Score one image. A metric that reads the low-resolution image overrides this."""
        return self(comparison.sr_image, comparison.hr_image, scale=comparison.scale)

    def unavailable(self) -> str | None:
        """Return why this metric cannot be computed here and what to do; None if it can."""
        return None

    def provenance(self) -> dict[str, str]:
        """Return what the scores depend on besides the protocol: networks, hashes of weights."""
        return {}
