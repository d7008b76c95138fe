"""Detects images of another convention than zoo's: 0 to 255, -1 to 1, channels as B, G, R.

Scores clip to [0, 1], so such an image would get a score, but a wrong one. Downscaling an upscaled
image must give its input. This holds for the right convention and not for another.

Not here: whether an image has the right shape and finite values (`zoo.bench.forward`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch.nn.functional as F
from torch import Tensor

FLAT: Final = 0.01
"""Standard deviation of the low-resolution image below which no convention can be told."""
CLOSE: Final = 0.5
"""An image fits if what is left of the low-resolution one has less than this part of its
deviation: three quarters of the variance are explained."""
BETTER: Final = 4.0
"""How many times closer another convention must be, for the image to be said to follow it."""

_RANGES: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "": lambda image: image,
    "values in 0 to 255": lambda image: image / 255,
    "values in -1 to 1": lambda image: (image + 1) / 2,
}
_ORDERS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "": lambda image: image,
    "channels in the order B, G, R": lambda image: image.flip(0),
}


def other_convention(sr_image: Tensor, lr_image: Tensor) -> str:
    """Return which other convention an upscaled image follows; an empty string where it is zoo's.

    Args:
        sr_image: `(C, H, W)`, as the generator returned it.
        lr_image: `(C, h, w)` in [0, 1], what was upscaled; H and W are multiples of h and w.
    """
    spread = float(lr_image.std(unbiased=False))
    if spread < FLAT:
        return ""
    height, width = lr_image.shape[-2:]
    small = F.adaptive_avg_pool2d(sr_image.unsqueeze(0), (height, width))[0]
    own = _distance(small, lr_image)
    distances = {
        ", ".join(filter(None, (in_range, in_order))): _distance(order(scaled(small)), lr_image)
        for in_range, scaled in _RANGES.items()
        for in_order, order in _ORDERS.items()
    }
    name = min(distances, key=lambda name: distances[name])
    closest = distances[name]
    return name if closest <= CLOSE * spread and own >= BETTER * closest else ""


def _distance(image: Tensor, lr_image: Tensor) -> float:
    """Return the root of the mean squared difference."""
    return float((image - lr_image).double().square().mean().sqrt())
