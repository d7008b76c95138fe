"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from zoo.plugins import load_plugin_file
from zoo.recipes.book import Book, load_book
from zoo.recipes.resolve import written_settings

_SOURCES = "Where recipes and components come from"

Registries = Annotated[
    list[Path],
    typer.Option(
        "--registry",
        metavar="FILE",
        default_factory=list,
        show_default=False,
        help="File of recipes and profiles, in addition to the built-in ones; may be repeated.",
        rich_help_panel=_SOURCES,
    ),
]
Plugins = Annotated[
    list[Path],
    typer.Option(
        "--plugin",
        metavar="FILE",
        default_factory=list,
        show_default=False,
        help="Python file with components; zoo executes it, so name only files that you trust; may "
        "be repeated.",
        rich_help_panel=_SOURCES,
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="DIR",
        help="Folder of datasets, each as <name>/HR; by default $ZOO_DATA, otherwise zoo's own "
        "folder.",
    ),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="NAME",
        help="Profile: how much to train; by default paper on a CUDA GPU, otherwise demo.",
    ),
]
RunRoot = Annotated[Path, typer.Option("--run-root", metavar="DIR", help="Folder of runs.")]
RecordRoot = Annotated[
    Path | None,
    typer.Option(
        "--records", metavar="DIR", help="Folder of records; by default <run root>/records."
    ),
]
Device = Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda or cuda:1.")]
Settings = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        default_factory=list,
        show_default=False,
        help="Override one value, such as generator.num_blocks=8; may be repeated.",
    ),
]
TrainingData = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="NAME|DIR",
        help="Training images: a dataset or a folder; short for --set data.source=...",
    ),
]
Track = Annotated[
    list[str],
    typer.Option(
        "--track",
        metavar="NAME",
        default_factory=list,
        show_default=False,
        help="Send losses, scores and pictures to tensorboard, wandb or mlflow; may be repeated.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print only one JSON document.")]


def data_setting(data: str | None) -> list[str]:
    """Return `--data` as the setting for which it is short."""
    return [] if data is None else written_settings({"data.source": data})


def open_book(registries: Sequence[Path], plugins: Sequence[Path], *, warn: bool = True) -> Book:
    """Execute the plugin files, then read the registries, which may use their components.

    Args:
        registries: files of recipes.
        plugins: files of components.
        warn: whether to log which packages' recipes are excluded; false if the caller shows them.
    """
    for plugin in plugins:
        load_plugin_file(plugin)
    return load_book(registries, warn=warn)


def choose_profile(book: Book, given: str | None, device: str = "auto") -> tuple[str, str]:
    """Return a profile's name and the reason for it. All commands use this rule.

    Imports torch if no profile is given.

    Raises:
        UnknownNameError: if there is no such profile.
    """
    if given is not None:
        return book.profile(given).name, "from the command line"
    from zoo.runs.device import choose_device, default_profile

    chosen = choose_device(device)
    return default_profile(chosen), f"the default on {chosen}"
