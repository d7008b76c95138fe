"""Packages that import their public names on first use, and two that can be called.

`zoo.train(...)` is a function beside the module `zoo.train.run` (docs/decisions/0007).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any

from zoo.files import read_file


def homes(package: str) -> dict[str, str]:
    """Return the public names of a package, and the module that defines each.

    The stub `__init__.pyi` lists them, once, for type checkers and for Python (as in SPEC 1 of
    Scientific Python).
    """
    stub = Path(str(sys.modules[package].__file__)).with_suffix(".pyi")
    return {
        alias.name: str(node.module)
        for node in ast.parse(read_file(stub)).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def lazy_names(
    package: str,
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package, which import its names lazily.

    Args:
        package: the package's name, which is being imported; its stub lists the names.
    """
    known = homes(package)
    module = sys.modules[package]

    def getattr_(name: str) -> Any:
        if name not in known:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = importlib.import_module(known[name])
        # a callable package of that name, which a submodule import binds anyway
        value = sys.modules.get(f"{package}.{name}") or getattr(home, name)
        setattr(module, name, value)
        return value

    return getattr_, lambda: sorted({*vars(module), *module.__all__}), sorted(known)


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
