"""The results of a run so far: scores, sample images and a verdict."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from torch import nn

from zoo.recipes.schema import RecipeSettings
from zoo.registry import ADVERSARIES
from zoo.runs.device import Execution
from zoo.runs.directory import RunDirectory
from zoo.runs.verdicts import judge
from zoo.train.validation import Validator


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


def is_bounded(settings: RecipeSettings) -> bool:
    """Return whether the discriminator's loss is bounded by 0; true without a discriminator."""
    if settings.adversary is None:
        return True
    return ADVERSARIES.get(settings.adversary.name).bounded
