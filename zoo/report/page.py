"""The page as a whole: its sections put together, rendered, and closed to the network.

The page is one file. Its policy allows the one script that is part of it, by hash, its styles and
embedded images; nothing may be downloaded.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from zoo.bench.suites import Suite
from zoo.files import read_text, write_atomically
from zoo.letters import visible
from zoo.recipes.book import Book
from zoo.records.record import Record
from zoo.report.claims import judged_claims, tally
from zoo.report.commands import pieces
from zoo.report.curves import training_curves
from zoo.report.factorials import cell_names, factorial_views
from zoo.report.facts import failures, provenance
from zoo.report.gallery import gallery
from zoo.report.glossary import glossary
from zoo.report.headlines import answers, best_rows, scope
from zoo.report.model import Page, Plane, ScoreTable
from zoo.report.numbers import listing, shown_name
from zoo.report.palette import Mark, marks
from zoo.report.perception_distortion import perception_distortion
from zoo.report.reproduce import given_sources, reproduce
from zoo.report.scores import score_tables, skipped_datasets
from zoo.report.selection import Selection
from zoo.runs.commands import SOURCES, options_in

FILE = "index.html"


def build_page(
    selection: Selection,
    root: Path,
    *,
    book: Book,
    suite: Suite | None = None,
    suite_name: str | None = None,
    sources: Sequence[str] = (),
) -> Page:
    """Put together what the page shows.

    Args:
        selection: the records.
        root: the folder they are in.
        book: has the claims and factorials.
        suite: the suite with its images, None if they are not here.
        suite_name: how commands ask for the suite, a name or a file; its name where None.
        sources: command-line options for the sources of recipes and components.
    """
    groups = selection.groups
    cells = cell_names(book, selection)
    shown = {name: group for name, group in groups.items() if name not in cells}
    given = options_in([*sources, *given_sources(selection.records)], SOURCES)
    asked = [*given, *(["--suite", suite_name] if suite_name else [])]
    claims, untested = judged_claims(book, selection, asked)
    drawn = marks(list(groups), selection.baselines)
    tables = score_tables(selection, drawn, cells)
    return Page(
        title=f"Super-resolution on {shown_name(selection.suite)}",
        tally=tally(claims),
        answers=answers(tables),
        scope=" ".join(scope(selection, tables, cells.keys())),
        facts=provenance(selection),
        tables=tables,
        glossary=glossary(tables),
        skipped=skipped_datasets(selection.comparison),
        failed=failures(selection),
        claims=claims,
        untested=untested,
        plane=_plane(shown, tables, drawn),
        curves=training_curves(shown, drawn),
        crossed={name: listing(list(matrix.factors)) for name, matrix in book.matrices.items()},
        factorials=factorial_views(book, selection, asked),
        gallery=gallery(shown, root, suite, best_rows(tables)),
        reproduction=reproduce(selection, book, suite=suite_name, sources=given),
    )


def render(page: Page) -> str:
    """Return the page as HTML; every value in it is escaped, what is unseen is written out."""
    environment = Environment(
        loader=PackageLoader("zoo.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pieces"] = pieces
    script, style = _part("page.js"), _part("page.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = environment.get_template("page.html.j2").render(
        page=page,
        script=Markup(script),  # noqa: S704  ours, as is the style
        style=Markup(style),  # noqa: S704
        script_hash=f"sha256-{digest}",
    )
    return visible(text)


def write_page(page: Page, folder: Path) -> Path:
    """Write the page into a folder, which is made if it is absent, and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    write_atomically(path, render(page).encode())
    return path


def _part(name: str) -> str:
    return read_text(Path(__file__).parent / "static" / name)


def _plane(
    groups: Mapping[str, Sequence[Record]],
    tables: Sequence[ScoreTable],
    drawn: Mapping[str, Mark],
) -> Plane | None:
    """Draw the plot over what the last table is over: the suite's mean, or its only dataset."""
    if not tables:
        return None
    last = tables[-1]
    return perception_distortion(groups, drawn, last.datasets, title=last.title)
