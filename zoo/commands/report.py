"""`zoo report`: writes one page with the results in the records."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.commands.options import DataRoot, Plugins, Registries, open_book
from zoo.commands.output import SOME_FAILED, note, print_text, progress
from zoo.errors import ZooError
from zoo.runs import RUN_ROOT
from zoo.runs.commands import source_options

if TYPE_CHECKING:
    from zoo.bench.suites import Suite
    from zoo.report.selection import Selection

logger = logging.getLogger(__name__)
_SUFFIXES = (".yaml", ".yml")
_TABLES = "Also write tables"

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        help="Output folder of the page; by default <run root>/report.",
    ),
]
Records = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of records; by default <run root>/records."),
]
SuiteName = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="Suite, if there are records of several."),
]
OneProfile = Annotated[
    str | None,
    typer.Option(
        "--profile", "-p", metavar="NAME", help="Profile, if there are records of several."
    ),
]


def report(
    *,
    output: Output = None,
    records: Records = None,
    run_root: Annotated[Path, typer.Option(metavar="DIR", help="Folder of runs.")] = RUN_ROOT,
    suite: SuiteName = None,
    profile: OneProfile = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Write tables.md.", rich_help_panel=_TABLES)
    ] = False,
    as_latex: Annotated[
        bool, typer.Option("--latex", help="Write tables.tex.", rich_help_panel=_TABLES)
    ] = False,
    data_root: DataRoot = None,
    registry: Registries,
    plugin: Plugins,
) -> None:
    """Write a page with tables, claims, plots and images. It opens from disk and loads nothing."""
    book = open_book(registry, plugin)

    from zoo.recipes.checks import check_book
    from zoo.report.page import build_page, write_page
    from zoo.report.reproduce import recorded_data_root, recorded_suite
    from zoo.report.selection import select

    check_book(book)
    root = run_root / "records" if records is None else records
    is_file = suite is not None and suite.endswith(_SUFFIXES)
    name = Path(suite).stem if suite is not None and is_file else suite
    selection = select(root, suite=name, profile=profile, order=list(book.recipes), book=book)
    if not is_file:
        suite = recorded_suite(selection.records, selection.suite) or suite
    data_root = data_root or recorded_data_root(selection.records)
    images = _open(suite or selection.suite, data_root)
    sources = source_options(registry, plugin, data_root)
    page = build_page(selection, root, book=book, suite=images, suite_name=suite, sources=sources)
    path = write_page(page, run_root / "report" if output is None else output)
    print_text(f"report: {path}")
    _write_tables(path.parent, selection, list(book.recipes), (as_markdown, as_latex))
    note(f"{path.stat().st_size / 2**20:.1f} MiB, one file; open it in a browser")
    if selection.damaged:
        raise typer.Exit(SOME_FAILED)


def _open(suite: str, data_root: Path | None) -> Suite | None:
    """Open the suite for its images; the page omits them if they are not on this machine."""
    from zoo.bench.suites import open_suite

    try:
        with progress("reading the suite's images") as advance:
            return open_suite(suite, data_root=data_root, progress=advance)
    except ZooError as error:
        where = "name the suite's file or the folder of datasets: --suite FILE, --data-root DIR"
        logger.warning("the gallery has no ground truth: %s; %s", error, where)
        return None


def _write_tables(
    folder: Path, selection: Selection, order: list[str], wanted: tuple[bool, bool]
) -> None:
    """Write the tables of a page as Markdown, as LaTeX, as both or not at all."""
    from zoo.compare.formats import latex, markdown
    from zoo.files import write_atomically

    forms = (("tables.md", markdown), ("tables.tex", latex))
    for (name, write), is_wanted in zip(forms, wanted, strict=True):
        if is_wanted:
            write_atomically(folder / name, write(selection.kept, order=order).encode())
            print_text(f"tables: {folder / name}")
