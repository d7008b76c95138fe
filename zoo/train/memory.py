"""Predicts the peak memory of a stage from smaller work of the same kind.

With the networks in place, the peak grows linearly with the number of pixels. It is measured at two
small sizes, with the real step and the real validation, and extrapolated to the full size. At most
half a batch is run (batches of up to four completely), so most stages that do not fit are detected
without exhausting the memory. Compiled networks run eagerly here: compilation does not increase
their memory, and would run for each size.

Not here: reading the peak of a process or a device (`zoo.runs.device`).
"""

from __future__ import annotations

import gc
import logging
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.data.device_store import estimate_store_bytes
from zoo.data.images import write_png
from zoo.recipes.build import build_components
from zoo.recipes.schema import Data, RunSpec
from zoo.runs.device import (
    Execution,
    Store,
    free_device_memory,
    peak_during,
    peak_memory,
    resident_memory,
)
from zoo.train.compilation import uncompiled
from zoo.train.step import TrainingState, assemble, to_device, training_step
from zoo.train.validation import TILE, Validator
from zoo.upscaling.context import reach
from zoo.upscaling.memory import is_out_of_memory

logger = logging.getLogger(__name__)
MARGIN = 1.2
"""Factor on a predicted peak for the free memory: it may be 10 % too low, and allocators waste
some."""
SMALL_SHARE = 0.01
"""Share of the free memory below which images are kept on the device without a prediction."""
NUM_TRIAL_STEPS = 3
"""Steps over which a peak is measured: after the first, memory is fragmented."""
TRIAL_SIDES = 96, 160
"""Sides of low-resolution images for validation measurements, in pixels; smaller images as they
are.

Below them, memory kept by the allocator hides what an image needs."""


@dataclass(frozen=True, slots=True)
class MemoryForecast:
    """Peak memory of a stage in bytes, by cause: a CPU's whole process, a GPU's tensors.

    Attributes:
        begin: the peak before: imports, building networks, reading weights.
        step: of a training step at full size.
        validation: of scoring and showing the largest held-out image.
        checkpoint: of writing a checkpoint, which is assembled in host memory.
    """

    begin: int
    step: int
    validation: int
    checkpoint: int

    @property
    def peak(self) -> int:
        """The peak of the stage."""
        return max(self.begin, self.step, self.validation, self.checkpoint)


def forecast_memory(
    state: TrainingState,
    data: Data,
    *,
    scale: int,
    image_sizes: list[tuple[int, int]],
    images_left_out: int = 0,
) -> MemoryForecast | None:
    """Predict the peak memory of training.

    Args:
        state: new networks on the device. The trial steps change them, so discard them.
        data: patch and batch size.
        scale: upscaling factor.
        image_sizes: height and width of each held-out image, in high-resolution pixels.
        images_left_out: bytes of training images that are not on the device yet but will be.

    Returns:
        The prediction; None if the system does not report the peak of a part of the work (a CPU
        without Linux).
    """
    device = state.execution.device
    begin = peak_memory(device)
    sizes = trial_batch_sizes(data.batch_size)
    steps = [(size, partial(_trial_steps, state, data, scale, size)) for size in sizes]
    area = max(height * width for height, width in image_sizes) / scale**2
    with (
        tempfile.TemporaryDirectory(prefix="zoo-memory-") as folder,
        uncompiled(state.execution),
    ):
        steps[0][1]()  # optimizers get their state, convolutions theirs
        step = _predicted(steps, data.batch_size, device)
        validation = _predicted_validation(state, Path(folder), scale, area)
    if step is None or validation is None:
        return None
    on_cpu = device.type == "cpu"
    held = sum(height * width * 3 for height, width in image_sizes) * (1 + 1 / scale**2)
    # held-out images stay in the host's memory
    kept = images_left_out + (round(held) if on_cpu else 0)
    checkpoint = resident_memory() + _state_bytes(state) if on_cpu else 0
    return MemoryForecast(begin, step + kept, validation + kept, checkpoint + kept)


def _predicted_validation(
    state: TrainingState, folder: Path, scale: int, area: float
) -> int | None:
    """Return the peak of validating an image of so many low-resolution pixels.

    A network gets at most a tile of a larger image, unless each pixel depends on all others;
    scoring always needs the whole image.
    """
    device = state.execution.device
    sides = TRIAL_SIDES if area > TRIAL_SIDES[-1] ** 2 else (math.ceil(math.sqrt(area)),)

    def predicted(network: nn.Module, target: float) -> int | None:
        trial = partial(_validation_trial, network, state.execution, folder, scale)
        return _predicted([(side**2, trial(side)) for side in sides], target, device)

    network = state.ema.module
    with state.execution.scoring():
        is_whole = area <= TILE**2 or _sees_everything(network, scale, device)
    if is_whole:
        return predicted(network, area)
    in_tiles, scored = predicted(network, TILE**2), predicted(_Repeated(scale), area)
    if in_tiles is None or scored is None:
        return None
    result = round(3 * 4 * area * scale**2) if device.type == "cpu" else 0
    return max(in_tiles + result, scored)


