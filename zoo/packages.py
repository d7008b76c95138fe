"""Packages that can be called: `zoo.train(...)` beside `zoo.train.run` (docs/decisions/0007)."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def make_callable(package: str, target: str) -> None:
    """Let calling a package call a function in it, which is imported when it is called.

    Args:
        package: the package's name, which is being imported.
        target: `module:function`.
    """
    module, _, function = target.partition(":")

    class CallablePackage(ModuleType):
        """This package, with its main function as what calling it does."""

        def __call__(self, *arguments: Any, **options: Any) -> Any:
            """Call the package's main function."""
            return getattr(importlib.import_module(module), function)(*arguments, **options)

    sys.modules[package].__class__ = CallablePackage
