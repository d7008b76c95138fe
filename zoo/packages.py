"""Packages that can be called: `zoo.train(...)` beside `zoo.train.run` (docs/decisions/0007)."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from textwrap import indent
from types import ModuleType
from typing import Any


def make_callable(package: str, target: str) -> None:
    """Let calling a package call a function in it, which is imported when it is called.

    `inspect.signature` and `help` show the function's own signature; `help` its docstring, too.

    Args:
        package: the package's name, which is being imported.
        target: `module:function`.
    """
    module, _, name = target.partition(":")
    own_doc = sys.modules[package].__doc__

    def function() -> Callable[..., Any]:
        called: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return called

    class CallablePackage(ModuleType):
        def __call__(self, *arguments: Any, **options: Any) -> Any:
            return function()(*arguments, **options)

        @property
        def __signature__(self) -> inspect.Signature:
            return inspect.signature(function())

        @property
        def __doc__(self) -> str:  # type: ignore[override]
            told = indent(inspect.getdoc(function()) or "", "    ")
            return f"{own_doc}\n{package}{inspect.signature(function())}\n{told}"

    sys.modules[package].__class__ = CallablePackage
