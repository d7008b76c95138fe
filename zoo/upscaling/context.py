"""How much of the picture around a pixel a network needs to get that pixel right.

Two measurements, no guess and no table of architectures:

- `reach` is the theoretical receptive field: NaN spreads through every sum it enters, so the
  columns that one column of NaN spoils are those that it can influence. A network in which it
  spoils everything (global pooling, statistics of the image) has no reach;
- `find_context` asks how much of that matters on a given picture: blocks of it are upscaled with
  more and more context, until twice as much changes them by less than a quarter of 1/255.

Not here: where tiles lie (`zoo.upscaling.layout`), and the check of the seams of a whole picture
(`zoo.upscaling.seams`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.upscaling.layout import ALIGNMENT, aligned

logger = logging.getLogger(__name__)

Network = Callable[[Tensor], Tensor]
LEVEL: Final = 1 / 255
PROBE_TOLERANCE: Final = LEVEL / 4
MAX_REACH: Final = 1024
STRIP: Final = 8  # pixels across a strip; networks that halve the image three times take it
BLOCK: Final = 2 * ALIGNMENT
NUM_CONTRASTED: Final = 3


def reach(network: Network, scale: int, device: torch.device) -> int | None:
    """Return how many pixels of the input, at most, an output pixel depends on in one direction.

    Args:
        network: maps `(1, 3, h, w)` to `(1, 3, scale * h, scale * w)`.
        scale: upscaling factor.
        device: where the network is.

    Returns:
        The reach in pixels, or None if it is more than `MAX_REACH` or the whole picture.
    """
    across = _reach_along(network, scale, device, turned=False)
    if across is None:
        return None
    down = _reach_along(network, scale, device, turned=True)
    return None if down is None else max(across, down)


def _reach_along(network: Network, scale: int, device: torch.device, *, turned: bool) -> int | None:
    side = 64
    while side <= 2 * MAX_REACH:
        strip = torch.full((1, 3, STRIP, side), 0.5, device=device)
        strip[..., side // 2] = torch.nan
        answer = network(strip.mT.contiguous() if turned else strip)
        spoilt = ~torch.isfinite(answer.mT if turned else answer).all(dim=(0, 1, 2))
        columns: list[int] = spoilt.reshape(side, scale).any(dim=1).nonzero().flatten().tolist()
        if not columns:
            return 0
        if columns[0] > 0 and columns[-1] < side - 1:
            return max(side // 2 - columns[0], columns[-1] - side // 2)
        side *= 2
    return None


def find_context(
    network: Network, image: Tensor, scale: int, bound: int, start: int = ALIGNMENT
) -> int | None:
    """Return the context in pixels with which the blocks of a picture come out as in the whole.

    Args:
        network: maps `(1, 3, h, w)` to `(1, 3, scale * h, scale * w)`.
        image: `(1, 3, h, w)` in [0, 1].
        scale: upscaling factor.
        bound: the network's reach.
        start: the smallest context to try, a multiple of the alignment.

    Returns:
        A multiple of the alignment of at most `bound`, rounded up; or None if even that much does
        not do: what the network makes of a block depends on where in the picture it is.
    """
    blocks, context = telling_blocks(image), start
    if bound == 0:
        return 0
    now = [_block(network, image, scale, block, context) for block in blocks]
    while True:
        more = [_block(network, image, scale, block, 2 * context) for block in blocks]
        change = max(float((a - b).abs().max()) for a, b in zip(now, more, strict=True))
        logger.debug("context %d: blocks change by %.3f/255", context, change / LEVEL)
        if change < PROBE_TOLERANCE:
            return min(context, aligned(bound))
        if context >= bound:
            return None
        context, now = 2 * context, more


def telling_blocks(image: Tensor) -> list[tuple[int, int]]:
    """Return top and left of the blocks of a picture where missing context shows most.

    The most contrasted ones, and the brightest: beyond its edge a network sees black.

    Args:
        image: `(1, 3, h, w)` in [0, 1].
    """
    grey = image.float().mean(dim=1, keepdim=True)
    height, width = grey.shape[-2:]
    edges = torch.zeros_like(grey)
    edges[..., 1:, :] += grey.diff(dim=2).abs()
    edges[..., 1:] += grey.diff(dim=3).abs()
    rows, columns = (max(1, side // BLOCK) for side in (height, width))
    ranked = [
        F.adaptive_avg_pool2d(values, (rows, columns)).flatten().argsort(descending=True)[:most]
        for values, most in ((edges, NUM_CONTRASTED), (grey, 1))
    ]
    cells = dict.fromkeys(int(cell) for cells in ranked for cell in cells)
    return [(cell // columns * BLOCK, cell % columns * BLOCK) for cell in cells]


def _block(
    network: Network, image: Tensor, scale: int, block: tuple[int, int], context: int
) -> Tensor:
    """Upscale one block with so much context around it, where the picture has it."""
    windows, inside = [], []
    for start, size in zip(block, image.shape[-2:], strict=True):
        low, high = max(0, start - context), min(size, start + BLOCK + context)
        windows.append(slice(low, high))
        inside.append(slice((start - low) * scale, (min(start + BLOCK, size) - low) * scale))
    answer = network(image[..., windows[0], windows[1]])
    return answer[..., inside[0], inside[1]].float()
