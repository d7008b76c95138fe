"""What code a component is made of, as a hash: a run of other code is another run.

Zoo's own components have none: a run's provenance has zoo's version and git revision. Not here: how
plugins are found and executed (`zoo.plugins`).
"""

from __future__ import annotations

import dis
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from zoo.files import read_file

OWN_PACKAGE = "zoo"
PLUGIN_FILE = "__zoo_plugin_file__"
"""Where the module of a plugin file keeps its path."""
PLUGIN_HASH = "__zoo_plugin_sha256__"
"""Where it keeps the hash of what was executed: the file may have changed since."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME")


def code_hash(component: type) -> str | None:
    """Return the sha256 of the code a component is made of, None for one of zoo's own.

    Of a plugin file it is the hash of the file as it was executed; of a package, or a module that
    was imported, of all its Python files; of a class of a script or a notebook, of the class and of
    all it uses that is defined there too. Other things that are imported are not looked at.
    """
    module = sys.modules.get(component.__module__)
    known: str | None = getattr(module, PLUGIN_HASH, None)
    if known is not None:
        return known
    top = component.__module__.partition(".")[0]
    if top == OWN_PACKAGE:
        return None
    if is_of_session(component):
        return _sha256(_Session(component.__module__).text(component).encode())
    files = sorted(_files(sys.modules.get(top) or sys.modules[component.__module__]))
    return _sha256(b"".join(hashlib.sha256(content).digest() for _, content in files))


def is_of_session(component: type) -> bool:
    """Tell whether a class was defined in a script or a notebook, not in a module of its own."""
    module = sys.modules.get(component.__module__)
    imported = module is not None and getattr(module, "__file__", None) is not None
    return component.__module__ == "__main__" or not imported


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _files(module: ModuleType) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the Python files of a top-level module or package."""
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    for folder in folders:
        for path in filter(Path.is_file, folder.rglob("*.py")):
            yield path.relative_to(folder).as_posix(), read_file(path)
    if not folders and module.__file__ is not None and Path(module.__file__).is_file():
        yield "", read_file(Path(module.__file__))


class _Session:
    """Writes down code that has no file of its own, each class and function once.

    It is written as the interpreter has it: the source of a class is not to be had everywhere.
    """

    def __init__(self, home: str) -> None:
        self._home = home
        self._seen: set[int] = set()

    def text(self, value: Any) -> str:
        """Return what a value is made of, in an order that is always the same."""
        if isinstance(value, _PLAIN):
            return repr(value)
        if isinstance(value, tuple | list):
            return f"[{', '.join(self.text(each) for each in value)}]"
        if isinstance(value, set | frozenset):
            return f"{{{', '.join(sorted(self.text(each) for each in value))}}}"
        if isinstance(value, dict):
            return f"{{{self.text(list(value.items()))}}}"
        if isinstance(value, CodeType):
            return f"{value.co_code.hex()} {value.co_names} {self.text(value.co_consts)}"
        if isinstance(value, staticmethod | classmethod):
            return self.text(value.__func__)
        if isinstance(value, property):
            return self.text([value.fget, value.fset])
        if isinstance(value, FunctionType | type):
            return self._definition(value)
        return type(value).__qualname__

    def _definition(self, value: FunctionType | type) -> str:
        name = f"{value.__module__}:{value.__qualname__}"
        if value.__module__ != self._home or id(value) in self._seen:
            return name
        self._seen.add(id(value))
        parts = self._of_class(value) if isinstance(value, type) else self._of_function(value)
        return "\n".join([name, *parts])

    def _of_class(self, value: type) -> Iterator[str]:
        yield self.text(value.__bases__)
        for name, attribute in sorted(vars(value).items()):
            is_code = isinstance(attribute, FunctionType | staticmethod | classmethod | property)
            if is_code or not name.startswith("__"):
                yield f"{name} {self.text(attribute)}"

    def _of_function(self, value: FunctionType) -> Iterator[str]:
        yield self.text(value.__code__)
        yield self.text([value.__defaults__, value.__kwdefaults__])
        for cell in value.__closure__ or ():
            yield "" if cell == CellType() else self.text(cell.cell_contents)  # it may be empty
        for name in sorted(_global_names(value.__code__)):
            yield f"{name} {self.text(value.__globals__.get(name))}"


def _global_names(code: CodeType) -> set[str]:
    """Return the global names that code uses, and the code within it."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in _GLOBALS}
    inner = (_global_names(each) for each in code.co_consts if isinstance(each, CodeType))
    return names.union(*inner)
