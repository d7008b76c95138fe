"""Descriptions of registered components: origin, problems, parameters.

Listings read metadata only; nothing is imported unless requested.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import itertools
import re
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from zoo.errors import PluginError, UnknownNameError, plural
from zoo.files import read_file
from zoo.registry import REGISTRIES, Entry, constructor_parameters


@dataclass(frozen=True, slots=True)
class Component:
    """A registered component.

    Attributes:
        name: its name in recipes.
        summary: first paragraph of its docstring; empty if it cannot be read without an import.
        origin: where it comes from.
        problem: why it cannot be used; None if no problem is known.
    """

    name: str
    summary: str
    origin: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a component's constructor, as text.

    Attributes:
        name: of the parameter.
        type: as users write it.
        default: `required` if there is none.
        meaning: from the section Args of the class's docstring; empty if that lacks it.
    """

    name: str
    type: str
    default: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """The complete description of one component."""

    kind: str
    name: str
    origin: str
    summary: str
    parameters: tuple[Parameter, ...]

    def document(self) -> dict[str, Any]:
        """Return the description as JSON data."""
        return asdict(self)


def components(folder: str, *, check: bool = False) -> list[Component]:
    """List the components of a kind.

    Args:
        folder: plural name of the kind, a key of `REGISTRIES`.
        check: import those that are not built in, to find out whether they work.
    """
    registry = REGISTRIES[folder]
    if check:
        for name, entry in registry.entries.items():
            if entry.origin.kind != "built-in":
                _try_import(folder, name)
    return [
        Component(entry.name, _summary(entry), str(entry.origin), _problem(entry))
        for entry in registry.entries.values()
    ]


def describe(folder: str, name: str) -> Description:
    """Describe one component. This imports it.

    Raises:
        UnknownNameError: if there is no component of that name.
        PluginError: if it cannot be imported.
    """
    registry = REGISTRIES[folder]
    component = registry.get(name)
    meanings = _meanings(component)
    parameters = tuple(
        _parameter(given, meanings.get(name, ""))
        for name, given in constructor_parameters(component).items()
    )
    summary = _first_paragraph(inspect.getdoc(component))
    return Description(registry.kind, name, str(registry.origin(name)), summary, parameters)


def folders_with(name: str) -> list[str]:
    """Return the plural names of the kinds that have a component called `name`."""
    return [folder for folder, registry in REGISTRIES.items() if name in registry.names()]


def plural_kind(kind: str, known: tuple[str, ...]) -> str:
    """Return the plural name of a kind, given in singular or plural.

    Raises:
        UnknownNameError: if there is no such kind.
    """
    for candidate in (kind, plural(kind)):
        if candidate in known:
            return candidate
    raise UnknownNameError("kind", kind, known, see=f"zoo list --help; kinds: {', '.join(known)}")


def _first_paragraph(doc: str | None) -> str:
    return " ".join((doc or "").partition("\n\n")[0].split())


def _summary(entry: Entry[Any]) -> str:
    """Return a component's summary, read from the source if it is not imported."""
    if entry.component is not None:
        return _first_paragraph(inspect.getdoc(entry.component))
    target = entry.target.value if isinstance(entry.target, EntryPoint) else entry.target or ""
    module, _, class_name = target.partition(":")
    source = _source(module)
    if source is None:
        return ""
    try:
        body = ast.parse(read_file(source)).body
    except (OSError, SyntaxError, ValueError):
        return ""  # a problem of the plugin is reported when it is used
    found = [node for node in body if isinstance(node, ast.ClassDef) and node.name == class_name]
    return _first_paragraph(ast.get_docstring(found[0])) if found else ""


def _source(module: str) -> Path | None:
    """Return the file of a module without importing it or its package."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top) if top.isidentifier() else None  # imports nothing
    if spec is None:
        return None
    if not rest:
        return None if spec.origin is None else Path(spec.origin)
    places = [Path(folder, *rest) for folder in spec.submodule_search_locations or ()]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    return next((file for file in files if file.is_file()), None)


def _try_import(folder: str, name: str) -> None:
    try:
        REGISTRIES[folder].get(name)
    except PluginError:
        return  # the registry keeps the cause in the entry


def _problem(entry: Entry[Any]) -> str | None:
    if entry.error is not None or entry.component is not None:
        return entry.error
    if not isinstance(entry.target, EntryPoint):
        return None
    package = entry.target.module.partition(".")[0]
    if importlib.util.find_spec(package) is None:  # finds a package without importing it
        return f"there is no module {package!r}"
    return None


def _meanings(component: Any) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each argument."""
    found: dict[str, str] = {}
    for each in reversed(inspect.getmro(component)):
        _, _, section = inspect.cleandoc(each.__doc__ or "").partition("\nArgs:\n")
        lines = itertools.takewhile(lambda line: line.startswith(" "), section.splitlines())
        entries = re.split(r"^ {4}(?=\w)", "\n".join(lines), flags=re.MULTILINE)
        for names, _, meaning in (entry.partition(":") for entry in entries):
            found |= dict.fromkeys(re.findall(r"\w+", names), " ".join(meaning.split()))
    return found


def _parameter(parameter: inspect.Parameter, meaning: str) -> Parameter:
    required = parameter.default is inspect.Parameter.empty
    default = "required" if required else repr(parameter.default)
    return Parameter(parameter.name, type_text(parameter.annotation), default, meaning)


def type_text(annotation: Any) -> str:
    """Write a type for users: `PositiveInt` as `int > 0`, a choice as its values."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return " ".join([type_text(arguments[0]), *_bounds(annotation.__metadata__)])
    if origin is Literal:
        return " | ".join(repr(value) for value in arguments)
    if origin in (Union, UnionType):
        return " | ".join(type_text(member) for member in arguments)
    if origin is not None:
        inner = ", ".join(type_text(member) for member in arguments)
        return f"{origin.__name__}[{inner}]"
    if annotation is ...:
        return "..."
    return "None" if annotation is NoneType else getattr(annotation, "__name__", str(annotation))


def _bounds(metadata: tuple[object, ...]) -> list[str]:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    flat = [each for bound in metadata for each in getattr(bound, "metadata", [bound])]
    return [
        f"{sign} {getattr(bound, name)}"
        for bound in flat
        for name, sign in signs.items()
        if getattr(bound, name, None) is not None
    ]
