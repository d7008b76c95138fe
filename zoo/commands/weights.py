"""`zoo weights`: weights of feature networks, which are here and how to add others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from zoo.commands.options import Json
from zoo.commands.output import Table, note, print_json, print_table, print_text
from zoo.files import file_sha256
from zoo.weights import linear, store
from zoo.weights.catalog import CATALOG
from zoo.weights.tensors import stored_verification

app = typer.Typer(no_args_is_help=True, help="Weights of feature networks: list and add.")


@app.command("list")
def list_weights(*, as_json: Json = False) -> None:
    """List the feature networks zoo knows, and whether their weights are here; no network access.

    Any other network of timm can be used too.
    """
    rows = list(weights_rows())
    if as_json:
        print_json("zoo.weights.list/1", {"weights": rows})
        return
    columns = ("network", "weights", "licence", "here", "where, or how to get them")
    print_table(Table("weights", columns, [_cells(row) for row in rows]))


@app.command("add")
def add_weights(
    network: Annotated[str, typer.Argument(metavar="NAME", help="Such as vgg19.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pth or .safetensors file.")],
    *,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Refuse the file if it has another.", show_default=False),
    ] = None,
) -> None:
    """Check a file of weights and put it into zoo's store.

    NAME is a network of `zoo weights list` or of timm, or `lpips` for LPIPS' linear weights.
    """
    if network == linear.NAME:
        stored = linear.add(file, sha256=sha256)
    else:
        stored = store.add(network, file, sha256=sha256)
    print_text(f"stored as {stored}")
    if stored_verification(stored) is None:
        note(
            f"nobody vouched for {file}: its sha256 is {file_sha256(file)}; compare it with one "
            "you trust, or give that one with --sha256"
        )


def _cells(row: dict[str, str | bool]) -> tuple[str, ...]:
    network, way = str(row["network"]), str(row["weights"])
    detail = str(row["detail"])
    if not row["here"] and way == "imagenet":
        detail = f"from the hub on first use, or `zoo weights add {network} FILE`"
    return network, way, str(row["licence"]), "yes" if row["here"] else "no", detail


def weights_rows() -> Iterator[dict[str, str | bool]]:
    """Yield each way to have the weights of each catalogued network, and whether it works now."""
    for entry in CATALOG.values():
        for way in ("imagenet", *(("package",) if entry.package is not None else ())):
            here, detail = store.available(entry.name, way)
            yield {
                "network": entry.name,
                "weights": way,
                "licence": entry.licence,
                "here": here,
                "detail": detail,
            }
    here, detail = linear.available()
    yield {
        "network": linear.NAME,
        "weights": "file",
        "licence": linear.LICENCE,
        "here": here,
        "detail": detail,
    }
