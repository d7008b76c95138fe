"""`zoo upscale`: upscales images, folders and patterns."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.commands.options import Device, Json, Plugins, RunRoot
from zoo.commands.output import SOME_FAILED, note, print_json, print_text, progress, shown, stderr
from zoo.errors import RecipeError, ZooError
from zoo.plugins import load_plugin_file
from zoo.runs import RUN_ROOT
from zoo.signals import heeded

if TYPE_CHECKING:
    from zoo.models.model import Model
    from zoo.upscaling.batch import Outcome
    from zoo.upscaling.jobs import Job
    from zoo.upscaling.tiles import TiledUpscaler

SMALL = 3_000_000  # parameters


class Format(StrEnum):
    """File format of upscaled images."""

    PNG = "png"
    JPG = "jpg"
    WEBP = "webp"
    TIFF = "tiff"


@dataclass(frozen=True, slots=True)
class Work:
    """The images to upscale, and how many are skipped.

    Attributes:
        jobs: images to upscale.
        num_existing: skipped because their output exists.
        num_made: skipped because an earlier run made them.
        num_others: files in folders that are not images.
    """

    jobs: Sequence[Job]
    num_existing: int = 0
    num_made: int = 0
    num_others: int = 0


Pictures = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help="Images, folders, or patterns such as 'photos/*.jpg'."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|DIR",
        help="Output file for one image, folder for several; by default photo-x4.png in the folder "
        "of the input.",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FILE|RUN_DIR",
        help="Model to upscale with; by default the included model.",
    ),
]
AsFormat = Annotated[
    Format | None,
    typer.Option("--format", help="Output format; by default that of the input, otherwise png."),
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile",
        min=0,
        metavar="N",
        help="Longest side of a tile, in input pixels; 0 turns tiles off. By default the available "
        "memory decides.",
    ),
]
Bfloat16 = Annotated[
    bool | None,
    typer.Option(
        "--bf16/--no-bf16",
        help="Compute in bfloat16 or in float32; by default zoo measures and uses the fastest, and "
        "bfloat16 only if the image is nearly the same.",
    ),
]
KeepGrey = Annotated[
    bool,
    typer.Option(help="Return an image with equal channels with equal channels, without a tint."),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Include subfolders.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing outputs.")]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing", help="Skip inputs that have an output; resumes after an interruption."
    ),
]


def upscale(
    inputs: Pictures,
    *,
    output: Output = None,
    model: ModelName = None,
    form: AsFormat = None,
    tile: Tile = None,
    device: Device = "auto",
    bfloat16: Bfloat16 = None,
    keep_grey: KeepGrey = True,
    recursive: Recursive = False,
    force: Force = False,
    skip_existing: SkipExisting = False,
    run_root: RunRoot = RUN_ROOT,
    plugin: Plugins,
    json: Json = False,
) -> None:
    """Upscale images; bit depth, grey, alpha, EXIF and colour profile are kept."""
    from zoo.upscaling.jobs import find_inputs

    if force and skip_existing:
        raise RecipeError(
            "--force overwrites the outputs that --skip-existing keeps: choose one of them"
        )
    found = find_inputs(inputs, recursive=recursive, output=output)
    for path in plugin:
        load_plugin_file(path)

    from zoo.models.find import find_model
    from zoo.upscaling.api import open_upscaler
    from zoo.upscaling.jobs import existing, plan_jobs, refuse_existing

    chosen = find_model(model, run_root=run_root)
    jobs, num_made = plan_jobs(found, output, form=form, scale=chosen.details.scale)
    there = {job.target for job in existing(jobs)} if skip_existing else set()
    if not (force or skip_existing):
        refuse_existing(jobs)
    left = [job for job in jobs if job.target not in there]
    work = Work(left, len(there), num_made, found.num_others)
    upscaler = open_upscaler(chosen, tile=tile, device=device, bfloat16=bfloat16)
    note(_describe(chosen, upscaler.num_parameters))
    _run(upscaler, chosen, work, force=force, keep_grey=keep_grey, as_json=json)


def _run(
    upscaler: TiledUpscaler,
    model: Model,
    work: Work,
    *,
    force: bool,
    keep_grey: bool,
    as_json: bool,
) -> None:
    from zoo.upscaling.batch import upscale_files

    outcomes: list[Outcome] = []
    how = {"overwrite": force, "keep_grey": keep_grey}

    def report() -> None:
        facts = _facts(model, upscaler.num_parameters)
        facts = {"model": facts, "choice": upscaler.choice.document()}
        _print(outcomes, facts, work, as_json=as_json)

    try:
        with _terminable(), progress("upscaling") as advance:
            for outcome in upscale_files(upscaler, work.jobs, advance, **how):
                outcomes.append(outcome)  # noqa: PERF402  what is done counts when it stops
    except KeyboardInterrupt as stopped:
        report()
        note(
            f"stopped after {len(outcomes)} of {len(work.jobs)} images; run the same command with "
            "--skip-existing to resume"
        )
        raise typer.Exit(143 if isinstance(stopped, _Terminated) else 130) from stopped
    except ZooError:
        if outcomes:  # a full disk does not make undone what was done
            report()
        raise
    report()
    if any(outcome.status == "failed" for outcome in outcomes):
        raise typer.Exit(SOME_FAILED)


class _Terminated(KeyboardInterrupt):
    """SIGTERM or a similar signal, which stops the program as Ctrl-C does."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM and similar signals into an exception, so that no partial file is left."""

    def stop(_number: int, _frame: object) -> None:
        raise _Terminated

    before = {number: signal.signal(number, stop) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(
    outcomes: Sequence[Outcome], facts: dict[str, Any], work: Work, *, as_json: bool
) -> None:
    if as_json:
        counts = {name: value for name, value in asdict(work).items() if name != "jobs"}
        images = [outcome.row() for outcome in outcomes]
        print_json("zoo.upscale/1", {**facts, **counts, "images": images})
        return
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in outcomes:
        if outcome.status == "done":
            print_text(str(outcome.job.target))
        for remark in outcome.notes:
            note(f"{outcome.job.source}: {remark}")
    left_out = (
        (work.num_existing, "that have an output already"),
        (work.num_made, "that an earlier run made"),
        (work.num_others, "without an image file name"),
    )
    for number, what in left_out:
        if number:
            note(f"skipped: {number}, {what}")
    for outcome in failed:
        stderr().print(shown(f"failed: {outcome.error}", "red"))
    if failed:
        note(f"{len(failed)} of {len(outcomes)} images failed; the others are done")


def _facts(model: Model, num_parameters: int) -> dict[str, Any]:
    training = model.details.training
    return {
        "name": model.details.name,
        "sha256": model.sha256,
        "scale": model.details.scale,
        "parameters": num_parameters,
        "data": None if training is None else training.data,
    }


def _describe(model: Model, num_parameters: int) -> str:
    details = model.details
    parts = [f"model {details.name}: x{details.scale}"]
    if num_parameters:
        size = "a small" if num_parameters < SMALL else "a"
        parts.append(f"{size} network of {num_parameters:,} parameters")
    if details.training is not None:
        parts.append(f"trained on {details.training.data}")
    elif details.summary:
        parts.append(details.summary)
    return ", ".join(parts)
