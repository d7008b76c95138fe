"""A project's file: options that need not be repeated on every command.

`zoo.toml`, or `[tool.zoo]` in `pyproject.toml`, in the current folder or the nearest one above it.
Its values are the defaults of options of these names; an option on the command line replaces its
value. Why plugins may be named here: docs/decisions/0014.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from zoo.errors import PluginError, RecipeError, did_you_mean
from zoo.files import read_text
from zoo.runs import RUN_ROOT

ZOO_TOML: Final = "zoo.toml"
_PYPROJECT: Final = "pyproject.toml"
_LISTS: Final = {"plugins": "plugin", "registries": "registry"}
_FOLDERS: Final = {"data_root": "data_root", "run_root": "run_root"}
_PARAMETERS: Final = {**_LISTS, **_FOLDERS}
"""Keys of the file, and the parameters of commands whose defaults they are."""


@dataclass(frozen=True, slots=True)
class Project:
    """What a project's file says.

    Attributes:
        file: the file; None if there is none.
        defaults: defaults of the commands' parameters by name.
    """

    file: Path | None
    defaults: Mapping[str, Any]

    @property
    def run_root(self) -> Path:
        """The folder of runs."""
        return Path(self.defaults.get("run_root", RUN_ROOT))

    @property
    def data_root(self) -> Path | None:
        """The folder of datasets; None if the file names none."""
        named = self.defaults.get("data_root")
        return None if named is None else Path(named)


def project_of(context: typer.Context) -> Project:
    """Return the project of a command that is running."""
    found = context.find_object(Project)
    return Project(None, {}) if found is None else found


def open_project(context: typer.Context, folder: Path | None = None) -> Project:
    """Find and read the project's file, and make its values the defaults of all commands.

    Args:
        context: the program's; its commands have not been read yet.
        folder: where the search begins; by default the current folder.

    Raises:
        RecipeError: if the file has a key or a value that zoo does not know, or names a file that
            does not exist.
        PluginError: if it names plugins and belongs to another user.
    """
    project = find_project(Path.cwd() if folder is None else folder)
    context.obj = project
    context.default_map = _of_commands(context.command, project.defaults)
    return project


def find_project(folder: Path) -> Project:
    """Return the project of a folder; errors as in `open_project`."""
    for each in (folder, *folder.parents):
        for name in (ZOO_TOML, _PYPROJECT):
            path = each / name
            table = _table(path) if path.is_file() else None
            if table is not None:
                return Project(path, _defaults(path, table))
    return Project(None, {})


def _table(path: Path) -> Mapping[str, Any] | None:
    """Return the values of a file; None of a pyproject.toml that has none for zoo."""
    try:
        document = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        if path.name == _PYPROJECT:
            return None  # another tool's file; that tool says what is wrong
        raise RecipeError(f"{path} is not TOML: {error}") from error
    if path.name == ZOO_TOML:
        return document
    table: Mapping[str, Any] | None = document.get("tool", {}).get("zoo")
    return table


def _defaults(path: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        raise RecipeError(f"{path}: tool.zoo is not a table")
    for key in table:
        if key not in _PARAMETERS:
            hint = did_you_mean(key, _PARAMETERS)
            raise RecipeError(
                f"{path}: unknown key {key!r}{hint} (known: {', '.join(_PARAMETERS)})"
            )
    found = {_PARAMETERS[key]: _paths(path, key, value) for key, value in table.items()}
    for one in (path, *map(Path, found["plugin"])) if found.get("plugin") else ():
        _require_own(one)
    return found


def _paths(file: Path, key: str, value: object) -> str | list[str]:
    """Return a value as paths relative to its file's folder."""
    if key in _FOLDERS:
        if not isinstance(value, str):
            raise RecipeError(f"{file}: {key} is not a path in quotes")
        return str(file.parent / Path(value).expanduser())
    if not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        raise RecipeError(f"{file}: {key} is not a list of paths, such as ['mine.py']")
    paths = [file.parent / Path(one).expanduser() for one in value]
    for path in paths:
        if not path.is_file():
            raise RecipeError(f"{file}: {key} names {path}, which does not exist")
    return [str(path) for path in paths]


def _require_own(path: Path) -> None:
    """Refuse a project's file, or a plugin that it names, if another user put it there.

    A link to a file of one's own is the other user's: paths in the file are relative to the link.
    """
    owner, user = path.lstat().st_uid, getattr(os, "geteuid", lambda: None)()
    if user is not None and owner not in (user, 0):
        raise PluginError(
            f"{path} belongs to another user, so zoo executes no plugins that a project's file in "
            "this folder names; name those that you trust with --plugin, in a folder of your own"
        )


def _of_commands(command: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a command for the parameters that it has; of a group, by command."""
    commands: Mapping[str, Any] = getattr(command, "commands", {})
    if commands:
        return {name: _of_commands(each, defaults) for name, each in commands.items()}
    known = {parameter.name for parameter in command.params}
    return {key: value for key, value in defaults.items() if key in known}
