"""`zoo show`: describes one recipe, profile, claim, matrix, suite, model, run or component."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.bench.definitions import Definition, read_suite, suite_names
from zoo.commands.list import KINDS, MODELS, SUITES
from zoo.commands.models import show_file, show_model
from zoo.commands.options import (
    Json,
    Plugins,
    ProfileName,
    Registries,
    Settings,
    choose_profile,
    open_book,
)
from zoo.commands.output import Table, print_json, print_table, print_tables, print_text, value_text
from zoo.commands.project import project_of
from zoo.commands.runs import show_run
from zoo.commands.settings import SETTINGS, show_settings
from zoo.components import describe, folders_with, plural_kind
from zoo.errors import RecipeError, UnknownNameError
from zoo.models.store import model_files
from zoo.recipes.book import Book, Entry
from zoo.recipes.claims import GROUND_TRUTH, Claim
from zoo.recipes.matrices import Matrix
from zoo.recipes.problems import dotted
from zoo.registry import REGISTRIES
from zoo.runs.shapes import RECIPE

if TYPE_CHECKING:
    from zoo.cost.stages import Network, StageCost


def show(
    context: typer.Context,
    kind_or_name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|KIND|FILE|RUN_DIR",
            help="A recipe, a file or a run directory, or a kind followed by a name of this kind.",
        ),
    ],
    name_of_kind: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A name of this kind.", show_default=False),
    ] = None,
    *,
    profile: ProfileName = None,
    settings: Settings,
    registry: Registries,
    plugin: Plugins,
    as_json: Json = False,
) -> None:
    """Show a recipe with every value and its origin, or describe anything else by name.

    `zoo show settings` lists every setting with its type, default and meaning; `zoo show settings
    training` lists those of one section.
    """
    if kind_or_name == SETTINGS:
        show_settings(name_of_kind, as_json=as_json)
        return
    book = open_book(registry, plugin)
    if name_of_kind is None and _show_path(Path(kind_or_name), as_json=as_json):
        return
    kind, name = _find(book, kind_or_name, name_of_kind)
    if kind == "recipes":
        root = project_of(context).run_root
        _show_recipe(book, name, profile, settings, run_root=root, as_json=as_json)
        return
    if profile is not None or settings:
        raise RecipeError(f"{name!r} is not a recipe: --profile and --set apply only to recipes")
    if kind == "profiles":
        _show_profile(book.profile(name), as_json=as_json)
    elif kind == "claims":
        _show_claim(book.claim(name), as_json=as_json)
    elif kind == "matrices":
        _show_matrix(book.matrix(name), as_json=as_json)
    elif kind == MODELS:
        show_model(name, as_json=as_json)
    elif kind == SUITES:
        _show_suite(read_suite(name), as_json=as_json)
    else:
        _show_component(kind, name, as_json=as_json)


def _show_path(path: Path, *, as_json: bool) -> bool:
    """Show a run directory or a file; return whether the path is one."""
    if (path / RECIPE).is_file():
        show_run(path, as_json=as_json)
    elif path.is_file():
        show_file(path, as_json=as_json)
    else:
        return False
    return True


def _find(book: Book, name: str, name_of_kind: str | None) -> tuple[str, str]:
    """Return plural kind and name; a name alone is a recipe, or the only thing of that name."""
    if name_of_kind is not None:
        return plural_kind(name, KINDS), name_of_kind
    sections: dict[str, Iterable[str]] = {
        "recipes": book.recipes,
        "profiles": book.profiles,
        "claims": book.claims,
        "matrices": book.matrices,
        MODELS: model_files(),
        SUITES: suite_names(),
    }
    found = [kind for kind, names in sections.items() if name in names] + folders_with(name)
    if not found:
        components = (registry.names() for registry in REGISTRIES.values())
        everything = {*itertools.chain(*sections.values(), *components)}
        raise UnknownNameError("name", name, everything, see="zoo list")
    if found[0] != "recipes" and len(found) > 1:
        ways = " or ".join(f"`zoo show {kind} {name}`" for kind in found)
        raise RecipeError(f"{name!r} is the name of several things; use one of: {ways}")
    return found[0], name


def _show_recipe(
    book: Book,
    name: str,
    profile: str | None,
    settings: list[str],
    *,
    run_root: Path,
    as_json: bool,
) -> None:
    from zoo.cost.stages import stages
    from zoo.models.initial import initial_generator
    from zoo.recipes.checks import complete
    from zoo.recipes.resolve import resolve

    entry = book.recipe(name)
    chosen, reason = choose_profile(book, profile)
    init = initial_generator([entry.start], name, run_root=run_root)
    found = stages(complete(resolve(book, name, chosen, settings=settings, init=init)))
    if as_json:
        document = _summary(entry) | {"profile": chosen, "profile_chosen_by": reason}
        print_json("zoo.show/1", document | {"stages": [stage.document() for stage in found]})
        return
    print_text(f"{name}: {entry.text('summary')}")
    print_text(f"source: {entry.text('source') or 'none'}; defined in {entry.place}")
    print_text(f"profile: {chosen} ({reason})\n")
    print_tables([table for stage in found for table in _stage_tables(stage)])


def _show_profile(entry: Entry, *, as_json: bool) -> None:
    rows = [(dotted(path), leaf.value, str(leaf.place)) for path, leaf in entry.leaves.items()]
    if as_json:
        keys = ("path", "value", "origin")
        leaves = [dict(zip(keys, row, strict=True)) for row in rows]
        print_json("zoo.show/1", _summary(entry) | {"settings": leaves})
        return
    print_text(f"{entry.name}: {entry.text('summary')}\n")
    cells = [(path, value_text(value), place) for path, value, place in rows if path != "summary"]
    print_table(Table(f"profile: {entry.name}", ("setting", "value", "defined in"), cells))


def _show_claim(claim: Claim, *, as_json: bool) -> None:
    facts: dict[str, Any] = {
        "changed": claim.contrast.changed or None,
        "reference": claim.contrast.reference or (None if claim.contrast.among else GROUND_TRUTH),
        "field": dotted(claim.contrast.field) or None,
        "among": list(claim.contrast.among) or None,
        "ranked_by": claim.contrast.ranked_by or None,
        "metric": claim.metric,
        "statistic": claim.statistic,
        "direction": claim.direction,
        "smallest_effect": claim.smallest_effect,
        "relative": claim.relative,
        "matched": claim.matched,
    }
    if as_json:
        head = {"kind": "claim", "name": claim.name, "summary": claim.statement}
        head |= {"source": claim.source, "place": str(claim.place)}
        print_json("zoo.show/1", head | facts)
        return
    print_text(f"{claim.name}: {claim.statement}")
    print_text(f"source: {claim.source}; defined in {claim.place}\n")
    cells = [(key, value_text(value)) for key, value in facts.items()]
    print_table(Table(f"claim: {claim.name}", ("setting", "value"), cells))


def _show_matrix(matrix: Matrix, *, as_json: bool) -> None:
    if as_json:
        head = {"kind": "matrix", "name": matrix.name, "summary": matrix.summary}
        head |= {"place": str(matrix.place), "base": matrix.base}
        cells = [{"recipe": cell.recipe, "levels": cell.levels} for cell in matrix.cells]
        factors = {factor: list(levels) for factor, levels in matrix.factors.items()}
        print_json("zoo.show/1", head | {"factors": factors, "cells": cells})
        return
    print_text(f"{matrix.name}: {matrix.summary}")
    print_text(f"base: {matrix.base}; defined in {matrix.place}\n")
    rows = [(*cell.levels.values(), cell.recipe) for cell in matrix.cells]
    print_table(Table(f"matrix: {matrix.name}", (*matrix.factors, "recipe"), rows))


def _show_suite(suite: Definition, *, as_json: bool) -> None:
    content = suite.content
    if as_json:
        head = {"kind": "suite", "name": suite.name, "place": suite.document.file}
        metrics = {"metrics": list(suite.metrics)}
        print_json("zoo.show/1", head | content.model_dump(mode="json") | metrics)
        return
    print_text(f"{suite.name}: {content.summary}")
    print_text(f"defined in {suite.document.file}\n")
    pictures = [f"{entry.dataset} {entry.image}" for entry in content.gallery]
    rows = [
        ("scale", str(content.scale)),
        ("datasets", value_text(content.datasets)),
        ("metrics", value_text(suite.metrics)),
        ("pictures", value_text(pictures)),
    ]
    print_table(Table(f"suite: {suite.name}", ("setting", "value"), rows))


def _show_component(folder: str, name: str, *, as_json: bool) -> None:
    description = describe(folder, name)
    if as_json:
        print_json("zoo.show/1", description.document())
        return
    print_text(f"{description.kind} {name} ({description.origin})")
    print_text(f"{description.summary}\n")
    rows = [(row.name, row.type, row.default, row.meaning) for row in description.parameters]
    print_table(Table("arguments", ("name", "type", "default", "meaning"), rows))


def _summary(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "summary": entry.text("summary"),
        "source": entry.text("source"),
        "place": str(entry.place),
    }


def _stage_tables(stage: StageCost) -> list[Table]:
    """Return a stage as tables of its values and of its networks."""
    values = [(row.path, value_text(row.value), row.origin) for row in stage.settings]
    return [
        Table(f"{stage.title}: {stage.recipe}", ("setting", "value", "defined in"), values),
        Table(
            "cost of one forward pass (convolutions and matrix products)",
            ("network", "parameters", "input", "GFLOPs", "GMACs", "MACs per input pixel"),
            [_network_cells(network) for network in stage.networks],
        ),
    ]


def _network_cells(network: Network) -> tuple[str, ...]:
    cost = network.cost
    height, width = cost.input_shape[2:]
    return (
        f"{network.role} {network.name}",
        f"{cost.parameters:,}",
        f"{height}x{width}",
        f"{cost.flops / 1e9:.3f}",
        f"{cost.macs / 1e9:.3f}",
        f"{cost.macs_per_pixel:,.0f}",
    )
