"""Finds components and recipes outside this package: installed packages and single files.

Installed packages declare components as entry points in the groups `zoo.generators`,
`zoo.discriminators`, `zoo.adversaries`, `zoo.losses`, `zoo.metrics` and `zoo.degradations`, and a
file of recipes in the group `zoo.registries`. zoo reads their metadata and imports their code only
when a component is used. It executes a file only if the user names it (`--plugin FILE`): load only
code that you trust.
Not here: the content of a file of recipes (`zoo.recipes.book`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import sys
import traceback
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from zoo.errors import DuplicateNameError, Leaving, PluginError, ZooError
from zoo.files import from_home, read_file
from zoo.fingerprints import PLUGIN_FILE, PLUGIN_HASH
from zoo.registry import NAME_PATTERN, REGISTRIES, Origin, Registry

REGISTRY_GROUP = "zoo.registries"
REGISTRY_FILE = "registry.yaml"


@dataclass(frozen=True, slots=True)
class PackageRegistry:
    """The recipes of an installed package.

    Attributes:
        name: name of the entry point.
        origin: the package.
        file: its `registry.yaml`, None if it was not found.
        error: why they cannot be used, None if no problem is known.
    """

    name: str
    origin: Origin
    file: Path | None = None
    error: str | None = None


def plugins_disabled() -> bool:
    """Return whether `ZOO_DISABLE_PLUGINS=1` disables installed plugins."""
    return os.environ.get("ZOO_DISABLE_PLUGINS", "") not in ("", "0")


def add_entry_points(registry: Registry[Any]) -> None:
    """Register the entry points of a registry's group from their metadata, importing nothing.

    A malformed or duplicate name breaks only its own plugin, which is listed as broken.
    """
    if plugins_disabled():
        return
    for entry_point in entry_points(group=registry.group):
        origin = Origin("package", _distribution(entry_point))
        if not NAME_PATTERN.match(entry_point.name):
            registry.mark_broken(entry_point.name, origin, "its name is not in kebab case")
            continue
        if not EntryPoint.pattern.match(entry_point.value):
            cause = f"{entry_point.value!r} does not have the form module:Class"
            registry.mark_broken(entry_point.name, origin, cause)
            continue
        try:
            registry.add_lazy(entry_point.name, entry_point, origin)
        except DuplicateNameError as error:
            registry.mark_broken(f"{entry_point.name}@{entry_point.module}", origin, str(error))


def package_registries() -> list[PackageRegistry]:
    """Find the files of recipes in installed packages, importing nothing; sorted by name.

    An entry point `acme = "zoo_acme"` of the group `zoo.registries` means the file `registry.yaml`
    in the package `zoo_acme`.
    """
    if plugins_disabled():
        return []
    found = [_package_registry(each) for each in entry_points(group=REGISTRY_GROUP)]
    return sorted(found, key=lambda each: (each.name, each.origin.where))


def load_plugin_file(path: str | Path) -> ModuleType:
    """Execute a plugin file so that its decorators register its components.

    A loaded file is executed again only if it has changed; its new components replace the old ones.
    If the file fails, every registry stays as it was.

    Raises:
        PluginError: if the file cannot be read, or fails; the message has the line.
        DuplicateNameError: if it uses a name that is already used.
    """
    path = from_home(path).resolve()
    if not path.exists():
        raise PluginError(f"plugin file {path} does not exist")
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    name = f"zoo_plugin_{path.stem.replace('-', '_')}_{digest}"
    try:
        code = read_file(path)
    except OSError as error:
        raise PluginError(f"cannot read the plugin file {path}: {error.strerror}") from error
    content_hash = hashlib.sha256(code).hexdigest()
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, PLUGIN_HASH) == content_hash:
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        raise PluginError(f"plugin file {path} is not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    vars(module).update({PLUGIN_FILE: path, PLUGIN_HASH: content_hash})
    snapshots = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}
    for registry in REGISTRIES.values():
        registry.forget(Origin("file", str(path)))
    sys.modules[name] = module  # before execution: dataclasses look their module up there
    try:
        # what was hashed, never Python's cache: it takes a file for unchanged within a second
        exec(spec.loader.source_to_code(code, path), vars(module))  # noqa: S102
    except BaseException as error:
        _unload(name, loaded)
        for kind, registry in REGISTRIES.items():
            registry.restore(snapshots[kind])
        if isinstance(error, Leaving) or not isinstance(error, Exception | SystemExit):
            raise
        kind_of_error = DuplicateNameError if isinstance(error, DuplicateNameError) else PluginError
        raise kind_of_error(_describe_failure(path, error)) from error
    return module


def plugin_file_of(component: type) -> Path | None:
    """Return the plugin file a component came from, None for any other origin."""
    module = sys.modules.get(component.__module__)
    path: Path | None = getattr(module, PLUGIN_FILE, None)
    return path


def require_registered(folder: str, name: str, origin: str | None, of: object) -> None:
    """Raise an error if a component's plugin is not loaded, and name the plugin.

    Args:
        folder: key of `REGISTRIES`.
        name: of the component.
        origin: where it came from, as `str(Origin)`; None if it is unknown.
        of: what was made with it; the start of the explanation.

    Raises:
        PluginError: if the name is unknown here and the origin is known.
    """
    registry = REGISTRIES[folder]
    if origin is None or name in registry.names():
        return
    kind, _, where = origin.partition(" ")
    remedy = {
        "file": f"name this file with --plugin {shlex.quote(where)}",
        "package": f"install it: pip install {shlex.quote(where.replace(' ', '=='))}",
    }.get(
        kind,
        "it was defined in a script or notebook: put it into a file and name this with --plugin",
    )
    raise PluginError(
        f"unknown {registry.kind} {name!r}: {of} was made with the one from {origin}, which is not "
        f"loaded; {remedy}"
    )


def _unload(name: str, earlier: ModuleType | None) -> None:
    """Remove a module, or restore the previous one of its name."""
    if earlier is None:
        del sys.modules[name]
    else:
        sys.modules[name] = earlier


def _package_registry(entry_point: EntryPoint) -> PackageRegistry:
    name, package = entry_point.name, entry_point.value
    origin = Origin("package", _distribution(entry_point))
    if not package.isidentifier():
        error = f"{package!r} is not the name of a top-level package"
        return PackageRegistry(name, origin, error=error)
    try:
        spec = importlib.util.find_spec(package)  # of a top-level package it imports nothing
    except (ImportError, ValueError) as problem:
        cause = f"{type(problem).__name__}: {problem}"
        return PackageRegistry(name, origin, error=f"cannot search for {package!r}: {cause}")
    if spec is None:
        return PackageRegistry(name, origin, error=f"the package {package!r} does not exist")
    files = [Path(folder) / REGISTRY_FILE for folder in spec.submodule_search_locations or ()]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        where = files[0].parent if files else "it is a module, not a package"
        error = f"{package!r} has no {REGISTRY_FILE} ({where})"
        return PackageRegistry(name, origin, error=error)
    return PackageRegistry(name, origin, file)


def _distribution(entry_point: EntryPoint) -> str:
    distribution = entry_point.dist
    if distribution is None:
        return entry_point.value
    return f"{distribution.name} {distribution.version}"


def _describe_failure(path: Path, error: Exception | SystemExit) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line: int | None = error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in reversed(frames) if f.filename == str(path)), None)
    where = f"{path}:{line}" if line else str(path)
    cause = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
    return f"plugin file {where} failed: {cause}"
