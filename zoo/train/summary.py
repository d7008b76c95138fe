"""The results of a run so far: scores, sample images and a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from zoo.errors import CheckpointError
from zoo.recipes.build import build_generator
from zoo.recipes.schema import RecipeSettings
from zoo.registry import ADVERSARIES
from zoo.runs.checkpoint import load_latest
from zoo.runs.device import Execution, choose_device, plan_execution
from zoo.runs.directory import RunDirectory
from zoo.runs.verdicts import judge
from zoo.train.validation import Validator, held_out_images


def summarise(
    directory: RunDirectory,
    validator: Validator,
    generator: nn.Module,
    execution: Execution,
    *,
    step: int,
    seconds: float,
    bounded: bool,
) -> dict[str, Any]:
    """Write a run's sample images and return its summary with the last logged scores.

    Args:
        directory: the run's.
        validator: its held-out images.
        generator: the moving average, on the device.
        execution: how it is executed.
        step: generator updates done.
        seconds: time of the training.
        bounded: whether the discriminator's loss is bounded, see `zoo.runs.verdicts.judge`.
    """
    pictures = validator.write_pictures(generator, execution, directory.samples)
    rows = directory.rows()
    last = [row for row in rows if row["kind"] == "validation"][-1]
    bicubic = validator.bicubic()
    mean_bicubic = fmean(bicubic.values())
    return {
        "steps": step,
        "validation": last["validation"],
        "psnr_y": last["psnr_y"],
        "psnr_y_images": last["psnr_y_images"],
        "psnr_y_bicubic": mean_bicubic,
        "psnr_y_bicubic_images": bicubic,
        "verdict": judge(rows, bounded=bounded, bicubic=mean_bicubic),
        "seconds": seconds,
        "pictures": [path.name for path in pictures],
    }


def preview(
    path: Path, *, device: str = "auto", data_root: Path | None = None
) -> Mapping[str, Any]:
    """Write the sample images of an unfinished run and return its summary so far.

    Only `samples/` is written, so the run can resume unchanged.

    Args:
        path: the run's directory.
        device: where to upscale the held-out images.
        data_root: folder of datasets, None for the default.

    Raises:
        CheckpointError: if the run has saved nothing yet.
        MachineError: if another process is writing the run.
    """
    directory = RunDirectory(path)
    with directory.lock():
        spec, state = directory.spec(), load_latest(directory.checkpoints)
        if spec is None or state is None:
            raise CheckpointError(f"{path} has no checkpoint yet, so there is nothing to show")
        settings = spec.settings
        execution = plan_execution(settings.runtime, choose_device(device))
        generator = build_generator(settings, seed=spec.seed)
        weights, step = directory.read_weights()
        generator.load_state_dict(weights)
        images = held_out_images(settings.data, data_root=data_root)
        return summarise(
            directory,
            Validator(images, scale=settings.scale),
            execution.place(generator),
            execution,
            step=step,
            seconds=state["seconds"],
            bounded=is_bounded(settings),
        )


def is_bounded(settings: RecipeSettings) -> bool:
    """Return whether the discriminator's loss is bounded by 0; true without a discriminator."""
    if settings.adversary is None:
        return True
    return ADVERSARIES.get(settings.adversary.name).bounded
