"""`zoo report`: one page, made from records, that says what was measured and what it means."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.commands.options import DataRoot, Plugins, Registries, open_book
from zoo.commands.output import note, print_text, progress
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.bench.suites import Suite

logger = logging.getLogger(__name__)
_SUFFIXES = (".yaml", ".yml")


def report(
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the page is written.")
    ] = Path("report"),
    records: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of records; by default <run root>/records."),
    ] = None,
    run_root: Annotated[Path, typer.Option(metavar="DIR", help="Folder of runs.")] = Path("runs"),
    suite: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="The suite, where there are records of several."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="NAME",
            help="The profile, where there are runs of several.",
        ),
    ] = None,
    data_root: DataRoot = None,
    registry: Registries,
    plugin: Plugins,
) -> None:
    """Write a page of tables, claims, plots and pictures; it opens from disk and loads nothing."""
    book = open_book(registry, plugin)

    from zoo.recipes.checks import check_book
    from zoo.report.page import build_page, write_page
    from zoo.report.selection import select

    check_book(book)
    root = run_root / "records" if records is None else records
    name = None if suite is None else Path(suite).stem if suite.endswith(_SUFFIXES) else suite
    selection = select(root, suite=name, profile=profile, order=list(book.recipes))
    page = build_page(selection, root, book=book, suite=_open(suite or selection.suite, data_root))
    path = write_page(page, output)
    print_text(f"report: {path}")
    note(f"{path.stat().st_size / 2**20:.1f} MiB, one file; open it in a browser")


def _open(suite: str, data_root: Path | None) -> Suite | None:
    """Open the suite for its pictures; the page does without where its images are not here."""
    from zoo.bench.suites import open_suite

    try:
        with progress("looking at the suite's images") as advance:
            return open_suite(suite, data_root=data_root, progress=advance)
    except ZooError as error:
        logger.warning("galleries without ground truth: %s", error)
        return None
