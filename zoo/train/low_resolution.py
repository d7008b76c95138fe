"""Where the low-resolution images of a run come from: files, a degradation, or MATLAB's bicubic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo.data.degrading import Degrading, LowResolution
from zoo.data.given import find_given, folder_of
from zoo.data.sources import Source
from zoo.recipes.degrading import build_degradation
from zoo.recipes.schema import RecipeSettings


@dataclass(frozen=True, slots=True)
class LowImages:
    """The origin of low-resolution images; None stands for MATLAB's bicubic.

    Attributes:
        training: of whole training images, made once.
        validation: of validation images.
        drawn: a degradation for each training sample instead; None if there is none.
    """

    training: LowResolution | None = None
    validation: LowResolution | None = None
    drawn: Degrading | None = None


def find_low_images(
    settings: RecipeSettings, source: Source, notice: Callable[[str], None]
) -> LowImages:
    """Build the degradation of a run, or find its files and check that all match.

    Args:
        settings: of the run.
        source: its images.
        notice: receives what files are used or not used.

    Raises:
        DataError: listing every file that does not match.
    """
    scale, paths = settings.scale, source.training_paths
    if settings.data.pairs:
        return _given(source, scale, notice)
    unused = folder_of(paths[0], scale) if paths else None
    if unused is not None:
        notice(f"{unused}: low-resolution images not used; to train on them, set data.pairs=true")
    degrading = build_degradation(settings.data.degradation)
    if degrading is None:
        return LowImages()
    drawn = degrading if degrading.per_sample else None
    return LowImages(None if drawn else degrading, degrading, drawn)


def _given(source: Source, scale: int, notice: Callable[[str], None]) -> LowImages:
    """Match all files. A validation set of its own may have none; then bicubic is used and told."""
    training, validation = source.training_paths, source.validation_paths
    without = [path for path in validation if folder_of(path, scale) is None]
    if without and len(without) == len(validation):
        given = find_given(training, scale)
        _tell_folders(training, scale, notice)
        notice(
            f"validation: no low-resolution images beside {without[0].parent}; zoo makes them with "
            "MATLAB's bicubic"
        )
        return LowImages(given)
    both = find_given((*training, *validation), scale)
    _tell_folders((*training, *validation), scale, notice)
    return LowImages(both.of(training), both.of(validation))


def _tell_folders(paths: tuple[Path, ...], scale: int, notice: Callable[[str], None]) -> None:
    parents = dict.fromkeys(path.parent for path in paths)
    for folder in dict.fromkeys(folder_of(parent / "x", scale) for parent in parents):
        notice(f"{folder}: used as low-resolution images")
