"""The moving average of a generator, which is validated, saved and shown."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class MovingAverage(AveragedModel):
    """Exponential moving average of a network's parameters and buffers, without waiting.

    torch's own copies its counter of updates to the device in every update, and a copy from
    ordinary memory waits for the device. An exponential average needs the counter only for the
    first update, which copies the network, so here it stays in host memory.

    Args:
        model: the network to follow; it is copied.
        decay: factor of the old average in an update.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        super().__init__(model, use_buffers=True)
        self._average = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Update the average with a network's current parameters and buffers."""
        pairs = list(zip(_tensors(self.module), _tensors(model), strict=True))
        if int(self.n_averaged) == 0:
            for average, current in pairs:
                average.copy_(current)
        else:
            # one call for each type: torch averages floating-point lists at once, others singly
            for dtype in dict.fromkeys(average.dtype for average, _ in pairs):
                of_type = [pair for pair in pairs if pair[0].dtype == dtype]
                self._average(
                    [average for average, _ in of_type],
                    [current for _, current in of_type],
                    self.n_averaged,
                )
        self.n_averaged += 1


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()
