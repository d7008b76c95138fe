"""`zoo list`: lists names by kind. Imports neither torch nor plugins unless requested."""

from __future__ import annotations

from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer

from zoo.bench.definitions import Definition, read_suite, suite_names
from zoo.commands.models import model_rows, models_table
from zoo.commands.options import Json, Plugins, Registries, open_book
from zoo.commands.output import Table, print_json, print_tables
from zoo.commands.project import project_of
from zoo.commands.runs import RUNS, list_runs
from zoo.components import components, plural_kind
from zoo.errors import RecipeError
from zoo.plugins import PackageRegistry
from zoo.recipes.book import Book, Entry
from zoo.recipes.claims import Claim
from zoo.recipes.matrices import Matrix
from zoo.registry import REGISTRIES

BOOK_KINDS = ("recipes", "profiles", "claims", "matrices")
SUITES, MODELS = "suites", "models"
PACKAGES = "registries"
KINDS = (*BOOK_KINDS, SUITES, MODELS, *REGISTRIES, PACKAGES)
"""What `zoo list` lists if no kind is named."""
_WILDCARDS = frozenset("*?[")


def list_names(
    context: typer.Context,
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help=f"Kind of names: {', '.join((*KINDS, RUNS))}."),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="[GLOB]",
            help="Pattern of names, such as 'esrgan*'; put it in quotes. For runs it may also be "
            "their folder.",
        ),
    ] = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Import plugins to find out which are broken.")
    ] = False,
    as_json: Json = False,
    registry: Registries,
    plugin: Plugins,
) -> None:
    """List recipes, profiles, claims, matrices, suites, models and components, with their origin.

    `registries` lists the recipe files of installed packages, `runs` the runs in a folder. Recipes
    of a matrix are not listed; `zoo show matrix NAME` lists them.
    """
    if kind is not None and pattern is None and _WILDCARDS & set(kind):
        kind, pattern = None, kind
    if kind is not None and plural_kind(kind, (*KINDS, RUNS)) == RUNS:
        list_runs(pattern, project_of(context).run_root, as_json=as_json)
        return
    kinds = KINDS if kind is None else (plural_kind(kind, KINDS),)
    book = open_book(registry, plugin, warn=PACKAGES not in kinds)
    found = {name: _matching(_rows(book, name, check=check), pattern or "*") for name in kinds}
    if as_json:
        print_json("zoo.list/1", found)
    else:
        print_tables([_table(name, rows) for name, rows in found.items()])


def _rows(book: Book, kind: str, *, check: bool) -> list[dict[str, Any]]:
    if kind == "claims":
        return [_claim_row(claim) for claim in book.claims.values()]
    if kind == "matrices":
        return [_matrix_row(matrix) for matrix in book.matrices.values()]
    if kind == SUITES:
        return [_suite_row(read_suite(name)) for name in suite_names()]
    if kind == MODELS:
        return model_rows()
    if kind == PACKAGES:
        return [_package_row(package) for package in book.packages]
    if kind in BOOK_KINDS:
        entries = book.written_recipes if kind == "recipes" else book.profiles
        return [_entry_row(entry) for entry in entries.values()]
    return [asdict(component) for component in components(kind, check=check)]


def _entry_row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": entry.name,
        "summary": entry.text("summary"),
        "place": str(entry.place),
    }
    if entry.kind == "recipe":
        row |= {"source": entry.text("source"), "pretrained": entry.reference("pretrained")}
    return row


def _package_row(package: PackageRegistry) -> dict[str, Any]:
    return {
        "name": package.name,
        "origin": str(package.origin),
        "file": None if package.file is None else str(package.file),
        "problem": package.error,
    }


def _claim_row(claim: Claim) -> dict[str, Any]:
    return {
        "name": claim.name,
        "summary": claim.statement,
        "place": str(claim.place),
        "source": claim.source,
        "recipes": list(claim.contrast.recipes),
        "metric": claim.metric,
        "statistic": claim.statistic,
        "direction": claim.direction,
        "smallest_effect": claim.smallest_effect,
        "relative": claim.relative,
    }


def _matrix_row(matrix: Matrix) -> dict[str, Any]:
    return {
        "name": matrix.name,
        "summary": matrix.summary,
        "place": str(matrix.place),
        "base": matrix.base,
        "factors": {factor: list(levels) for factor, levels in matrix.factors.items()},
        "recipes": [cell.recipe for cell in matrix.cells],
    }


def _suite_row(suite: Definition) -> dict[str, Any]:
    return {
        "name": suite.name,
        "summary": suite.content.summary,
        "place": suite.document.file,
        "scale": suite.content.scale,
        "datasets": list(suite.content.datasets),
    }


def _matching(rows: list[dict[str, Any]], pattern: str) -> list[dict[str, Any]]:
    return [row for row in rows if fnmatchcase(row["name"], pattern)]


def _table(kind: str, rows: list[dict[str, Any]]) -> Table:
    if kind == MODELS:
        return models_table(rows)
    if kind in (*BOOK_KINDS, SUITES):
        return Table(kind, ("name", "summary"), [(row["name"], row["summary"]) for row in rows])
    if kind == PACKAGES:
        cells = [(row["name"], _origin_text(row)) for row in rows]
        return Table(kind, ("name", "origin"), cells)
    summaries = [(row["name"], row["summary"], _origin_text(row)) for row in rows]
    return Table(kind, ("name", "summary", "origin"), summaries)


def _origin_text(row: dict[str, Any]) -> str:
    if row["problem"] is None:
        return str(row["origin"])
    return f"{row['origin']}, broken: {row['problem']}"


def models() -> None:
    """Say which command lists the models.

    Raises:
        RecipeError: always.
    """
    raise RecipeError("`zoo models` is `zoo list models`")
