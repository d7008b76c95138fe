"""What a network costs: its parameters, and the operations of one forward pass.

Not here: how fast a machine is (`benchmarks/speed`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, slots=True)
class Cost:
    """The size of a network and the work of one forward pass.

    Operations are those of convolutions and matrix products, as `torch.utils.flop_counter` counts
    them: a multiplication and an addition are two FLOPs and one MAC. Activations, normalisation
    and interpolation are not in it.

    Attributes:
        parameters: number of trainable parameters.
        flops: floating-point operations of the forward pass.
        input_shape: `(N, C, H, W)` of the input that was counted.
    """

    parameters: int
    flops: int
    input_shape: tuple[int, int, int, int]

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of the forward pass."""
        return self.flops // 2

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulate operations for each pixel of the input."""
        images, _, height, width = self.input_shape
        return self.macs / (images * height * width)


def measure_cost(build: Callable[[], nn.Module], *, height: int, width: int) -> Cost:
    """Count the parameters and operations of a network on one RGB image.

    The meta device does it without memory or arithmetic. A network that computes with values when
    it is built or run has none there, and is counted on the CPU.

    Args:
        build: makes the network.
        height: height of the input in pixels.
        width: width of the input in pixels.
    """
    try:
        return _measure(build, (1, 3, height, width), "meta")
    except RuntimeError:
        return _measure(build, (1, 3, height, width), "cpu")


def _measure(build: Callable[[], nn.Module], shape: tuple[int, int, int, int], device: str) -> Cost:
    with torch.device(device):
        network = build().eval()  # batch statistics of one image may not exist
        image = torch.zeros(shape)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(image)
    trainable = (parameter for parameter in network.parameters() if parameter.requires_grad)
    parameters = sum(parameter.numel() for parameter in trainable)
    return Cost(parameters, counter.get_total_flops(), shape)
