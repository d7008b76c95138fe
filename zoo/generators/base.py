"""The base class of generators: an image in, an image `scale` times larger out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from zoo.errors import RecipeError


class Generator(nn.Module, ABC):
    """A super-resolution network.

    A subclass takes keyword-only arguments, among them `scale`, passes it to this constructor, and
    defines `forward`. Its constructor is the only place of its defaults.

    Attributes:
        scales: the scales for which the architecture can be built.
        trainable: False for a fixed method, such as bicubic interpolation, that is only scored.
        calibrates: whether benchmarks test their protocol against its published scores.
        scale: the scale of this instance.

    Example:
        >>> import torch
        >>> from torch import Tensor
        >>> import zoo
        >>> class Nearest(zoo.Generator):
        ...     def __init__(self, *, scale: int = 4) -> None:
        ...         super().__init__(scale=scale)
        ...
        ...     def forward(self, lr_image: Tensor) -> Tensor:
        ...         return torch.nn.functional.interpolate(lr_image, scale_factor=self.scale)
        >>> Nearest(scale=2)(torch.rand(1, 3, 12, 10)).shape
        torch.Size([1, 3, 24, 20])
    """

    scales: ClassVar[frozenset[int]] = frozenset({2, 3, 4, 8})
    trainable: ClassVar[bool] = True
    calibrates: ClassVar[bool] = False

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__()
        if scale not in self.scales:
            known = ", ".join(str(value) for value in sorted(self.scales))
            raise RecipeError(f"{type(self).__name__} has no scale {scale} (it has {known})")
        self.scale = scale

    @abstractmethod
    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale a batch of images.

        Args:
            lr_image: `(N, 3, h, w)`, RGB in [0, 1], any h, w >= 1.

        Returns:
            `(N, 3, scale * h, scale * w)`, RGB around [0, 1], not clamped.
        """
