"""A plugin-based benchmark and model zoo for single-image super-resolution GANs.

These names are all that a plugin, a script or a notebook needs: `zoo.list`, `zoo.create`,
`zoo.load`, `zoo.train`, `zoo.bench`, `zoo.upscale`, and the base classes and decorators of
components. Each is imported on first use: `import zoo` alone imports neither torch nor a component.
"""

from __future__ import annotations

import builtins
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.adversaries.base import Adversary
    from zoo.api import create, list, load  # noqa: A004  called as `zoo.list`
    from zoo.degradations.base import Degradation
    from zoo.discriminators.base import Discriminator
    from zoo.errors import ZooError
    from zoo.generators.base import Generator
    from zoo.losses.base import Loss
    from zoo.metrics.base import Metric
    from zoo.models.model import Model
    from zoo.registry import (
        register_adversary,
        register_degradation,
        register_discriminator,
        register_generator,
        register_loss,
        register_metric,
    )
    from zoo.sweep.api import bench
    from zoo.train.api import train
    from zoo.train.run import Run
    from zoo.upscaling.api import upscale

    __version__: str

__all__ = [
    "Adversary",
    "Degradation",
    "Discriminator",
    "Generator",
    "Loss",
    "Metric",
    "Model",
    "Run",
    "ZooError",
    "__version__",
    "bench",
    "create",
    "list",
    "load",
    "register_adversary",
    "register_degradation",
    "register_discriminator",
    "register_generator",
    "register_loss",
    "register_metric",
    "train",
    "upscale",
]

_HOMES = {
    "Adversary": "zoo.adversaries.base",
    "Degradation": "zoo.degradations.base",
    "Discriminator": "zoo.discriminators.base",
    "Generator": "zoo.generators.base",
    "Loss": "zoo.losses.base",
    "Metric": "zoo.metrics.base",
    "Model": "zoo.models.model",
    "Run": "zoo.train.run",
    "ZooError": "zoo.errors",
    "create": "zoo.api",
    "list": "zoo.api",
    "load": "zoo.api",
    "register_adversary": "zoo.registry",
    "register_degradation": "zoo.registry",
    "register_discriminator": "zoo.registry",
    "register_generator": "zoo.registry",
    "register_loss": "zoo.registry",
    "register_metric": "zoo.registry",
    "upscale": "zoo.upscaling.api",
}
_CALLABLE_PACKAGES = ("bench", "train")


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name == "__version__":
        value: Any = _version()
    elif name in _CALLABLE_PACKAGES:
        value = importlib.import_module(f"zoo.{name}")
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> builtins.list[str]:
    """List the public names, including those not yet imported."""
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Return the installed version, or that of the clone from which zoo is imported."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("srgan-zoo")
    except PackageNotFoundError:
        return _checkout_version()


def _checkout_version() -> str:
    import tomllib
    from pathlib import Path

    project = Path(__file__).parent.parent / "pyproject.toml"
    with project.open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
