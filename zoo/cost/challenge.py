"""Counts what the NTIRE challenges on efficient super-resolution count."""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from zoo.records.challenge import ACTIVATIONS, FLOPS, MULTI_ADDS, SIDE, WIDE

logger = logging.getLogger(__name__)

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)


def challenge_cost(generator: object, *, scale: int) -> dict[str, float]:
    """Return the costs of a network by the keys of `CHALLENGE_COLUMNS`, counted without computing.

    Operations are those of convolutions and matrix products. A function, and a network that
    computes with values and so cannot be run on the meta device, has none.

    Args:
        generator: maps `(1, 3, h, w)` to `(1, 3, scale * h, scale * w)`; left as it was.
        scale: upscaling factor.
    """
    if not isinstance(generator, nn.Module):
        return {}
    try:
        flops, activations = _counted(generator, SIDE, SIDE)
        wide, _ = _counted(generator, *(side // scale for side in WIDE))
    except Exception:  # a network's own code: what it raises on the meta device has no common base
        logger.debug("the costs of the challenge cannot be counted", exc_info=True)
        return {}
    return {FLOPS: flops, ACTIVATIONS: activations, MULTI_ADDS: wide}


def _counted(generator: nn.Module, height: int, width: int) -> tuple[float, float]:
    """Return multiply-accumulates, and elements of the outputs of convolutions."""
    network = copy.deepcopy(generator).to("meta").eval()
    elements = 0

    def count(_module: nn.Module, _given: Any, output: Tensor) -> None:
        nonlocal elements
        elements += output.numel()

    for part in network.modules():
        if isinstance(part, _CONVOLUTIONS):
            part.register_forward_hook(count)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter, torch.device("meta"):
        network(torch.zeros(1, 3, height, width))
    return float(counter.get_total_flops() // 2), float(elements)
