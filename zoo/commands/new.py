"""`zoo new`: writes a plugin that trains and passes its test."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.commands.options import Plugins, Registries, open_book
from zoo.commands.output import note, print_text
from zoo.errors import plural

if TYPE_CHECKING:
    from zoo.scaffold.plugin import Plugin


def new(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="Kind of component: generator, discriminator, adversary, loss, metric or "
            "degradation.",
        ),
    ],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name in kebab case, such as my-net.")
    ],
    *,
    package: Annotated[
        bool, typer.Option("--package", help="Write an installable package in the folder zoo-NAME.")
    ] = False,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Output folder.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    registry: Registries,
    plugin: Plugins,
) -> None:
    """Write a new component with a recipe that trains it and a test that passes."""
    from zoo.scaffold.names import check_importable
    from zoo.scaffold.plugin import new_plugin
    from zoo.scaffold.writing import write_all

    made = new_plugin(kind, name, open_book(registry, plugin), packaged=package)
    names = made.names
    check_importable(names.package if package else names.module, to)
    for path in write_all(to, made.files, force=force):
        print_text(str(path))
    note("next:")
    for command in next_commands(made, to):
        note(f"  {command}")


def next_commands(made: Plugin, folder: Path) -> list[str]:
    """Return the commands that check, train, score and report a new plugin."""
    name = made.names.component
    file = _quoted(folder / made.component_file)
    recipes = _quoted((folder / made.component_file).with_suffix(".yaml"))
    sources = "" if made.packaged else f" --plugin {file} --registry {recipes}"
    commands = []
    if made.packaged:
        commands += [
            f"pip install -e {_quoted(folder / made.names.distribution)}",
            f"zoo list {plural(made.kind)}",
        ]
    commands.append(f"zoo check {name if made.packaged else file}")
    if made.trained is not None:
        commands.append(f"zoo train {made.trained} --profile smoke{sources}")
    targets = " ".join([*([made.trained] if made.trained else []), *made.beside])
    suite = f" --suite {_quoted(folder / made.suite_file)}" if made.suite_file else ""
    commands.append(f"zoo bench {targets} --profile smoke --train --seeds 1{suite}{sources}")
    commands.append(f"zoo report{suite}{sources}" if suite else "zoo report")
    return commands


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
