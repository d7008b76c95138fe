"""Measuring: what a generator is worth and what it costs. Imports nothing of training.

The package can be called: `zoo.bench("srresnet", profile="demo")` is `zoo.bench.api.bench`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """This package, with its main function as what calling it does."""

    def __call__(self, *targets: Any, **options: Any) -> Any:
        """Score runs, files of weights and callables; see `zoo.bench.api.bench`."""
        from zoo.bench.api import bench

        return bench(*targets, **options)


sys.modules[__name__].__class__ = _CallablePackage