def _sees_everything(network: nn.Module, scale: int, device: torch.device) -> bool:
    """Return whether a pixel depends on all others, as far as that can be measured."""
    try:
        return reach(network, scale, device) is None
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        logger.debug("the validation of whole images is predicted: %s", error)
        return True


class _Repeated(nn.Module):
    """Replaces a network without its memory, so that only scoring is measured."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, lr_image: Tensor) -> Tensor:
        """Return each pixel `scale` times in both directions."""
        return F.interpolate(lr_image, scale_factor=self.scale, mode="nearest")


def choose_store(
    spec: RunSpec,
    execution: Execution,
    *,
    paths: Sequence[Path],
    validator: Validator,
) -> Store:
    """Choose where training images are kept: on a GPU if they fit beside the predicted peak.

    Args:
        spec: the run; with a pretraining, its later stage needs more.
        execution: the execution so far; a store that the user set stays.
        paths: of the training images.
        validator: has the held-out images.
    """
    device, settings = execution.device, spec.settings
    if execution.store != "auto":
        return execution.store
    free = free_device_memory(device)
    if free == 0:  # a CPU: the mapped file is in its memory already
        return "host"
    store_bytes = estimate_store_bytes(paths, settings.scale)
    if store_bytes >= free:
        return "host"
    if store_bytes <= SMALL_SHARE * free:
        return "device"
    forecast = _forecast_and_forget(spec, execution, validator)
    fits = forecast is not None and store_bytes + MARGIN * forecast.peak <= free
    logger.info("%d bytes of images, %d free: %s", store_bytes, free, "device" if fits else "host")
    return "device" if fits else "host"


def _forecast_and_forget(
    spec: RunSpec, execution: Execution, validator: Validator
) -> MemoryForecast | None:
    """Return the prediction for a stage built for this purpose; None if not even the trials fit."""
    settings = spec.settings
    components = build_components(settings, seed=spec.seed)
    try:
        return forecast_memory(
            assemble(components, settings.training, execution),
            settings.data,
            scale=settings.scale,
            image_sizes=validator.image_sizes(),
        )
    except torch.OutOfMemoryError:
        logger.info(
            "the measurements for the memory prediction do not fit into the memory of %s",
            execution.device,
        )
        return None
    finally:
        del components
        gc.collect()
        torch.cuda.empty_cache()


def trial_batch_sizes(batch_size: int) -> tuple[int, ...]:
    """Return the batch sizes to measure: a quarter and a half, or the size itself if small."""
    if batch_size <= 4:  # batch norm needs two images; of four there is no quarter
        return (batch_size,)
    small = max(2, batch_size // 4)
    return small, max(small + 1, batch_size // 2)


def continue_line(points: list[tuple[float, int]], target: float) -> int:
    """Return the value at `target` of the line through the first and last measured points.

    A falling line is noise of the allocator; then the largest measured value is returned.

    Args:
        points: pairs of size and bytes; a single one applies to all sizes.
        target: the requested size.
    """
    (first, low), (last, high) = points[0], points[-1]
    if last == first or high <= low:
        return max(low, high)
    return round(low + (high - low) * (target - first) / (last - first))


def _predicted(
    trials: Sequence[tuple[float, Callable[[], None]]], target: float, device: torch.device
) -> int | None:
    points: list[tuple[float, int]] = []
    for size, trial in trials:
        peak = peak_during(trial, device)
        if peak is None:
            return None
        points.append((size, peak))
    return continue_line(points, target)


def _trial_steps(state: TrainingState, data: Data, scale: int, batch_size: int) -> None:
    for _ in range(NUM_TRIAL_STEPS):
        _trial_step(state, data, scale, batch_size)


def _trial_step(state: TrainingState, data: Data, scale: int, batch_size: int) -> None:
    """Take a step on noise with logging, which needs the most memory."""
    execution = state.execution
    own, *extra = (
        to_device(_noise(batch_size, data.lr_patch_size, scale), execution)
        for _ in range(1 + state.num_extra_batches)
    )
    training_step(state, own, extra, observe=True)


def _noise(batch_size: int, side: int, scale: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    lr_image, hr_image = (
        torch.randint(256, (batch_size, each, each, 3), dtype=torch.uint8, generator=generator)
        for each in (side, side * scale)
    )
    return lr_image.permute(0, 3, 1, 2), hr_image.permute(0, 3, 1, 2)


def _validation_trial(
    network: nn.Module, execution: Execution, folder: Path, scale: int, side: int
) -> Callable[[], None]:
    """Return a function that validates one image of noise as training does."""
    path = folder / f"{side}.png"
    shape = (side * scale, side * scale, 3)
    write_png(path, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))

    def validate() -> None:
        validator = Validator([path], scale=scale)
        validator.row(network, execution, step=0)
        validator.bicubic()
        validator.write_pictures(network, execution, folder / "pictures")

    return validate


def _state_bytes(state: TrainingState) -> int:
    """Return the size of a checkpoint: parameters, moments of the optimizers, moving average."""
    modules = [state.generator, state.ema.module]
    modules += [] if state.discriminator is None else [state.discriminator]
    tensors = [tensor for module in modules for tensor in module.state_dict().values()]
    for optimizer in state.optimizers():
        for entry in optimizer.state.values():
            tensors += [value for value in entry.values() if isinstance(value, Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
