"""Tracking: a training's numbers and pictures in TensorBoard, W&B or MLflow (internal)."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from zoo.errors import MachineError, UnknownNameError

if TYPE_CHECKING:
    from zoo.tracking.base import Tracker

TRACKERS: Final = {
    "tensorboard": ("tensorboard", "TensorBoard"),
    "wandb": ("wandb", "WeightsAndBiases"),
    "mlflow": ("mlflow", "MLflow"),
}
"""Modules and classes by the name that `--track` takes, which is the extra's name, too."""


def create_trackers(names: Iterable[str]) -> list[Tracker]:
    """Return the trackers of these names; their packages are imported here.

    Raises:
        UnknownNameError: if there is no tracker of a name.
        MachineError: if its package is not installed.
    """
    found: list[Tracker] = []
    for name in dict.fromkeys(names):
        if name not in TRACKERS:
            raise UnknownNameError("tracker", name, TRACKERS, see="zoo train --help")
        module, kind = TRACKERS[name]
        try:
            tracker: type[Tracker] = getattr(
                importlib.import_module(f"zoo.tracking.{module}"), kind
            )
        except ImportError as error:
            raise MachineError(
                f"--track {name} needs packages that are not installed ({error}): "
                f"pip install 'srgan-zoo[{name}]'"
            ) from error
        found.append(tracker())
    return found
