"""`zoo export`: writes a trained or imported model with its card and records."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.commands.options import Json, Plugins, RecordRoot, RunRoot
from zoo.commands.output import note, print_json, print_text
from zoo.errors import RecipeError
from zoo.plugins import load_plugin_file
from zoo.runs import RUN_ROOT

if TYPE_CHECKING:
    from zoo.exchange.export import Exported, Request
    from zoo.models.model import Model

LEVELS = 255
_FOREIGN = frozenset({".pth", ".pt", ".ckpt", ".bin"})


class Format(StrEnum):
    """File format of a model."""

    SAFETENSORS = "safetensors"
    ONNX = "onnx"


What = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE|RUN_DIR",
        help="A run directory, a model file or folder, or a model name.",
    ),
]
AsFormat = Annotated[
    Format | None,
    typer.Option(
        "--format", help="Output format; by default that of --output, otherwise safetensors."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR|FILE",
        help="Output folder, or .safetensors or .onnx file; by default a folder with the model's "
        "name.",
    ),
]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="New name of the model.")]
Half = Annotated[
    bool, typer.Option("--half", help="Write float16: half the size, 11 significant bits.")
]
Licence = Annotated[
    str | None,
    typer.Option("--licence", metavar="TEXT", help="Licence of the weights, such as MIT."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]


def export(
    what: What,
    *,
    form: AsFormat = None,
    output: Output = None,
    name: Name = None,
    half: Half = False,
    licence: Licence = None,
    records: RecordRoot = None,
    run_root: RunRoot = RUN_ROOT,
    plugin: Plugins,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a model with its card and records into a folder, or a model and its card as files.

    Zoo reads the output again, runs it, and prints the difference from the source.
    """
    chosen = _format(form, output)
    for path in plugin:
        load_plugin_file(path)

    from zoo.exchange.export import Request, find_source
    from zoo.exchange.records import records_for

    model = find_source(what, run_root=run_root)
    known = records_for(model, run_root, records)
    request = Request(name=name, licence=licence, half=half, form=chosen.value, force=force)
    _report(_written(model, output, known, request), as_json=as_json)


def _format(form: Format | None, output: Path | None) -> Format:
    """Return the requested format; a file's suffix and `--format` must agree."""
    suffix = "" if output is None else output.suffix
    if suffix in _FOREIGN:
        raise RecipeError(f"-o {output}: a model file ends in .safetensors or .onnx")
    of_file = next((one for one in Format if suffix == f".{one.value}"), None)
    if form is not None and of_file not in (None, form):
        raise RecipeError(f"-o {output} does not fit --format {form.value}; omit one of them")
    return form or of_file or Format.SAFETENSORS


def _written(model: Model, output: Path | None, records: Any, request: Request) -> Exported:
    from zoo.exchange.export import export_file, export_folder, folder_name

    if output is not None and output.suffix in {f".{one.value}" for one in Format}:
        return export_file(model, output, records, request)
    folder = output or Path(folder_name(request.name or model.details.name))
    return export_folder(model, folder, records, request)


def _report(exported: Exported, *, as_json: bool) -> None:
    if as_json:
        document = {
            "file": str(exported.weights),
            "card": str(exported.card),
            "sha256": exported.sha256,
            "bytes": exported.size,
            "precision": exported.precision,
            "largest_difference": exported.largest_difference,
            "records": exported.records,
            "remarks": list(exported.remarks),
        }
        print_json("zoo.export/1", document)
        return
    for remark in exported.remarks:
        note(remark)
    if not exported.records:
        note(
            "there are no records of this model, so its card has no scores; `zoo bench` makes a "
            "record"
        )
    difference, is_onnx = exported.largest_difference, exported.weights.suffix == ".onnx"
    run_on = "in onnxruntime on images of several sizes" if is_onnx else "on an image"
    note(
        f"read the file again and ran the model {run_on}: the largest difference from the source "
        f"is {difference:.2g} of values in 0..1, {difference * LEVELS:.2g} of {LEVELS} levels"
    )
    print_text(f"written: {exported.weights} ({exported.size:,} bytes, {exported.precision})")
    print_text(f"card: {exported.card}")
