"""`zoo interpolate`: weighted means of two models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.commands.import_ import SUFFIX, Force, require_target
from zoo.commands.options import Json, Plugins, RunRoot
from zoo.commands.output import note, print_json, print_text
from zoo.errors import RecipeError
from zoo.files import fitting_name
from zoo.plugins import load_plugin_file
from zoo.runs import RUN_ROOT

if TYPE_CHECKING:
    from zoo.models.model import Model

First = Annotated[
    str,
    typer.Argument(
        metavar="A", help="The fidelity-oriented model (PSNR): a name, file or run directory."
    ),
]
Second = Annotated[str, typer.Argument(metavar="B", help="The adversarial model, trained from A.")]
Alphas = Annotated[
    list[str],
    typer.Option(
        "--alpha",
        metavar="X[,X...]",
        help="Weight of B, from 0 (only A) to 1 (only B); several values write one file each.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|DIR",
        help="Output file for one alpha, folder for several; by default "
        "<A>-<B>-<alpha>.safetensors in the current folder.",
    ),
]
Sheet = Annotated[
    Path | None,
    typer.Option(
        "--sheet",
        metavar="IMAGE",
        help="Also write a contact sheet with the middle of this image, upscaled with each alpha.",
    ),
]


def interpolate(
    first: First,
    second: Second,
    *,
    alpha: Alphas,
    output: Output = None,
    sheet: Sheet = None,
    run_root: RunRoot = RUN_ROOT,
    plugin: Plugins,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Interpolate the weights of two models: (1 - alpha) A + alpha B (ESRGAN, Sec. 3.4)."""
    alphas = _parsed(alpha)
    for file in plugin:
        load_plugin_file(file)
    from zoo.exchange import interpolate as interpolation
    from zoo.models.file import write_model
    from zoo.models.find import find_model

    one, other = (find_model(name, run_root=run_root) for name in (first, second))
    mixed = [interpolation.interpolate(one, other, value) for value in alphas]
    targets = _targets(mixed, output)
    for target in targets:
        require_target(target, force=force)
    picture = None
    if sheet is not None:
        picture = targets[0].with_name(fitting_name(sheet.stem, "-sheet.png"))
        _write_sheet(picture, sheet, alphas, mixed, force=force)
    hashes = [write_model(target, model) for target, model in zip(targets, mixed, strict=True)]
    if as_json:
        _print_json(alphas, targets, hashes, picture)
        return
    note(f"(1 - alpha) {one.details.name} + alpha {other.details.name}")
    if interpolation.trained_apart(one, other):
        note("the models have no training in common: their mean is probably noise")
    for path in filter(None, [*targets, picture]):
        print_text(f"written: {path}")


def _parsed(texts: Sequence[str]) -> list[float]:
    """Return the distinct numbers of `0,0.2` and repeated options, in their order.

    Raises:
        RecipeError: if one is not a number.
    """
    alphas: list[float] = []
    for text in ",".join(texts).split(","):
        try:
            value = float(text)
        except ValueError as error:
            raise RecipeError(
                f"--alpha {text!r} is not a number; write for example 0.2 or 0,0.5,1"
            ) from error
        alphas += [value] if value not in alphas else []
    return alphas


def _targets(models: Sequence[Model], output: Path | None) -> list[Path]:
    names = [f"{model.details.name}{SUFFIX}" for model in models]
    if output is None:
        return [Path(name) for name in names]
    if output.suffix != SUFFIX:
        return [output / name for name in names]
    if len(models) > 1:
        raise RecipeError(
            f"{output} is one file, but there are {len(models)} alphas: give a folder"
        )
    return [output]


def _write_sheet(
    path: Path, picture: Path, alphas: Sequence[float], models: Sequence[Model], *, force: bool
) -> None:
    from zoo.exchange.bundle import require_free
    from zoo.exchange.contact_sheet import write_contact_sheet

    require_free([path], force=force)
    labels = [f"alpha {value:g}" for value in alphas]
    write_contact_sheet(path, picture, list(zip(labels, models, strict=True)))


def _print_json(
    alphas: Sequence[float], targets: Sequence[Path], hashes: Sequence[str], sheet: Path | None
) -> None:
    rows = zip(alphas, targets, hashes, strict=True)
    models = [
        {"alpha": alpha, "file": str(target), "sha256": sha256} for alpha, target, sha256 in rows
    ]
    document = {"models": models, "sheet": None if sheet is None else str(sheet)}
    print_json("zoo.interpolate/1", document)
