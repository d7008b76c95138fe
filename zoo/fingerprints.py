"""The code of a component as a hash: a run with other code is another run.

zoo's own components are not hashed: a run's provenance has zoo's version and git revision. But
scores are cached, so they also depend on zoo's own code that computed them (`scoring_hash`). Not
here: how plugins are found and executed (`zoo.plugins`).
"""

from __future__ import annotations

import ast
import dis
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any, Final

from zoo.files import read_file

OWN_PACKAGE = "zoo"
PLUGIN_FILE = "__zoo_plugin_file__"
"""Where the module of a plugin file keeps its path."""
PLUGIN_HASH = "__zoo_plugin_sha256__"
"""Where it keeps the hash of what was executed: the file may have changed since."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME")
_COMPUTING: Final = ("generators", "metrics", "features", "data/resize.py")
"""Where the code of zoo's own lies that computes pixels and scores, and is followed there."""
_HOME: Final = Path(__file__).parent


def code_hash(component: type) -> str | None:
    """Return the sha256 of a component's code; None for zoo's own components.

    For a plugin file: the hash of the executed file and of the modules in its folder that it
    imports. For a package or an imported module: all its Python files. For a class of a script or
    notebook: the class and everything it uses that is defined there. Other imports are ignored.
    """
    module = sys.modules.get(component.__module__)
    known: str | None = getattr(module, PLUGIN_HASH, None)
    if module is not None and known is not None:
        beside = sorted(_beside(getattr(module, PLUGIN_FILE)))
        return known if not beside else _sha256(" ".join([known, *beside]).encode())
    top = component.__module__.partition(".")[0]
    if top == OWN_PACKAGE:
        return None
    if is_of_session(component):
        return _sha256(_Session(component.__module__).text(component).encode())
    home = sys.modules.get(top) or sys.modules[component.__module__]
    files = sorted(_files(getattr(home, "__path__", ()), home.__file__))
    return _sha256(b"".join(_digest(content) for _, content in files))


def scoring_hash(component: type) -> str:
    """Return the sha256 of all code that computes a component's result, zoo's included.

    For zoo's own modules: the code without comments, docstrings and layout, following imports
    between generators, metrics and feature networks.
    """
    modules = {each.__module__: sys.modules.get(each.__module__) for each in component.__mro__}
    files = [
        Path(found) for module in modules.values() if (found := getattr(module, "__file__", None))
    ]
    files = [file for file in files if file == files[0] or file.is_relative_to(_HOME)]
    own = sorted(set().union(*(_followed(path) for path in files)))
    return _sha256(f"{code_hash(component)} {own_code(*own)}".encode())


def own_code(*files: str) -> str:
    """Return the sha256 of the code in zoo's own files, given by relative paths."""
    return _sha256("".join(f"{name} {_code_of(_HOME / name)}" for name in files).encode())


def is_of_session(component: type) -> bool:
    """Whether a class was defined in a script or a notebook, not in its own module."""
    module = sys.modules.get(component.__module__)
    imported = module is not None and getattr(module, "__file__", None) is not None
    return component.__module__ == "__main__" or not imported


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _files(folders: Iterable[str], file: str | None) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the Python files of a package's folders, or of a module."""
    places = [Path(folder) for folder in folders]
    for folder in places:
        for path in filter(Path.is_file, folder.rglob("*.py")):
            yield path.relative_to(folder).as_posix(), read_file(path)
    if not places and file is not None and Path(file).is_file():
        yield "", read_file(Path(file))


def _followed(path: Path) -> set[str]:
    """Return zoo's own computing files among a file and its direct and indirect imports."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        each = waiting.pop()
        name = each.relative_to(_HOME).as_posix() if each.is_relative_to(_HOME) else ""
        if name in found or (each != path and not name.startswith(_COMPUTING)):
            continue
        found |= {name} if name.startswith(_COMPUTING) else set()
        waiting += _imported(each)
    return found


def _imported(path: Path) -> list[Path]:
    """Return zoo's own files that a file imports."""
    found = []
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            top, *rest = node.module.split(".")
            places = [_HOME.joinpath(*rest), *(_HOME.joinpath(*rest, a.name) for a in node.names)]
            found += [place.with_suffix(".py") for place in places if top == OWN_PACKAGE]
    return [place for place in found if place.is_file()]


def _beside(file: Path) -> set[str]:
    """Return the hash of each module in a plugin file's folder that it imports, also indirectly.

    Modules that are not imported yet count too, because a function may import them later.
    """
    found: dict[str, str] = {}
    waiting = [file]
    while waiting:
        for name in _imported_names(waiting.pop()):
            module = _module_in(file.parent, name)
            if module is None or module.origin is None or module.origin in found:
                continue
            files = sorted(_files(module.submodule_search_locations or (), module.origin))
            found[module.origin] = _sha256(b"".join(_digest(content) for _, content in files))
            waiting.append(Path(module.origin))
    return set(found.values())


def _imported_names(path: Path) -> Iterator[str]:
    """Yield the top-level names that a file imports."""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)


def _module_in(folder: Path, name: str) -> ModuleSpec | None:
    """Return the module in a folder that an import finds; None if it is elsewhere."""
    both = (folder / f"{name}.py", folder / name / "__init__.py")
    places = [place for place in both if place.is_file()]
    if name == OWN_PACKAGE or not places:
        return None
    try:
        found = find_spec(name)
    except (ImportError, ValueError):  # it was made without a file
        return None
    origin = None if found is None else found.origin
    is_there = origin is not None and any(place.samefile(origin) for place in places)
    return found if is_there else None


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@cache
def _code_of(path: Path) -> str:
    """Return the syntax tree of a file without docstrings."""
    tree = ast.parse(read_file(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return ast.dump(tree)


def _parsed(path: Path) -> ast.Module:
    """Return a file's syntax tree; an empty one if it is not readable or not Python."""
    try:
        return _tree(path, path.stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])


@cache
def _tree(path: Path, _changed: int) -> ast.Module:
    return ast.parse(read_file(path))


class _Session:
    """Writes down code that has no file, each class and function once.

    It uses the interpreter's objects, because the source of a class is not always available.
    """

    def __init__(self, home: str) -> None:
        self._home = home
        self._seen: set[int] = set()

    def text(self, value: Any) -> str:
        """Return the content of a value in a deterministic order."""
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
