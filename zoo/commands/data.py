"""`zoo data`: lists, downloads, verifies, previews and prepares datasets.

The commands import what decodes images, not this module, so `zoo --help` does not import numpy.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from zoo.commands.options import (
    DataRoot,
    Json,
    Plugins,
    ProfileName,
    Registries,
    Settings,
    TrainingData,
    choose_profile,
    data_setting,
    open_book,
)
from zoo.commands.output import (
    SOME_FAILED,
    Table,
    note,
    print_json,
    print_table,
    print_text,
    progress,
)
from zoo.commands.project import project_of
from zoo.data.datasets import CATALOGUE, Dataset
from zoo.data.paths import data_root as find_data_root
from zoo.errors import DataError, IntegrityError

app = typer.Typer(
    no_args_is_help=True, help="Datasets: list, download, verify, preview and prepare them."
)
MOST_PROBLEMS_SHOWN = 10
Row = dict[str, str | int | bool]


@app.command("list")
def list_data(*, data_root: DataRoot = None, as_json: Json = False) -> None:
    """List the installed datasets and those that zoo can download."""
    from zoo.data.sources import BUILT_IN, dataset_names

    root = find_data_root(data_root)
    names = dict.fromkeys([*BUILT_IN, *CATALOGUE, *dataset_names(root)])
    rows = [data_row(name, data_root=data_root) for name in names]
    if as_json:
        print_json("zoo.data.list/1", {"data_root": str(root), "datasets": rows})
        return
    columns = ("name", "here", "images", "description", "rights")
    print_table(Table(f"data (root: {root})", columns, [_cells(row) for row in rows]))


@app.command("get")
def get_data(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"Dataset: {', '.join(CATALOGUE)}.")],
    *,
    data_root: DataRoot = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="URL of a folder with the same files, checked by the same hashes."
        ),
    ] = None,
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Keep the archives after unpacking.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before the download.")
    ] = False,
) -> None:
    """Download, check and unpack a dataset. Run the command again to resume."""
    from zoo.data.install import find_dataset, get_dataset

    dataset = find_dataset(name)
    size = "" if dataset.num_bytes is None else f"; {dataset.num_bytes / 1e9:.1f} GB"
    note(f"{dataset.description}{size}; from {dataset.homepage}")
    note(f"rights: {dataset.licence}")
    _confirm(dataset, find_data_root(data_root), yes=yes)
    with progress(f"fetching {name}", of_bytes=True) as report:
        folders = get_dataset(
            dataset,
            data_root=data_root,
            mirror=mirror,
            keep_archives=keep_archives,
            progress=report,
        )
    for folder in folders:
        print_text(str(folder))


@app.command("verify")
def verify_data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A dataset or a folder.")],
    *,
    data_root: DataRoot = None,
) -> None:
    """Check every image against the hash from its download; without hashes, decode it."""
    from zoo.data.install import verify_images

    paths = _open(name, data_root).paths
    with progress(f"verifying {name}") as report:
        problems = verify_images(paths, report)
    if problems:
        shown = "; ".join(problems[:MOST_PROBLEMS_SHOWN])
        raise IntegrityError(f"{name}: {len(problems)} of {len(paths)} images are damaged: {shown}")
    print_text(f"{name}: all {len(paths)} images are intact")


@app.command("preview")
def preview(
    context: typer.Context,
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Name of a recipe (see: zoo list recipes).")
    ],
    *,
    profile: ProfileName = None,
    settings: Settings,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the samples.")] = 0,
    data: TrainingData = None,
    data_root: DataRoot = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The PNG to write.")
    ] = Path("preview.png"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    registry: Registries,
    plugin: Plugins,
) -> None:
    """Write a picture of 16 training samples, each LR patch enlarged beside its HR patch."""
    book = open_book(registry, plugin)
    book.recipe(recipe)  # a misspelt name is told before torch is imported
    chosen, _ = choose_profile(book, profile)

    from zoo.commands.training_progress import training_progress
    from zoo.exchange.bundle import require_free
    from zoo.models.initial import specified
    from zoo.recipes.checks import check_book
    from zoo.train.preview import write_preview

    require_free([output], force=force)
    check_book(book, required=recipe)
    settings = [*settings, *data_setting(data)]
    root = project_of(context).run_root
    spec = specified(book, recipe, chosen, seed=seed, settings=settings, run_root=root)
    with training_progress() as observer:
        write_preview(output, spec, data_root=data_root, observer=observer)
    print_text(str(output))


@app.command("prepare")
def prepare(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of images.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new folder.")],
    *,
    size: Annotated[
        int, typer.Option(min=16, help="Height and width of a sub-image in pixels.")
    ] = 480,
    step: Annotated[int, typer.Option(min=1, help="Distance between sub-images in pixels.")] = 240,
    min_texture: Annotated[
        float,
        typer.Option(
            min=0,
            help="Drop flat sub-images: least mean difference of neighbouring luma values, "
            "in levels of 0..255.",
        ),
    ] = 1.0,
    max_distance: Annotated[
        int,
        typer.Option(
            min=-1, max=64, help="Drop duplicates: most differing bits of two hashes; -1 keeps all."
        ),
    ] = 4,
    as_json: Json = False,
) -> None:
    """Cut images into sub-images for training; drop flat and duplicate ones."""
    from zoo.data.prepare import prepare_images

    with progress("preparing") as report:
        done = prepare_images(
            source,
            target,
            size=size,
            step=step,
            min_texture=min_texture,
            max_distance=max_distance,
            progress=report,
        )
    if as_json:
        print_json("zoo.data.prepare/1", {"target": str(target), **asdict(done)})
    else:
        for line in done.lines():
            note(line)
        print_text(str(target))
    if any(each.reason == "unreadable" for each in done.dropped):
        raise typer.Exit(SOME_FAILED)


def data_row(name: str, *, data_root: Path | None = None) -> Row:
    """Describe a dataset and whether it is installed."""
    try:
        opened = _open(name, data_root)
    except DataError as error:
        known = CATALOGUE.get(name)
        return {
            "name": name,
            "here": False,
            "images": 0,
            "description": known.description if known else "",
            "rights": known.licence if known else "",
            "problem": str(error),
        }
    return {
        "name": name,
        "here": True,
        "images": len(opened.paths),
        "description": opened.description,
        "rights": opened.licence,
        "problem": "",
    }


class _Opened(NamedTuple):
    """An installed dataset: a source for training, or one for scoring only."""

    paths: tuple[Path, ...]
    description: str
    licence: str


def _open(name: str, data_root: Path | None) -> _Opened:
    from zoo.data.install import installed_images
    from zoo.data.sources import BUILT_IN, find_directory, list_images, open_source

    if name in CATALOGUE and name not in BUILT_IN:
        known = CATALOGUE[name]
        images = installed_images(known, data_root=data_root)
        return _Opened(images, known.description, known.licence)
    if name in BUILT_IN:
        source = open_source(name, data_root=data_root)
        paths = (*source.training_paths, *source.validation_paths)
        return _Opened(paths, source.description, source.licence)
    folder = find_directory(name, find_data_root(data_root))
    return _Opened(list_images(folder), f"images of {folder}", "depend on the images")


def _cells(row: Row) -> tuple[str, ...]:
    remedy = f"zoo data get {row['name']}" if row["name"] in CATALOGUE else row["problem"]
    here = "yes" if row["here"] else f"no ({remedy})"
    return (
        str(row["name"]),
        here,
        str(row["images"] or ""),
        str(row["description"]),
        str(row["rights"]),
    )


def _confirm(dataset: Dataset, root: Path, *, yes: bool) -> None:
    """Ask before a download of gigabytes; without a terminal, `--yes` is required."""
    from zoo.data.install import is_installed

    if yes or all(is_installed(archive, root) for archive in dataset.archives):
        return
    if not sys.stdin.isatty():
        raise DataError(
            f"zoo cannot ask for confirmation without a terminal: run `zoo data get {dataset.name} "
            "--yes`"
        )
    typer.confirm("Download it?", abort=True, err=True)
