"""How much of the image around a pixel a network needs to get that pixel right.

Two measurements, no guess and no table of architectures:

- `reach` is the theoretical receptive field: NaN spreads through every sum it enters, so the
  columns that one column of NaN spoils are those that it can influence. A network in which it
  spoils everything (global pooling, statistics of the image) has no reach;
- `find_context` asks how much of that matters on a given image: blocks of it are upscaled with
  more and more context, until twice as much changes them by less than a quarter of 1/255. Where
  that would take too long, the rest is predicted from how fast the changes fall.

Not here: where tiles lie (`zoo.upscaling.layout`), and the check of the seams of a whole image
(`zoo.upscaling.seams`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.upscaling.layout import ALIGNMENT, aligned
from zoo.upscaling.memory import is_out_of_memory

logger = logging.getLogger(__name__)

Network = Callable[[Tensor], Tensor]
GREY_LEVEL: Final = 1 / 255
PROBE_TOLERANCE: Final = GREY_LEVEL / 4
MAX_REACH: Final = 1024
LEAST_LENGTH: Final = 64  # of a strip, doubled until nothing reaches its ends
STRIP: Final = 8  # pixels across a strip; networks that halve the image three times take it
BLOCK: Final = 2 * ALIGNMENT
NUM_CONTRASTED: Final = 3
MOST_PIXELS: Final = 1 << 40
"""More than any image has."""


def reach(network: Network, scale: int, device: torch.device, most: int = MAX_REACH) -> int | None:
    """Return how many pixels of the input, at most, an output pixel depends on in one direction.

    Args:
        network: maps `(1, 3, h, w)` to `(1, 3, scale * h, scale * w)`.
        scale: upscaling factor.
        device: where the network is.
        most: reach from which on the answer is None; saves the time of longer strips.

    Returns:
        The reach in pixels, or None if it is more than `most` or the whole image, or if the network
        takes squares and no strips.

    Raises:
        RuntimeError: if the network fails for another reason, which tells nothing of it.
    """
    try:
        return _reach_both_ways(network, scale, device, most)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        logger.debug("the network does not take strips: %s", error)
    # A reason in the shape stays, and squares are free of it.
    network(torch.full((1, 3, LEAST_LENGTH, LEAST_LENGTH), 0.5, device=device))
    try:
        return _reach_both_ways(network, scale, device, most)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
    return None


def _reach_both_ways(network: Network, scale: int, device: torch.device, most: int) -> int | None:
    across, side = _reach_along(network, scale, device, LEAST_LENGTH, most, turned=False)
    if across is None:
        return None
    down, _ = _reach_along(network, scale, device, side, most, turned=True)
    return None if down is None else max(across, down)


def _reach_along(
    network: Network, scale: int, device: torch.device, side: int, most: int, *, turned: bool
) -> tuple[int | None, int]:
    """Return the reach in one direction and the strip that showed it, from one of a length on."""
    while side <= max(2 * most, LEAST_LENGTH):
        strip = torch.full((1, 3, STRIP, side), 0.5, device=device)
        strip[..., side // 2] = torch.nan
        answer = network(strip.mT.contiguous() if turned else strip)
        spoilt = ~torch.isfinite(answer.mT if turned else answer).all(dim=(0, 1, 2))
        columns: list[int] = spoilt.reshape(side, scale).any(dim=1).nonzero().flatten().tolist()
        if not columns:
            return 0, side
        if columns[0] > 0 and columns[-1] < side - 1:
            return max(side // 2 - columns[0], columns[-1] - side // 2), side
        side *= 2
    return None, side


def shows(image: Tensor, context: int | None, bound: int | None) -> bool:
    """Return whether an image is large enough to show that a context is enough.

    On a small image, blocks with once and with twice the context are both cut at its border.

    Args:
        image: what the context was found on.
        context: what `find_context` returned.
        bound: the network's reach, which is always enough.
    """
    if context is None or bound is None or context >= bound:
        return True
    return min(image.shape[-2:]) >= BLOCK + 4 * context


def find_context(
    network: Network,
    image: Tensor,
    scale: int,
    bound: int,
    most: int = MOST_PIXELS,
    largest: int = MOST_PIXELS,
) -> int | None:
    """Return the context in pixels with which blocks of an image equal those of the whole.

    After the first comparison the block that changed most stands for all.

    Args:
        network: maps `(1, 3, h, w)` to `(1, 3, scale * h, scale * w)`.
        image: `(1, 3, h, w)` in [0, 1].
        scale: upscaling factor.
        bound: the network's reach.
        most: pixels that may be upscaled in all; the first block is compared once in any case.
        largest: pixels that may be upscaled at once.

    Returns:
        A multiple of the alignment of at most `bound`, rounded up; or None if even that much does
        not do: what the network makes of a block depends on where in the image it is.
    """
    if bound == 0:
        return 0
    size, context = (image.shape[-2], image.shape[-1]), ALIGNMENT
    pair = _pixels(size, context) + _pixels(size, 2 * context)
    blocks = telling_blocks(image)[: max(1, most // pair)]
    now = [_block(network, image, scale, block, context) for block in blocks]
    left, changes = most - len(blocks) * pair, list[float]()
    while True:
        more = [_block(network, image, scale, block, 2 * context) for block in blocks]
        change = [float((a - b).abs().max()) for a, b in zip(now, more, strict=True)]
        worst = change.index(max(change))
        changes.append(change[worst])
        logger.debug("context %d: blocks change by %.3f/255", context, change[worst] / GREY_LEVEL)
        if change[worst] < PROBE_TOLERANCE:
            return min(context, aligned(bound))
        if context >= bound:
            return None
        blocks, now, context = [blocks[worst]], [more[worst]], 2 * context
        needed = _pixels(size, 2 * context)
        if needed > min(left, largest):
            return min(_predicted(changes, context), aligned(bound))
        left -= needed


def _pixels(size: tuple[int, int], context: int) -> int:
    """Return the pixels, at most, of a block with its context."""
    height, width = (min(side, BLOCK + 2 * context) for side in size)
    return height * width


def _predicted(changes: Sequence[float], context: int) -> int:
    """Return the context at which changes fall below the tolerance if they fall as they did.

    Args:
        changes: by doubling the context, time after time.
        context: after the last doubling.
    """
    last, before = changes[-1], changes[-2] if len(changes) > 1 else math.inf
    if not last < before < math.inf:
        return 2 * context
    # The last change came from what lies beyond context / 2, the one before from beyond a quarter.
    falls = math.log(before / last) / (context / 4)
    return max(context, aligned(math.ceil(context / 2 + math.log(last / PROBE_TOLERANCE) / falls)))


def telling_blocks(image: Tensor) -> list[tuple[int, int]]:
    """Return top and left of the blocks of an image where missing context shows most.

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
    """Upscale one block with so much context around it, where the image has it."""
    windows, inside = [], []
    for start, size in zip(block, image.shape[-2:], strict=True):
        low, high = max(0, start - context), min(size, start + BLOCK + context)
        windows.append(slice(low, high))
        inside.append(slice((start - low) * scale, (min(start + BLOCK, size) - low) * scale))
    answer = network(image[..., windows[0], windows[1]])
    return answer[..., inside[0], inside[1]].float()
