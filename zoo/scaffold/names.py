"""The names of a new component: one kebab-case name, and the file, class and package made of it.

A name is refused here if Python, pytest or an installed package would trip over it. Whether it is
taken by a component or a recipe is for those to say who know both (`zoo.scaffold.plugin`).
"""

from __future__ import annotations

import builtins
import importlib.util
import keyword
import sys
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import PluginError
from zoo.registry import NAME_PATTERN

MAX_NAME = 40
"""Characters of a name; fewer than a recipe may have, for it shares its lines with more."""

_COLLECTED = ("test-", "conftest")


@dataclass(frozen=True, slots=True)
class Names:
    """What a new component is called, everywhere it is called something.

    Attributes:
        component: as recipes and commands call it, `my-net`.
        module: its file without the suffix, `my_net`.
        class_name: `MyNet`.
    """

    component: str
    module: str
    class_name: str

    @property
    def distribution(self) -> str:
        """The package as pip calls it, `zoo-my-net`."""
        return f"zoo-{self.component}"

    @property
    def package(self) -> str:
        """The package as Python calls it, `zoo_my_net`."""
        return f"zoo_{self.module}"


def names_of(name: str) -> Names:
    """Return the names made of a component's name.

    Raises:
        PluginError: if the name is not kebab-case, or makes no usable module or class.
    """
    if not NAME_PATTERN.match(name):
        raise PluginError(
            f"{name!r} is not in kebab case (lower-case letters, digits, '-'), such as 'my-net'"
        )
    if len(name) > MAX_NAME:
        raise PluginError(f"{name!r} has {len(name)} characters; the limit is {MAX_NAME}")
    module = name.replace("-", "_")
    class_name = "".join(part.capitalize() for part in name.split("-"))
    problem = _problem(name, module, class_name)
    if problem is not None:
        raise PluginError(
            f"{name!r} cannot be the name of a plugin: {problem}; choose another name"
        )
    return Names(name, module, class_name)


def check_importable(module: str, folder: Path) -> None:
    """Refuse a module that Python would not find because another one has its name.

    Args:
        module: top-level name of the module or package.
        folder: what is written; a module found inside it is the plugin itself.

    Raises:
        PluginError: if it is part of Python or installed; the message says where.
    """
    if module in sys.stdlib_module_names:
        raise PluginError(f"Python has a module {module!r}; choose another name")
    found = importlib.util.find_spec(module)  # of a top-level name: imports nothing
    if found is None:
        return
    where = [Path(found.origin)] if found.origin else []
    where += [Path(place) for place in found.submodule_search_locations or ()]
    if where and all(place.resolve().is_relative_to(folder.resolve()) for place in where):
        return
    shown = f" ({where[0]})" if where else ""
    raise PluginError(
        f"a module {module!r} is already installed{shown} and would be imported instead of the "
        "plugin; choose another name"
    )


def _problem(name: str, module: str, class_name: str) -> str | None:
    if name[0].isdigit():
        return f"{module}.py could not be imported, because a module name cannot start with a digit"
    for word in (module, class_name):
        if keyword.iskeyword(word):
            return f"{word!r} is a keyword of Python"
    if hasattr(builtins, class_name):
        return f"its class {class_name} would hide Python's own"
    if name.startswith(_COLLECTED):
        return f"pytest would collect {module}.py as a test"
    return None
