"""Models in `zoo list` and `zoo show`: the included and the pulled ones.

Only the descriptions in their files are read; torch is not imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.commands.output import Table, print_json, print_table, print_text, value_text
from zoo.errors import UnknownNameError, ZooError
from zoo.exchange.usage import shown_command
from zoo.models.details import Details
from zoo.models.file import read_details
from zoo.models.store import is_repository, model_files
from zoo.recipes.problems import dotted

if TYPE_CHECKING:
    from zoo.generators.base import Generator


def model_rows() -> list[dict[str, Any]]:
    """Return a row for each named model; an unreadable model has the reason in its row."""
    return [_row(name, path) for name, path in model_files().items()]


def models_table(rows: list[dict[str, Any]]) -> Table:
    """Return the rows as a table."""
    columns = ("name", "scale", "size", "origin", "summary")
    cells = [
        (
            row["name"],
            "-" if row["scale"] is None else f"x{row['scale']}",
            f"{row['bytes'] / 1e6:.1f} MB",
            row["origin"],
            row["summary"] if row["problem"] is None else f"broken: {row['problem']}",
        )
        for row in rows
    ]
    return Table("models", columns, cells)


def show_model(name: str, *, as_json: bool) -> None:
    """Print the description in a model's file.

    Raises:
        UnknownNameError: if there is no model of that name.
    """
    files = model_files()
    if name not in files:
        raise UnknownNameError("model", name, files, see="zoo list models")
    details = read_details(files[name])
    if as_json:
        head = {"kind": "model", "name": name, "place": str(files[name])}
        print_json("zoo.show/1", head | details.model_dump(mode="json", by_alias=True))
        return
    print_text(f"{name}: {details.summary}")
    print_text(f"{_origin(name, details)}; {files[name]}\n")
    print_table(Table(f"model: {name}", ("value", "what"), _facts(details)))


def show_file(path: Path, *, as_json: bool) -> None:
    """Print what a model file, or a checkpoint of another tool, is and what its network costs.

    Raises:
        ZooError: if it cannot be read, or its kind is unknown.
    """
    from zoo.cost.measure import SIDE, generator_cost
    from zoo.models.find import find_model

    model = find_model(path)
    generator = model.build()
    cost = generator_cost(generator, side=SIDE)
    network = {"parameters": cost.parameters, "macs": cost.macs, "macs_side": SIDE}
    network |= _asked(generator)
    details = model.details
    if as_json:
        head = {"kind": "model", "name": details.name, "place": str(path), "network": network}
        print_json("zoo.show/1", head | details.model_dump(mode="json", by_alias=True))
        return
    print_text(f"{details.name}: {details.summary}\n")
    rows = [(dotted(("network", key)), value_text(value)) for key, value in network.items()]
    print_table(Table(f"model: {path}", ("value", "what"), [*rows, *_facts(details)]))


def _asked(generator: Generator) -> dict[str, Any]:
    """Return what a network of another package says of itself, and asks of an image."""
    from zoo.generators.spandrel import SpandrelNetwork

    if not isinstance(generator, SpandrelNetwork):
        return {}
    return {
        "purpose": generator.purpose,
        "sizes": str(generator.sizes),
        "channels": generator.channels,
        "float16": generator.supports_half,
        "bfloat16": generator.supports_bfloat16,
    }


def _row(name: str, path: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "summary": "",
        "scale": None,
        "bytes": path.stat().st_size,
        "origin": _place(name),
        "place": str(path),
        "problem": None,
    }
    try:
        details = read_details(path)
    except ZooError as error:
        return row | {"problem": str(error)}
    origin = _origin(name, details)
    return row | {"summary": details.summary, "scale": details.scale, "origin": origin}


def _place(name: str) -> str:
    return "pulled" if is_repository(name) else "included in zoo"


def _origin(name: str, details: Details) -> str:
    return f"{_place(name)}, {details.origin}"


def _facts(details: Details) -> list[tuple[str, str]]:
    rows = [("scale", f"x{details.scale}"), ("precision", details.precision)]
    rows += [("licence", details.licence or "unknown")]
    for head, known in (("generator", details.generator), ("source", details.source)):
        rows += [(dotted((head, key)), value_text(value)) for key, value in known.items()]
    training = details.training
    if training is not None:
        shown = ("recipe", "profile", "seed", "steps", "seconds", "verdict", "data", "data_sha256")
        rows += [(f"training.{key}", value_text(getattr(training, key))) for key in shown]
        rows += [("training.command", shown_command(training.command))]
    rows += [(f"plugin of {role}", origin) for role, origin in details.plugins.items()]
    return rows
