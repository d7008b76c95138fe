"""`zoo import`: converts a checkpoint of another tool to a model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.commands.options import Json, Plugins
from zoo.commands.output import note, print_json, print_text, value_text
from zoo.errors import DataError, RecipeError
from zoo.letters import on_one_line
from zoo.plugins import load_plugin_file
from zoo.recipes.reader import parse_scalar

if TYPE_CHECKING:
    from zoo.models.foreign import Imported

SUFFIX = ".safetensors"

Checkpoint = Annotated[
    Path, typer.Argument(metavar="FILE", help="A .pth, .pt, .ckpt or .safetensors file.")
]
GeneratorName = Annotated[
    str,
    typer.Option(
        "--generator",
        "-g",
        metavar="NAME",
        help="Generator of the weights; `auto` infers it from the names of the tensors.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT.safetensors",
        help="Output file; by default the model's name, in the current folder.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="NAME", help="Name of the model; by default the name of the file."
    ),
]
Licence = Annotated[
    str | None,
    typer.Option(
        "--licence", metavar="TEXT", help="Licence of the weights, as their authors state it."
    ),
]
Scale = Annotated[
    int | None,
    typer.Option(
        "--scale", metavar="N", help="Scale, if the shapes of the tensors do not determine it."
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="NAME",
        help="Entry of the file to read; by default a moving average, if there is one.",
    ),
]
Arguments = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        default_factory=list,
        show_default=False,
        help="Set an argument of the generator that the shapes do not determine; may be repeated.",
    ),
]
Author = Annotated[
    str | None, typer.Option("--author", metavar="TEXT", help="Who trained the weights.")
]
Source = Annotated[
    str | None, typer.Option("--source", metavar="URL", help="Where the weights were published.")
]
TrainedAs = Annotated[
    str | None,
    typer.Option("--trained-as", metavar="TEXT", help="How they were trained: data, losses."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Overwrite an existing file.")]
Accept = Annotated[
    bool,
    typer.Option("--accept-failed-trial", help="Accept a network that fails the trial."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Both: --overwrite and --accept-failed-trial.")
]


def import_model(
    file: Checkpoint,
    *,
    generator: GeneratorName = "auto",
    output: Output = None,
    name: Name = None,
    licence: Licence = None,
    author: Author = None,
    source: Source = None,
    trained_as: TrainedAs = None,
    scale: Scale = None,
    key: Key = None,
    arguments: Arguments,
    plugin: Plugins,
    overwrite: Overwrite = False,
    accept: Accept = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Convert an ESRGAN, SRGAN or any other checkpoint that spandrel knows to a model file.

    Zoo infers the layout from the names of the tensors and the sizes from their shapes. It runs the
    network on an image before it writes the file.
    """
    settings = _parsed(arguments)
    if output is not None:
        require_target(output, force=overwrite or force)
    for path in plugin:
        load_plugin_file(path)

    from zoo.exchange.export import folder_name
    from zoo.models import foreign
    from zoo.models.file import write_model

    imported = foreign.import_model(
        file,
        generator=generator,
        name=name,
        licence=licence,
        scale=scale,
        key=key,
        arguments=settings,
        told=_told(author=author, link=source, trained_as=trained_as),
        accept=accept or force,
    )
    imported, free = _with_context(imported), overwrite or force
    target = output or Path(f"{folder_name(imported.model.details.name)}{SUFFIX}")
    require_target(target, force=free, source=file)
    _report(imported, target, write_model(target, imported.model), as_json=as_json)


def _with_context(imported: Imported) -> Imported:
    """Return a model that tells the context that tiles of images need; see `zoo.upscaling`."""
    from zoo.upscaling.known import measured

    model = imported.model
    known = measured(model.build())
    source = model.details.source | ({} if known is None else known.texts())
    details = model.details.model_copy(update={"source": source})
    return replace(imported, model=replace(model, details=details))


def _told(**known: str | None) -> dict[str, str]:
    """Return what is known of the weights, as `Details.source` holds it."""
    return {name: on_one_line(text) for name, text in known.items() if text is not None}


def require_target(path: Path, *, force: bool, source: Path | None = None) -> None:
    """Check that a model file can be written.

    Args:
        path: output file.
        force: whether an existing file may be overwritten.
        source: input file, which is never overwritten.

    Raises:
        RecipeError: if the suffix is not that of a model file.
        DataError: if the file exists.
        MachineError: if the file system refuses it.
    """
    from zoo.exchange.bundle import require_free

    if path.suffix != SUFFIX:
        raise RecipeError(f"{path}: the name of a model file must end in {SUFFIX}")
    require_free([path], force=force)
    if source is not None and path.exists() and path.samefile(source):
        raise DataError(f"{path} is the input file; choose another name with --output")


def _parsed(arguments: Sequence[str]) -> dict[str, Any]:
    parsed = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not (name and equals):
            raise RecipeError(f"--set {argument}: write NAME=VALUE")
        parsed[name] = parse_scalar(value)
    return parsed


def _report(imported: Imported, path: Path, sha256: str, *, as_json: bool) -> None:
    details, trial = imported.model.details, imported.trial
    if as_json:
        document = {
            "file": str(path),
            "sha256": sha256,
            "model": details.model_dump(mode="json", by_alias=True),
            "correlation": trial.correlation,
            "difference": trial.difference,
            "notes": imported.notes,
        }
        print_json("zoo.import/1", document)
        return
    for text in imported.notes:
        note(text)
    settings = [f"{k} {value_text(v)}" for k, v in details.generator.items() if k != "name"]
    note(f"{details.source['layout']}: {', '.join([f'x{details.scale}', *settings])}")
    note(
        f"on a smooth test image: correlation {trial.correlation:.4f} with bicubic, root mean "
        f"square difference {trial.difference:.4f}"
    )
    if details.licence is None:
        note(
            "the model has no licence; before you distribute it, add its authors' licence with "
            "--licence"
        )
    print_text(f"written: {path}")
