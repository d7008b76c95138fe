"""Scores that need the generator itself, for example to run it in another way.

Their names are in `zoo.metrics.PROBES`, for claims. Not here: the loop over images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from zoo.metrics import PROBES, metric_key
from zoo.metrics.fidelity import PSNR_CAP, PSNRY
from zoo.records.record import Column

STATISTICS_GAP = "statistics-gap"
STATISTICS_GAP_KEY = metric_key(STATISTICS_GAP)
STATISTICS_GAP_COLUMN = Column(
    label=PROBES[STATISTICS_GAP],
    unit="dB",
    higher_is_better=False,
    value_range=(0.0, PSNR_CAP),
)


def has_batch_norm(module: nn.Module) -> bool:
    """Tell whether a network normalises by running statistics of batches, as torch's layers do."""
    return bool(_batch_norms(module))


@contextmanager
def with_batch_statistics(module: nn.Module) -> Iterator[None]:
    """Make every batch norm use the statistics of the images it is given, here and now.

    Running statistics are neither read nor written, and all else stays as it was: dropout, say,
    is not switched on. A layer refuses a single value a channel, which has no spread.
    """
    layers = _batch_norms(module)
    before = [(layer.training, layer.track_running_stats) for layer in layers]
    try:
        for layer in layers:
            layer.training, layer.track_running_stats = True, False
        yield
    finally:
        for layer, (training, track) in zip(layers, before, strict=True):
            layer.training, layer.track_running_stats = training, track


def statistics_gap(
    running_image: Tensor, batch_image: Tensor, hr_image: Tensor, *, scale: int
) -> float:
    """Return how far apart two outputs of one generator score, |difference of PSNR-Y| in dB.

    How much an output depends on whether batch norm uses the statistics gathered in training or
    the image's own. Without batch norm both outputs are one, and the gap is 0.

    Args:
        running_image: `(C, H, W)` around [0, 1], made with running statistics.
        batch_image: the same shape, made inside `with_batch_statistics`.
        hr_image: the ground truth.
        scale: upscaling factor.
    """
    psnr = PSNRY()
    running = psnr(running_image, hr_image, scale=scale)
    return abs(running - psnr(batch_image, hr_image, scale=scale))


def _batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Return the layers that keep running statistics; those that keep none always use the batch."""
    layers = (layer for layer in module.modules() if isinstance(layer, _BatchNorm))
    return [layer for layer in layers if layer.running_mean is not None]
